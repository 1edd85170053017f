"""Transition: the same environment under another key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from operations import notify
from operations.assign import metadata_of, take_ticket
from operations.emit import emit_assignment
from operations.errors import SameAssignment, TargetAlreadyAssigned
from operations.events import EventType
from operations.expire import expire, is_past_due
from operations.locked import lock_of
from operations.unlock import unlock_all
from operations.unpin import unpin
from storage import assignments, audit, pins
from storage.assignments import Assignment, Holder
from storage.audit import Actor
from storage.environments import Environment


def transition(
    session: Session, assignment: Assignment, target: Holder, extra: dict[str, Any], actor: Actor, *, now: datetime
) -> Assignment:
    """The assignment is the target's: same row, environment, expiry, domain and use, one version up (contract R5).

    A lock on it ends: its pull request holds it no more; and so does a pin, so that it has an end again. Its metadata
    is what the target's type adds, `previousAssignment`, and `extra`. Refuses with SameAssignment and
    TargetAlreadyAssigned.
    """
    source = assignment.holder
    target = Holder(source.repository_id, target.type, target.id, source.domain)
    if target == source:
        raise SameAssignment
    held = assignments.find_active(session, target)
    if held is not None and is_past_due(held, now=now):
        expire(session, held, now=now)
    elif held is not None:
        raise TargetAlreadyAssigned(target, session.get_one(Environment, held.environment_id).name)
    unpin(session, assignment, actor, now=now)
    _move(session, assignment, target, extra)
    unlock_all(session, lock_of(assignment), actor, now=now)
    take_ticket(session, assignment, now=now)
    audit.record(
        session,
        "assignment.transitioned",
        assignment.id,
        actor,
        now=now,
        repository_id=assignment.repository_id,
        source=str(source),
        target=str(target),
    )
    emit_assignment(session, EventType.ASSIGNMENT_TRANSITIONED, assignment, now=now, previous_assignment=str(source))
    notify.thread_of(session, source, now=now)
    notify.thread_of(session, target, now=now)
    return assignment


def _move(session: Session, assignment: Assignment, target: Holder, extra: dict[str, Any]) -> None:
    """Refuses with TargetAlreadyAssigned if the target was given an environment at this very moment."""
    source = assignment.holder
    previous = {"previousAssignment": {"type": source.type, "id": source.id}}
    try:
        with session.begin_nested():
            assignment.holder_type, assignment.holder_id = target.type, target.id
            assignment.transitioned_from = str(source)
            assignment.extra = {**metadata_of(target, {}), **previous, **pins.without(extra)}
            assignment.version += 1
    except IntegrityError as error:
        held = assignments.find_active(session, target)
        assert held is not None, "the unique index refused a holder that holds nothing"
        raise TargetAlreadyAssigned(target, session.get_one(Environment, held.environment_id).name) from error
