"""Waiting: one queue a pool; a ticket keeps its time until it is served or leaves."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations import notify
from operations.assign import Assigned, Wish, grant, resolve
from operations.emit import emit
from operations.end import replenish_soon, serve_soon
from operations.errors import PoolExhausted, PoolNotFound
from operations.events import EventType, of_pool, of_ticket
from operations.rank import rank
from storage import audit, environments, pools, tickets
from storage.audit import Actor
from storage.pools import Pool
from storage.tickets import Ticket, TicketState

OVERDUE = "waited as long as asked"


def join(
    session: Session,
    wish: Wish,
    actor: Actor,
    *,
    now: datetime,
    priority: int = tickets.HUMAN_CLASS,
    gives_up_at: datetime | None = None,
) -> Ticket:
    """The wish waits in its pool's queue, once: a holder that waits already keeps its place (rule I8).

    The pool is replenished, and whoever is first is served if an environment is there by now. Refuses as
    resolve() does.
    """
    pool = pools.lock(session, resolve(session, wish).id)
    if pool.deleted_at is not None:
        raise PoolNotFound
    waiting = tickets.lock_open(session, wish.holder)
    if waiting is not None and waiting.pool_id == pool.id:
        return waiting
    if waiting is not None:
        leave(session, waiting, "moved to another pool", now=now)
    ticket = Ticket(
        pool_id=pool.id,
        repository_id=wish.holder.repository_id,
        holder_type=wish.holder.type,
        holder_id=wish.holder.id,
        domain=wish.holder.domain,
        priority=priority,
        rank=rank(session, pool, wish.holder, actor.name, now=now),
        requested_by=actor.name,
        hours=wish.hours,
        is_immortal=wish.is_immortal,
        extra=wish.extra,
        joined_at=now,
        gives_up_at=gives_up_at,
    )
    session.add(ticket)
    session.flush()
    audit.record(session, "ticket.joined", str(ticket.id), actor, now=now, repository_id=ticket.repository_id,
                 holder=str(ticket.holder), pool=pool.tag)  # fmt: skip
    _tell(session, ticket, pool, now=now)
    serve_soon(session, pool.id, now=now)
    replenish_soon(session, pool.id, now=now)
    notify.thread_of(session, ticket.holder, now=now)
    show_positions(session, pool.id, now=now, after=ticket)
    return ticket


def _tell(session: Session, ticket: Ticket, pool: Pool, *, now: datetime) -> None:
    """The pool is exhausted from the first on who waits while nothing is available (contract 11.1)."""
    position = tickets.position(session, ticket)
    emit(session, EventType.ASSIGNMENT_QUEUED, lambda: of_ticket(session, ticket, pool, position), now=now,
         repository_id=ticket.repository_id)  # fmt: skip
    if tickets.number_waiting(session, pool.id) == 1 and not environments.any_available(session, pool.id):
        emit(session, EventType.POOL_EXHAUSTED, lambda: of_pool(session, pool), now=now,
             repository_id=pool.repository_id)  # fmt: skip


def leave(session: Session, ticket: Ticket, reason: str, *, now: datetime) -> None:
    """The ticket is out of the queue; the others' positions are shown anew."""
    ticket.state = TicketState.LEFT
    ticket.ended_at = now
    ticket.end_reason = reason
    session.flush()
    _record(session, "ticket.left", ticket, now=now, reason=reason)
    notify.thread_of(session, ticket.holder, now=now)
    notify.waiters_by(session, ticket.id, now=now)
    show_positions(session, ticket.pool_id, now=now)


def pause(session: Session, ticket: Ticket, *, now: datetime) -> None:
    """The ticket is passed over but keeps its time: a pull request that became a draft.

    What was estimated counts no more, also not afterwards: it held for somebody who waits.
    """
    ticket.state = TicketState.PAUSED
    ticket.estimated_ahead = ticket.likely_at = ticket.late_at = ticket.promised_at = None
    session.flush()
    _record(session, "ticket.paused", ticket, now=now)
    notify.thread_of(session, ticket.holder, now=now)
    show_positions(session, ticket.pool_id, now=now)


def resume(session: Session, ticket: Ticket, *, now: datetime) -> None:
    """A paused ticket waits again at its old place."""
    ticket.state = TicketState.WAITING
    session.flush()
    _record(session, "ticket.resumed", ticket, now=now)
    serve_soon(session, ticket.pool_id, now=now)
    show_positions(session, ticket.pool_id, now=now)


def next_in_line(session: Session, pool_id: str) -> Ticket | None:
    """Whose turn it is, if an environment is there for them; None else."""
    return tickets.first(session, pool_id) if environments.any_available(session, pool_id) else None


def serve(session: Session, ticket_id: int, *, request: str, now: datetime) -> Assigned | None:
    """The ticket's holder gets an environment, if it is still the first in line and one is still there.

    Offer and claim are one transaction under the pool's lock, so that no two tickets are served at once and
    nobody overtakes. None: somebody was faster, look again.
    """
    ticket = session.get(Ticket, ticket_id, populate_existing=True)
    if ticket is None:
        return None
    pool = pools.lock(session, ticket.pool_id)
    first = next_in_line(session, pool.id)
    if first is None or first.id != ticket_id:
        return None
    wish = Wish(ticket.holder, pool.tag, hours=ticket.hours, is_immortal=ticket.is_immortal, extra=ticket.extra)
    try:
        served = grant(session, pool, wish, Actor(ticket.requested_by, request=request), now=now)
    except PoolExhausted:  # what was available has no credentials
        return None
    show_positions(session, pool.id, now=now)
    return served


def show_positions(session: Session, pool_id: str, *, now: datetime, after: Ticket | None = None) -> None:
    """Every pull request in line shows its position, or each behind `after`."""
    for ticket in tickets.in_line(session, pool_id) if after is None else tickets.behind(session, after):
        notify.thread_of(session, ticket.holder, now=now)


def give_up_overdue(session: Session, *, now: datetime) -> int:
    """Tickets past their time leave; says how many."""
    overdue = tickets.overdue(session, now=now)
    for ticket in overdue:
        leave(session, ticket, OVERDUE, now=now)
    return len(overdue)


def _record(session: Session, action: str, ticket: Ticket, *, now: datetime, **details: str) -> None:
    audit.record(session, action, str(ticket.id), Actor(ticket.requested_by), now=now,
                 repository_id=ticket.repository_id, holder=str(ticket.holder), **details)  # fmt: skip
