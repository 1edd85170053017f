"""The rows that tests of operations start from, on both databases."""

from __future__ import annotations

import pytest

from storage.database import Database
from tests.operations.rows import Rows
from tests.provider import Clock


@pytest.fixture
def rows(database: Database, clock: Clock) -> Rows:
    return Rows(database, clock)
