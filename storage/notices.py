"""Notices: short comments for what somebody must be told of, as the edit of a comment tells nobody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Text, UniqueConstraint, false, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, new_id


class NoticeKind(StrEnum):
    READY = "ready"  # after a wait; about an assignment
    EXPIRING = "expiring"  # about an assignment, its end and how long before that
    EXPIRED = "expired"  # about an assignment
    PIN_REVIEW = "pin_review"  # about an assignment and its review date
    UNPINNED = "unpinned"  # as nobody answered; about an assignment and its review date
    UNLOCKED = "unlocked"  # by somebody else; about a lock's ticket
    RECLAIM = "reclaim"  # whether it can be given to who waits; about an assignment and a ticket
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
    comment_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]  # it is folded away, or nobody has to be told
    stale: Mapped[bool] = mapped_column(default=False, server_default=false())  # somebody has edited the comment


def unfinished(session: Session, thread_id: str) -> Sequence[Notice]:
    """To be written, or to be folded away some day; oldest first."""
    return session.scalars(
        select(Notice)
        .where(Notice.thread_id == thread_id, Notice.finished_at.is_(None))
        .order_by(Notice.created_at, Notice.id)
        .execution_options(populate_existing=True)
    ).all()


def is_known(session: Session, thread_id: str, kind: NoticeKind, key: str) -> bool:
    """Whether it was told, is about to be, or need not be."""
    known = select(Notice.id).where(Notice.thread_id == thread_id, Notice.kind == kind, Notice.key == key)
    return session.scalar(known) is not None


def tell(
    session: Session,
    thread_id: str,
    kind: NoticeKind,
    key: str,
    *,
    told: str,
    sentence: str,
    now: datetime,
    needless: bool = False,
) -> None:
    """It will be told once, however often this is asked for; never, if that was `needless` the first time."""
    if not is_known(session, thread_id, kind, key):
        finished_at = now if needless else None
        notice = Notice(thread_id=thread_id, kind=kind, key=key, told=told, sentence=sentence, created_at=now,
                        finished_at=finished_at)  # fmt: skip
        session.add(notice)
        session.flush()


def unfinished_of(session: Session, kind: NoticeKind) -> Sequence[Notice]:
    return session.scalars(select(Notice).where(Notice.kind == kind, Notice.finished_at.is_(None))).all()


def of_comment(session: Session, comment_id: int) -> Notice | None:
    return session.scalar(select(Notice).where(Notice.comment_id == comment_id))


def write_anew(session: Session, notice_id: str) -> None:
    """Its comment says at the next refresh again what it said, and is folded away once more if it was."""
    session.execute(update(Notice).where(Notice.id == notice_id).values(stale=True, finished_at=None))
