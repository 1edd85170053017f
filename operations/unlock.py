"""Unlock: a ticket is given back, and whoever is next has the lock in the same transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations.hand_over import LockEnd, end_ticket, hand_over
from storage import locks
from storage.assignments import Holder
from storage.audit import Actor
from storage.locks import Lock, LockStatus, Resource


def unlock(session: Session, lock: Lock, actor: Actor, *, now: datetime, is_forced: bool = False) -> Lock | None:
    """The ticket is over: its lock goes to the next in line, or its place is given up. Who holds the lock now, if any.

    The caller has the ticket of find_lock(), so that it is live: nobody ends a lock that another has by now.
    """
    held = lock.status == LockStatus.ACQUIRED
    reason = LockEnd.FORCED if is_forced else LockEnd.UNLOCKED if held else LockEnd.CANCELLED
    end_ticket(session, lock, reason, actor, now=now)
    return hand_over(session, lock.of, now=now)


def unlock_all(session: Session, resource: Resource, actor: Actor, *, now: datetime) -> None:
    """Nobody holds the resource or waits for it: it is gone."""
    if locks.hold_queue(session, resource):
        for lock in locks.live(session, [resource]):
            end_ticket(session, lock, LockEnd.RESOURCE_GONE, actor, now=now)


def unlock_thread(session: Session, holder: Holder, actor: Actor, *, now: datetime) -> None:
    """The pull request or issue holds no lock and waits for none; those who waited behind it move up (rule I6)."""
    resources = {lock.of for lock in locks.of_thread(session, holder.repository_id, holder.type, holder.id)}
    for resource in sorted(resources):
        locks.hold_queue(session, resource)
        for lock in locks.live(session, [resource]):
            if (lock.holder_type, lock.holder_id) == (holder.type, holder.id):
                end_ticket(session, lock, LockEnd.CLOSED, actor, now=now)
        hand_over(session, resource, now=now)
