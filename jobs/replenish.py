"""A pool agrees with its provider, its old environments go, and its quota is filled."""

from __future__ import annotations

import structlog

from jobs.workshop import Workshop
from operations import expire
from operations.end import offer
from operations.replenish import Observed, age, fill, reconcile
from providers.provider import ProviderError
from storage import pools
from storage.tasks import Task

log = structlog.get_logger(__name__)


def replenish(shop: Workshop, task: Task) -> None:
    """Reconcile → lifecycle → quota, once at a time for a pool (contract 11.1).

    The provider is asked before the transaction. If it cannot list everything, the quota is left alone: absence
    of an answer is not absence of environments.
    """
    pool_id = task.payload["pool_id"]
    with shop.step(task) as session:
        pool = pools.get(session, pool_id)
        repository = pools.repository_of(session, pool)
        run_id = pools.begin_monitor_run(session, pool_id, now=shop.clock())
    if run_id is None:
        return
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
        expire.expire_past_due(session, now=now)
        pool = pools.get(session, pool_id)
        reconciled = reconcile(session, pool, inventory, now=now)
        age(session, pool, now=now)
        filled = fill(session, pool, now=now)
        offer(session, pool_id, now=now)
        pools.end_monitor_run(session, pool_id, run_id, now=now)
    if reconciled.orphans:
        log.warning("environments without a row", pool=pool.tag, names=reconciled.orphans)
    log.info("pool replenished", pool=pool.tag, changed=len(reconciled.changed), making=len(filled.names))
