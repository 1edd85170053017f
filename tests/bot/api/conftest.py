"""The REST API on the world of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bot.api.client import Api
from tests.provider import Clock
from tests.world import World


@pytest.fixture
def api(world: World) -> Api:
    """The API on both databases."""
    return Api(world)


@pytest.fixture
def wire(sqlite_url: str, tmp_path: Path, clock: Clock) -> Iterator[Api]:
    """The API for what never reaches a database's own behaviour."""
    world = World(sqlite_url, tmp_path, clock)
    yield Api(world)
    world.close()
