"""E11–E16: dedicated environments are locked by one pipeline at a time, which then gets the way in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import ConfigDict
from sqlalchemy.orm import Session

from bot.api.auth import CHANGE
from bot.api.call import AnyCall, Call
from bot.api.credentials import AuthType, fields_of, log_in
from bot.api.environment import Found, find_addressed
from bot.api.environment_bodies import EnvironmentPath, NamePath, OfRepository
from bot.api.errors import InvalidFields
from bot.api.fields import Answer, Between, Body, Count, Fields, Number, Timestamp, having
from bot.api.lock_waits import PATIENCE, QueryPatience
from bot.api.router import Routes
from operations.access import Access, record_access
from operations.errors import (
    EnvironmentNotFound,
    LockAlreadyHeld,
    LockNotFound,
    LockWaitTimeout,
    NotLockHolder,
    ProviderRefused,
)
from operations.find_lock import find_lock
from operations.lock import Wanted, lock
from operations.lock_line import place_of
from operations.renew import renew
from operations.unlock import unlock
from storage import locks
from storage.locks import Lock, LockStatus
from storage.tokens import Role

DEFAULT_LEASE = 3600  # seconds
# The published sentences where there is no such ticket, or no such environment.
WAITING, WAITING_BY_NAME = "Ticket not found or expired", "Environment or ticket not found"
UNLOCKING = "Environment or lock not found"

WAIT_REFUSALS = (LockNotFound, NotLockHolder, LockWaitTimeout, ProviderRefused)
RENEW_REFUSALS = (LockNotFound, NotLockHolder)

routes = Routes()


class TicketPath(EnvironmentPath):
    ticket_id: str


class NamedTicketPath(NamePath):
    ticket_id: str


class OfItsRepository(Fields):
    """The environment's repository, by its name or as owner/name: whoever locks shows that it means this one."""

    repository_name: str


class OfTicket(Fields):
    ticket_id: str


class Wait(Fields):
    """How long to wait, in seconds, and which way in is wanted."""

    auth_type: AuthType = "accessToken"
    timeout_seconds: QueryPatience = PATIENCE


class WaitQuery(Wait, OfItsRepository):
    pass


class TicketWaitQuery(WaitQuery, OfTicket):
    pass


class NamedWaitQuery(Wait, OfRepository):
    pass


class NamedTicketWaitQuery(NamedWaitQuery, OfTicket):
    pass


class TicketQuery(OfItsRepository, OfTicket):
    pass


class NamedTicketQuery(OfRepository, OfTicket):
    pass


class LeaseBody(Body):
    """`durationSeconds`, or `duration` in minutes; not both."""

    model_config = ConfigDict(json_schema_extra={"not": having("duration", "durationSeconds")})

    duration_seconds: Annotated[Count, Between(60, 86400)] | None = None
    duration: Annotated[float, Between(1, 1440)] | None = None

    @property
    def lease(self) -> timedelta | None:
        if self.duration is not None and self.duration_seconds is not None:
            raise InvalidFields.one("duration", "exclusive", "must not be given together with durationSeconds")
        if self.duration is not None:
            return timedelta(seconds=round(60 * self.duration))
        return timedelta(seconds=self.duration_seconds) if self.duration_seconds is not None else None


class EnvironmentLockBody(LeaseBody):
    """`requestedBy` names the job behind a token that many share."""

    reason: Annotated[str, Between(0, 500)] | None = None
    requested_by: Annotated[str, Between(1, 100)] | None = None


class TicketAnswer(Answer):
    ticket_id: str
    status: Literal["queued", "acquired"]
    environment_id: str
    environment_name: str
    duration: Number
    duration_seconds: int
    queue_position: int
    estimated_wait_seconds: int
    expires_at: Timestamp | None
    fence: int | None


class AccessAnswer(Answer):
    """The lock, and the way into what it locks: `accessToken`, or `sfdxAuthUrl` if that was asked for."""

    ticket_id: str
    status: Literal["acquired"]
    environment_id: str
    environment_name: str
    duration: Number
    expires_at: Timestamp
    fence: int
    salesforce_username: str
    instance_url: str | None
    access_token: str | None = None
    sfdx_auth_url: str | None = None


class EnvironmentUnlocked(Answer):
    message: Literal["Environment unlocked successfully"]
    ticket_id: str
    environment_id: str


@routes.add(
    "POST", "/environments/{id}/lock", CHANGE, "Lock an environment",
    status=HTTPStatus.CREATED, refuses=(EnvironmentNotFound, LockAlreadyHeld),
)  # fmt: skip
def lock_environment(call: Call[EnvironmentPath, OfItsRepository, EnvironmentLockBody]) -> TicketAnswer:
    """At once if nobody has it, else a ticket for the line. The lease begins when the lock is acquired."""
    return _lock(call)


