"""What webhooks hear of: the events, and what each says. Never a secret, nor a ticket, which would be one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from storage import pools
from storage.assignments import Assignment
from storage.dedicated import DedicatedEnvironment
from storage.environments import Environment
from storage.locks import Lock, Resource, ResourceKind
from storage.pools import Pool
from storage.repositories import Repository
from storage.tickets import Ticket


class EventType(StrEnum):
    """Every event, in the words of contract 10.3."""

    ASSIGNMENT_CREATED = "assignment.created"
    ASSIGNMENT_QUEUED = "assignment.queued"
    ASSIGNMENT_EXTENDED = "assignment.extended"
    ASSIGNMENT_EXPIRING = "assignment.expiring"
    ASSIGNMENT_RELEASED = "assignment.released"
    ASSIGNMENT_EXPIRED = "assignment.expired"
    ASSIGNMENT_TRANSITIONED = "assignment.transitioned"
    INSTANCE_AVAILABLE = "instance.available"
    INSTANCE_ERROR = "instance.error"
    INSTANCE_FLAGGED = "instance.flagged"
    INSTANCE_DELETED = "instance.deleted"
    POOL_EXHAUSTED = "pool.exhausted"
    LOCK_ACQUIRED = "lock.acquired"
    LOCK_RELEASED = "lock.released"
    LOCK_FORCED = "lock.forced"
    TASK_COMPLETED = "task.completed"
    TASK_FAILED = "task.failed"


@dataclass(frozen=True)
class AssignmentEvent:
    """Somebody's environment. `previousExpiresAt` is said when it was extended, `previousAssignment` (as `pr-123`)
    when it was transitioned, and `reason` when it ended."""

    repository_identifier: str
    assignment_type: str
    assignment_id: str
    domain: str | None
    pool_tag: str
    sandbox_name: str
    status: str
    assigned_by: str
    assigned_at: datetime
    expires_at: datetime | None
    previous_expires_at: datetime | None = None
    previous_assignment: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class QueuedEvent:
    """Somebody waits for an environment of a pool; `position` 1 is next."""

    repository_identifier: str
    assignment_type: str
    assignment_id: str
    domain: str | None
    pool_tag: str
    position: int
    requested_by: str


@dataclass(frozen=True)
class InstanceEvent:
    """An environment of a pool. `reason` is why it is in error."""

    repository_identifier: str
    pool_tag: str
    sandbox_name: str
    status: str
    reason: str | None = None


@dataclass(frozen=True)
class PoolEvent:
    """A pool that has nothing available while somebody waits."""

    repository_identifier: str
    pool_tag: str
    total: int
    max_total: int
    assigned: int
    provisioning: int
    waiting: int


@dataclass(frozen=True)
class LockEvent:
    """A lock, and who has it or had it. `resource` is the name of an environment, if `kind` says so.

    `reason` is the holder's; `endReason` says why it holds it no more.
    """

    repository_identifier: str
    kind: str
    resource: str
    locked_by: str
    reason: str | None
    expires_at: datetime | None
    end_reason: str | None = None


@dataclass(frozen=True)
class TaskEvent:
    """A task that ended; `errorCode` and `errorMessage` say why it failed."""

    operation_id: str
    type: str
    status: str
    submitted_by: str | None
    error_code: str | None = None
    error_message: str | None = None
    repository_identifier: str | None = None


EventData = AssignmentEvent | QueuedEvent | InstanceEvent | PoolEvent | LockEvent | TaskEvent

DATA: Mapping[EventType, type[EventData]] = {
    EventType.ASSIGNMENT_CREATED: AssignmentEvent,
    EventType.ASSIGNMENT_QUEUED: QueuedEvent,
    EventType.ASSIGNMENT_EXTENDED: AssignmentEvent,
    EventType.ASSIGNMENT_EXPIRING: AssignmentEvent,
    EventType.ASSIGNMENT_RELEASED: AssignmentEvent,
    EventType.ASSIGNMENT_EXPIRED: AssignmentEvent,
    EventType.ASSIGNMENT_TRANSITIONED: AssignmentEvent,
    EventType.INSTANCE_AVAILABLE: InstanceEvent,
    EventType.INSTANCE_ERROR: InstanceEvent,
    EventType.INSTANCE_FLAGGED: InstanceEvent,
    EventType.INSTANCE_DELETED: InstanceEvent,
    EventType.POOL_EXHAUSTED: PoolEvent,
    EventType.LOCK_ACQUIRED: LockEvent,
    EventType.LOCK_RELEASED: LockEvent,
    EventType.LOCK_FORCED: LockEvent,
    EventType.TASK_COMPLETED: TaskEvent,
    EventType.TASK_FAILED: TaskEvent,
}


def of_assignment(
    session: Session,
    assignment: Assignment,
    *,
    previous_expires_at: datetime | None = None,
    previous_assignment: str | None = None,
    reason: str | None = None,
) -> AssignmentEvent:
    """The assignment as it is now."""
    return AssignmentEvent(
        repository_identifier=name_of(session, assignment.repository_id),
        assignment_type=assignment.holder_type,
        assignment_id=assignment.holder_id,
        domain=assignment.domain or None,
        pool_tag=pools.get(session, assignment.pool_id).tag,
        sandbox_name=session.get_one(Environment, assignment.environment_id).name,
        status=assignment.status,
        assigned_by=assignment.assigned_by,
        assigned_at=assignment.assigned_at,
        expires_at=assignment.expires_at,
        previous_expires_at=previous_expires_at,
        previous_assignment=previous_assignment,
        reason=reason,
    )


def of_ticket(session: Session, ticket: Ticket, pool: Pool, position: int) -> QueuedEvent:
    """The ticket at its place in the pool's queue."""
    return QueuedEvent(
        repository_identifier=name_of(session, ticket.repository_id),
        assignment_type=ticket.holder_type,
        assignment_id=ticket.holder_id,
        domain=ticket.domain or None,
        pool_tag=pool.tag,
        position=position,
        requested_by=ticket.requested_by,
    )


