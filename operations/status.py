"""What a pull request or issue has, awaits and had: the rows its comment is a view of."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage import assignments, decisions, environments, pools, tickets
from storage.assignments import Assignment, AssignmentStatus, Holder
from storage.decisions import Decision
from storage.environments import Environment
from storage.pools import Pool
from storage.threads import Thread
from storage.tickets import Ticket


@dataclass(frozen=True)
class Held:
    assignment: Assignment
    environment: Environment
    pool: Pool


@dataclass(frozen=True)
class Awaited:
    ticket: Ticket
    pool: Pool
    position: int  # 1 is next
    waiting: int
    making: int
    expiring: Assignment | None  # what will be free next, as far as is known


@dataclass(frozen=True)
class Status:
    held: list[Held]
    awaited: list[Awaited]
    last: Held | None  # what it had, if it has nothing now
    moved_to: Holder | None  # who has what it had
    decision: Decision | None


def status(session: Session, thread: Thread) -> Status:
    """The thread's assignments and tickets in every domain, and how the last one ended."""
    holder = thread.holder
    active = session.scalars(
        select(Assignment)
        .where(
            Assignment.repository_id == holder.repository_id,
            Assignment.holder_type == holder.type,
            Assignment.holder_id == holder.id,
            Assignment.status == AssignmentStatus.ACTIVE,
        )
        .order_by(Assignment.domain)
    )
    ended = assignments.last_ended(session, holder)
    moved = assignments.last_transitioned(session, holder)
    return Status(
        held=[_held(session, assignment) for assignment in active],
        awaited=[_awaited(session, ticket) for ticket in tickets.all_open(session, holder)],
        last=_held(session, ended) if ended is not None else None,
        moved_to=moved.holder if moved is not None and _is_newer(moved, ended) else None,
        decision=decisions.last(session, holder),
    )


def _is_newer(moved: Assignment, ended: Assignment | None) -> bool:
    return ended is None or ended.assigned_at <= moved.assigned_at


def _held(session: Session, assignment: Assignment) -> Held:
    environment = session.get_one(environments.Environment, assignment.environment_id)
    return Held(assignment, environment, pools.get(session, assignment.pool_id))


def _awaited(session: Session, ticket: Ticket) -> Awaited:
    counts = pools.counts(session, [ticket.pool_id])[ticket.pool_id]
    position = tickets.position(session, ticket)
    expiring = assignments.expires_next(session, ticket.pool_id)
    return Awaited(ticket, pools.get(session, ticket.pool_id), position, counts.waiting, counts.provisioning, expiring)