@routes.add(
    "POST", "/environments/by-name/{name}/lock", CHANGE, "Lock an environment by its name",
    status=HTTPStatus.CREATED, refuses=(EnvironmentNotFound, LockAlreadyHeld),
)  # fmt: skip
def lock_environment_by_name(call: Call[NamePath, OfRepository, EnvironmentLockBody]) -> TicketAnswer:
    return _lock(call)


@routes.add(
    "POST", "/environments/{id}/lock/{ticketId}/wait", CHANGE, "Wait for the lock of an environment",
    refuses=WAIT_REFUSALS,
)  # fmt: skip
@routes.add(
    "GET", "/environments/{id}/lock/{ticketId}/wait", CHANGE, "Wait for the lock of an environment, as POST does",
    refuses=WAIT_REFUSALS,
)  # fmt: skip
def wait_for_environment(call: Call[TicketPath, WaitQuery, None]) -> AccessAnswer:
    """Held until the lock is acquired, at most `timeoutSeconds`; a ticket that timed out keeps its place."""
    return _wait(call, call.path.ticket_id, WAITING)


@routes.add(
    "POST", "/environments/{id}/wait", CHANGE, "Wait for the lock of an environment, its ticket in the query",
    refuses=WAIT_REFUSALS,
)  # fmt: skip
def wait_with_ticket(call: Call[EnvironmentPath, TicketWaitQuery, None]) -> AccessAnswer:
    return _wait(call, call.query.ticket_id, WAITING)


@routes.add(
    "POST", "/environments/by-name/{name}/lock/{ticketId}/wait", CHANGE, "Wait for a lock by the environment's name",
    refuses=WAIT_REFUSALS,
)  # fmt: skip
@routes.add(
    "GET", "/environments/by-name/{name}/lock/{ticketId}/wait", CHANGE, "Wait for a lock by name, as POST does",
    refuses=WAIT_REFUSALS,
)  # fmt: skip
def wait_for_environment_by_name(call: Call[NamedTicketPath, NamedWaitQuery, None]) -> AccessAnswer:
    return _wait(call, call.path.ticket_id, WAITING_BY_NAME)


@routes.add(
    "POST", "/environments/by-name/{name}/wait", CHANGE, "Wait for a lock by name, its ticket in the query",
    refuses=WAIT_REFUSALS,
)  # fmt: skip
def wait_with_ticket_by_name(call: Call[NamePath, NamedTicketWaitQuery, None]) -> AccessAnswer:
    return _wait(call, call.query.ticket_id, WAITING_BY_NAME)


@routes.add(
    "POST", "/environments/{id}/lock/{ticketId}/renew", CHANGE, "Hold the lock of an environment for longer",
    refuses=RENEW_REFUSALS,
)  # fmt: skip
def renew_environment(call: Call[TicketPath, OfItsRepository, LeaseBody]) -> TicketAnswer:
    """Its lease ends one lease from now, of the length that it had unless another is given."""
    return _renew(call)


@routes.add(
    "POST", "/environments/by-name/{name}/lock/{ticketId}/renew", CHANGE, "Hold a lock for longer by name",
    refuses=RENEW_REFUSALS,
)  # fmt: skip
def renew_environment_by_name(call: Call[NamedTicketPath, OfRepository, LeaseBody]) -> TicketAnswer:
    return _renew(call)


@routes.add(
    "DELETE", "/environments/{id}/lock/{ticketId}", CHANGE, "Unlock an environment, or leave its line",
    refuses=(LockNotFound,),
)  # fmt: skip
def unlock_environment(call: Call[TicketPath, OfItsRepository, None]) -> EnvironmentUnlocked:
    """The next in line has the lock at once."""
    return _unlock(call, call.path.ticket_id)


@routes.add(
    "POST", "/environments/{id}/unlock", CHANGE, "Unlock an environment, its ticket in the query",
    refuses=(LockNotFound,),
)  # fmt: skip
def unlock_with_ticket(call: Call[EnvironmentPath, TicketQuery, None]) -> EnvironmentUnlocked:
    return _unlock(call, call.query.ticket_id)


@routes.add(
    "DELETE", "/environments/by-name/{name}/lock/{ticketId}", CHANGE, "Unlock an environment by its name",
    refuses=(LockNotFound,),
)  # fmt: skip
def unlock_environment_by_name(call: Call[NamedTicketPath, OfRepository, None]) -> EnvironmentUnlocked:
    return _unlock(call, call.path.ticket_id)


@routes.add(
    "POST", "/environments/by-name/{name}/unlock", CHANGE, "Unlock by name, the ticket in the query",
    refuses=(LockNotFound,),
)  # fmt: skip
def unlock_with_ticket_by_name(call: Call[NamePath, NamedTicketQuery, None]) -> EnvironmentUnlocked:
    return _unlock(call, call.query.ticket_id)


