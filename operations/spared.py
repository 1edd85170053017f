"""Whether an environment that its holder has given up is kept for it for a while."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations.targets import ready_target
from storage import pools
from storage.environments import Environment
from storage.pools import Pool


def is_spared(session: Session, pool: Pool, environment: Environment, *, now: datetime) -> bool:
    """In its re-attach window, while nobody waits and the maximum leaves room for the quota (contract 4.5)."""
    if environment.reattach_until is None or environment.reattach_until <= now:
        return False
    counts = pools.counts(session, [pool.id])[pool.id]
    short = ready_target(session, pool, now=now) - counts.available - counts.provisioning
    return counts.waiting == 0 and short <= pool.max_total - counts.total
