"""Assign: a holder gets an environment of a pool, or the one it has."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from operations import notify
from operations.emit import emit_assignment, emit_instance
from operations.end import EndReason, end
from operations.errors import NoPoolMatch, PoolExhausted, PoolNotFound
from operations.events import EventType
from operations.exhausted import exhausted
from operations.expire import expire, is_past_due
from operations.match import match
from storage import assignments, audit, environments, pins, pools, tickets
from storage.assignments import Assignment, AssignmentStatus, Holder, HolderType
from storage.audit import Actor
from storage.database import new_id
from storage.environments import Environment, EnvironmentState
from storage.pools import Pool
from storage.tickets import TicketState


@dataclass(frozen=True)
class Wish:
    """What a caller asks for (contract R1). `hours` None is the pool's default; `extra` is its metadata.

    `untrusted`: nobody has looked at its code, so that no trusted pool may serve it, whoever names one.
    Who takes an environment out of the pool itself (contract P12) names its assignment and owns it: `taken_by`.
    """

    holder: Holder
    pool_tag: str | None = None
    branch: str | None = None
    domains: list[str] = field(default_factory=list)
    hours: float | None = None
    is_immortal: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    override: bool = False
    untrusted: bool = False
    pool_assignment_id: str | None = None
    taken_by: str | None = None


@dataclass(frozen=True)
class Assigned:
    assignment: Assignment
    environment: Environment
    pool: Pool
    is_reused: bool


def assign(session: Session, wish: Wish, actor: Actor, *, now: datetime) -> Assigned:
    """The holder has an environment: the one it already had (`is_reused`), or the pool's longest available one.

    With `override` the new one is claimed first and the old one then ended by its pool's return setting. What
    the holder gave up within its re-attach window is taken back. Environments without credentials are never
    handed out: they become ERROR. Refuses with PoolNotFound, NoPoolMatch, or PoolExhausted, which also stands
    for "others wait and there are no more environments than waiters". (Contract section 7, semantics 1–4.)
    """
    current = _current(session, wish)
    if current is not None and is_past_due(current, now=now):
        expire(session, current, now=now)
        current = None
    if current is not None and not wish.override:
        return _reuse(session, current, wish, actor, now=now)
    pool = resolve(session, wish)
    try:
        _let_waiters_first(session, pool, wish.holder, now=now)
        return _grant_patiently(session, pool, wish, actor, now=now, replaced=current)
    except PoolExhausted:
        served = _current(session, wish) if current is None else None
        if served is None:
            raise
        return _reuse(session, served, wish, actor, now=now)  # its turn in the queue came while this looked


def resolve(session: Session, wish: Wish) -> Pool:
    """The pool that the wish names, or that its branch and domains lead to."""
    if wish.pool_tag is None:
        return match(session, wish.holder.repository_id, wish.branch, wish.domains, untrusted=wish.untrusted).pool
    pool = pools.find(session, wish.holder.repository_id, wish.pool_tag)
    if pool is None:
        raise PoolNotFound
    if wish.untrusted and not pool.is_untrusted:
        tried = {"poolTag": pool.tag, "matched": False, "why": f"the pool {pool.tag} is for trusted code"}
        raise NoPoolMatch(wish.branch, wish.domains, [tried])
    return pool


def grant(
    session: Session, pool: Pool, wish: Wish, actor: Actor, *, now: datetime, replaced: Assignment | None = None
) -> Assigned:
    """An environment of the pool is claimed and the holder's assignment made, in this order, in one transaction."""
    environment = environments.claim_again(session, pool.id, wish.holder, now=now)
    environment = environment or _claim_with_credentials(session, pool, actor, now=now)
    if environment is None:
        raise exhausted(session, pool, now=now)
    if replaced is not None:
        end(session, replaced, returned=_return_setting(session, replaced), reason=EndReason.REPLACED,
            actor=actor, now=now)  # fmt: skip
    assignment = _insert(session, pool, environment, wish, actor, now=now)
    if assignment is None:  # another caller was faster with the same holder: what it got is ours too
        environment.state = EnvironmentState.EXPIRED if environment.expired_at else EnvironmentState.AVAILABLE
        session.flush()
        current = _current(session, wish)
        assert current is not None, "a unique index refused a row that nobody holds"
        take_ticket(session, current, now=now)
        return _reuse(session, current, wish, actor, now=now)
    take_ticket(session, assignment, now=now)
    audit.record(
        session,
        "assignment.created",
        assignment.id,
        actor,
        now=now,
        repository_id=assignment.repository_id,
        holder=str(assignment.holder),
        domain=assignment.domain,
        pool=pool.tag,
        environment=environment.name,
        fence=environment.fence,
    )
    emit_assignment(session, EventType.ASSIGNMENT_CREATED, assignment, now=now)
    notify.thread_of(session, assignment.holder, now=now)
    return Assigned(assignment, environment, pool, is_reused=False)


