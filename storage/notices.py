"""Notices: short comments for what somebody must be told of, as the edit of a comment tells nobody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, new_id


class NoticeKind(StrEnum):
    READY = "ready"  # after a wait; about an assignment
    EXPIRED = "expired"  # about an assignment
    PIN_REVIEW = "pin_review"  # about an assignment and its review date
    UNPINNED = "unpinned"  # as nobody answered; about an assignment and its review date
    UNLOCKED = "unlocked"  # by somebody else; about a lock's ticket
    REFUSED = "refused"  # what somebody asked for without words; about the delivery that told us


class Notice(Base):
    __tablename__ = "notices"
    __table_args__ = (UniqueConstraint("thread_id", "kind", "key"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    thread_id: Mapped[str] = mapped_column(ForeignKey("threads.id"))
    kind: Mapped[str]
    key: Mapped[str]  # what it is about: that is told once
    told: Mapped[str]  # who is mentioned
    sentence: Mapped[str] = mapped_column(Text)
    comment_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]  # it is folded away, or nobody is there to be told


def unfinished(session: Session, thread_id: str) -> Sequence[Notice]:
    """To be written, or to be folded away some day; oldest first."""
    return session.scalars(
        select(Notice)
        .where(Notice.thread_id == thread_id, Notice.finished_at.is_(None))
        .order_by(Notice.created_at, Notice.id)
        .execution_options(populate_existing=True)
    ).all()


def tell(
    session: Session, thread_id: str, kind: NoticeKind, key: str, *, told: str, sentence: str, now: datetime
) -> None:
    """It will be told once, however often this is asked for."""
    known = select(Notice.id).where(Notice.thread_id == thread_id, Notice.kind == kind, Notice.key == key)
    if session.scalar(known) is None:
        session.add(Notice(thread_id=thread_id, kind=kind, key=key, told=told, sentence=sentence, created_at=now))
        session.flush()
