"""How much of a repository's or a pool's share is used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from storage import pins, tickets
from storage.assignments import Assignment, AssignmentStatus, HolderType
from storage.pins import Pin
from storage.repositories import Repository
from storage.threads import Thread

NUMBERED = (HolderType.PR, HolderType.ISSUE)


def numbers_held(
    session: Session, repository: Repository, author: str | None = None, *, and_waiting: bool = True
) -> list[str]:
    """The numbers of the pull requests and issues that hold an environment or wait for one, once for each.

    With an author, only those that this person opened. The repository is held alone until the transaction ends, so
    that of two who count at once the second one sees what the first one takes.
    """
    _hold(session, repository)
    held = session.scalars(
        select(Assignment.holder_id).where(
            Assignment.repository_id == repository.id,
            Assignment.holder_type.in_(NUMBERED),
            Assignment.status == AssignmentStatus.ACTIVE,
        )
    )
    waiting = tickets.open_of_repository(session, repository.id) if and_waiting else []
    found = [*held, *(ticket.holder_id for ticket in waiting if ticket.holder_type in NUMBERED)]
    if author is not None:
        theirs = set(
            session.scalars(select(Thread.number).where(Thread.repository_id == repository.id, Thread.author == author))
        )
        found = [number for number in found if number.isdecimal() and int(number) in theirs]
    return sorted(found, key=lambda number: (len(number), number))


def pinned(session: Session, repository: Repository) -> list[tuple[Assignment, Pin]]:
    """What the repository has pinned now. It is held alone until the transaction ends, as for numbers_held()."""
    _hold(session, repository)
    return pins.living(session, repository.id)


def _hold(session: Session, repository: Repository) -> None:
    session.execute(select(Repository.id).where(Repository.id == repository.id).with_for_update())


def held_this_month(session: Session, pool_id: str, *, now: datetime) -> timedelta:
    """How long the pool's environments were held since the month began in UTC, all added up."""
    began = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    rows = session.execute(
        select(Assignment.assigned_at, Assignment.ended_at).where(
            Assignment.pool_id == pool_id, or_(Assignment.ended_at.is_(None), Assignment.ended_at > began)
        )
    )
    return sum((max((ended or now) - max(since, began), timedelta(0)) for since, ended in rows), timedelta(0))
