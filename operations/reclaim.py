"""Reclaim: who could be asked for what they do not use, while somebody waits long (bot-behaviour 6.7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from operations.lock_line import line_of
from operations.locked import lock_of
from storage import assignments, environments, pools, tickets
from storage.assignments import Assignment, AssignmentStatus
from storage.pools import Pool, Strategy
from storage.tickets import Ticket, TicketState

LONG = timedelta(minutes=30)
IDLE = timedelta(hours=2)  # since the last push, command or visit


@dataclass(frozen=True)
class Reclaim:
    """Whoever has the assignment could give it to whom the ticket belongs."""

    assignment: Assignment
    ticket: Ticket
    pool: Pool

    @property
    def key(self) -> str:
        return f"{self.assignment.id} {self.ticket.id}"


def reclaimable(session: Session, *, now: datetime) -> list[Reclaim]:
    """What is idle in each pool whose next in line waits long: more than half an hour, or is likely to.

    Nothing that is pinned or without an end, locked or worked in; and nothing where giving it back helps nobody.
    """
    found = []
    for pool_id in tickets.pools_waited_for(session):
        pool, line = pools.get(session, pool_id), tickets.in_line(session, pool_id)
        is_due = bool(line) and _is_long(line[0], now) and _comes_back(pool)
        if is_due and not environments.any_available(session, pool_id):
            held = assignments.of_pool(session, pool_id).values()
            found += [Reclaim(each, line[0], pool) for each in held if _is_idle(session, each, now)]
    return found


def is_still_wanted(session: Session, key: str, *, asked_at: datetime) -> bool:
    """Whether who was asked has not answered, by doing anything there, and who waits still does."""
    assignment_id, ticket_id = key.split()
    assignment, ticket = session.get(Assignment, assignment_id), session.get(Ticket, int(ticket_id))
    if assignment is None or ticket is None or ticket.state != TicketState.WAITING:
        return False
    is_unused = assignment.active_at is None or assignment.active_at < asked_at
    return assignment.status == AssignmentStatus.ACTIVE and is_unused


def _is_long(ticket: Ticket, now: datetime) -> bool:
    return now - ticket.joined_at >= LONG or (ticket.likely_at is not None and ticket.likely_at - now > LONG)


def _comes_back(pool: Pool) -> bool:
    return pool.return_on_unassign or pool.strategy in (Strategy.AUTO_REFRESH_EXPIRED, Strategy.DELETE_EXPIRED)


def _is_idle(session: Session, assignment: Assignment, now: datetime) -> bool:
    if assignment.is_immortal or assignment.lease(now) is not None:
        return False
    is_idle = now - (assignment.active_at or assignment.assigned_at) >= IDLE
    return is_idle and line_of(session, lock_of(assignment), now=now).holder is None
