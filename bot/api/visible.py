"""What a caller sees: a repository out of its scope is not there (contract section 1, visibility)."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bot.api.call import AnyCall
from operations.errors import AssignmentNotFound, EnvironmentNotFound, PoolNotFound
from operations.locked import refuse_if_locked
from storage import dedicated, pools, repositories
from storage.assignments import NO_DOMAIN, Assignment, Holder
from storage.dedicated import DedicatedEnvironment
from storage.pools import Pool
from storage.repositories import Repository
from storage.tokens import Role


def find_repository(session: Session, call: AnyCall, full_name: str) -> Repository | None:
    """The repository, unless nothing is known of it or the caller does not see it, which is the same."""
    return repositories.find(session, full_name) if call.caller.sees(full_name) else None


def find_pool(session: Session, call: AnyCall, repository_name: str, tag: str) -> tuple[Pool, Repository]:
    """The pool with its repository. Refuses with PoolNotFound."""
    repository = find_repository(session, call, repository_name)
    pool = pools.find(session, repository.id, tag) if repository is not None else None
    if repository is None or pool is None:
        raise PoolNotFound
    return pool, repository


def find_environment(session: Session, call: AnyCall, id: str) -> tuple[DedicatedEnvironment, Repository]:
    """The dedicated environment with its repository. Refuses with EnvironmentNotFound."""
    found = dedicated.find(session, id)
    if found is None or not call.caller.sees(found[1].full_name):
        raise EnvironmentNotFound
    return found


def find_environment_by_name(
    session: Session, call: AnyCall, repository_name: str, name: str
) -> tuple[DedicatedEnvironment, Repository]:
    """As find_environment(), by its name in its repository."""
    repository = find_repository(session, call, repository_name)
    environment = dedicated.find_by_name(session, repository.id, name) if repository is not None else None
    if repository is None or environment is None:
        raise EnvironmentNotFound
    return environment, repository


def refuse_while_locked(session: Session, call: AnyCall, assignment: Assignment) -> None:
    """Returns if nobody has locked what is assigned, and for owners. Refuses with AssignmentLocked."""
    if call.caller.role != Role.OWNER:
        refuse_if_locked(session, assignment, call.caller.name, now=call.now)


def find_holder(
    session: Session, call: AnyCall, repository_name: str, type: str, id: str, domain: str | None = None
) -> Holder:
    """The key of an assignment. Refuses with AssignmentNotFound in a repository where there can be none."""
    repository = find_repository(session, call, repository_name)
    if repository is None:
        raise AssignmentNotFound(Holder("", type, id), repository_name)
    return Holder(repository.id, type, id, domain or NO_DOMAIN)
