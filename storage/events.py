"""Events that webhooks hear of, and the dispatches that bring each to one webhook."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, Text, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id

_DIALECTS: dict[str, Any] = {"sqlite": sqlite, "postgresql": postgresql}


class DispatchState(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class Event(Base):
    __tablename__ = "events"

    id: Mapped[str] = mapped_column(Id, primary_key=True)  # receivers know a repetition by it
    kind: Mapped[str]  # "assignment.created" … (operations/events.py)
    repository_id: Mapped[str | None] = mapped_column(Id, index=True)
    once_key: Mapped[str | None] = mapped_column(unique=True)  # what is told at most once
    body: Mapped[str] = mapped_column(Text)  # as it is signed: the same at every attempt
    created_at: Mapped[datetime] = mapped_column(index=True)


class Dispatch(Base):
    __tablename__ = "dispatches"
    __table_args__ = (Index("ix_dispatches_webhook", "webhook_id", "state", "number"),)

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)  # the order
    event_id: Mapped[str] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(default=DispatchState.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    outcome: Mapped[str | None]  # "answered 204", "timed out" …; what a receiver writes is not kept
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


def insert(
    session: Session, id: str, kind: str, body: str, *, repository_id: str | None, once_key: str | None, now: datetime
) -> bool:
    """The event is stored; False if one of this `once_key` was before."""
    statement = _DIALECTS[session.get_bind().dialect.name].insert(Event)
    values = {"id": id, "kind": kind, "body": body, "repository_id": repository_id, "once_key": once_key,
              "created_at": now}  # fmt: skip
    statement = statement.values(values).on_conflict_do_nothing(index_elements=["once_key"])
    return session.execute(statement.returning(Event.id)).first() is not None


def dispatch(session: Session, event_id: str, webhook_id: str, *, now: datetime) -> int:
    """The event is on its way to the webhook, once more if it was before; the dispatch's number."""
    added = Dispatch(event_id=event_id, webhook_id=webhook_id, created_at=now)
    session.add(added)
    session.flush()
    return added.number


def get_dispatch(session: Session, number: int) -> Dispatch | None:
    return session.get(Dispatch, number)


def pending_of(session: Session, webhook_id: str) -> Iterable[int]:
    """The numbers of the webhook's dispatches that have not ended, in their order."""
    waiting = (Dispatch.webhook_id == webhook_id, Dispatch.state == DispatchState.PENDING)
    return session.scalars(select(Dispatch.number).where(*waiting).order_by(Dispatch.number)).all()


def last_of(session: Session, webhook_id: str) -> str | None:
    """The id of the event that was last on its way to the webhook."""
    of_webhook = select(Dispatch.event_id).where(Dispatch.webhook_id == webhook_id)
    return session.scalar(of_webhook.order_by(Dispatch.number.desc()).limit(1))


def was_sent_to(session: Session, event_id: str, webhook_id: str) -> bool:
    """Whether the event was ever on its way to the webhook."""
    one = select(Dispatch.number).where(Dispatch.webhook_id == webhook_id, Dispatch.event_id == event_id)
    return session.scalar(one.limit(1)) is not None


def remove_old(session: Session, *, before: datetime, limit: int = 1000) -> int:
    """Deletes up to `limit` events that happened before then, with their dispatches, and says how many."""
    old = select(Event.id).where(Event.created_at < before).limit(limit)
    return len(session.execute(delete(Event).where(Event.id.in_(old)).returning(Event.id)).all())
