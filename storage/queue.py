"""The only place that enqueues: a task row now, a ring of the queue's doorbell after the commit."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import case, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.database import new_id
from storage.tasks import Task, TaskState


def _insert(dialect: Any, *, once: bool) -> Any:
    statement = dialect.insert(Task.__table__)
    if once:
        excluded = statement.excluded.run_at
        statement = statement.on_conflict_do_update(
            index_elements=["kind", "once_key"],
            index_where=text("state = 'pending'"),  # to the letter as the index has it, or it is not found
            set_={"run_at": case((excluded < Task.run_at, excluded), else_=Task.run_at)},
        )
    return statement.returning(Task.id)


_INSERT = {
    (name, once): _insert(dialect, once=once)
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
    for once in (False, True)
}


class QueueName(StrEnum):
    CRITICAL = "critical"  # what somebody waits for on a pull request
    NORMAL = "normal"  # providers
    BATCH = "batch"  # sweeps and replenishing
    OUTGOING = "outgoing"  # webhooks of others, whose slowness must keep nothing else


def enqueue(
    session: Session,
    kind: str,
    *,
    queue: QueueName,
    now: datetime,
    payload: dict[str, Any] | None = None,
    run_at: datetime | None = None,
    serial_key: str | None = None,
    once_key: str | None = None,
    max_attempts: int = 8,
    delivery_guid: str | None = None,
    submitted_by: str | None = None,
) -> str:
    """A task of this kind exists, due at `run_at` (default now), and its worker hears of it after the commit.

    With `once_key` a pending task of the same kind and key is used instead of a second one, moved forward if
    this one is due earlier. With `serial_key` it is worked after those enqueued before it, never beside them.
    Returns the task's id.
    """
    due = run_at or now
    values = {
        "id": new_id(),
        "kind": kind,
        "queue": queue,
        "serial_key": serial_key,
        "once_key": once_key,
        "payload": payload or {},
        "state": TaskState.PENDING,
        "run_at": due,
        "attempts": 0,
        "max_attempts": max_attempts,
        "fence": 0,
        "progress": 0,
        "delivery_guid": delivery_guid,
        "submitted_by": submitted_by,
        "created_at": now,
    }
    statement = _INSERT[session.get_bind().dialect.name, once_key is not None]
    task_id: str = session.execute(statement, values).scalar_one()
    if due <= now:
        ring(session, queue)
    return task_id


def ring(session: Session, queue: QueueName) -> None:
    """The queue's doorbell is rung once this transaction is committed."""
    session.info.setdefault("rung", set()).add(queue.value)
