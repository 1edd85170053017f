"""Replenish: reconcile with the provider, age, then fill up to the quota (contract 11.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Protocol

from sqlalchemy.orm import Session

from operations import environments as life
from operations.emit import emit_instance
from operations.events import EventType
from operations.spared import is_spared
from operations.targets import ready_target
from storage import audit, environments, pools
from storage.audit import SWEEP
from storage.environments import Environment, EnvironmentState
from storage.pools import Pool, Strategy

STUCK_AFTER = 4  # times the average creation
DEFAULT_CREATION = timedelta(minutes=45)
ERROR_IS_DELETED_AFTER = timedelta(hours=24)
MISSING_IS_BELIEVED_AFTER = timedelta(minutes=5)
NOT_FOUND = "Not found at the provider"


class Observed(StrEnum):
    """What the provider says of a name; a name that a complete listing does not have is missing."""

    CREATING = "creating"
    READY = "ready"
    FAILED = "failed"
    DELETING = "deleting"


class Change(Protocol):
    """What is done about one environment that is held alone."""

    def __call__(self, session: Session, environment: Environment, *, now: datetime) -> None: ...


@dataclass(frozen=True)
class Reconciled:
    """What was found; `orphans` exist at the provider and are not ours."""

    changed: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Filled:
    """`wanted` environments were missing and `names` are now being made: equal, unless something went wrong."""

    available: int
    provisioning: int
    error: int
    wanted: int
    names: list[str]


def reconcile(session: Session, pool: Pool, inventory: Mapping[str, Observed], *, now: datetime) -> Reconciled:
    """Our rows agree with the provider's complete listing, or a task is on its way to make them.

    What the listing lacks is not offered any more; what it has and no row of ours ever had is reported. What
    another transaction works on is left to the next run.
    """

    def repair(environment: Environment) -> Change | None:
        return _repair(pool, environment, inventory.get(environment.name), now)

    changed = _change_each(session, pool, repair, now=now)
    known = environments.names_ever(session, set(inventory))
    return Reconciled(changed, sorted(set(inventory) - known))


def _repair(pool: Pool, environment: Environment, seen: Observed | None, now: datetime) -> Change | None:
    match environment.state:
        case EnvironmentState.PROVISIONING | EnvironmentState.REFRESHING if _stuck(pool, environment, now):
            return partial(life.fail, why=f"Not ready after {STUCK_AFTER} times the average")
        case EnvironmentState.PROVISIONING | EnvironmentState.REFRESHING | EnvironmentState.DELETING:
            return life.drive
        case EnvironmentState.ERROR if seen is None and _since(environment.failed_at, now) > MISSING_IS_BELIEVED_AFTER:
            return life.archive
        case EnvironmentState.ERROR if seen is Observed.READY:
            return life.drive  # the login check is repeated each run
        case EnvironmentState.AVAILABLE | EnvironmentState.EXPIRED if seen is None and not _new(environment, now):
            return partial(life.fail, why=NOT_FOUND)
        case EnvironmentState.AVAILABLE if seen is Observed.FAILED:
            return partial(life.fail, why="The provider reports it as failed")
        case EnvironmentState.ASSIGNED if seen is None and environment.last_error != NOT_FOUND:
            return _note_missing
    return None


def age(session: Session, pool: Pool, *, now: datetime) -> list[str]:
    """Past its time is EXPIRED, and EXPIRED goes the way of the pool's strategy; the names that changed.

    Assignments past their end of life are expired before (operations/expire.py).
    """
    return _change_each(session, pool, lambda environment: _next_step(session, pool, environment, now), now=now)


def _next_step(session: Session, pool: Pool, environment: Environment, now: datetime) -> Change | None:
    match environment.state:
        case EnvironmentState.AVAILABLE if _kept_too_long(pool, environment, now):
            return _expire
        case EnvironmentState.EXPIRED if not is_spared(session, pool, environment, now=now):
            return _strategy(pool, environment, now)
        case EnvironmentState.ERROR if _failed_for_good(pool, environment, now):
            return life.start_deletion
    return None


def _strategy(pool: Pool, environment: Environment, now: datetime) -> Change | None:
    match pool.strategy:
        case Strategy.FLAG_EXPIRED if not environment.flagged:
            return life.flag
        case Strategy.AUTO_REFRESH_EXPIRED if _may_be_removed(environment, now):
            return life.start_refresh
        case Strategy.DELETE_EXPIRED if _may_be_removed(environment, now):
            return life.start_deletion
    return None


def _change_each(
    session: Session, pool: Pool, decide: Callable[[Environment], Change | None], *, now: datetime
) -> list[str]:
    """The names of those that were changed.

    It is decided without a lock, so that handing out goes on beside a run over a large pool, and once more with it.
    What another transaction holds is passed over: nothing here waits for an unassign that waits for the pool.
    """
    changed = []
    for environment in environments.of_pool(session, pool.id):
        if decide(environment) is None or not environments.lock_if_free(session, environment):
            continue
        change = decide(environment)
        if change is not None:
            change(session, environment, now=now)
        if change is not None and change is not life.drive:
            changed.append(environment.name)
    return changed


def _note_missing(session: Session, environment: Environment, *, now: datetime) -> None:
    environment.last_error = NOT_FOUND
    session.flush()


def _expire(session: Session, environment: Environment, *, now: datetime) -> None:
    environment.state = EnvironmentState.EXPIRED
    environment.expired_at = now
    environment.fence += 1
    session.flush()
    audit.record(session, "environment.expired", environment.id, SWEEP, now=now,
                 environment=environment.name, fence=environment.fence)  # fmt: skip
    if pools.get(session, environment.pool_id).strategy == Strategy.NOTIFY_ONLY:
        emit_instance(session, EventType.INSTANCE_FLAGGED, environment, now=now)


def fill(session: Session, pool: Pool, *, now: datetime) -> Filled:
    """Rows of the missing environments are there, each with a task that makes it; never above the maximum.

    Under the pool's lock, so that two runs at once do not both see the same gap. The rows are committed before
    any call is made: their names are the idempotency keys.
    """
    pool = pools.lock(session, pool.id)
    counts = pools.counts(session, [pool.id])[pool.id]
    missing = ready_target(session, pool, now=now) + counts.waiting - counts.available - counts.provisioning
    wanted = max(0, min(missing, pool.max_total - counts.total)) if pool.is_active and not pool.deleted_at else 0
    names = [_begin(session, pool, now=now).name for _ in range(wanted)]
    if names:
        pool.last_provisioned_at = now
    session.flush()
    return Filled(counts.available, counts.provisioning, counts.error, wanted, names)


def _begin(session: Session, pool: Pool, *, now: datetime) -> Environment:
    prefixes: list[str] = pool.sandbox_definition.get("sandboxName") or [pool.tag]
    prefix = "".join(filter(str.isalnum, prefixes[now.microsecond % len(prefixes)])) or "env"
    environment = Environment(pool_id=pool.id, name=environments.new_name(prefix), created_at=now)
    session.add(environment)
    session.flush()
    audit.record(session, "environment.created", environment.id, SWEEP, now=now,
                 environment=environment.name, pool=pool.tag, fence=environment.fence)  # fmt: skip
    life.drive(session, environment, now=now)
    return environment


def _stuck(pool: Pool, environment: Environment, now: datetime) -> bool:
    minutes = pool.average_creation_minutes
    average = timedelta(minutes=minutes) if minutes else DEFAULT_CREATION
    return _since(environment.requested_at, now) > STUCK_AFTER * average


def _new(environment: Environment, now: datetime) -> bool:
    """Made after the listing was taken, or so shortly before that it may not be listed yet."""
    return environment.ready_at is not None and now - environment.ready_at <= MISSING_IS_BELIEVED_AFTER


def _kept_too_long(pool: Pool, environment: Environment, now: datetime) -> bool:
    return _since(environment.available_at, now) > timedelta(days=pool.days_to_keep_available)


def _failed_for_good(pool: Pool, environment: Environment, now: datetime) -> bool:
    deletes = pool.strategy in (Strategy.AUTO_REFRESH_EXPIRED, Strategy.DELETE_EXPIRED)
    return deletes and _since(environment.failed_at, now) > ERROR_IS_DELETED_AFTER


def _since(at: datetime | None, now: datetime) -> timedelta:
    return timedelta() if at is None else now - at


def _may_be_removed(environment: Environment, now: datetime) -> bool:
    return environment.deletion_eligible_at is None or environment.deletion_eligible_at <= now
