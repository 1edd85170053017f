"""Lock: a ticket for a resource, which is the lock at once if nobody has it, else a place in line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy.orm import Session

from operations.errors import LockAlreadyHeld
from operations.hand_over import hand_over, tell
from storage import audit, locks
from storage.assignments import Holder
from storage.audit import Actor
from storage.locks import Lock, LockStatus, Resource


@dataclass(frozen=True)
class Wanted:
    """What is asked for. `sole_key` names somebody who may have one live ticket for the resource, and not more.

    `holder` is the pull request or issue that the lock belongs to, and with which it ends.
    """

    resource: Resource
    lease: timedelta
    requested_by: str
    requester_id: str | None = None
    reason: str | None = None
    sole_key: str | None = None
    holder: Holder | None = None


def lock(session: Session, wanted: Wanted, actor: Actor, *, now: datetime) -> Lock:
    """A new ticket at the end of the resource's line; it holds the lock if the line was empty (contract 4.3).

    The lease starts when the lock is acquired. Refuses with LockAlreadyHeld.
    """
    resource = wanted.resource
    number = locks.take_number(session, resource)
    hand_over(session, resource, now=now)
    if wanted.sole_key is not None:
        own = locks.find_sole(session, resource, wanted.sole_key)
        if own is not None:
            raise LockAlreadyHeld(own.ticket, own.status)
    ticket = _new_ticket(wanted, f"{int(now.timestamp() * 1000)}-{number}-{uuid4()}", now)
    session.add(ticket)
    session.flush()
    audit.record(session, "lock.requested", resource.name, actor, now=now, repository_id=resource.repository_id,
                 kind=resource.kind, ticket_id=ticket.ticket, requested_by=wanted.requested_by, reason=wanted.reason,
                 duration_seconds=ticket.lease_seconds)  # fmt: skip
    hand_over(session, resource, now=now, asking=actor)
    if ticket.status == LockStatus.QUEUED:
        tell(session, ticket, now=now)
    return ticket


def _new_ticket(wanted: Wanted, ticket: str, now: datetime) -> Lock:
    holder = wanted.holder
    return Lock(
        ticket=ticket,
        repository_id=wanted.resource.repository_id,
        resource=wanted.resource.key,
        status=LockStatus.QUEUED,
        sole_key=wanted.sole_key,
        requested_by=wanted.requested_by,
        requester_id=wanted.requester_id,
        holder_type=holder.type if holder else None,
        holder_id=holder.id if holder else None,
        reason=wanted.reason,
        lease_seconds=int(wanted.lease.total_seconds()),
        created_at=now,
        updated_at=now,
    )
