"""Provision: a pool's missing environments are being made, at once and on request."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations.errors import RunInProgress
from operations.replenish import Filled, fill
from storage import audit, pools
from storage.audit import Actor
from storage.pools import RUN_IS_STALE_AFTER, Pool


def provision(session: Session, pool: Pool, actor: Actor, *, now: datetime) -> Filled:
    """The quota is being filled; the counts are those before the run (contract P11).

    Refuses with RunInProgress while another run holds the pool's provision mutex, which is stale after 30 minutes.
    """
    pool = pools.lock(session, pool.id)
    started = pool.provision_started_at
    if pool.provision_run_id is not None and started is not None and started > now - RUN_IS_STALE_AFTER:
        raise RunInProgress("provision", pool.provision_run_id)
    filled = fill(session, pool, now=now)
    audit.record(session, "pool.provisioned", pool.id, actor, now=now, repository_id=pool.repository_id,
                 tag=pool.tag, environments=filled.names)  # fmt: skip
    return filled
