"""Dedicated environments are made, changed and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from operations.access import Access, record_access
from operations.errors import (
    EnvironmentExists,
    EnvironmentLocked,
    EnvironmentNotFound,
    UsernameRegistered,
    VersionConflict,
)
from operations.lock_line import line_of
from operations.unlock import unlock_all
from storage import dedicated, locks
from storage.audit import Actor
from storage.database import new_id
from storage.dedicated import DedicatedEnvironment
from storage.repositories import Repository

CHANGEABLE = frozenset(
    {
        "name", "category", "branch", "description", "salesforce_username", "dev_hub_username", "is_active",
        "is_default", "extra", "tags", "orchestration_order",
    }
)  # fmt: skip


def create_environment(
    session: Session, repository: Repository, values: Mapping[str, Any], actor: Actor, *, now: datetime
) -> DedicatedEnvironment:
    """The environment is in the registry (contract E2); as a default it takes the place of the one there was.

    `values` are CHANGEABLE. Refuses with EnvironmentExists and UsernameRegistered.
    """
    dedicated.hold(session, repository.id)
    environment = DedicatedEnvironment(
        id=new_id(),
        repository_id=repository.id,
        created_by=actor.name,
        updated_by=actor.name,
        created_at=now,
        updated_at=now,
    )
    former = _take(session, environment, repository, values, actor, now=now)
    session.add(environment)
    _flush(session)
    record_access(session, environment, Access.CREATE, actor, now=now, name=environment.name, **former)
    return environment


def update_environment(
    session: Session,
    environment: DedicatedEnvironment,
    repository: Repository,
    changes: Mapping[str, Any],
    actor: Actor,
    *,
    now: datetime,
    version: int | None = None,
) -> DedicatedEnvironment:
    """The environment has these values, one version up; with `version` only if it is still that one.

    Refuses as create_environment() does, with VersionConflict, and with EnvironmentNotFound if it is gone meanwhile.
    """
    held = _hold(session, environment)
    if version is not None and version != held.version:
        raise VersionConflict(held.version, version)
    former = _take(session, held, repository, changes, actor, now=now)
    held.version += 1
    held.updated_by = actor.name
    held.updated_at = now
    _flush(session)
    record_access(session, held, Access.UPDATE, actor, now=now, name=held.name, changed=sorted(changes), **former)
    return held


def delete_environment(session: Session, environment: DedicatedEnvironment, actor: Actor, *, now: datetime) -> None:
    """The environment is gone from the registry, with what is known of its contents; its org is left alone.

    Whoever waited for its lock waits no longer. Refuses with EnvironmentLocked while somebody holds that, and with
    EnvironmentNotFound if the environment is gone already.
    """
    held = _hold(session, environment)
    locks.hold_queue(session, held.resource)
    if line_of(session, held.resource, now=now).holder is not None:
        raise EnvironmentLocked
    unlock_all(session, held.resource, actor, now=now)
    session.delete(held)
    session.flush()
    record_access(session, held, Access.DELETE, actor, now=now, name=held.name)


def _hold(session: Session, environment: DedicatedEnvironment) -> DedicatedEnvironment:
    dedicated.hold(session, environment.repository_id)
    held = dedicated.lock(session, environment.id)
    if held is None:
        raise EnvironmentNotFound
    return held


def _take(
    session: Session,
    environment: DedicatedEnvironment,
    repository: Repository,
    values: Mapping[str, Any],
    actor: Actor,
    *,
    now: datetime,
) -> dict[str, str]:
    """Gives it the values, if nothing is against them; the details of a default whose place it takes."""
    unknown = set(values) - CHANGEABLE
    assert not unknown, f"not columns that may be given: {unknown}"
    with session.no_autoflush:  # what is asked for below must not be in the database before it was found to be free
        for column, value in values.items():
            setattr(environment, column, value)
        environment.username_key = environment.salesforce_username.lower()
        environment.account = repository.full_name.split("/")[0].lower()
        named = dedicated.find_by_name(session, environment.repository_id, environment.name)
        if named is not None and named.id != environment.id:
            raise EnvironmentExists
        if dedicated.username_is_taken(session, environment):
            raise UsernameRegistered
        if not environment.is_default:
            return {}
        former = dedicated.clear_default(session, environment, actor.name, now=now)
    return {} if former is None else {"former_default": former}


def _flush(session: Session) -> None:
    """Names and defaults are safe, as the repository is held; a username may be given in another one of the account."""
    try:
        session.flush()
    except IntegrityError as error:
        raise UsernameRegistered from error
