"""Review: who has pinned something is asked from time to time whether that is still needed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from operations import notify
from operations.times import iso
from operations.unpin import unpin
from storage import assignments, audit, pins
from storage.assignments import Assignment
from storage.audit import SWEEP
from storage.pins import Pin

ANSWER_WITHIN = timedelta(days=3)


@dataclass(frozen=True)
class Reviewed:
    """A pin that was just asked about, or that just ended as nobody had answered."""

    assignment: Assignment
    pin: Pin

    @property
    def is_over(self) -> bool:
        return not self.assignment.is_immortal


def review(session: Session, *, now: datetime) -> list[Reviewed]:
    """Pins whose review date has come are asked about; three days later, without an answer, they end, and what was
    pinned has the end that unpin() gives (bot-behaviour 6.4). To pin again is the answer.
    """
    due = [assignment for assignment, pin in pins.living(session) if _is_due(pin, now)]
    return [reviewed for assignment in due if (reviewed := _review_one(session, assignment, now)) is not None]


def _is_due(pin: Pin, now: datetime) -> bool:
    return now >= (pin.review_at if pin.asked_at is None else answer_by(pin))


def answer_by(pin: Pin) -> datetime:
    """When the pin ends, if nobody answers."""
    return (pin.asked_at or pin.review_at) + ANSWER_WITHIN


def _review_one(session: Session, assignment: Assignment, now: datetime) -> Reviewed | None:
    held = assignments.lock_of_environment(session, assignment.environment_id)
    pin = pins.of(held) if held is not None else None
    if held is None or pin is None or not _is_due(pin, now):
        return None  # answered, or given back, at this very moment
    if pin.asked_at is not None:
        return Reviewed(unpin(session, held, SWEEP, now=now), pin)
    asked = replace(pin, asked_at=now)
    pins.keep(held, asked)
    session.flush()
    audit.record(session, "assignment.pin_reviewed", held.id, SWEEP, now=now, repository_id=held.repository_id,
                 holder=str(held.holder), owner=pin.owner, answer_by=iso(answer_by(asked)))  # fmt: skip
    notify.thread_of(session, held.holder, now=now)
    return Reviewed(held, asked)
