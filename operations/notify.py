"""Whose pull request shows what has changed, and whose task goes on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from storage import queue, submissions, threads
from storage.assignments import Holder
from storage.queue import QueueName
from storage.submissions import Submission
from storage.threads import Thread

FULFIL, REPEAT = "fulfil", "repeat"
MOST_CLAIMS = 50  # workers that die with a batch in hand had not begun with most of it


def thread_of(session: Session, holder: Holder, *, now: datetime) -> None:
    """If the holder is a pull request or issue that the bot knows, a task refreshes what it shows."""
    thread = threads.of_holder(session, holder)
    if thread is not None:
        refresh(session, thread, now=now)


def refresh(session: Session, thread: Thread, *, now: datetime) -> None:
    """A task renders the thread's rows into what it shows; many changes at once are one refresh."""
    queue.enqueue(
        session,
        "refresh",
        queue=QueueName.CRITICAL,
        now=now,
        payload={"thread_id": thread.id},
        serial_key=f"thread:{thread.id}",
        once_key=thread.id,
    )


def work_on(session: Session, submission: Submission, *, now: datetime) -> None:
    """A task fulfils the submission when it is due, or begins the executions of a recurring one."""
    queue.enqueue(
        session,
        REPEAT if submission.is_recurring else FULFIL,
        queue=QueueName(submission.queue),
        now=now,
        run_at=submission.run_at,
        payload={"submission_id": submission.id},
        serial_key=f"submission:{submission.id}",
        once_key=submission.id,
        max_attempts=MOST_CLAIMS,
    )


def waiters_by(session: Session, ticket_id: int, *, now: datetime) -> None:
    """Submissions that wait by this ticket, which was served or left, go on."""
    for submission in submissions.waiting_by(session, ticket_id):
        work_on(session, submission, now=now)


def refresh_later(session: Session, thread: Thread, *, at: datetime, now: datetime) -> None:
    """The thread is refreshed at `at`, when time alone has changed what it shows."""
    queue.enqueue(
        session,
        "settle",
        queue=QueueName.CRITICAL,
        now=now,
        payload={"thread_id": thread.id},
        run_at=at,
        serial_key=f"settle:{thread.id}",
        once_key=thread.id,
    )


def retire(session: Session, thread_id: str, *, now: datetime) -> None:
    """A task ends the thread's deployments that are over; it is of no hurry."""
    queue.enqueue(
        session,
        "retire",
        queue=QueueName.NORMAL,
        now=now,
        payload={"thread_id": thread_id},
        serial_key=f"thread:{thread_id}",
        once_key=thread_id,
    )
