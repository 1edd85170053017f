"""Foresee: when a ticket's turn will come, kept with the ticket so that it can be shown, and scored afterwards."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations.estimate import Estimate, History, Holding, Outlook, estimate
from storage import assignments, environments, pools, tickets
from storage.pools import Pool, Strategy
from storage.tickets import Ticket, TicketState


def foresee(session: Session, ticket: Ticket, *, now: datetime) -> None:
    """A waiting ticket knows when it is likely and late served; both are None while that cannot be told.

    What was estimated stays while the place in line does and it is not late, so that what people read is calm.
    """
    if ticket.state != TicketState.WAITING:
        return
    ahead = tickets.position(session, ticket) - 1
    if ticket.estimated_ahead == ahead and ticket.late_at is not None and ticket.late_at > now:
        return
    found = _estimate(session, pools.get(session, ticket.pool_id), ahead, now=now)
    ticket.estimated_ahead = ahead
    ticket.likely_at, ticket.late_at = (found.likely, found.late) if found is not None else (None, None)
    ticket.promised_at = ticket.promised_at or ticket.likely_at
    session.flush()


def _estimate(session: Session, pool: Pool, ahead: int, *, now: datetime) -> Estimate | None:
    counts = pools.counts(session, [pool.id])[pool.id]
    outlook = Outlook(
        held=[Holding(held.assigned_at, held.end_of_life()) for held in assignments.of_pool(session, pool.id).values()],
        making=environments.creations_begun(session, pool.id),
        room=max(0, min(pool.max_total - counts.total, counts.waiting)) if pool.is_active else 0,
        ahead=ahead,
        returned=pool.return_on_unassign,
        renewed=pool.strategy in (Strategy.AUTO_REFRESH_EXPIRED, Strategy.DELETE_EXPIRED),
    )
    history = History(
        holds=sorted(assignments.hold_seconds(session, pool.id)),
        makings=sorted(minutes * 60 for minutes in environments.creation_minutes(session, pool.id)),
    )
    return estimate(outlook, history, now=now)
