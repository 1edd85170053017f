"""Taken: which assignment of a pool a caller means, by the names that pool operations know (contract section 8)."""

from __future__ import annotations

from sqlalchemy.orm import Session

from operations.end import EndReason
from operations.errors import AssignmentExpired, InstanceNotFound
from storage import assignments, environments
from storage.assignments import Assignment, HolderType
from storage.pools import Pool


def find_taken(session: Session, pool: Pool, pool_assignment_id: str) -> Assignment:
    """The pool's active assignment of that id, held alone until the transaction ends. Refuses with InstanceNotFound."""
    found = assignments.find_by_pool_assignment(session, pool.repository_id, pool_assignment_id)
    if found is None or found.pool_id != pool.id:
        raise InstanceNotFound(pool_assignment_id, pool.tag)
    return found


def find_taken_living(session: Session, pool: Pool, pool_assignment_id: str) -> Assignment:
    """As find_taken(), and with AssignmentExpired if it ended by itself; the caller has expired what is past due."""
    try:
        return find_taken(session, pool, pool_assignment_id)
    except InstanceNotFound:
        last = assignments.last_by_pool_assignment(session, pool.repository_id, pool_assignment_id)
        if last is None or last.pool_id != pool.id or last.end_reason != EndReason.EXPIRED or last.expires_at is None:
            raise
        raise AssignmentExpired(last.expires_at) from None


def find_taken_environment(session: Session, pool: Pool, name: str) -> Assignment:
    """The active assignment of the pool's environment of that name, held alone. Refuses with InstanceNotFound."""
    environment = environments.find_by_name(session, pool.id, name)
    found = assignments.lock_of_environment(session, environment.id) if environment is not None else None
    if found is None:
        raise InstanceNotFound(name, pool.tag)
    return found


def is_own(assignment: Assignment, *, token_id: str | None, email: str) -> bool:
    """Whether it was taken out of the pool with this token, or is the user's of this e-mail (contract P13)."""
    if assignment.taken_by is not None and assignment.taken_by == token_id:
        return True
    return assignment.holder_type == HolderType.USER and assignment.holder_id.lower() == email.lower()
