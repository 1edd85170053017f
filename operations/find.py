"""Which assignment a caller means."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations.end import EndReason
from operations.errors import AmbiguousAssignment, AssignmentExpired, AssignmentNotFound
from operations.expire import is_past_due
from storage import assignments
from storage.assignments import NO_DOMAIN, Assignment, Holder
from storage.repositories import Repository


def find(session: Session, holder: Holder, *, now: datetime) -> Assignment | None:
    """The holder's active assignment, held until the transaction ends; None if there is none or it is past due.

    Without a domain: the one without a domain, else the only one; refuses with AmbiguousAssignment if there
    are several (contract section 7, addressing).
    """
    active = [a for a in assignments.all_active(session, holder) if not is_past_due(a, now=now)]
    exact = [a for a in active if a.domain == holder.domain]
    if exact or holder.domain != NO_DOMAIN:
        return exact[0] if exact else None
    if len(active) > 1:
        raise AmbiguousAssignment(holder, [a.domain for a in active])
    return active[0] if active else None


def find_or_refuse(session: Session, holder: Holder, *, now: datetime) -> Assignment:
    """As find(); refuses with AssignmentNotFound, which tells how the last one ended."""
    found = find(session, holder, now=now)
    if found is None:
        raise not_found(session, holder)
    return found


def find_living(session: Session, holder: Holder, *, now: datetime) -> Assignment:
    """As find_or_refuse(), for what only a living assignment can have: AssignmentExpired if it ended by itself."""
    found = find(session, holder, now=now)
    if found is not None:
        return found
    lapsed = [a for a in assignments.all_active(session, holder) if holder.domain in (NO_DOMAIN, a.domain)]
    if lapsed and lapsed[0].expires_at is not None:
        raise AssignmentExpired(lapsed[0].expires_at)
    last = assignments.last_ended(session, holder)
    if last is not None and last.end_reason == EndReason.EXPIRED and last.expires_at is not None:
        raise AssignmentExpired(last.expires_at)
    raise not_found(session, holder)


def not_found(session: Session, holder: Holder) -> AssignmentNotFound:
    """The refusal, telling how the holder's newest assignment left it: ended, or gone to another holder."""
    name = session.get_one(Repository, holder.repository_id).full_name
    last = assignments.last_ended(session, holder)
    moved = assignments.last_transitioned(session, holder)
    if moved is not None and (last is None or last.assigned_at <= moved.assigned_at):
        return AssignmentNotFound(holder, name, moved_to=moved.holder)
    return AssignmentNotFound(holder, name, last)
