"""Fulfil: how a submitted task goes through its states while a worker has it (contract 4.4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from operations.cancel import give_back
from operations.emit import emit
from operations.end import replenish_soon
from operations.errors import LeftQueue, OperationError, PoolExhausted
from operations.events import EventType, TaskEvent
from operations.waiting import OVERDUE
from storage.audit import Actor
from storage.submissions import Submission
from storage.tasks import TaskState

LONGEST_BACKOFF = timedelta(days=1)


def take_up(session: Session, submission: Submission, wait: timedelta, *, now: datetime) -> None:
    """It is active; a new attempt begins if none was under way. An attempt waits for an environment so long."""
    if submission.status == TaskState.ACTIVE:
        return
    submission.status = TaskState.ACTIVE
    submission.attempts += 1
    submission.started_at = submission.started_at or now
    submission.gives_up_at = now + wait
    session.flush()


def complete(session: Session, submission: Submission, result: dict[str, Any], *, now: datetime) -> None:
    submission.status, submission.finished_at = TaskState.COMPLETED, now
    submission.result = result
    submission.error_code = submission.error = None
    session.flush()
    _emit(session, EventType.TASK_COMPLETED, submission, now=now)


def refuse(
    session: Session, submission: Submission, refused: OperationError, actor: Actor, *, now: datetime
) -> datetime | None:
    """The attempt has failed and keeps no place in a queue. Gives the time of the next one; None: that was the last."""
    give_back(session, submission, actor, OVERDUE, now=now)
    submission.ticket_id = submission.first_place = None
    if isinstance(refused, PoolExhausted):
        replenish_soon(session, refused.pool_id, now=now)
    if isinstance(refused, LeftQueue) or submission.attempts >= submission.max_attempts:
        fail(session, submission, refused.code, refused.message, now=now)
        return None
    submission.status = TaskState.PENDING
    submission.run_at = now + _backoff(submission)
    session.flush()
    return submission.run_at


def fail(session: Session, submission: Submission, code: str, message: str, *, now: datetime) -> None:
    submission.status, submission.finished_at = TaskState.FAILED, now
    submission.error_code, submission.error = code, message
    session.flush()
    _emit(session, EventType.TASK_FAILED, submission, now=now)


def _emit(session: Session, event: EventType, submission: Submission, *, now: datetime) -> None:
    told = TaskEvent(
        operation_id=submission.id,
        type=submission.type,
        status=submission.status,
        submitted_by=submission.submitted_by,
        error_code=submission.error_code,
        error_message=submission.error,
        repository_identifier=submission.repository,
    )
    emit(session, event, lambda: told, now=now, repository_id=submission.repository_id)


def _backoff(submission: Submission) -> timedelta:
    doublings = submission.attempts - 1 if submission.backoff_doubles else 0
    return min(timedelta(seconds=submission.backoff_seconds * 2**doublings), LONGEST_BACKOFF)
