"""Warn: whose environment ends soon is told while there is time to do something about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from operations.emit import emit_assignment
from operations.events import EventType
from operations.times import iso
from storage import assignments, webhooks
from storage.assignments import Assignment

Before = tuple[timedelta, ...]  # how long before the end; each is told


def warn(session: Session, before: Callable[[str], Before], *, now: datetime) -> None:
    """Webhooks hear of every assignment that ends soon, once for each threshold and end. `before` are those of a
    repository, by its id.
    """
    if not any(EventType.ASSIGNMENT_EXPIRING in listener.events for listener in webhooks.listeners(session)):
        return
    for repository_id in assignments.repositories_with_ends(session):
        thresholds = before(repository_id)
        until = now + max(thresholds, default=timedelta())
        for assignment in assignments.ending(session, repository_id, after=now, until=until):
            threshold = reached(assignment, thresholds, now=now)
            if threshold is not None:
                key = f"expiring:{told_once(assignment, threshold)}"
                emit_assignment(session, EventType.ASSIGNMENT_EXPIRING, assignment, now=now, once_key=key)


def reached(assignment: Assignment, before: Before, *, now: datetime) -> timedelta | None:
    """The shortest threshold that has come; None if none has, or it has ended (bot-behaviour 6.3).

    One that exceeds half of the lifetime is skipped, and so is one that had passed when the present end was set:
    activity that adds an hour at a time would be answered by a warning each time.
    """
    if assignment.expires_at is None or now >= assignment.expires_at:
        return None
    return min((threshold for threshold, at in _moments(assignment, before) if at <= now), default=None)


def next_at(assignment: Assignment, before: Before, *, now: datetime) -> datetime | None:
    """When the next threshold comes; None if none does any more."""
    return min((at for _, at in _moments(assignment, before) if at > now), default=None)


def told_once(assignment: Assignment, threshold: timedelta) -> str:
    """What a warning is about: an assignment, its end and the threshold."""
    assert assignment.expires_at is not None, "what never ends has no warning"
    return f"{assignment.id}:{iso(assignment.expires_at)}:{threshold}"


def _moments(assignment: Assignment, before: Iterable[timedelta]) -> Iterator[tuple[timedelta, datetime]]:
    if assignment.expires_at is None:
        return
    life, set_at = assignment.expires_at - assignment.assigned_at, assignment.end_set_at or assignment.assigned_at
    for threshold in before:
        at = assignment.expires_at - threshold
        if 2 * threshold <= life and set_at < at:
            yield threshold, at
