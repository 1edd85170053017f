"""Unpin: a pinned assignment has an end again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations.extend import extend
from storage import pins
from storage.assignments import Assignment
from storage.audit import Actor


def unpin(session: Session, assignment: Assignment, actor: Actor, *, now: datetime) -> Assignment:
    """The assignment ends when one that begins now would, by its pool's default (bot-behaviour 6.4).

    That counts from now even where the pin has outlasted the policy's `max_lifetime`, so that nobody loses it at this
    very moment; nothing extends it any further then. One without a pin stays as it is.
    """
    if pins.of(assignment) is not None:
        extend(session, assignment, None, actor, now=now, is_immortal=False)
    return assignment
