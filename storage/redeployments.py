"""Redeployments: that a commit is to be in an environment once more, and what became of that."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, new_id


class Redeployment(Base):
    """The row is there before the provider is called, with a fence of its own (rule 6)."""

    __tablename__ = "redeployments"
    __table_args__ = (
        Index(
            "uq_redeployments_environment",
            "environment_id",
            unique=True,
            postgresql_where=text("finished_at IS NULL"),
            sqlite_where=text("finished_at IS NULL"),
        ),
        Index("ix_redeployments_assignment", "assignment_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    thread_id: Mapped[str] = mapped_column(ForeignKey("threads.id"))
    assignment_id: Mapped[str] = mapped_column(ForeignKey("assignments.id"))
    environment_id: Mapped[str] = mapped_column(ForeignKey("environments.id"))
    revision: Mapped[str]  # the commit
    fence: Mapped[int]  # of the environment
    asked_by: Mapped[str]
    created_at: Mapped[datetime]
    requested_at: Mapped[datetime | None]  # the provider accepted the call
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)  # why it is not there

    @property
    def is_under_way(self) -> bool:
        return self.finished_at is None


def under_way(session: Session, environment_id: str) -> Redeployment | None:
    return session.scalar(
        select(Redeployment)
        .where(Redeployment.environment_id == environment_id, Redeployment.finished_at.is_(None))
        .execution_options(populate_existing=True)
    )


def last_of(session: Session, assignment_id: str) -> Redeployment | None:
    """The assignment's newest."""
    return session.scalars(
        select(Redeployment)
        .where(Redeployment.assignment_id == assignment_id)
        .order_by(Redeployment.created_at.desc(), Redeployment.fence.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).first()


def overdue(session: Session, *, before: datetime) -> list[Redeployment]:
    """Those under way that were asked for before this, each held alone; those another works on are left to it."""
    return list(
        session.scalars(
            select(Redeployment)
            .where(Redeployment.finished_at.is_(None), Redeployment.created_at <= before)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
    )
