"""Providers for tests: a mock service with a clock that the test turns and with whatever faults it orders."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from providers.mock import MockProvider
from providers.provider import PoolSettings


class Clock:
    """The time, standing still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


def pool_settings(*, pool: str = "core_dev", scope: str = "hub@example.com", **options: Any) -> PoolSettings:
    return PoolSettings(pool=pool, scope=scope, options=options)


def mock_provider(path: Path, clock: Clock, *, pool: str = "core_dev", **mock: Any) -> MockProvider:
    """One pool's view of the mock service that lives at the path, with `additionalConfig.mock` as given.

    Faults are ordered by their rates: mock_provider(path, clock, failureRate=1). A second view of the same path with
    other options is the same service after the pool was changed.
    """
    return MockProvider(path, pool_settings(pool=pool, mock=mock), clock)


def vanish(path: Path, name: str) -> None:
    """The environment is gone and nobody of ours did it, as when a person deletes it in the provider's own pages."""
    with closing(sqlite3.connect(path, isolation_level=None)) as service:
        service.execute("UPDATE environments SET gone_at = created_at WHERE name = ?", (name,))
