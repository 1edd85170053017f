"""Generic locks: anything that has a name, by repository and resource (contract 10.2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Literal

from sqlalchemy.orm import Session

from bot.api.auth import CHANGE
from bot.api.call import AnyCall, Call
from bot.api.errors import RepositoryNotFound
from bot.api.fields import Answer, Between, Body, Count, Fields, RepositoryIdentifier, Timestamp
from bot.api.lock_waits import PATIENCE, Patience, QueryPatience
from bot.api.router import Routes
from bot.api.visible import find_repository
from operations.errors import LockNotFound, LockWaitTimeout
from operations.find_lock import find_lock
from operations.lock import Wanted, lock
from operations.lock_line import line_of, place_of
from operations.renew import renew
from operations.unlock import unlock
from storage import locks, repositories
from storage.locks import Lock, LockStatus, Resource, ResourceKind

LONGEST_LEASE = 86400  # seconds
SHOWN_AFTER_RELEASE = timedelta(hours=1)
TICKET_EXPIRED = "Ticket not found or expired"

Name = Annotated[str, Between(1, 255)]
Lease = Annotated[Count, Between(1, LONGEST_LEASE)]

routes = Routes()


class LockBody(Body):
    repository: RepositoryIdentifier
    resource: Name
    lease_duration_seconds: Lease


class WaitBody(Body):
    timeout_seconds: Patience = PATIENCE


class RenewBody(Body):
    lease_duration_seconds: Lease | None = None


class ResourcePath(Fields):
    repository: RepositoryIdentifier
    resource: Name


class TicketPath(ResourcePath):
    ticket_id: str


class WaitQuery(Fields):
    timeout_seconds: QueryPatience | None = None


class LockAnswer(Answer):
    id: str
    resource: str
    ticket_id: str
    status: Literal["queued", "acquired", "released"]
    queue_position: int | None
    lease_start: Timestamp | None
    lease_duration_seconds: int
    created_at: Timestamp
    updated_at: Timestamp
    lease_end: Timestamp | None
    fence: int | None
    reason_code: str | None


class UnlockedAnswer(Answer):
    message: Literal["Lock released successfully"]


@routes.add("POST", "/locks", CHANGE, "Ask for a lock", status=HTTPStatus.CREATED, refuses=(RepositoryNotFound,))
def request_lock(call: Call[None, None, LockBody]) -> LockAnswer:
    """It is acquired at once if nobody has it; else this is a place in line. A token may ask any number of times."""
    body = call.body
    if not call.caller.sees(body.repository):
        raise RepositoryNotFound(body.repository)
    with call.transaction() as session:
        repository = repositories.register(session, body.repository, now=call.now)
        wanted = Wanted(
            Resource(repository.id, ResourceKind.NAMED, body.resource),
            timedelta(seconds=body.lease_duration_seconds),
            requested_by=call.caller.email or call.caller.name,
            requester_id=call.caller.id,
        )
        return _show(session, lock(session, wanted, call.actor, now=call.now), call.now)


@routes.add(
    "GET", "/locks/{repository}/{resource}/{ticketId}", CHANGE, "Look at a lock ticket", refuses=(LockNotFound,)
)
def get_lock(call: Call[TicketPath, None, None]) -> LockAnswer:
    """Also one that was released, for some days."""
    with call.reading() as session:
        found = locks.find(session, _resource(session, call), call.path.ticket_id)
        if found is None:
            raise LockNotFound
        return _show(session, found, call.now)


@routes.add(
    "POST", "/locks/{repository}/{resource}/{ticketId}/acquire", CHANGE, "Acquire a lock if it is its turn",
    refuses=(LockNotFound,),
)  # fmt: skip
def acquire_lock(call: Call[TicketPath, None, None]) -> LockAnswer:
    """The ticket as it is now: whose turn has come has the lock without asking."""
    with call.transaction() as session:
        return _show(session, _find(session, call), call.now)


@routes.add(
    "POST", "/locks/{repository}/{resource}/{ticketId}/wait", CHANGE, "Wait for a lock",
    refuses=(LockNotFound, LockWaitTimeout),
)  # fmt: skip
def wait_for_lock(call: Call[TicketPath, WaitQuery, WaitBody]) -> LockAnswer:
    """Held until the lock is acquired, at most `timeoutSeconds`; a ticket that timed out keeps its place."""
    with call.reading() as session:
        resource = _resource(session, call, TICKET_EXPIRED)
        found = locks.find(session, resource, call.path.ticket_id)
        if found is None or found.status == LockStatus.RELEASED:
            raise LockNotFound(TICKET_EXPIRED)
        patience = call.query.timeout_seconds or call.body.timeout_seconds
        if found.status == LockStatus.QUEUED:
            place = place_of(session, found, now=call.now)
            raise LockWaitTimeout(found.number, place.position, place.estimated_wait_seconds, patience)
        return _show(session, found, call.now)


@routes.add(
    "POST", "/locks/{repository}/{resource}/{ticketId}/renew", CHANGE, "Hold a lock for longer",
    refuses=(LockNotFound,),
)  # fmt: skip
def renew_lock(call: Call[TicketPath, None, RenewBody]) -> LockAnswer:
    """Its lease ends one lease from now, of the length that it had unless another is given."""
    with call.transaction() as session:
        held = _find(session, call)
        seconds = call.body.lease_duration_seconds
        lease = timedelta(seconds=seconds) if seconds is not None else None
        return _show(session, renew(session, held, lease, call.actor, now=call.now), call.now)


@routes.add(
    "DELETE", "/locks/{repository}/{resource}/{ticketId}", CHANGE, "Release a lock, or leave its line",
    refuses=(LockNotFound,),
)  # fmt: skip
def release_lock(call: Call[TicketPath, None, None]) -> UnlockedAnswer:
    with call.transaction() as session:
        unlock(session, _find(session, call), call.actor, now=call.now)
    return UnlockedAnswer(message="Lock released successfully")


@routes.add("GET", "/locks/{repository}/{resource}", CHANGE, "List the tickets of a lock")
def list_locks(call: Call[ResourcePath, None, None]) -> list[LockAnswer]:
    """Who holds it, who waits, in order, and those that were released in the last hour."""
    with call.reading() as session:
        repository = find_repository(session, call, call.path.repository)
        if repository is None:
            return []
        resource = Resource(repository.id, ResourceKind.NAMED, call.path.resource)
        found = locks.listed(session, resource, released_after=call.now - SHOWN_AFTER_RELEASE)
        places = {waiting.lock.number: waiting.position for waiting in line_of(session, resource, now=call.now).queued}
        in_order = sorted(found, key=lambda lock: lock.status == LockStatus.RELEASED)
        return [_answer(lock, places.get(lock.number, 0)) for lock in in_order]


def _find(session: Session, call: AnyCall) -> Lock:
    return find_lock(session, _resource(session, call), call.path.ticket_id, now=call.now)


def _resource(session: Session, call: AnyCall, otherwise: str = "Lock not found") -> Resource:
    """What the path names. Refuses with LockNotFound where the caller can have no lock."""
    repository = find_repository(session, call, call.path.repository)
    if repository is None:
        raise LockNotFound(otherwise)
    return Resource(repository.id, ResourceKind.NAMED, call.path.resource)


def _show(session: Session, lock: Lock, now: datetime) -> LockAnswer:
    return _answer(lock, place_of(session, lock, now=now).position)


def _answer(lock: Lock, position: int) -> LockAnswer:
    return LockAnswer(
        id=lock.id,
        resource=lock.of.name,
        ticket_id=lock.ticket,
        status=LockStatus(lock.status).value,
        queue_position=None if lock.status == LockStatus.RELEASED else position,
        lease_start=lock.acquired_at,
        lease_duration_seconds=lock.lease_seconds,
        created_at=lock.created_at,
        updated_at=lock.updated_at,
        lease_end=lock.expires_at,
        fence=lock.fence,
        reason_code=lock.end_reason,
    )
