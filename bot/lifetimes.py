"""How long environments live by the policy: by how much their end may still be moved, and what activity leaves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.arguments import HOUR
from bot.policy.keys import Expiry
from operations.extend import keep_alive
from storage.assignments import Assignment
from storage.audit import Actor
from storage.pools import Pool


def room(assignment: Assignment, expiry: Expiry, *, now: datetime | None = None) -> timedelta:
    """How much later it may end, by `max_lifetime`; nothing if it never ends. `now` counts for one that a running
    lease keeps past its end.
    """
    if assignment.expires_at is None:
        return timedelta()
    end = assignment.expires_at if now is None else max(now, assignment.expires_at)
    return max(assignment.assigned_at + expiry.max_lifetime - end, timedelta())


def usual_extension(assignment: Assignment, pool: Pool, expiry: Expiry) -> timedelta:
    """What `/extend` adds without a duration: as the policy or the pool says, or what is left, in whole hours."""
    usual = expiry.extend_default or timedelta(hours=pool.extension_hours)
    return min(usual, expiry.extend_max, room(assignment, expiry) // HOUR * HOUR)


def can_be_extended(assignment: Assignment, expiry: Expiry) -> bool:
    """Whether there is at least the shortest extension left."""
    return room(assignment, expiry) >= HOUR


def note_activity(
    session: Session,
    held: Iterable[Assignment],
    expiry: Expiry,
    actor: Actor,
    *,
    now: datetime,
    least: timedelta = timedelta(0),
) -> None:
    """A push, a command or a visit leaves at least `activity_floor`, within `max_lifetime` (bot-behaviour 6.2)."""
    for assignment in held:
        assignment.active_at = now
        left = max(assignment.assigned_at + expiry.max_lifetime - now, timedelta())
        keep_alive(session, assignment, min(max(expiry.activity_floor, least), left), actor, now=now)
