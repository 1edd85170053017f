"""How an assignment ends: the one place where an environment leaves its holder."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from operations import notify
from operations.emit import emit_assignment, emit_instance
from operations.events import EventType
from operations.locked import lock_of
from operations.unlock import unlock_all
from storage import audit, environments, pools, queue, tickets
from storage.assignments import Assignment, AssignmentStatus
from storage.audit import Actor
from storage.environments import Environment, EnvironmentState
from storage.pools import Pool, Strategy
from storage.queue import QueueName


class EndReason(StrEnum):
    UNASSIGNED = "unassigned"
    CLOSED = "closed"
    EXPIRED = "expired"
    RECLAIMED = "reclaimed"  # released when asked for it, as somebody waited
    REPLACED = "replaced"
    POOL_DELETED = "pool_deleted"
    DELETED = "deleted"
    LOST = "lost"  # it is no longer at the provider


# After these the holder may take the same environment back for a while (contract 4.5).
REATTACHABLE = (EndReason.CLOSED, EndReason.EXPIRED)


def end(
    session: Session, assignment: Assignment, *, returned: bool, reason: EndReason, actor: Actor, now: datetime
) -> Environment:
    """The assignment is over: `returned` makes its environment AVAILABLE, else it is EXPIRED.

    Its status becomes released or expired accordingly (contract 4.2). Whoever waits for the pool is served
    next; an expired environment is replenished, once nobody may take it back or somebody waits.
    """
    environment = environments.lock(session, assignment.environment_id)
    pool = pools.get(session, assignment.pool_id)
    assignment.status = AssignmentStatus.RELEASED if returned else AssignmentStatus.EXPIRED
    assignment.ended_at = now
    assignment.end_reason = reason
    assignment.used_by = assignment.acquired_at = assignment.in_use_until = None
    assignment.version += 1
    environment.state = EnvironmentState.AVAILABLE if returned else EnvironmentState.EXPIRED
    environment.available_at = now if returned else environment.available_at
    environment.expired_at = None if returned else now
    environment.fence += 1
    environment.version += 1
    if reason in REATTACHABLE and pool.reattach_window:
        environment.last_holder_type = assignment.holder_type
        environment.last_holder_id = assignment.holder_id
        environment.last_holder_domain = assignment.domain
        environment.reattach_until = now + pool.reattach_window
    session.flush()
    audit.record(
        session,
        "assignment.ended",
        assignment.id,
        actor,
        now=now,
        repository_id=assignment.repository_id,
        holder=str(assignment.holder),
        environment=environment.name,
        fence=environment.fence,
        reason=reason,
        returned=returned,
    )
    _tell(session, assignment, environment, pool, returned=returned, now=now)
    unlock_all(session, lock_of(assignment), actor, now=now)
    offer(session, pool.id, now=now)
    if not returned:
        spared_until = None if tickets.anybody_waits(session, pool.id) else environment.reattach_until
        replenish_soon(session, pool.id, now=now, run_at=spared_until)
    notify.thread_of(session, assignment.holder, now=now)
    return environment


def _tell(
    session: Session, assignment: Assignment, environment: Environment, pool: Pool, *, returned: bool, now: datetime
) -> None:
    ended = EventType.ASSIGNMENT_RELEASED if returned else EventType.ASSIGNMENT_EXPIRED
    emit_assignment(session, ended, assignment, now=now, reason=assignment.end_reason)
    if returned:
        emit_instance(session, EventType.INSTANCE_AVAILABLE, environment, now=now)
    elif pool.strategy == Strategy.NOTIFY_ONLY:  # a person decides what becomes of it
        emit_instance(session, EventType.INSTANCE_FLAGGED, environment, now=now)


def offer(session: Session, pool_id: str, *, now: datetime) -> None:
    """If anybody waits for the pool, a task serves them after this transaction.

    Who joins the queue at this very moment is not seen here; the sweep that looks for waiters beside free
    environments serves them within seconds (jobs/cron.py).
    """
    if tickets.anybody_waits(session, pool_id):
        serve_soon(session, pool_id, now=now)


def serve_soon(session: Session, pool_id: str, *, now: datetime) -> None:
    queue.enqueue(
        session,
        "serve",
        queue=QueueName.CRITICAL,
        now=now,
        payload={"pool_id": pool_id},
        serial_key=f"serve:{pool_id}",
        once_key=pool_id,
    )


def replenish_soon(session: Session, pool_id: str, *, now: datetime, run_at: datetime | None = None) -> None:
    queue.enqueue(
        session,
        "replenish",
        queue=QueueName.BATCH,
        now=now,
        run_at=run_at,
        payload={"pool_id": pool_id},
        serial_key=f"replenish:{pool_id}",
        once_key=pool_id,
    )
