"""A run over a pool: it agrees with its provider, its old environments go, and its quota is filled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from bot.context import Context
from operations import expire
from operations.end import offer
from operations.errors import RunInProgress
from operations.replenish import Filled, Observed, age, fill, reconcile
from providers.provider import ProviderError
from storage import pools
from storage.pools import Pool
from storage.repositories import Repository

Transaction = Callable[[], AbstractContextManager[Session]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Run:
    """What became of the three steps. Without the provider's list (`unlisted` says why) nothing was filled."""

    unlisted: ProviderError | None
    filled: Filled
    reconciliation: timedelta
    lifecycle: timedelta
    quota: timedelta


@contextmanager
def monitor_runs(
    transaction: Transaction, clock: Callable[[], datetime], run_id: str, pool_ids: Sequence[str]
) -> Iterator[None]:
    """This run, and no other, is at work in each of these pools until the end. Refuses with RunInProgress.

    The transactions are the caller's: a task that was taken over must not end the run of who took it over.
    """
    with transaction() as session:
        for pool_id in sorted(pool_ids):
            if not pools.begin_monitor_run(session, pool_id, run_id, now=clock()):
                raise RunInProgress("monitor", pools.get(session, pool_id).monitor_run_id or "")
    try:
        yield
    finally:
        with transaction() as session:
            for pool_id in sorted(pool_ids):
                pools.end_monitor_run(session, pool_id, run_id, now=clock())


@contextmanager
def provision_runs(
    transaction: Transaction, clock: Callable[[], datetime], run_id: str, pool_ids: Sequence[str]
) -> Iterator[None]:
    """As monitor_runs, for the runs that only fill pools up (contract P11). Refuses with RunInProgress."""
    with transaction() as session:
        for pool_id in sorted(pool_ids):
            if not pools.begin_provision_run(session, pool_id, run_id, now=clock()):
                raise RunInProgress("provision", pools.get(session, pool_id).provision_run_id or "")
    try:
        yield
    finally:
        with transaction() as session:
            for pool_id in sorted(pool_ids):
                pools.end_provision_run(session, pool_id, run_id)


def replenish(context: Context, pool_id: str, run_id: str, transaction: Transaction) -> Run:
    """Reconcile → lifecycle → quota, once at a time for a pool (contract 11.1, P15). Refuses with RunInProgress.

    The provider is asked before the transactions. If it cannot list everything, the quota is left alone: absence of
    an answer is not absence of environments.
    """
    with monitor_runs(transaction, context.clock, run_id, [pool_id]):
        started = context.clock()
        unlisted = _reconcile(context, pool_id, transaction)
        reconciled = context.clock()
        with transaction() as session:
            pool = pools.lock(session, pool_id)  # before any environment, as everybody else
            expire.expire_past_due(session, now=reconciled)
            age(session, pool, now=reconciled)
        aged = context.clock()
        filled = _fill(pool_id, transaction, now=aged) if unlisted is None else _unfilled(context, pool_id)
        ended = context.clock()
    return Run(unlisted, filled, reconciled - started, aged - reconciled, ended - aged)


def _reconcile(context: Context, pool_id: str, transaction: Transaction) -> ProviderError | None:
    """Returns why the provider's list is not there, if it is not."""
    with context.database.reading() as session:
        pool = pools.get(session, pool_id)
        repository = pools.repository_of(session, pool)
    try:
        inventory = _inventory(context, repository, pool)
    except ProviderError as error:
        log.warning("pool not listed", pool=pool.tag, reason=str(error))
        return error
    with transaction() as session:
        pool = pools.lock(session, pool_id)
        reconciled = reconcile(session, pool, inventory, now=context.clock())
        pool.listed_at = context.clock()
    if reconciled.orphans:
        log.warning("environments without a row", pool=pool.tag, names=reconciled.orphans)
    log.info("pool reconciled", pool=pool.tag, changed=len(reconciled.changed))
    return None


def _inventory(context: Context, repository: Repository, pool: Pool) -> Mapping[str, Observed]:
    """What the provider has of ours: others may share the account, and theirs are none of our business."""
    listed = context.provider(repository, pool).inventory()
    return {name: Observed(seen.state) for name, seen in listed.items() if seen.key is not None}


def _fill(pool_id: str, transaction: Transaction, *, now: datetime) -> Filled:
    with transaction() as session:
        pool = pools.lock(session, pool_id)
        filled = fill(session, pool, now=now)
        offer(session, pool_id, now=now)
    log.info("pool filled", pool=pool.tag, making=len(filled.names))
    return filled


def _unfilled(context: Context, pool_id: str) -> Filled:
    with context.database.reading() as session:
        counts = pools.counts(session, [pool_id])[pool_id]
    return Filled(counts.available, counts.provisioning, counts.error, wanted=0, names=[])
