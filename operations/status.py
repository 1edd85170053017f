"""What a pull request or issue has, awaits and had: the rows its comment is a view of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from operations.spared import is_spared
from storage import assignments, decisions, environments, locks, pins, pools, redeployments, tickets
from storage.assignments import Assignment, AssignmentStatus, Holder
from storage.decisions import Decision
from storage.dedicated import DedicatedEnvironment
from storage.environments import Environment, EnvironmentState
from storage.locks import Lock, LockStatus, ResourceKind
from storage.pools import Pool
from storage.redeployments import Redeployment
from storage.threads import Thread
from storage.tickets import Ticket


@dataclass(frozen=True)
class Held:
    assignment: Assignment
    environment: Environment
    pool: Pool
    redeployment: Redeployment | None = None  # the newest


@dataclass(frozen=True)
class Awaited:
    ticket: Ticket
    pool: Pool
    position: int  # 1 is next
    waiting: int
    making: int
    expiring: Assignment | None  # what will be free next, as far as is known


@dataclass(frozen=True)
class Locked:
    """A lock that the thread has or waits for."""

    lock: Lock
    environment: str | None  # a dedicated one, by its name; None is the thread's own
    position: int  # 0 has it, 1 is next


@dataclass(frozen=True)
class Status:
    held: list[Held]
    awaited: list[Awaited]
    last: Held | None  # what it had, if it has nothing now
    moved_to: Holder | None  # who has what it had
    decision: Decision | None  # the newest on whether it may have something
    repair: Decision | None = None  # that it was not as GitHub has it, last
    is_spared: bool = False  # what it had last has expired, and is kept for it a while
    locks: list[Locked] = field(default_factory=list)

    @property
    def is_pinned(self) -> bool:
        return any(pins.of(held.assignment) is not None for held in self.held)


def status(session: Session, thread: Thread, *, now: datetime) -> Status:
    """The thread's assignments and tickets in every domain, and how the last one ended."""
    holder = thread.holder
    locked = locks.of_thread(session, holder.repository_id, holder.type, holder.id)
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
        decision=decisions.last_verdict(session, holder),
        repair=decisions.last_repair(session, holder) if thread.repaired_at is not None else None,
        is_spared=ended is not None and _is_spared(session, ended, now),
        locks=[_locked(session, lock) for lock in locked],
    )


def _locked(session: Session, lock: Lock) -> Locked:
    position = 0 if lock.status == LockStatus.ACQUIRED else locks.ahead(session, lock)[0] + 1
    dedicated = session.get(DedicatedEnvironment, lock.of.name) if lock.of.kind == ResourceKind.ENVIRONMENT else None
    return Locked(lock, dedicated.name if dedicated is not None else None, position)


def _is_spared(session: Session, ended: Assignment, now: datetime) -> bool:
    environment = session.get_one(Environment, ended.environment_id)
    last_holder = (environment.last_holder_type, environment.last_holder_id, environment.last_holder_domain)
    is_theirs = last_holder == (ended.holder_type, ended.holder_id, ended.domain)
    if not is_theirs or environment.state != EnvironmentState.EXPIRED:
        return False
    return is_spared(session, pools.get(session, ended.pool_id), environment, now=now)


def _is_newer(moved: Assignment, ended: Assignment | None) -> bool:
    return ended is None or ended.assigned_at <= moved.assigned_at


def _held(session: Session, assignment: Assignment) -> Held:
    environment = session.get_one(environments.Environment, assignment.environment_id)
    redeployment = redeployments.last_of(session, assignment.id)
    return Held(assignment, environment, pools.get(session, assignment.pool_id), redeployment)


def _awaited(session: Session, ticket: Ticket) -> Awaited:
    counts = pools.counts(session, [ticket.pool_id])[ticket.pool_id]
    position = tickets.position(session, ticket)
    expiring = assignments.expires_next(session, ticket.pool_id)
    return Awaited(ticket, pools.get(session, ticket.pool_id), position, counts.waiting, counts.provisioning, expiring)
