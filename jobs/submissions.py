"""Submitted tasks: taken up, fulfilled step by step, tried again, and repeated."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy.orm import Session

from bot.api.call import Secrets
from bot.fulfilling import Work, actor_of, wait_of
from bot.fulfilling import fulfil as fulfil_type
from jobs.workshop import Later, Workshop
from operations import fulfil as states
from operations import repeat as series
from operations.errors import OperationError
from storage import submissions, tasks
from storage.submissions import Submission
from storage.tasks import Task, TaskState

log = structlog.get_logger(__name__)


def fulfil(shop: Workshop, task: Task) -> Later | None:
    """The submission has its result, waits for its turn without a worker, or has failed or is to be tried again.

    Between the steps it may be cancelled; what a step does and how it ended is one transaction.
    """
    later = _take_up(shop, task)
    if later is not None:
        return later
    try:
        with shop.step(task) as session:
            submission = _active(session, task)
            return None if submission is None else _work(session, shop, submission)
    except OperationError as refused:
        with shop.step(task) as session:
            submission = _active(session, task)
            return None if submission is None else _refuse(session, shop, submission, refused)


def repeat(shop: Workshop, task: Task) -> Later | None:
    """The execution of a recurring submission that is due has begun, and the next one is waited for."""
    with shop.step(task) as session:
        submission = submissions.lock(session, task.payload["submission_id"])
        following = None if submission is None else series.repeat(session, submission, now=shop.clock())
    return None if following is None else Later(following)


def give_up(session: Session, shop: Workshop, task: Task, code: str, message: str) -> None:
    """The task has failed by a bug or never came to an end, and its submission with it."""
    submission = submissions.lock(session, task.payload["submission_id"])
    if submission is not None and submission.is_live:
        states.fail(session, submission, code, message, now=shop.clock())


def _take_up(shop: Workshop, task: Task) -> Later | None:
    now = shop.clock()
    with shop.step(task) as session:
        submission = submissions.lock(session, task.payload["submission_id"])
        if submission is None or not submission.is_live:
            return None
        if submission.run_at > now:
            return Later(submission.run_at)
        states.take_up(session, submission, wait_of(submission), now=now)
        tasks.lock(session, task, until=now + timedelta(seconds=submission.lock_seconds))
    return None


def _active(session: Session, task: Task) -> Submission | None:
    """The submission, if it was not cancelled meanwhile."""
    submission = submissions.lock(session, task.payload["submission_id"])
    return submission if submission is not None and submission.status == TaskState.ACTIVE else None


def _work(session: Session, shop: Workshop, submission: Submission) -> Later | None:
    now = shop.clock()
    work = Work(submission, now, Secrets(shop.context.vault, allowed=False))
    answer = fulfil_type(session, work)
    if answer is None:
        return Later(submission.gives_up_at or now)
    result: dict[str, Any] = answer.model_dump(mode="json", by_alias=True, exclude_unset=True)
    states.complete(session, submission, result, now=now)
    log.info("task completed", task=submission.id, type=submission.type)
    return None


def _refuse(session: Session, shop: Workshop, submission: Submission, refused: OperationError) -> Later | None:
    again_at = states.refuse(session, submission, refused, actor_of(submission), now=shop.clock())
    log.info("task refused", task=submission.id, type=submission.type, code=refused.code, again_at=again_at)
    return None if again_at is None else Later(again_at)
