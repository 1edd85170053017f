"""Submissions: the tasks that callers submit (contract section 9); rows of storage/tasks.py work them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, Integer, Text, delete, or_, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, Json, new_id
from storage.tasks import LIVE, TaskState


class SubmissionType(StrEnum):
    FETCH = "fetchReviewEnvironment"
    LIST = "listAssignedReviewEnvironments"
    CHECK = "checkReviewEnvironment"
    TRANSITION = "transitionReviewEnvironment"
    UNASSIGN = "unassignReviewEnvironment"


class Submission(Base):
    __tablename__ = "submissions"
    __table_args__ = (
        Index("ix_submissions_repository", "repository", "number"),
        Index("ix_submissions_status", "status", "number"),
        Index("ix_submissions_parent", "parent_id", "number"),
        Index("ix_submissions_finished", "finished_at"),
        Index(
            "ix_submissions_ticket",
            "ticket_id",
            postgresql_where=text("ticket_id IS NOT NULL"),
            sqlite_where=text("ticket_id IS NOT NULL"),
        ),
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)  # the order
    id: Mapped[str] = mapped_column(Id, unique=True, default=new_id)
    type: Mapped[str]
    data: Mapped[dict[str, Any]]  # checked, in native names
    repository: Mapped[str | None]  # in lower case; None: whatever its submitter sees
    repository_id: Mapped[str | None] = mapped_column(ForeignKey("repositories.id"), index=True)  # if it was known
    submitted_by: Mapped[str]
    submitter_id: Mapped[str | None]  # the token or the user
    submitter_role: Mapped[str]
    sees: Mapped[list[str] | None] = mapped_column(Json)  # repositories that the submitter saw; None: every one
    queue: Mapped[str]
    lock_seconds: Mapped[float]
    max_attempts: Mapped[int]
    backoff_seconds: Mapped[float]
    backoff_doubles: Mapped[bool]
    attempts: Mapped[int] = mapped_column(default=0)
    status: Mapped[str] = mapped_column(default=TaskState.PENDING)
    run_at: Mapped[datetime]  # when it is due, or its next execution
    result: Mapped[dict[str, Any] | None] = mapped_column(Json)
    error_code: Mapped[str | None]
    error: Mapped[str | None] = mapped_column(Text)
    gives_up_at: Mapped[datetime | None]  # until when the present attempt waits for an environment
    ticket_id: Mapped[int | None] = mapped_column(BigInteger)  # what it waits by
    ticket_is_own: Mapped[bool] = mapped_column(default=False)  # it joined the queue by itself
    first_place: Mapped[int | None]  # in that queue
    parent_id: Mapped[str | None] = mapped_column(Id)  # the recurring one that this is an execution of
    recurrence: Mapped[dict[str, Any] | None] = mapped_column(Json)
    executions: Mapped[int] = mapped_column(default=0)
    last_execution_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def is_recurring(self) -> bool:
        return self.recurrence is not None


@dataclass(frozen=True)
class Sight:
    """Whose submissions somebody sees: their own, and of `repositories` (in lower case; None is every one)."""

    submitter_id: str | None
    repositories: Collection[str] | None

    def covers(self, submission: Submission) -> bool:
        if self.repositories is None or submission.submitter_id == self.submitter_id:
            return True
        return submission.repository is not None and submission.repository in self.repositories


def find(session: Session, id: str) -> Submission | None:
    return session.scalar(select(Submission).where(Submission.id == id))


def lock(session: Session, id: str) -> Submission | None:
    """The submission as it is now, held alone until the transaction ends."""
    return session.scalar(
        select(Submission).where(Submission.id == id).with_for_update().execution_options(populate_existing=True)
    )


def lock_live_execution(session: Session, parent_id: str) -> Submission | None:
    """The execution of a recurring submission that has not ended, held alone until the transaction ends."""
    return session.scalar(
        select(Submission)
        .where(Submission.parent_id == parent_id, Submission.status.in_(LIVE))
        .order_by(Submission.number.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def executions_of(session: Session, parent_id: str) -> list[Submission]:
    """The executions of a recurring submission that are kept, in the order in which they began."""
    of_parent = select(Submission).where(Submission.parent_id == parent_id)
    return list(session.scalars(of_parent.order_by(Submission.number)))


def waiting_by(session: Session, ticket_id: int) -> list[Submission]:
    """The submissions that wait for this ticket's turn."""
    waiting = select(Submission).where(Submission.ticket_id == ticket_id, Submission.status == TaskState.ACTIVE)
    return list(session.scalars(waiting))


def page(
    session: Session,
    sight: Sight,
    *,
    status: str | None = None,
    repository: str | None = None,
    before: str | None = None,
    limit: int,
) -> list[Submission]:
    """The newest `limit` submissions in sight, or those submitted before the one named `before`."""
    conditions: list[ColumnElement[bool]] = []
    if sight.repositories is not None:
        mine = Submission.submitter_id == sight.submitter_id
        conditions.append(or_(mine, Submission.repository.in_(sight.repositories)))
    if status is not None:
        conditions.append(Submission.status == status)
    if repository is not None:
        conditions.append(Submission.repository == repository.lower())
    if before is not None:
        there = select(Submission.number).where(Submission.id == before).scalar_subquery()
        conditions.append(Submission.number < there)
    newest = select(Submission).where(*conditions).order_by(Submission.number.desc()).limit(limit)
    return list(session.scalars(newest))


def remove_finished(session: Session, *, before: datetime, limit: int = 1000) -> int:
    """Deletes up to `limit` submissions that ended before then, and says how many."""
    old = select(Submission.number).where(Submission.finished_at < before).limit(limit)
    return len(session.execute(delete(Submission).where(Submission.number.in_(old)).returning(Submission.number)).all())
