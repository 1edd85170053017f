"""The REST API on the world of the tests."""

from __future__ import annotations

import pytest

from tests.bot.api.client import Api
from tests.world import World


@pytest.fixture
def api(world: World) -> Api:
    """The API on both databases."""
    return Api(world)


@pytest.fixture
def wire(sqlite_world: World) -> Api:
    """The API for what never reaches a database's own behaviour."""
    return Api(sqlite_world)
