"""Cancel: a task that has not ended never will, and keeps nothing of what it had got."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations import notify, waiting
from operations.errors import TaskNotCancellable
from operations.unassign import unassign
from storage import assignments, audit, submissions, tasks, tickets
from storage.assignments import Assignment
from storage.audit import Actor
from storage.submissions import Submission
from storage.tasks import TaskState
from storage.tickets import OPEN, Ticket, TicketState

CANCELLED = "the task was cancelled"


def cancel(session: Session, submission: Submission, actor: Actor, *, now: datetime) -> None:
    """It has ended as cancelled, its place in the queue or the environment that came of it is given back.

    Of a recurring one that is its present execution, if there is any: its series goes on. Called twice it is as
    once. Refuses with TaskNotCancellable what has ended otherwise (contract T3 and 4.4).
    """
    if submission.is_recurring:
        _cancel_execution(session, submission, actor, now=now)
    elif submission.is_live:
        give_back(session, submission, actor, CANCELLED, now=now)
        submission.status, submission.finished_at = TaskState.CANCELLED, now
        session.flush()
        tasks.cancel_pending(session, notify.FULFIL, submission.id, now=now)
        audit.record(session, "task.cancelled", submission.id, actor, now=now,
                     repository_id=submission.repository_id, type=submission.type)  # fmt: skip
    elif submission.status != TaskState.CANCELLED:
        raise TaskNotCancellable


def give_back(session: Session, submission: Submission, actor: Actor, reason: str, *, now: datetime) -> None:
    """It waits no more. Its place in the queue is given up, or the environment returned that its turn brought it.

    What is not its own it leaves alone: the place of somebody with the same key, and an environment in use.
    """
    ticket = None if submission.ticket_id is None else tickets.lock(session, submission.ticket_id)
    if ticket is None or not submission.ticket_is_own:
        return
    if ticket.state in OPEN:
        submission.ticket_id = None  # so that it is not woken by its own leaving
        session.flush()
        waiting.leave(session, ticket, reason, now=now)
        return
    brought = _untouched(session, ticket, now)
    if brought is not None:
        unassign(session, brought, actor, now=now, returned=True)


def _cancel_execution(session: Session, series: Submission, actor: Actor, *, now: datetime) -> None:
    execution = submissions.lock_live_execution(session, series.id)
    if execution is not None:
        cancel(session, execution, actor, now=now)
    elif series.status == TaskState.COMPLETED:
        raise TaskNotCancellable


def _untouched(session: Session, ticket: Ticket, now: datetime) -> Assignment | None:
    """What the ticket's holder was given at its turn, if it still has it and nobody works in it."""
    if ticket.state != TicketState.SERVED or ticket.assignment_id is None:
        return None
    held = assignments.find_active(session, ticket.holder)
    if held is None or held.id != ticket.assignment_id or held.lease(now) is not None:
        return None
    return held