def _lock(call: AnyCall) -> TicketAnswer:
    with call.transaction() as session:
        environment, _ = found = _find(session, call)
        body: EnvironmentLockBody = call.body
        wanted = Wanted(
            environment.resource,
            body.lease or timedelta(seconds=DEFAULT_LEASE),
            requested_by=body.requested_by or call.caller.email or call.caller.name,
            requester_id=call.caller.id,
            reason=body.reason,
            sole_key=_sole_key(call, body.requested_by),
        )
        return _ticket(session, call, found, lock(session, wanted, call.actor, now=call.now))


def _sole_key(call: AnyCall, requested_by: str | None) -> str | None:
    """Who may have one live ticket only: a person, and a job that a token names (contract section 6, semantics)."""
    if call.caller.login is not None:
        return f"user:{call.caller.id}"
    return f"token:{call.caller.id}:{requested_by}" if requested_by is not None else None


def _wait(call: AnyCall, ticket: str, otherwise: str) -> AccessAnswer:
    """The org is asked between two transactions; the second, if the lock is still held in it, reveals the way in."""
    with call.reading() as session:
        environment, _ = _find_or(session, call, otherwise)
        waiting = locks.find(session, environment.resource, ticket)
        if waiting is None or waiting.status == LockStatus.RELEASED:
            raise LockNotFound(otherwise)
        _refuse_others(call, waiting)
        if waiting.status == LockStatus.QUEUED:
            place = place_of(session, waiting, now=call.now)
            patience = call.query.timeout_seconds
            raise LockWaitTimeout(waiting.number, place.position, place.estimated_wait_seconds, patience)
    auth_type: AuthType = call.query.auth_type
    credentials = log_in(call.context, environment)
    with call.transaction() as session:
        asked = environment.salesforce_username
        environment, _ = _find_or(session, call, otherwise)
        if environment.salesforce_username != asked:
            raise ProviderRefused("the environment has got another org meanwhile")
        held = find_lock(session, environment.resource, ticket, now=call.context.clock(), otherwise=otherwise)
        assert held.expires_at is not None and held.fence is not None, "who was acquired never waits again"
        record_access(session, environment, Access.CREDENTIALS, call.actor, now=call.now, auth_type=auth_type,
                      ticket_id=ticket)  # fmt: skip
        shown: Mapping[str, Any] = {"instance_url": credentials.instance_url, **fields_of(credentials, auth_type)}
        return AccessAnswer(
            ticket_id=held.ticket,
            status="acquired",
            environment_id=environment.id,
            environment_name=environment.name,
            duration=held.lease_seconds / 60,
            expires_at=held.expires_at,
            fence=held.fence,
            salesforce_username=environment.salesforce_username,
            **shown,
        )


def _renew(call: AnyCall) -> TicketAnswer:
    with call.transaction() as session:
        environment, _ = found = _find_or(session, call, UNLOCKING)
        held = find_lock(session, environment.resource, call.path.ticket_id, now=call.now, otherwise=UNLOCKING)
        _refuse_others(call, held)
        return _ticket(session, call, found, renew(session, held, call.body.lease, call.actor, now=call.now))


def _unlock(call: AnyCall, ticket: str) -> EnvironmentUnlocked:
    with call.transaction() as session:
        environment, _ = _find_or(session, call, UNLOCKING)
        held = find_lock(session, environment.resource, ticket, now=call.now, otherwise=UNLOCKING)
        unlock(session, held, call.actor, now=call.now)
    return EnvironmentUnlocked(
        message="Environment unlocked successfully", ticket_id=ticket, environment_id=environment.id
    )


def _find(session: Session, call: AnyCall) -> Found:
    """The environment, of the repository that a request about it by its id names. Refuses with EnvironmentNotFound."""
    environment, repository = find_addressed(session, call)
    named = getattr(call.query, "repository_name", repository.full_name).lower()
    if named not in (repository.name.lower(), repository.full_name.lower()):
        raise InvalidFields.one("repositoryName", "match", "must be the repository of the environment")
    return environment, repository


def _find_or(session: Session, call: AnyCall, otherwise: str) -> Found:
    """As _find(), for a ticket: where there is no environment there is none. Refuses with LockNotFound."""
    try:
        return _find(session, call)
    except EnvironmentNotFound as missing:
        raise LockNotFound(otherwise) from missing


def _refuse_others(call: AnyCall, ticket: Lock) -> None:
    """What a lock opens is for its requester and for owners (contract E12). Refuses with NotLockHolder."""
    if call.caller.role != Role.OWNER and ticket.requester_id != call.caller.id:
        raise NotLockHolder


def _ticket(session: Session, call: AnyCall, found: Found, ticket: Lock) -> TicketAnswer:
    place = place_of(session, ticket, now=call.now)
    return TicketAnswer(
        ticket_id=ticket.ticket,
        status="acquired" if ticket.status == LockStatus.ACQUIRED else "queued",
        environment_id=found[0].id,
        environment_name=found[0].name,
        duration=ticket.lease_seconds / 60,
        duration_seconds=ticket.lease_seconds,
        queue_position=place.position,
        estimated_wait_seconds=place.estimated_wait_seconds,
        expires_at=ticket.expires_at,
        fence=ticket.fence,
    )
