"""Warn: who listens hears a day and two hours before an assignment ends."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from operations.emit import emit_assignment
from operations.events import EventType
from operations.times import iso
from storage import assignments, webhooks
from storage.assignments import Assignment

BEFORE = (timedelta(hours=2), timedelta(hours=24))  # the shortest first


def warn(session: Session, *, now: datetime) -> None:
    """Every assignment that ends soon was told, once for each threshold and end: one that is extended is told again.

    What was never going to last longer than a threshold is not told at it.
    """
    if not any(EventType.ASSIGNMENT_EXPIRING in listener.events for listener in webhooks.listeners(session)):
        return
    for assignment in assignments.ending(session, after=now, until=now + BEFORE[-1]):
        threshold = _threshold(assignment, now)
        if threshold is not None and assignment.expires_at is not None:
            key = f"expiring:{assignment.id}:{iso(assignment.expires_at)}:{threshold}"
            emit_assignment(session, EventType.ASSIGNMENT_EXPIRING, assignment, now=now, once_key=key)


def _threshold(assignment: Assignment, now: datetime) -> timedelta | None:
    """The shortest that has been reached and that was still to come when the assignment began."""
    if assignment.expires_at is None:
        return None
    life, left = assignment.expires_at - assignment.assigned_at, assignment.expires_at - now
    return next((before for before in BEFORE if left <= before < life), None)