def _grant_patiently(
    session: Session, pool: Pool, wish: Wish, actor: Actor, *, now: datetime, replaced: Assignment | None
) -> Assigned:
    """As grant(); but whoever claims at this very moment, perhaps for the same holder, is waited for first."""
    try:
        return grant(session, pool, wish, actor, now=now, replaced=replaced)
    except PoolExhausted:
        if not environments.wait_for_claims(session, pool.id):
            raise
        return grant(session, pool, wish, actor, now=now, replaced=replaced)


def _current(session: Session, wish: Wish) -> Assignment | None:
    """What the wish would get again: its own assignment wherever that has gone meanwhile, or its holder's."""
    if wish.pool_assignment_id is not None:
        repository_id = wish.holder.repository_id
        named = assignments.find_by_pool_assignment(session, repository_id, wish.pool_assignment_id)
        if named is not None:
            return named
    return assignments.find_active(session, wish.holder)


def metadata_of(holder: Holder, extra: dict[str, Any]) -> dict[str, Any]:
    """The caller's metadata with what the server adds by type (contract section 5); nobody pins by it."""
    extra = pins.without(extra)
    if holder.type == HolderType.USER:
        return {**extra, "userEmail": holder.id}
    if holder.type in (HolderType.PR, HolderType.ISSUE) and holder.id.isdecimal():
        return {**extra, f"{'pr' if holder.type == HolderType.PR else 'issue'}Number": int(holder.id)}
    return extra


def _reuse(session: Session, current: Assignment, wish: Wish, actor: Actor, *, now: datetime) -> Assigned:
    merged = {**current.extra, **metadata_of(wish.holder, wish.extra)}
    if merged != current.extra:
        current.extra = merged
        current.version += 1
        session.flush()
        audit.record(session, "assignment.described", current.id, actor, now=now,
                     repository_id=current.repository_id, keys=sorted(wish.extra))  # fmt: skip
    environment = session.get_one(Environment, current.environment_id)
    return Assigned(current, environment, pools.get(session, current.pool_id), is_reused=True)


def _let_waiters_first(session: Session, pool: Pool, holder: Holder, *, now: datetime) -> None:
    """Refuses unless there are more environments than others who wait (contract section 7, semantics 4)."""
    if not tickets.anybody_waits(session, pool.id):
        return
    pools.lock(session, pool.id)
    mine = tickets.find_open(session, holder)
    ahead = tickets.number_waiting(session, pool.id)
    if mine is not None and mine.pool_id == pool.id and mine.state == TicketState.WAITING:
        ahead = tickets.position(session, mine) - 1
    if pools.counts(session, [pool.id])[pool.id].available <= ahead:
        raise exhausted(session, pool, now=now)


def _claim_with_credentials(session: Session, pool: Pool, actor: Actor, *, now: datetime) -> Environment | None:
    while (environment := environments.claim_available(session, pool.id, now=now)) is not None:
        if environment.credentials is not None:
            return environment
        environment.state = EnvironmentState.ERROR
        environment.last_error = "It has no credentials"
        environment.failed_at = now
        session.flush()
        audit.record(session, "environment.failed", environment.id, actor, now=now, environment=environment.name,
                     fence=environment.fence, error=environment.last_error)  # fmt: skip
        emit_instance(session, EventType.INSTANCE_ERROR, environment, now=now, reason=environment.last_error)
    return None


def _insert(
    session: Session, pool: Pool, environment: Environment, wish: Wish, actor: Actor, *, now: datetime
) -> Assignment | None:
    hours = pool.default_expiration_hours if wish.hours is None else wish.hours
    assignment_id = new_id()
    return assignments.insert(
        session,
        id=assignment_id,
        pool_assignment_id=wish.pool_assignment_id or assignment_id,
        taken_by=wish.taken_by,
        repository_id=wish.holder.repository_id,
        holder_type=wish.holder.type,
        holder_id=wish.holder.id,
        domain=wish.holder.domain,
        pool_id=pool.id,
        environment_id=environment.id,
        fence=environment.fence,
        status=AssignmentStatus.ACTIVE,
        assigned_by=actor.name,
        assigned_at=now,
        expires_at=None if wish.is_immortal else now + timedelta(hours=hours),
        metadata=metadata_of(wish.holder, wish.extra),
        version=1,
    )


def take_ticket(session: Session, assignment: Assignment, *, now: datetime) -> None:
    """Its holder waits no more: the ticket is served by this assignment, however the holder came to it."""
    ticket = tickets.find_open(session, assignment.holder)
    if ticket is not None:
        ticket.state = TicketState.SERVED
        ticket.ended_at = now
        ticket.assignment_id = assignment.id
        session.flush()
        asked = Actor(ticket.requested_by)
        audit.record(session, "ticket.served", str(ticket.id), asked, now=now, repository_id=ticket.repository_id,
                     holder=str(ticket.holder), assignment=assignment.id)  # fmt: skip
        notify.waiters_by(session, ticket.id, now=now)


def _return_setting(session: Session, assignment: Assignment) -> bool:
    return pools.get(session, assignment.pool_id).return_on_unassign
