"""A whole repository leaves, or is shown again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from operations import notify, waiting
from operations.end import EndReason
from operations.unassign import unassign
from operations.unlock import unlock_thread
from storage import locks, surfaces, threads, tickets
from storage.assignments import Assignment, AssignmentStatus, Holder
from storage.audit import Actor
from storage.repositories import Repository
from storage.threads import Thread
from storage.tickets import TicketState


def give_up(
    session: Session,
    repository: Repository,
    actor: Actor,
    *,
    now: datetime,
    returned: bool | None = False,
    reason: EndReason = EndReason.UNASSIGNED,
) -> None:
    """Nobody of the repository holds or awaits anything, locks included; by default nothing is returned to a pool."""
    for ticket in tickets.open_of_repository(session, repository.id):
        waiting.leave(session, ticket, reason, now=now)
    held = session.scalars(
        select(Assignment)
        .where(Assignment.repository_id == repository.id, Assignment.status == AssignmentStatus.ACTIVE)
        .order_by(Assignment.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for assignment in list(held):
        unassign(session, assignment, actor, now=now, returned=returned, reason=reason)
    for holder in locks.threads_of(session, repository.id):
        unlock_thread(session, Holder(repository.id, *holder), actor, now=now)


def show_again(session: Session, repository: Repository, *, now: datetime) -> None:
    """Every pull request and issue that shows or should show something is rendered anew, also what was refused."""
    for thread in session.scalars(select(Thread).where(Thread.repository_id == repository.id)):
        surfaces.try_refused_again(session, thread.id)
        notify.refresh(session, thread, now=now)


def freeze(session: Session, repository: Repository, *, now: datetime) -> None:
    """Nobody of the repository is served; they keep their places."""
    for ticket in tickets.open_of_repository(session, repository.id):
        if ticket.state == TicketState.WAITING:
            waiting.pause(session, ticket, now=now)


def thaw(session: Session, repository: Repository, *, now: datetime) -> None:
    """Whoever was frozen waits again; a draft goes on being passed over."""
    for ticket in tickets.open_of_repository(session, repository.id):
        thread = threads.of_holder(session, ticket.holder)
        if ticket.state == TicketState.PAUSED and not (thread is not None and thread.draft):
            waiting.resume(session, ticket, now=now)
