"""Pools are made, changed and deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from operations import environments as life
from operations import waiting
from operations.end import EndReason, end, replenish_soon
from operations.errors import EnvironmentInUse, InvalidRequest, PoolExists, PoolNotFound
from storage import assignments, audit, environments, pools, rules, tickets
from storage.assignments import Assignment
from storage.audit import Actor
from storage.environments import Environment, EnvironmentState
from storage.pools import Pool
from storage.repositories import Repository

CHANGEABLE = frozenset(column.key for column in Pool.__mapper__.column_attrs) - {
    "id", "repository_id", "tag", "version", "created_at", "updated_at", "deleted_at",
}  # fmt: skip


def create_pool(
    session: Session, repository: Repository, tag: str, values: dict[str, Any], actor: Actor, *, now: datetime
) -> Pool:
    """The pool exists, still empty: provisioning and the monitor fill it (contract P2, 13.4).

    `values` are Pool's columns. Refuses with PoolExists, and InvalidRequest for a minimum above the maximum.
    """
    taken = PoolExists(tag, repository.full_name)
    if pools.find(session, repository.id, tag) is not None:
        raise taken
    pool = Pool(repository_id=repository.id, tag=tag, created_at=now, updated_at=now, **values)
    _check_bounds(pool)
    session.add(pool)
    try:
        session.flush()
    except IntegrityError as error:  # another caller made it at this very moment
        raise taken from error
    audit.record(session, "pool.created", pool.id, actor, now=now, repository_id=repository.id, tag=tag)
    return pool


def update_pool(session: Session, pool: Pool, changes: dict[str, Any], actor: Actor, *, now: datetime) -> Pool:
    """The pool has these values from now on, one version up (contract P5). What runs is not interrupted.

    Who waits profits at once. Refuses with InvalidRequest for a minimum above the maximum, and for another trust:
    an environment that ran untrusted code never serves trusted code, nor the other way round. Refuses with
    PoolNotFound if it was being deleted meanwhile.
    """
    unknown = set(changes) - CHANGEABLE
    assert not unknown, f"not columns that may change: {unknown}"
    pool = pools.lock(session, pool.id)
    if pool.deleted_at is not None:
        raise PoolNotFound
    was_untrusted = pool.is_untrusted
    for column, value in changes.items():
        setattr(pool, column, value)
    if pool.is_untrusted != was_untrusted:
        raise InvalidRequest("additionalConfig.trust", "immutable", "cannot be changed: make another pool")
    _check_bounds(pool)
    pool.version += 1
    pool.updated_at = now
    session.flush()
    audit.record(session, "pool.updated", pool.id, actor, now=now, repository_id=pool.repository_id,
                 tag=pool.tag, changed=sorted(changes))  # fmt: skip
    if tickets.anybody_waits(session, pool.id):
        replenish_soon(session, pool.id, now=now)
    return pool


def delete_pool(session: Session, pool: Pool, actor: Actor, *, now: datetime, if_unused: bool = False) -> None:
    """The pool and all its environments go (contract P4): holders lose theirs, waiters their place, rules their effect.

    With `if_unused` it refuses with EnvironmentInUse while anybody holds one.
    """
    pool = pools.lock(session, pool.id)
    held = _hold_everything(session, pool)
    in_use = [assignment for _, assignment in held if assignment is not None]
    if if_unused and in_use:
        raise EnvironmentInUse(str(in_use[0].holder), in_use[0].end_of_life() or now)
    pool.deleted_at = now
    pool.is_active = False
    pool.version += 1
    session.flush()
    rules.deactivate(session, pool.repository_id, pool.tag, actor.name, now=now)
    for ticket in tickets.open_of_pool(session, pool.id):
        waiting.leave(session, ticket, "the pool was deleted", now=now)
    for environment, assignment in held:
        if assignment is not None:
            end(session, assignment, returned=True, reason=EndReason.POOL_DELETED, actor=actor, now=now)
        if environment.state != EnvironmentState.DELETING:
            life.start_deletion(session, environment, now=now)
        environment.tombstone = True
    session.flush()
    audit.record(session, "pool.deleted", pool.id, actor, now=now, repository_id=pool.repository_id, tag=pool.tag)
    replenish_soon(session, pool.id, now=now)


def _hold_everything(session: Session, pool: Pool) -> list[tuple[Environment, Assignment | None]]:
    """The pool's environments, each with its assignment: assignments first, in the order of everybody who ends one."""
    assignments.lock_of_pool(session, pool.id)
    everything = [environments.lock(session, environment.id) for environment in environments.of_pool(session, pool.id)]
    return [(environment, assignments.lock_of_environment(session, environment.id)) for environment in everything]


def _check_bounds(pool: Pool) -> None:
    if pool.min_available > pool.max_total:
        raise InvalidRequest(
            "minAvailableInstances", "range", f"must not be above maxTotalInstances ({pool.max_total})"
        )
