"""Repeat: a recurring task begins its executions, until it has ended or is stopped."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations import notify
from operations.errors import TaskAlreadyStopped
from operations.recurrence import Recurrence
from storage import audit, submissions, tasks
from storage.audit import Actor
from storage.database import new_id
from storage.submissions import Submission
from storage.tasks import TaskState


def repeat(session: Session, series: Submission, *, now: datetime) -> datetime | None:
    """The execution that is due has begun. Gives the time of the next one, None when there is none any more.

    While an execution has not ended none is begun beside it; what was missed is made up for once.
    """
    if not series.is_live or series.recurrence is None:
        return None
    if series.run_at > now:
        return series.run_at
    recurrence = Recurrence.of_json(series.recurrence)
    if submissions.lock_live_execution(session, series.id) is None:
        _execute(session, series, now=now)
    following = recurrence.following(now, submitted_at=series.created_at)
    if following is None or series.executions == recurrence.max_executions:
        series.status, series.finished_at = TaskState.COMPLETED, now
        session.flush()
        return None
    series.run_at = following
    session.flush()
    return following


def stop_repeating(session: Session, series: Submission, actor: Actor, *, now: datetime) -> None:
    """No execution begins any more; one that has begun goes on. Refuses with TaskAlreadyStopped (contract T4)."""
    if not series.is_live:
        raise TaskAlreadyStopped
    series.status, series.finished_at = TaskState.CANCELLED, now
    session.flush()
    tasks.cancel_pending(session, notify.REPEAT, series.id, now=now)
    audit.record(session, "task.stopped", series.id, actor, now=now, repository_id=series.repository_id,
                 executions=series.executions)  # fmt: skip


def _execute(session: Session, series: Submission, *, now: datetime) -> None:
    inherited = ("type", "data", "repository", "repository_id", "submitted_by", "submitter_id", "submitter_role",
                 "sees", "queue", "lock_seconds", "max_attempts", "backoff_seconds", "backoff_doubles")  # fmt: skip
    values = {name: getattr(series, name) for name in inherited}
    execution = Submission(**values, id=new_id(), parent_id=series.id, run_at=now, created_at=now)
    session.add(execution)
    series.executions += 1
    series.last_execution_at = now
    session.flush()
    notify.work_on(session, execution, now=now)
