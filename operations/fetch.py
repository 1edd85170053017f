"""Fetch: an environment for a task that can wait, in the same queue as everybody else."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations import waiting
from operations.assign import Assigned, Wish, assign
from operations.cancel import CANCELLED
from operations.errors import LeftQueue, PoolExhausted
from operations.exhausted import exhausted
from storage import pools, tickets
from storage.assignments import Assignment
from storage.audit import Actor
from storage.environments import Environment
from storage.submissions import Submission
from storage.tasks import TaskState
from storage.tickets import OPEN, Ticket, TicketState

NEAREST = 90  # percent: how far whoever is next can have come


def fetch(session: Session, submission: Submission, wish: Wish, actor: Actor, *, now: datetime) -> Assigned | None:
    """What the wish has got, at once or when its turn has come; None while it waits for that.

    Refuses as assign() does: with PoolExhausted once the submission gives up, and with LeftQueue if somebody else
    gave its place away.
    """
    ticket = None if submission.ticket_id is None else tickets.lock(session, submission.ticket_id)
    if ticket is not None and ticket.state == TicketState.SERVED:
        return _turn(session, ticket)
    gives_up_at = submission.gives_up_at or now
    if ticket is not None and ticket.state in OPEN:
        if now < gives_up_at:
            return None
        raise exhausted(session, pools.get(session, ticket.pool_id), now=now)
    if ticket is not None and ticket.end_reason not in (CANCELLED, waiting.OVERDUE):
        raise LeftQueue(pools.get(session, ticket.pool_id).tag, ticket.end_reason or "")
    try:
        return assign(session, wish, actor, now=now)
    except PoolExhausted:
        if gives_up_at <= now:
            raise
        _join(session, submission, wish, actor, gives_up_at, now=now)
        return None


def progress(session: Session, submission: Submission) -> int:
    """Percent: of one that waits, how far it has come in the queue since it joined it."""
    if submission.status == TaskState.COMPLETED:
        return 100
    if submission.ticket_id is None or submission.first_place is None:
        return 0
    ticket = session.get(Ticket, submission.ticket_id)
    if ticket is None or ticket.state not in OPEN:
        return NEAREST
    places = submission.first_place + 1
    passed = places - tickets.position(session, ticket)
    return max(0, passed * NEAREST // places)


def _join(
    session: Session, submission: Submission, wish: Wish, actor: Actor, gives_up_at: datetime, *, now: datetime
) -> None:
    """Who waits already with the same key keeps the place, for both."""
    former = tickets.find_open(session, wish.holder)
    ticket = waiting.join(session, wish, actor, now=now, gives_up_at=gives_up_at)
    submission.ticket_id = ticket.id
    submission.ticket_is_own = former is None or former.id != ticket.id
    submission.first_place = tickets.position(session, ticket)
    session.flush()


def _turn(session: Session, ticket: Ticket) -> Assigned:
    assignment = session.get_one(Assignment, ticket.assignment_id, populate_existing=True)
    environment = session.get_one(Environment, assignment.environment_id)
    return Assigned(assignment, environment, pools.get(session, assignment.pool_id), is_reused=False)
