"""Acquire and release: a lease on an assigned environment, so that two pipelines do not work in it at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from operations.errors import EnvironmentInUse
from storage import audit
from storage.assignments import Assignment
from storage.audit import Actor


def acquire(
    session: Session, assignment: Assignment, used_by: str, lease: timedelta, actor: Actor, *, now: datetime
) -> Assignment:
    """`used_by` works in the environment until now + lease; who already does starts anew (contract R6).

    A lease that has run out may be taken by anyone. Refuses with EnvironmentInUse. A longer lease than the
    assignment's life keeps the environment until the lease ends.
    """
    held = assignment.lease(now)
    if held is not None and held.used_by != used_by:
        raise EnvironmentInUse(held.used_by, held.until)
    assignment.used_by = used_by
    assignment.acquired_at = assignment.acquired_at if held is not None else now
    assignment.in_use_until = now + lease
    _record(session, assignment, "assignment.acquired", actor, now=now, used_by=used_by)
    return assignment


def release(
    session: Session, assignment: Assignment, used_by: str | None, actor: Actor, *, now: datetime
) -> Assignment:
    """Nobody works in the environment; so it is also when nobody did (contract R7).

    Refuses with EnvironmentInUse if `used_by` is given and another's lease is running.
    """
    held = assignment.lease(now)
    if held is not None and used_by is not None and held.used_by != used_by:
        raise EnvironmentInUse(held.used_by, held.until)
    if assignment.used_by is None:
        return assignment
    assignment.used_by = assignment.acquired_at = assignment.in_use_until = None
    _record(session, assignment, "assignment.released", actor, now=now, used_by=used_by)
    return assignment


def _record(
    session: Session, assignment: Assignment, action: str, actor: Actor, *, now: datetime, used_by: str | None
) -> None:
    assignment.version += 1
    session.flush()
    audit.record(
        session,
        action,
        assignment.id,
        actor,
        now=now,
        repository_id=assignment.repository_id,
        holder=str(assignment.holder),
        used_by=used_by,
    )
