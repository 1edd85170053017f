"""Threads: a pull request or issue as we last knew it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint, bindparam, false, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.assignments import Holder, HolderType
from storage.database import Base, Id, new_id

MOST_DIGITS = 9  # more fit no column, and GitHub numbers no thread so


class ThreadState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"


class Thread(Base):
    __tablename__ = "threads"
    __table_args__ = (UniqueConstraint("repository_id", "number"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    repository_id: Mapped[str] = mapped_column(ForeignKey("repositories.id"))
    number: Mapped[int]
    type: Mapped[str]  # HolderType.PR or HolderType.ISSUE
    title: Mapped[str]
    url: Mapped[str]  # for people
    author: Mapped[str]
    author_is_bot: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(default=ThreadState.OPEN)
    draft: Mapped[bool] = mapped_column(default=False)
    base_ref: Mapped[str | None]
    head_ref: Mapped[str | None]
    head_sha: Mapped[str | None]
    head_before: Mapped[str | None]  # which a push replaced by head_sha, as far as we were told
    head_seen_at: Mapped[datetime | None]  # since when we know this head
    head_repository: Mapped[str | None]  # None: a fork that is gone
    labels: Mapped[list[str]] = mapped_column(default=list)
    deploy_by: Mapped[str | None]  # who set the label that asks for an environment, unless a bot did
    approved_sha: Mapped[str | None]  # of a fork: the head that may have an environment
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]  # GitHub's: older news is not taken
    worked: Mapped[dict[str, Any] | None]  # the state that had its effects; a later one that differs has not
    confirmed_at: Mapped[datetime | None]  # when GitHub last told what it is like
    repaired_at: Mapped[datetime | None]
    locked: Mapped[bool] = mapped_column(default=False, server_default=false())  # nobody of us can comment
    created_at: Mapped[datetime]

    @property
    def holder(self) -> Holder:
        return Holder(self.repository_id, self.type, str(self.number))

    @property
    def is_open(self) -> bool:
        return self.state == ThreadState.OPEN

    @property
    def is_approved(self) -> bool:
        """Whether the present head was approved since it was pushed: who pushes back to an approved one asks again."""
        if self.approved_sha is None or self.approved_at is None or self.head_seen_at is None:
            return False
        return self.approved_sha == self.head_sha and self.approved_at >= self.head_seen_at


_NUMBERED = (
    select(Thread)
    .where(Thread.repository_id == bindparam("repository", type_=Id), Thread.number == bindparam("number"))
    .execution_options(populate_existing=True)
)


def find(session: Session, repository_id: str, number: int) -> Thread | None:
    return session.scalars(_NUMBERED, {"repository": repository_id, "number": number}).first()


def with_head(session: Session, repository_id: str, sha: str) -> list[Thread]:
    """The pull requests that had this commit at their head when we last saw them."""
    return list(
        session.scalars(
            select(Thread).where(Thread.repository_id == repository_id, Thread.head_sha == sha).order_by(Thread.number)
        )
    )


def of_holder(session: Session, holder: Holder) -> Thread | None:
    """The thread of a holder that the bot made; None for users, custom holders and threads we never saw."""
    if not holder.id.isdecimal() or len(holder.id) > MOST_DIGITS:
        return None
    thread = find(session, holder.repository_id, int(holder.id))
    return thread if thread is not None and thread.type == holder.type else None


def authors(session: Session, repository_id: str, numbers: Collection[int]) -> dict[tuple[str, str], str]:
    """Who opened these pull requests and issues, by the type and id of a holder."""
    rows = session.execute(
        select(Thread.type, Thread.number, Thread.author).where(
            Thread.repository_id == repository_id, Thread.number.in_(numbers)
        )
    )
    return {(type, str(number)): author for type, number, author in rows}


def pulls_since(session: Session, repository_id: str, since: datetime, *, limit: int) -> list[Thread]:
    """Up to `limit` pull requests that changed on GitHub since, the latest first."""
    return list(
        session.scalars(
            select(Thread)
            .where(Thread.repository_id == repository_id, Thread.type == HolderType.PR, Thread.updated_at >= since)
            .order_by(Thread.updated_at.desc(), Thread.number.desc())
            .limit(limit)
        )
    )


def of_repository(session: Session, repository_id: str) -> list[Thread]:
    return list(session.scalars(select(Thread).where(Thread.repository_id == repository_id).order_by(Thread.number)))
