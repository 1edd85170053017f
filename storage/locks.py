"""Locks: one queue of tickets a resource, one holder at a time, and a fence that only grows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, delete, exists, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, new_id

_DIALECTS: dict[str, Any] = {"sqlite": sqlite, "postgresql": postgresql}


class LockStatus(StrEnum):
    QUEUED = "queued"
    ACQUIRED = "acquired"
    RELEASED = "released"


LIVE = (LockStatus.QUEUED, LockStatus.ACQUIRED)
_IS_LIVE = text("status IN ('queued', 'acquired')")
_IS_ACQUIRED = text("status = 'acquired'")


class ResourceKind(StrEnum):
    ENVIRONMENT = "environment"  # a dedicated one, by its id
    ASSIGNMENT = "assignment"  # what a pull request or issue holds, by the assignment's id
    NAMED = "named"  # anything that has a name (contract 10.2)


@dataclass(frozen=True, order=True)
class Resource:
    """What is locked; resources of different kinds never meet, whatever their names."""

    repository_id: str
    kind: ResourceKind
    name: str

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.name}"

    @classmethod
    def of_key(cls, repository_id: str, key: str) -> Resource:
        kind, _, name = key.partition(":")
        return cls(repository_id, ResourceKind(kind), name)


class LockQueue(Base):
    """The line before one resource. Whoever changes anything in it holds this row, so that its order is one order.

    It outlives the tickets: the fence goes on growing when they are long removed.
    """

    __tablename__ = "lock_queues"

    repository_id: Mapped[str] = mapped_column(ForeignKey("repositories.id"), primary_key=True)
    resource: Mapped[str] = mapped_column(primary_key=True)
    joined: Mapped[int] = mapped_column(default=0)  # tickets ever given out
    fence: Mapped[int] = mapped_column(default=0)  # grants ever made


class Lock(Base):
    __tablename__ = "locks"
    __table_args__ = (
        Index(
            "uq_locks_holder",
            "repository_id",
            "resource",
            unique=True,
            postgresql_where=_IS_ACQUIRED,
            sqlite_where=_IS_ACQUIRED,
        ),
        Index(
            "uq_locks_sole",
            "repository_id",
            "resource",
            "sole_key",
            unique=True,
            postgresql_where=_IS_LIVE,
            sqlite_where=_IS_LIVE,
        ),
        Index("ix_locks_queue", "repository_id", "resource", "status", "number"),
        Index("ix_locks_leases", "expires_at", postgresql_where=_IS_ACQUIRED, sqlite_where=_IS_ACQUIRED),
        Index("ix_locks_thread", "repository_id", "holder_type", "holder_id", "status"),
        Index("ix_locks_released", "status", "released_at"),
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)  # the order
    id: Mapped[str] = mapped_column(Id, unique=True, default=new_id)
    ticket: Mapped[str] = mapped_column(unique=True)  # <epoch millis>-<sequence>-<uuid4>, opaque to clients
    repository_id: Mapped[str] = mapped_column(ForeignKey("repositories.id"))
    resource: Mapped[str]  # a Resource's key
    status: Mapped[str] = mapped_column(default=LockStatus.QUEUED)
    fence: Mapped[int | None]  # the resource's grant number; strictly grows
    sole_key: Mapped[str | None]  # who may have only one live ticket for the resource; None: any number
    requested_by: Mapped[str]  # for people
    requester_id: Mapped[str | None]  # the user or token, who alone is given what the lock opens
    holder_type: Mapped[str | None]  # the pull request or issue whose lock it is and with which it ends
    holder_id: Mapped[str | None]
    reason: Mapped[str | None]
    lease_seconds: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    acquired_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]

    @property
    def of(self) -> Resource:
        return Resource.of_key(self.repository_id, self.resource)


def take_number(session: Session, resource: Resource) -> int:
    """The sequence of the resource's next ticket; its queue, made if it is new, is held alone from here on."""
    insert = _DIALECTS[session.get_bind().dialect.name].insert(LockQueue.__table__)
    statement = insert.values(repository_id=resource.repository_id, resource=resource.key, joined=1, fence=0)
    statement = statement.on_conflict_do_update(
        index_elements=["repository_id", "resource"], set_={"joined": LockQueue.joined + 1}
    )
    number: int = session.execute(statement.returning(LockQueue.joined)).scalar_one()
    return number


def hold_queue(session: Session, resource: Resource) -> bool:
    """The queue is held alone until the transaction ends; False if there never was one."""
    query = select(LockQueue.joined).where(*_queue_of(resource)).with_for_update()
    return session.scalar(query) is not None


def next_fence(session: Session, resource: Resource) -> int:
    """A greater number than any grant of the resource had, as long as its repository is known."""
    statement = update(LockQueue).where(*_queue_of(resource)).values(fence=LockQueue.fence + 1)
    fence: int = session.execute(
        statement.returning(LockQueue.fence), execution_options={"synchronize_session": False}
    ).scalar_one()
    return fence


def _queue_of(resource: Resource) -> tuple[Any, Any]:
    return LockQueue.repository_id == resource.repository_id, LockQueue.resource == resource.key


def _tickets_of(resource: Resource) -> tuple[Any, Any]:
    return Lock.repository_id == resource.repository_id, Lock.resource == resource.key


