"""A pool agrees with its provider, its old environments go, and its quota is filled."""

from __future__ import annotations

from datetime import timedelta

import structlog

from jobs.workshop import Later, Workshop
from operations import expire
from operations.end import offer
from operations.replenish import Observed, age, fill, reconcile
from providers.provider import ProviderError
from storage import pools
from storage.tasks import Task

UNDER_WAY = timedelta(seconds=5)

log = structlog.get_logger(__name__)


def replenish(shop: Workshop, task: Task) -> Later | None:
    """Reconcile → lifecycle → quota, once at a time for a pool (contract 11.1); it waits for a run that is under way.

    The provider is asked before the transaction. If it cannot list everything, the quota is left alone: absence
    of an answer is not absence of environments.
    """
    pool_id, run_id = task.payload["pool_id"], task.id
    with shop.step(task) as session:
        pool = pools.get(session, pool_id)
        repository = pools.repository_of(session, pool)
        begun = pools.begin_monitor_run(session, pool_id, run_id, now=shop.clock())
    if not begun:
        return Later(shop.clock() + UNDER_WAY)
    try:
        inventory = {
            name: Observed(seen.state)
            for name, seen in shop.provider(repository, pool).inventory().items()
            if seen.key is not None  # others may share the account; theirs are none of our business
        }
    except ProviderError as error:
        log.warning("pool not listed", pool=pool.tag, reason=str(error))
        with shop.step(task) as session:
            pools.end_monitor_run(session, pool_id, run_id, now=shop.clock())
        raise
    now = shop.clock()
    with shop.step(task) as session:
        pool = pools.lock(session, pool_id)  # before any environment, as everybody else
        expire.expire_past_due(session, now=now)
        reconciled = reconcile(session, pool, inventory, now=now)
        age(session, pool, now=now)
        filled = fill(session, pool, now=now)
        offer(session, pool_id, now=now)
        pools.end_monitor_run(session, pool_id, run_id, now=now)
    if reconciled.orphans:
        log.warning("environments without a row", pool=pool.tag, names=reconciled.orphans)
    log.info("pool replenished", pool=pool.tag, changed=len(reconciled.changed), making=len(filled.names))
    return None
