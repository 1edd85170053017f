"""Surfaces: what a pull request or issue shows of ours on GitHub, where that is and what it said last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, and_, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, new_id
from storage.threads import Thread

INACTIVE = "inactive"  # GitHub's word for a deployment that is over


class Kind(StrEnum):
    COMMENT = "comment"  # the status comment
    CHECK_RUN = "check_run"
    DEPLOYMENT = "deployment"
    LABELS = "labels"  # the one that stands for a pin


KEEP = "keep"  # the key of the label that stands for a pin


class Mirrored(StrEnum):
    """The state of that label on GitHub, as we wrote it or as what others did with it was worked."""

    SET = "set"
    UNSET = "unset"


class Surface(Base):
    """One thing on GitHub. The row is there before the thing is: after a lost answer that is looked for (rule 6)."""

    __tablename__ = "surfaces"
    __table_args__ = (
        UniqueConstraint("thread_id", "kind", "key"),
        Index("ix_surfaces_external", "kind", "external_id"),
        Index(
            "ix_surfaces_ended",
            "ended_at",
            postgresql_where=text("ended_at IS NOT NULL"),
            sqlite_where=text("ended_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    thread_id: Mapped[str] = mapped_column(ForeignKey("threads.id"))
    kind: Mapped[str]
    key: Mapped[str] = mapped_column(default="")  # a check run's or deployment's commit
    external_id: Mapped[int | None] = mapped_column(BigInteger)  # GitHub's; None: not known to be there
    digest: Mapped[str | None]  # of what it says; None: it has to be written anew
    state: Mapped[str | None]  # a check run's status, a deployment's state, a label's
    refused_at: Mapped[datetime | None]  # GitHub did not let us write it
    refusal: Mapped[str | None]
    ended_at: Mapped[datetime | None]  # a deployment: it is not the pull request's present one any more
    created_at: Mapped[datetime]


def of_thread(session: Session, thread_id: str) -> Sequence[Surface]:
    """All that the thread shows or showed, oldest first."""
    return session.scalars(
        select(Surface)
        .where(Surface.thread_id == thread_id)
        .order_by(Surface.created_at, Surface.id)
        .execution_options(populate_existing=True)
    ).all()


def find(session: Session, thread_id: str, kind: Kind, key: str = "") -> Surface | None:
    return session.scalar(
        select(Surface).where(Surface.thread_id == thread_id, Surface.kind == kind, Surface.key == key)
    )


def thread_of_comment(session: Session, comment_id: int) -> Thread | None:
    """Whose status comment this is; None if it is none."""
    return session.scalar(
        select(Thread)
        .join(Surface, Surface.thread_id == Thread.id)
        .where(Surface.kind == Kind.COMMENT, Surface.external_id == comment_id)
    )


def intend(session: Session, thread_id: str, kind: Kind, key: str, *, now: datetime) -> Surface:
    """The surface has its row, and nothing is known to be on GitHub."""
    row = find(session, thread_id, kind, key)
    if row is None:
        row = Surface(thread_id=thread_id, kind=kind, key=key, created_at=now)
        session.add(row)
    row.external_id = row.digest = row.state = None
    session.flush()
    return row


def mirror(session: Session, thread_id: str, state: Mirrored, *, now: datetime) -> None:
    """The label that stands for a pin is known to be set on GitHub, or not to be."""
    row = find(session, thread_id, Kind.LABELS, KEEP) or intend(session, thread_id, Kind.LABELS, KEEP, now=now)
    row.state = state
    session.flush()


def write_anew(session: Session, thread_id: str, kind: Kind | None = None) -> None:
    """All the thread shows, or only this kind, is written at the next refresh, whatever it said last.

    What GitHub refused is tried again.
    """
    statement = update(Surface).where(Surface.thread_id == thread_id)
    if kind is not None:
        statement = statement.where(Surface.kind == kind)
    session.execute(statement.values(digest=None, refused_at=None, refusal=None))


def try_refused_again(session: Session, thread_id: str) -> None:
    """What GitHub refused is written at the next refresh; what it took stays as it is."""
    refused = and_(Surface.thread_id == thread_id, Surface.refused_at.is_not(None))
    session.execute(update(Surface).where(refused).values(refused_at=None, refusal=None, digest=None))


def comment_lost(session: Session, thread_id: str) -> None:
    """Somebody deleted the status comment: the next refresh makes another."""
    session.execute(
        update(Surface)
        .where(Surface.thread_id == thread_id, Surface.kind == Kind.COMMENT)
        .values(external_id=None, digest=None)
    )


def threads_to_retire(session: Session, *, ended_before: datetime, refused_before: datetime, limit: int) -> list[str]:
    """Threads with a deployment that is over and not said to be, or that ended so long ago that it goes."""
    return list(
        session.scalars(
            select(Surface.thread_id)
            .where(
                Surface.kind == Kind.DEPLOYMENT,
                Surface.ended_at.is_not(None),
                or_(Surface.state.is_(None), Surface.state != INACTIVE, Surface.ended_at <= ended_before),
                or_(Surface.refused_at.is_(None), Surface.refused_at <= refused_before),
            )
            .distinct()
            .limit(limit)
        )
    )


def end_deployments(session: Session, thread_id: str, present: str | None, *, now: datetime) -> None:
    """Only the deployment of the commit `present` is not over."""
    of_it = and_(Surface.thread_id == thread_id, Surface.kind == Kind.DEPLOYMENT)
    others = Surface.key != present if present is not None else Surface.key.is_not(None)
    session.execute(update(Surface).where(of_it, others, Surface.ended_at.is_(None)).values(ended_at=now))


def rests(row: Surface, *, now: datetime, pause: timedelta) -> bool:
    """Whether GitHub refused it so recently that it is not asked again."""
    return row.refused_at is not None and now < row.refused_at + pause
