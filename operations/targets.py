"""Targets: how many environments a pool keeps ready at which time of day, as the policy's `schedule` says."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from operations.end import replenish_soon
from operations.recurrence import last_cron
from storage import configurations, pools
from storage.configurations import Configuration
from storage.pools import Pool


def ready_target(session: Session, pool: Pool, *, now: datetime) -> int:
    """How many are to be ready: what the last time that came says, else the pool's own minimum.

    The policy is that of the pool's repository. Of two that came at once the one that is written later counts.
    """
    found = _last(configurations.find(session, pool.repository_id), pool.tag, now)
    return pool.min_available if found is None else found[1]


def turn(session: Session, *, now: datetime) -> None:
    """Each pool for which another target has come since it was last looked after is replenished."""
    for configuration in configurations.with_targets(session):
        for pool in pools.of_repository(session, configuration.repository_id):
            found = _last(configuration, pool.tag, now)
            is_new = found is not None and (pool.last_monitored_at is None or pool.last_monitored_at < found[0])
            if is_new and pool.is_active:
                replenish_soon(session, pool.id, now=now)


def _last(configuration: Configuration | None, tag: str, now: datetime) -> tuple[datetime, int] | None:
    """When the newest target of this pool came, and how many it wants ready."""
    newest: tuple[datetime, int] | None = None
    for target in configuration.targets if configuration is not None else []:
        if target["pool"] == tag:
            at = last_cron(target["cron"], ZoneInfo(target["timezone"]), now)
            if at is not None and (newest is None or at >= newest[0]):
                newest = at, target["ready"]
    return newest