def of_environment(session: Session, environment: Environment, reason: str | None = None) -> InstanceEvent:
    """The environment as it is now."""
    pool = pools.get(session, environment.pool_id)
    return InstanceEvent(name_of(session, pool.repository_id), pool.tag, environment.name, environment.state, reason)


def of_pool(session: Session, pool: Pool) -> PoolEvent:
    """The pool with its counters as they are now."""
    counts = pools.counts(session, [pool.id])[pool.id]
    return PoolEvent(
        name_of(session, pool.repository_id), pool.tag, counts.total, pool.max_total, counts.assigned,
        counts.provisioning, counts.waiting,
    )  # fmt: skip


def of_lock(session: Session, lock: Lock) -> LockEvent:
    """The lock as it is now; its ticket opens it, and so is not said."""
    return LockEvent(
        repository_identifier=name_of(session, lock.repository_id),
        kind=lock.of.kind,
        resource=_name_of_locked(session, lock.of),
        locked_by=lock.requested_by,
        reason=lock.reason,
        expires_at=lock.expires_at,
        end_reason=lock.end_reason,
    )


def _name_of_locked(session: Session, resource: Resource) -> str:
    match resource.kind:
        case ResourceKind.ENVIRONMENT:
            dedicated = session.get(DedicatedEnvironment, resource.name)
            return resource.name if dedicated is None else dedicated.name
        case ResourceKind.ASSIGNMENT:
            assignment = session.get(Assignment, resource.name)
            if assignment is not None:
                return session.get_one(Environment, assignment.environment_id).name
    return resource.name


def name_of(session: Session, repository_id: str) -> str:
    """The repository's name, as events say it."""
    return session.get_one(Repository, repository_id).full_name
