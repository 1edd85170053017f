"""Whether a lock keeps somebody from changing what a pull request holds (bot-behaviour 6.5)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations.errors import AssignmentLocked
from operations.lock_line import line_of
from storage.assignments import Assignment
from storage.locks import Resource, ResourceKind


def lock_of(assignment: Assignment) -> Resource:
    """What is locked when a pull request's own environment is: as long as it holds that."""
    return Resource(assignment.repository_id, ResourceKind.ASSIGNMENT, assignment.id)


def refuse_if_locked(session: Session, assignment: Assignment, by: str, *, now: datetime) -> None:
    """Returns if nobody has locked the environment, or `by` has. Refuses with AssignmentLocked."""
    holder = line_of(session, lock_of(assignment), now=now).holder
    if holder is not None and holder.requested_by != by:
        assert holder.expires_at is not None, "who holds has a lease"
        raise AssignmentLocked(holder.requested_by, holder.reason, holder.expires_at)