def find(session: Session, resource: Resource, ticket: str) -> Lock | None:
    """The ticket, if it is one of this resource."""
    query = select(Lock).where(*_tickets_of(resource), Lock.ticket == ticket)
    return session.scalars(query.execution_options(populate_existing=True)).first()


def find_sole(session: Session, resource: Resource, sole_key: str) -> Lock | None:
    """The live ticket of somebody who may have only one."""
    return session.scalars(
        select(Lock).where(*_tickets_of(resource), Lock.sole_key == sole_key, Lock.status.in_(LIVE))
    ).first()


def holder(session: Session, resource: Resource) -> Lock | None:
    query = select(Lock).where(*_tickets_of(resource), Lock.status == LockStatus.ACQUIRED)
    return session.scalars(query.execution_options(populate_existing=True)).first()


def first_queued(session: Session, resource: Resource) -> Lock | None:
    query = select(Lock).where(*_tickets_of(resource), Lock.status == LockStatus.QUEUED).order_by(Lock.number).limit(1)
    return session.scalars(query.execution_options(populate_existing=True)).first()


def ahead(session: Session, lock: Lock) -> tuple[int, int]:
    """How many wait before this ticket, and the seconds of all their leases."""
    query = select(func.count(), func.coalesce(func.sum(Lock.lease_seconds), 0)).where(
        *_tickets_of(lock.of), Lock.status == LockStatus.QUEUED, Lock.number < lock.number
    )
    number, seconds = session.execute(query).one()
    return number, int(seconds)


def live(session: Session, resources: Collection[Resource]) -> list[Lock]:
    """Every live ticket of these resources, in the order in which they came."""
    keys = {resource.key for resource in resources}
    repositories = {resource.repository_id for resource in resources}
    query = select(Lock).where(Lock.repository_id.in_(repositories), Lock.resource.in_(keys), Lock.status.in_(LIVE))
    found = session.scalars(query.order_by(Lock.number).execution_options(populate_existing=True))
    return [lock for lock in found if lock.of in resources]


def live_of_threads(session: Session, resource: Resource) -> list[Lock]:
    """The live tickets of a resource that pull requests and issues show."""
    bound = (*_tickets_of(resource), Lock.holder_id.is_not(None), Lock.status.in_(LIVE))
    return list(session.scalars(select(Lock).where(*bound)))


def listed(session: Session, resource: Resource, *, released_after: datetime) -> list[Lock]:
    """The live tickets of a resource and those that ended after then, in the order in which they came."""
    recent = or_(Lock.status.in_(LIVE), Lock.released_at > released_after)
    return list(session.scalars(select(Lock).where(*_tickets_of(resource), recent).order_by(Lock.number)))


def of_thread(session: Session, repository_id: str, holder_type: str, holder_id: str) -> list[Lock]:
    """The live tickets of a pull request or issue, ordered by resource: who holds several queues does so in order."""
    return list(
        session.scalars(
            select(Lock)
            .where(
                Lock.repository_id == repository_id,
                Lock.holder_type == holder_type,
                Lock.holder_id == holder_id,
                Lock.status.in_(LIVE),
            )
            .order_by(Lock.resource, Lock.number)
        )
    )


def threads_of(session: Session, repository_id: str) -> list[tuple[str, str]]:
    """The types and ids of the repository's pull requests and issues that have live tickets, in order."""
    bound = (Lock.repository_id == repository_id, Lock.holder_id.is_not(None), Lock.status.in_(LIVE))
    rows = session.execute(select(Lock.holder_type, Lock.holder_id).where(*bound).distinct())
    return sorted((holder_type or "", holder_id or "") for holder_type, holder_id in rows)


def _past_due(now: datetime) -> tuple[Any, Any]:
    return Lock.status == LockStatus.ACQUIRED, Lock.expires_at <= now


def any_past_due(session: Session, *, now: datetime) -> bool:
    """Whether a lease has ended and nobody has noticed yet."""
    return bool(session.scalar(select(exists().where(*_past_due(now)))))


def past_due(session: Session, *, now: datetime, limit: int) -> list[Resource]:
    """Resources whose holder's lease has ended, in the order in which queues are held."""
    query = select(Lock).where(*_past_due(now)).order_by(Lock.repository_id, Lock.resource).limit(limit)
    return sorted(lock.of for lock in session.scalars(query))


def no_longer_queued(session: Session, numbers: Collection[int]) -> set[int]:
    """Which of these tickets have got their lock, or are over."""
    queued = select(Lock.number).where(Lock.number.in_(numbers), Lock.status == LockStatus.QUEUED)
    return set(numbers) - set(session.scalars(queued))


def changed(session: Session, lock: Lock) -> None:
    """Who waits with this ticket is told once this transaction is committed (storage/wakeup.py)."""
    session.info.setdefault("changed_locks", set()).add(lock.number)


def remove_released(session: Session, *, before: datetime, limit: int = 1000) -> int:
    """Deletes up to `limit` tickets that ended before then, and says how many; the queues' fences stay."""
    old = select(Lock.number).where(Lock.status == LockStatus.RELEASED, Lock.released_at < before).limit(limit)
    removed: Sequence[Any] = session.execute(delete(Lock).where(Lock.number.in_(old)).returning(Lock.number)).all()
    return len(removed)
