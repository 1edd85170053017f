"""Renew: whoever holds a lock holds it for longer."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from operations.errors import LockNotFound
from operations.hand_over import tell
from operations.times import iso
from storage import audit
from storage.audit import Actor
from storage.locks import Lock, LockStatus


def renew(session: Session, lock: Lock, lease: timedelta | None, actor: Actor, *, now: datetime) -> Lock:
    """The lease ends one lease from now, as long as it was asked for unless `lease` says otherwise.

    The caller has the ticket of find_lock(). Refuses with LockNotFound a ticket that only waits: it has no lease.
    """
    if lock.status != LockStatus.ACQUIRED:
        raise LockNotFound
    lock.lease_seconds = int(lease.total_seconds()) if lease is not None else lock.lease_seconds
    lock.expires_at = now + timedelta(seconds=lock.lease_seconds)
    lock.updated_at = now
    session.flush()
    audit.record(session, "lock.renewed", lock.of.name, actor, now=now, repository_id=lock.repository_id,
                 kind=lock.of.kind, ticket_id=lock.ticket, fence=lock.fence, expires=iso(lock.expires_at))  # fmt: skip
    tell(session, lock, now=now)
    return lock
