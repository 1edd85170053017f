"""Submit: a task is taken on for later, for now, or again and again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from operations import notify
from operations.errors import InvalidRequest
from operations.recurrence import Recurrence
from storage import audit, repositories
from storage.audit import Actor
from storage.database import new_id
from storage.queue import QueueName
from storage.submissions import Submission, SubmissionType


@dataclass(frozen=True)
class Retries:
    """How often it is attempted at most, and how long it rests between two attempts: ever as long, or doubling."""

    max_attempts: int = 1
    backoff: timedelta = timedelta(0)
    doubles: bool = False


@dataclass(frozen=True)
class Order:
    """What a caller submits (contract T6). `repository` is what it is about, None for all that the caller sees."""

    type: SubmissionType
    data: dict[str, Any]
    repository: str | None
    queue: QueueName = QueueName.BATCH
    lock: timedelta = timedelta(minutes=5)
    retries: Retries = field(default_factory=Retries)
    run_at: datetime | None = None
    recurrence: Recurrence | None = None


def submit(session: Session, order: Order, actor: Actor, sees: Collection[str] | None, *, now: datetime) -> Submission:
    """The order is a pending submission, done when it is due, a time that has passed being now.

    `sees` are the names in lower case of the repositories that it may be about; None is every one. Refuses with
    InvalidRequest what would never run.
    """
    due = max(order.run_at or now, now)
    if order.recurrence is not None:
        due = _first_execution(order.recurrence, now)
    known = None if order.repository is None else repositories.find(session, order.repository)
    submission = Submission(
        id=new_id(),
        type=order.type,
        data=order.data,
        repository=None if order.repository is None else order.repository.lower(),
        repository_id=None if known is None else known.id,
        submitted_by=actor.name,
        submitter_id=actor.token_id,
        submitter_role=actor.role,
        sees=None if sees is None else sorted(sees),
        queue=order.queue,
        lock_seconds=order.lock.total_seconds(),
        max_attempts=order.retries.max_attempts,
        backoff_seconds=order.retries.backoff.total_seconds(),
        backoff_doubles=order.retries.doubles,
        run_at=due,
        recurrence=None if order.recurrence is None else order.recurrence.as_json(),
        created_at=now,
    )
    session.add(submission)
    session.flush()
    audit.record(session, "task.submitted", submission.id, actor, now=now, repository_id=submission.repository_id,
                 type=order.type, recurring=submission.is_recurring)  # fmt: skip
    notify.work_on(session, submission, now=now)
    return submission


def _first_execution(recurrence: Recurrence, now: datetime) -> datetime:
    """Refuses with InvalidRequest a recurrence that never comes true."""
    first = recurrence.first(submitted_at=now)
    if first is None:
        field = "endDate" if recurrence.end_at is not None else "cron"
        raise InvalidRequest(f"recurrenceConfig.{field}", "never", "leaves no time at which it would ever run")
    return first
