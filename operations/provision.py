"""Provision: a pool's missing environments are being made, at once and on request."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations.replenish import Filled, fill
from storage import audit
from storage.audit import Actor
from storage.pools import Pool


def provision(session: Session, pool: Pool, actor: Actor, *, now: datetime) -> Filled:
    """The quota is being filled; the counts are those before the run (contract P11)."""
    filled = fill(session, pool, now=now)
    audit.record(session, "pool.provisioned", pool.id, actor, now=now, repository_id=pool.repository_id,
                 tag=pool.tag, environments=filled.names)  # fmt: skip
    return filled
