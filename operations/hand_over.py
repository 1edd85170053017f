"""Hand over: a lock that nobody holds goes to whoever has waited longest; a lease that has run out ends first."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from operations import notify
from operations.access import Access, record_access
from operations.emit import emit
from operations.events import EventType, of_lock
from storage import audit, locks, users
from storage.assignments import Holder
from storage.audit import SWEEP, Actor
from storage.dedicated import DedicatedEnvironment
from storage.locks import Lock, LockStatus, Resource, ResourceKind


class LockEnd(StrEnum):
    """Why a ticket is over; stable, for programs."""

    UNLOCKED = "unlocked"
    CANCELLED = "cancelled"  # it had only waited
    LEASE_ENDED = "lease_ended"
    FORCED = "forced"
    CLOSED = "closed"  # its pull request or issue
    RESOURCE_GONE = "resource_gone"


def hand_over(session: Session, resource: Resource, *, now: datetime, asking: Actor | None = None) -> Lock | None:
    """Who holds the lock now: who held it before, if the lease still runs, else the first in line, from now on.

    `asking` is who asks for the lock just now, if that is the first in line. The caller holds the resource's queue.
    Places in line go by number and never by time, so that a clock that steps can end a lease early or late, but lets
    nobody overtake (contract 4.3).
    """
    holder = locks.holder(session, resource)
    if holder is not None and holder.expires_at is not None and holder.expires_at > now:
        return holder
    if holder is not None:
        end_ticket(session, holder, LockEnd.LEASE_ENDED, SWEEP, now=now)
    first = locks.first_queued(session, resource)
    if first is not None:
        _acquire(session, first, asking or _requester(session, first), now=now)
    return first


def end_ticket(session: Session, lock: Lock, reason: LockEnd, actor: Actor, *, now: datetime) -> None:
    """The ticket is over. Only whoever holds the resource's queue ends one, and then hands over."""
    was_held = lock.status == LockStatus.ACQUIRED
    lock.status = LockStatus.RELEASED
    lock.released_at = lock.updated_at = now
    lock.end_reason = reason
    session.flush()
    _record(session, "lock.released", lock, actor, now=now, reason_code=reason)
    if was_held:
        _record_access(session, Access.UNLOCK, lock, actor, now=now, reason_code=reason)
        _emit(session, EventType.LOCK_FORCED if reason == LockEnd.FORCED else EventType.LOCK_RELEASED, lock, now=now)


def _requester(session: Session, lock: Lock) -> Actor:
    is_person = lock.requester_id is not None and users.get(session, lock.requester_id) is not None
    return Actor(lock.requested_by, token_id=lock.requester_id, details={"is_application": not is_person})


def _acquire(session: Session, lock: Lock, requester: Actor, *, now: datetime) -> None:
    lock.status = LockStatus.ACQUIRED
    lock.fence = locks.next_fence(session, lock.of)
    lock.acquired_at = lock.updated_at = now
    lock.expires_at = now + timedelta(seconds=lock.lease_seconds)
    session.flush()
    terms = {"duration_seconds": lock.lease_seconds, "reason": lock.reason}
    _record(session, "lock.acquired", lock, requester, now=now, **terms)
    _record_access(session, Access.LOCK, lock, requester, now=now, **terms)
    _emit(session, EventType.LOCK_ACQUIRED, lock, now=now)


def _record_access(
    session: Session, access: Access, lock: Lock, actor: Actor, *, now: datetime, **details: object
) -> None:
    """Dedicated environments have a record of their own, of who held them when (contract E17)."""
    if lock.of.kind == ResourceKind.ENVIRONMENT:
        environment = session.get(DedicatedEnvironment, lock.of.name)
        if environment is not None:
            record_access(session, environment, access, actor, now=now, ticket_id=lock.ticket, **details)


def _emit(session: Session, event: EventType, lock: Lock, *, now: datetime) -> None:
    emit(session, event, lambda: of_lock(session, lock), now=now, repository_id=lock.repository_id)


def _record(session: Session, action: str, lock: Lock, actor: Actor, *, now: datetime, **details: object) -> None:
    """The audit row, whose subject is what is locked, and everybody who shows the lock or waits for it is told."""
    audit.record(session, action, lock.of.name, actor, now=now, repository_id=lock.repository_id, kind=lock.of.kind,
                 ticket_id=lock.ticket, fence=lock.fence, requested_by=lock.requested_by, **details)  # fmt: skip
    tell(session, lock, now=now)


def tell(session: Session, lock: Lock, *, now: datetime) -> None:
    """Who waits with this ticket looks again, and the threads of everybody in the line show their places anew."""
    locks.changed(session, lock)
    for shown in [lock, *locks.live_of_threads(session, lock.of)]:
        if shown.holder_type is not None and shown.holder_id is not None:
            notify.thread_of(session, Holder(shown.repository_id, shown.holder_type, shown.holder_id), now=now)


def end_past_due_leases(session: Session, *, now: datetime, limit: int = 100) -> int:
    """Up to `limit` locks whose lease has run out are the next one's; says how many (contract 4.5)."""
    due = locks.past_due(session, now=now, limit=limit)
    for resource in due:
        locks.hold_queue(session, resource)
        hand_over(session, resource, now=now)
    return len(due)
