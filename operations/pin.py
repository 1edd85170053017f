"""Pin: a living assignment never ends, until somebody unpins it, it is over, or nobody says any more why."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations import notify
from operations.extend import extend
from operations.times import iso
from storage import audit, pins
from storage.assignments import Assignment
from storage.audit import Actor
from storage.pins import Pin


def pin(session: Session, assignment: Assignment, wanted: Pin, actor: Actor, *, now: datetime) -> Assignment:
    """The assignment is pinned as wanted, and so is immortal (contract R3; bot-behaviour 6.4).

    Who pins again says a new reason and review date. The caller has found the assignment living, and that the owner
    may: whose quota this takes is the policy's.
    """
    pins.keep(assignment, wanted)
    session.flush()
    audit.record(session, "assignment.pinned", assignment.id, actor, now=now, repository_id=assignment.repository_id,
                 holder=str(assignment.holder), owner=wanted.owner, reason=wanted.reason,
                 review_at=iso(wanted.review_at))  # fmt: skip
    extend(session, assignment, None, actor, now=now, is_immortal=True)
    notify.thread_of(session, assignment.holder, now=now)
    return assignment
