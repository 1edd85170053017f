"""Extend: a living assignment ends later, or never."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from operations import notify
from operations.emit import emit_assignment
from operations.events import EventType
from operations.times import iso_or_none
from storage import audit, pins, pools
from storage.assignments import Assignment
from storage.audit import Actor


@dataclass(frozen=True)
class Extended:
    assignment: Assignment
    previous_expires_at: datetime | None
    hours: float


def extend(
    session: Session,
    assignment: Assignment,
    hours: float | None,
    actor: Actor,
    *,
    now: datetime,
    is_immortal: bool | None = None,
    default_hours: float | None = None,
) -> Extended:
    """The assignment ends `hours` later than it would have: max(now, expires_at) + hours (contract R3).

    Without hours: `default_hours`, else the pool's extension. `is_immortal` True makes it never end, False gives
    an immortal one an end again, counted from now; hours alone change nothing on an immortal one. With its end comes
    the end of a pin. The caller has found the assignment living (operations/find.py).
    """
    pool = pools.get(session, assignment.pool_id)
    previous, pin = assignment.expires_at, pins.of(assignment)
    added = hours if hours is not None else default_hours or pool.extension_hours
    if is_immortal:
        assignment.expires_at = None
    elif is_immortal is False and previous is None:
        added = hours if hours is not None else pool.default_expiration_hours
        assignment.expires_at = now + timedelta(hours=added)
    elif previous is not None:
        assignment.expires_at = max(now, previous) + timedelta(hours=added)
    if assignment.expires_at == previous:
        return Extended(assignment, previous, added)
    assignment.end_set_at = now
    assignment.version += 1
    if pin is not None:
        pins.keep(assignment, None)
        audit.record(session, "assignment.unpinned", assignment.id, actor, now=now,
                     repository_id=assignment.repository_id, holder=str(assignment.holder),
                     owner=pin.owner)  # fmt: skip
    session.flush()
    audit.record(
        session,
        "assignment.extended",
        assignment.id,
        actor,
        now=now,
        repository_id=assignment.repository_id,
        holder=str(assignment.holder),
        previous=iso_or_none(previous),
        expires=iso_or_none(assignment.expires_at),
    )
    emit_assignment(session, EventType.ASSIGNMENT_EXTENDED, assignment, now=now, previous_expires_at=previous)
    notify.thread_of(session, assignment.holder, now=now)
    return Extended(assignment, previous, added)


def keep_alive(session: Session, assignment: Assignment, floor: timedelta, actor: Actor, *, now: datetime) -> None:
    """Activity guarantees at least `floor` from now; it is not additive (bot-behaviour 6.2)."""
    if assignment.expires_at is None or assignment.expires_at >= now + floor:
        return
    missing = now + floor - max(now, assignment.expires_at)
    extend(session, assignment, missing.total_seconds() / 3600, actor, now=now)
