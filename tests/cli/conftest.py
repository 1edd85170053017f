"""A terminal beside a Greenroom that runs: what is typed there, and what is seen."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from bot.settings import Settings
from storage.database import new_id
from tests.cli.terminal import Terminal
from tests.running import Running, running


@pytest.fixture(scope="session")
def greenroom(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("greenroom")
    shutil.copy(sqlite_template, data / "greenroom.db")
    with running(Settings(data=data, secret_keys=("a test's secret key",))) as greenroom:
        yield greenroom


@pytest.fixture
def terminal(greenroom: Running) -> Iterator[Terminal]:
    # What runs in threads of the test would log to where the commands print.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield Terminal(greenroom, f"acme/shop-{new_id()[:8]}")
    structlog.reset_defaults()
