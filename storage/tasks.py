"""Tasks: work to be done after a commit; the row is the message, Redis only the doorbell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column
from sqlalchemy.sql.dml import ReturningUpdate

from storage.database import Base, Id, UtcDateTime, new_id

CLAIM = timedelta(seconds=12)  # a worker renews its claims every few seconds; a dead one's are free after this
KEPT = timedelta(days=7)  # what has ended: tasks, submissions, deliveries …; and events (contract section 9)


class TaskState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


LIVE = (TaskState.PENDING, TaskState.ACTIVE)


class Task(Base):
    __tablename__ = "tasks"
    __table_args__ = (
        Index("ix_tasks_due", "queue", "state", "run_at"),
        Index(
            "uq_tasks_serial",
            "serial_key",
            unique=True,
            postgresql_where=text("state = 'active'"),
            sqlite_where=text("state = 'active'"),
        ),
        Index(
            "uq_tasks_once",
            "kind",
            "once_key",
            unique=True,
            postgresql_where=text("state = 'pending'"),
            sqlite_where=text("state = 'pending'"),
        ),
        Index("ix_tasks_serial", "serial_key", "state", "number"),
        Index("ix_tasks_finished", "state", "finished_at"),
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)  # the order
    id: Mapped[str] = mapped_column(Id, unique=True, default=new_id)
    kind: Mapped[str]
    queue: Mapped[str]
    serial_key: Mapped[str | None]  # tasks of one key are worked one at a time, in order
    once_key: Mapped[str | None]  # at most one pending task of this kind and key: refreshes coalesce
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)  # ids, never contents
    state: Mapped[str] = mapped_column(default=TaskState.PENDING)
    run_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=8)
    fence: Mapped[int] = mapped_column(default=0)  # counts the claims; what an earlier claim writes is refused
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    locked_until: Mapped[datetime | None]  # the claim is renewed no longer, whether or not its worker lives
    progress: Mapped[int] = mapped_column(default=0)
    result: Mapped[dict[str, Any] | None]
    error_code: Mapped[str | None]
    error: Mapped[str | None] = mapped_column(Text)
    submitted_by: Mapped[str | None]
    parent_id: Mapped[str | None] = mapped_column(Id, index=True)
    delivery_guid: Mapped[str | None] = mapped_column(ForeignKey("deliveries.guid", ondelete="SET NULL"))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ClaimLost(Exception):
    """Another worker took this work over; nothing of the present step may be kept."""


def get(session: Session, task_id: str) -> Task | None:
    return session.scalar(select(Task).where(Task.id == task_id))


def is_any_active(session: Session, kind: str) -> bool:
    """Whether a worker is at a task of this kind."""
    return bool(session.scalar(select(exists().where(Task.kind == kind, Task.state == TaskState.ACTIVE))))


def claim_due(session: Session, queue: str, worker: str, *, now: datetime, limit: int) -> Sequence[Task]:
    """Takes up to `limit` due tasks of the queue for this worker, in order, in one guarded statement.

    Of the tasks with one serial key only the first is taken, and none while another of that key is active:
    the unique index on active keys holds even where two workers look at the same moment, and then the second
    gets ClaimLost. A task whose worker has not renewed its claim is taken over.
    """
    given = {"wanted": queue, "worker": worker, "now": now, "until": now + CLAIM, "most": limit}
    options = {"populate_existing": True, "synchronize_session": False}
    try:
        claimed = session.scalars(_claim(), given, execution_options=options).all()
    except IntegrityError as error:
        raise ClaimLost("another worker has just claimed one of the same key") from error
    return sorted(claimed, key=lambda task: (task.run_at, task.number))


@cache
def _claim() -> ReturningUpdate[Task]:
    """Put together once: that takes several times as long as running it, and idle workers run it all the time."""
    other, earlier = aliased(Task), aliased(Task)
    now = bindparam("now", type_=UtcDateTime())
    due = or_(
        and_(Task.state == TaskState.PENDING, Task.run_at <= now),
        and_(Task.state == TaskState.ACTIVE, Task.claimed_until < now),
    )
    busy = exists().where(
        other.serial_key == Task.serial_key, other.state == TaskState.ACTIVE, other.number != Task.number
    )
    behind = exists().where(
        earlier.serial_key == Task.serial_key,
        earlier.state == TaskState.PENDING,
        earlier.number < Task.number,
    )
    free = or_(Task.serial_key.is_(None), Task.state == TaskState.ACTIVE, and_(~busy, ~behind))
    chosen = (
        select(Task.number)
        .where(Task.queue == bindparam("wanted"), due, free)
        .order_by(Task.run_at, Task.number)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
        .cte("chosen")  # evaluated once: as a subquery PostgreSQL may repeat it for each row, past the limit
    )
    return (
        update(Task)
        .where(Task.number.in_(select(chosen.c.number)), due)
        .values(
            state=TaskState.ACTIVE,
            claimed_by=bindparam("worker"),
            claimed_until=bindparam("until"),
            locked_until=None,
            attempts=Task.attempts + 1,
            fence=Task.fence + 1,
            started_at=now,
        )
        .returning(Task)
    )


def hold(session: Session, task: Task) -> None:
    """Returns if this worker still has the task, and keeps it from being taken over until the transaction ends.

    Raises ClaimLost else: a worker that was stopped and comes back late changes nothing.
    """
    _update(session, task, claimed_by=task.claimed_by)


def renew(session: Session, worker: str, *, now: datetime) -> None:
    """Every claim of this worker runs for another CLAIM, or until it ends for good."""
    until = now + CLAIM
    session.execute(
        update(Task)
        .where(Task.claimed_by == worker, Task.state == TaskState.ACTIVE)
        .values(claimed_until=case((Task.locked_until < until, Task.locked_until), else_=until))
    )


def lock(session: Session, task: Task, *, until: datetime) -> None:
    """This worker has the task until then at most, and for a CLAIM at a time: a dead or stuck one loses it."""
    assert task.claimed_until is not None, "only a claimed task is worked"
    _update(session, task, claimed_until=min(task.claimed_until, until), locked_until=until)


def complete(session: Session, task: Task, result: dict[str, Any] | None, *, now: datetime) -> None:
    _finish(session, task, state=TaskState.COMPLETED, progress=100, result=result, finished_at=now)


def fail(session: Session, task: Task, code: str, message: str, *, now: datetime) -> None:
    _finish(session, task, state=TaskState.FAILED, error_code=code, error=message, finished_at=now)


def put_back(session: Session, task: Task, *, run_at: datetime, counted: bool, error: str | None = None) -> None:
    """The task is pending again; `counted=False` gives the attempt back (it only waited for something).

    A coalescing task that finds its successor already pending is done: the successor does its work.
    """
    successor = exists().where(Task.kind == task.kind, Task.once_key == task.once_key, Task.state == TaskState.PENDING)
    if task.once_key is not None and session.scalar(select(successor)):
        _finish(session, task, state=TaskState.COMPLETED, finished_at=run_at)
        return
    attempts = task.attempts if counted else task.attempts - 1
    try:
        with session.begin_nested():
            _finish(session, task, state=TaskState.PENDING, run_at=run_at, attempts=attempts, error=error)
    except IntegrityError:  # the successor has appeared meanwhile
        _finish(session, task, state=TaskState.COMPLETED, finished_at=run_at)


def _finish(session: Session, task: Task, **values: Any) -> None:
    _update(session, task, claimed_by=None, claimed_until=None, **values)


_TABLE = cast(Table, Task.__table__)
_MINE = (
    _TABLE.update()
    .where(
        _TABLE.c.number == bindparam("its_number"),
        _TABLE.c.state == TaskState.ACTIVE,
        _TABLE.c.claimed_by == bindparam("its_worker"),
        _TABLE.c.fence == bindparam("its_fence"),
    )
    .returning(_TABLE.c.number)
)


def _update(session: Session, task: Task, **values: Any) -> None:
    claim = {"its_number": task.number, "its_worker": task.claimed_by, "its_fence": task.fence}
    if session.execute(_MINE, claim | values).first() is None:
        raise ClaimLost(task.id)


def live_by_queue(session: Session) -> dict[tuple[str, str], int]:
    """How many tasks of each queue are pending, and how many are being worked."""
    counted = select(Task.queue, Task.state, func.count()).where(Task.state.in_(LIVE)).group_by(Task.queue, Task.state)
    return {(queue, state): number for queue, state, number in session.execute(counted)}


def queues_with_due_work(session: Session, *, now: datetime) -> list[str]:
    """Queues with a task that is due or whose worker is gone."""
    return list(
        session.scalars(
            select(Task.queue)
            .where(
                or_(
                    and_(Task.state == TaskState.PENDING, Task.run_at <= now),
                    and_(Task.state == TaskState.ACTIVE, Task.claimed_until < now),
                )
            )
            .distinct()
        )
    )


def cancel_pending(session: Session, kind: str, once_key: str, *, now: datetime) -> None:
    """The pending task of this kind and key, if there is one, is never worked."""
    session.execute(
        update(Task)
        .where(Task.kind == kind, Task.once_key == once_key, Task.state == TaskState.PENDING)
        .values(state=TaskState.CANCELLED, finished_at=now)
    )


def remove_finished(session: Session, *, before: datetime, limit: int = 1000) -> int:
    """Deletes up to `limit` tasks that ended before then, and says how many."""
    ended = (TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED)
    old = select(Task.number).where(Task.state.in_(ended), Task.finished_at < before).limit(limit)
    return len(session.execute(delete(Task).where(Task.number.in_(old)).returning(Task.number)).all())
