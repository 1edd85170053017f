"""Zombies: rows whose environment is no longer at the provider (contract 11.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from operations.replenish import DEFAULT_CREATION
from storage.environments import Environment, EnvironmentState
from storage.pools import Pool

YOUNG = timedelta(minutes=60)


def suspects(
    pool: Pool, rows: Iterable[Environment], inventory: Collection[str], *, now: datetime
) -> list[Environment]:
    """The pool's environments that a complete listing, taken after the rows were read, does not have.

    Those being made or made anew for less than an hour, or twice the average creation, are none: a provider may
    list them late. Whoever believes this asks the provider for each of them once more.
    """
    minutes = pool.average_creation_minutes
    average = timedelta(minutes=minutes) if minutes else DEFAULT_CREATION
    grace = max(YOUNG, 2 * average)
    return [row for row in rows if row.name not in inventory and not _is_young(row, grace, now)]


def _is_young(environment: Environment, grace: timedelta, now: datetime) -> bool:
    match environment.state:
        case EnvironmentState.PROVISIONING:
            return now - environment.created_at < grace
        case EnvironmentState.REFRESHING:
            return environment.requested_at is None or now - environment.requested_at < grace
    return False
