"""Which ticket a caller means."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations.errors import LockNotFound
from operations.hand_over import hand_over
from storage import locks
from storage.locks import Lock, LockStatus, Resource


def find_lock(
    session: Session, resource: Resource, ticket: str, *, now: datetime, otherwise: str = "Lock not found"
) -> Lock:
    """The live ticket, with its queue held until the transaction ends and everything past its time ended.

    Refuses with LockNotFound, in the words of `otherwise`, what was never given out here and what is over: a holder
    that comes back late has lost the lock, whoever has it now. Since a ticket is granted once, with one fence, it is as
    good as the fence.
    """
    if locks.hold_queue(session, resource):
        hand_over(session, resource, now=now)
        found = locks.find(session, resource, ticket)
        if found is not None and found.status != LockStatus.RELEASED:
            return found
    raise LockNotFound(otherwise)
