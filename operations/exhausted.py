"""What to tell a caller when a pool has no environment left."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operations.errors import PoolExhausted
from storage import environments, pools
from storage.assignments import Assignment, AssignmentStatus
from storage.pools import Counts, Pool

SHORTEST, LONGEST = 30, 3600
UNKNOWN_CREATION_MINUTES = 45


def exhausted(session: Session, pool: Pool, *, now: datetime) -> PoolExhausted:
    """The refusal, with the pool's counters and the seconds after which asking again makes sense."""
    counts = pools.counts(session, [pool.id])[pool.id]
    return PoolExhausted(pool.id, pool.tag, counts, pool.max_total, retry_after(session, pool, counts, now=now))


def retry_after(session: Session, pool: Pool, counts: Counts, *, now: datetime) -> int:
    """Seconds until an environment may be free, 30..3600 (contract section 7, semantics 4)."""
    creation = (pool.average_creation_minutes or UNKNOWN_CREATION_MINUTES) * 60
    making = environments.creations_begun(session, pool.id)
    soonest = session.scalar(
        select(func.min(Assignment.expires_at)).where(
            Assignment.pool_id == pool.id, Assignment.status == AssignmentStatus.ACTIVE
        )
    )
    if making:
        seconds = creation - (now - making[0]).total_seconds()
    elif counts.total < pool.max_total or soonest is None:
        seconds = creation
    else:
        seconds = (soonest - now).total_seconds()
    return int(min(max(seconds, SHORTEST), LONGEST))
