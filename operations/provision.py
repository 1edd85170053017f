"""Provision: a pool's missing environments are being made, at once and on request."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations.errors import RunInProgress
from operations.replenish import Filled, fill
from storage import pools
from storage.pools import RUN_IS_STALE_AFTER, Pool


def provision(session: Session, pool: Pool, *, now: datetime) -> Filled:
    """The quota is being filled; the counts are those before the run (contract P11).

    Refuses with RunInProgress while another run holds the pool's provision mutex, which is stale after 30 minutes.
    """
    pool = pools.lock(session, pool.id)
    started = pool.provision_started_at
    if pool.provision_run_id is not None and started is not None and started > now - RUN_IS_STALE_AFTER:
        raise RunInProgress("provision", pool.provision_run_id)
    return fill(session, pool, now=now)
