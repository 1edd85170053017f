"""Assignments: who holds which environment, until when, and who works in it now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, and_, bindparam, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, new_id

NO_DOMAIN = ""


class HolderType(StrEnum):
    PR = "pr"
    ISSUE = "issue"
    USER = "user"
    CUSTOM = "custom"


class AssignmentStatus(StrEnum):
    ACTIVE = "active"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Holder:
    """Who an environment is for: the key of contract section 5. `domain` is empty when there is none."""

    repository_id: str
    type: str
    id: str
    domain: str = NO_DOMAIN

    def __str__(self) -> str:
        return f"{self.type}-{self.id}"

    @property
    def parameters(self) -> dict[str, str]:
        """As statements are told of it."""
        return {"repository": self.repository_id, "type": self.type, "id": self.id, "domain": self.domain}


@dataclass(frozen=True)
class Lease:
    """Who works in an environment, and until when nobody else may."""

    used_by: str
    until: datetime


class Assignment(Base):
    __tablename__ = "assignments"
    __table_args__ = (
        Index(
            "uq_assignments_holder",
            "repository_id",
            "holder_type",
            "holder_id",
            "domain",
            unique=True,
            postgresql_where=text("status = 'active'"),
            sqlite_where=text("status = 'active'"),
        ),
        Index(
            "uq_assignments_environment",
            "environment_id",
            unique=True,
            postgresql_where=text("status = 'active'"),
            sqlite_where=text("status = 'active'"),
        ),
        Index(
            "uq_assignments_pool_assignment",
            "repository_id",
            "pool_assignment_id",
            unique=True,
            postgresql_where=text("status = 'active'"),
            sqlite_where=text("status = 'active'"),
        ),
        Index(
            "ix_assignments_transitioned",
            "repository_id",
            "transitioned_from",
            postgresql_where=text("transitioned_from IS NOT NULL"),
            sqlite_where=text("transitioned_from IS NOT NULL"),
        ),
        Index(
            "ix_assignments_due",
            "expires_at",
            postgresql_where=text("status = 'active'"),
            sqlite_where=text("status = 'active'"),
        ),
        Index("ix_assignments_history", "repository_id", "holder_type", "holder_id", "assigned_at"),
        Index(
            "ix_assignments_ended",
            "pool_id",
            "ended_at",
            postgresql_where=text("status <> 'active'"),
            sqlite_where=text("status <> 'active'"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    repository_id: Mapped[str] = mapped_column(ForeignKey("repositories.id"))
    holder_type: Mapped[str]
    holder_id: Mapped[str]
    domain: Mapped[str] = mapped_column(default=NO_DOMAIN)
    pool_id: Mapped[str] = mapped_column(ForeignKey("pools.id"), index=True)
    environment_id: Mapped[str] = mapped_column(ForeignKey("environments.id"), index=True)
    pool_assignment_id: Mapped[str] = mapped_column(Id, default=new_id)  # in pool operations: assignmentId
    taken_by: Mapped[str | None]  # the token or user that took it out of the pool itself, and may give it back
    fence: Mapped[int]  # the environment's when this was granted; a later one makes this stale
    status: Mapped[str] = mapped_column(default=AssignmentStatus.ACTIVE)
    assigned_by: Mapped[str]
    assigned_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]  # None: immortal
    end_set_at: Mapped[datetime | None]  # when that was said last; None: when it was assigned
    extra: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    used_by: Mapped[str | None]
    acquired_at: Mapped[datetime | None]
    in_use_until: Mapped[datetime | None]
    active_at: Mapped[datetime | None]  # the last push, command or visit
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    transitioned_from: Mapped[str | None]  # the holder before the last transition, as "pr-123"
    version: Mapped[int] = mapped_column(default=1)

    @property
    def holder(self) -> Holder:
        return Holder(self.repository_id, self.holder_type, self.holder_id, self.domain)

    @property
    def is_immortal(self) -> bool:
        return self.expires_at is None

    def lease(self, now: datetime) -> Lease | None:
        """The lease that is running on it, or None."""
        if self.used_by is None or self.in_use_until is None or self.in_use_until <= now:
            return None
        return Lease(self.used_by, self.in_use_until)

    def end_of_life(self) -> datetime | None:
        """When it ends if nothing happens: a running lease is never cut off (contract 4.5)."""
        if self.expires_at is None or self.in_use_until is None:
            return self.expires_at
        return max(self.expires_at, self.in_use_until)


# Statements that every assignment runs are put together once: that takes longer than running them.
_HOLDERS = select(Assignment).where(
    Assignment.repository_id == bindparam("repository", type_=Id),
    Assignment.holder_type == bindparam("type"),
    Assignment.holder_id == bindparam("id"),
)
_ACTIVE = (
    _HOLDERS.where(Assignment.status == AssignmentStatus.ACTIVE)
    .order_by(Assignment.domain)
    .with_for_update()
    .execution_options(populate_existing=True)
)
_ACTIVE_IN_DOMAIN = _ACTIVE.where(Assignment.domain == bindparam("domain"))


def _insert(dialect: Any) -> Any:
    table = Assignment.__table__
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in table.columns}
    inserted = dialect.insert(table).values(values).on_conflict_do_nothing().returning(*table.columns)
    return select(Assignment).from_statement(inserted)


_INSERT = {"sqlite": _insert(sqlite), "postgresql": _insert(postgresql)}


def insert(session: Session, **values: Any) -> Assignment | None:
    """The new assignment; None where a unique index says that its holder or its environment has one."""
    row = {column.name: values.get(column.name) for column in Assignment.__table__.columns}
    inserted: Assignment | None = session.scalars(_INSERT[session.get_bind().dialect.name], row).first()
    return inserted


def find_active(session: Session, holder: Holder) -> Assignment | None:
    """The holder's active assignment in exactly its domain, held alone until the transaction ends."""
    return session.scalars(_ACTIVE_IN_DOMAIN, holder.parameters).first()


def find_by_pool_assignment(session: Session, repository_id: str, pool_assignment_id: str) -> Assignment | None:
    """The active assignment with this pool assignment id, held alone until the transaction ends."""
    return session.scalars(
        select(Assignment)
        .where(
            Assignment.repository_id == repository_id,
            Assignment.pool_assignment_id == pool_assignment_id,
            Assignment.status == AssignmentStatus.ACTIVE,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()


def last_by_pool_assignment(session: Session, repository_id: str, pool_assignment_id: str) -> Assignment | None:
    """The assignment that had this pool assignment id last and has ended."""
    return session.scalars(
        select(Assignment)
        .where(
            Assignment.repository_id == repository_id,
            Assignment.pool_assignment_id == pool_assignment_id,
            Assignment.status != AssignmentStatus.ACTIVE,
        )
        .order_by(Assignment.ended_at.desc(), Assignment.id)
        .limit(1)
    ).first()


def all_active(session: Session, holder: Holder) -> list[Assignment]:
    """The holder's active assignments in every domain, each held alone until the transaction ends."""
    return list(session.scalars(_ACTIVE, holder.parameters))


def last_ended(session: Session, holder: Holder) -> Assignment | None:
    ended = _HOLDERS.where(Assignment.status != AssignmentStatus.ACTIVE)
    newest = ended.order_by(Assignment.ended_at.desc(), Assignment.id).limit(1)
    return session.scalars(newest, holder.parameters).first()


def last_transitioned(session: Session, holder: Holder) -> Assignment | None:
    """The newest assignment that went from this holder to another."""
    return session.scalars(
        select(Assignment)
        .where(Assignment.repository_id == holder.repository_id, Assignment.transitioned_from == str(holder))
        .order_by(Assignment.assigned_at.desc(), Assignment.id)
        .limit(1)
    ).first()


def lock_of_environment(session: Session, environment_id: str) -> Assignment | None:
    """The environment's active assignment, held alone until the transaction ends."""
    return session.scalars(
        select(Assignment)
        .where(Assignment.environment_id == environment_id, Assignment.status == AssignmentStatus.ACTIVE)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()


def of_pool(session: Session, pool_id: str) -> dict[str, Assignment]:
    """The pool's active assignments by the id of their environment."""
    active = session.scalars(
        select(Assignment).where(Assignment.pool_id == pool_id, Assignment.status == AssignmentStatus.ACTIVE)
    )
    return {assignment.environment_id: assignment for assignment in active}


def had(session: Session, pool_id: str, *, since: datetime) -> list[Assignment]:
    """What is held of the pool, or was at some time since."""
    is_new = or_(Assignment.status == AssignmentStatus.ACTIVE, Assignment.ended_at > since)
    return list(session.scalars(select(Assignment).where(Assignment.pool_id == pool_id, is_new)))


def expires_next(session: Session, pool_id: str) -> Assignment | None:
    """Of the pool's active assignments the one that expires first; None if none ever does."""
    return session.scalars(
        select(Assignment)
        .where(
            Assignment.pool_id == pool_id,
            Assignment.status == AssignmentStatus.ACTIVE,
            Assignment.expires_at.is_not(None),
        )
        .order_by(Assignment.expires_at, Assignment.id)
        .limit(1)
    ).first()


def hold_seconds(session: Session, pool_id: str, *, limit: int = 200) -> list[float]:
    """How long the pool's environments were held, those given back last."""
    ended = session.execute(
        select(Assignment.assigned_at, Assignment.ended_at)
        .where(Assignment.pool_id == pool_id, Assignment.status != AssignmentStatus.ACTIVE)
        .order_by(Assignment.ended_at.desc())
        .limit(limit)
    )
    return [(end - start).total_seconds() for start, end in ended if end is not None]


def lock_of_pool(session: Session, pool_id: str) -> list[Assignment]:
    """The pool's active assignments, each held alone until the transaction ends."""
    return list(
        session.scalars(
            select(Assignment)
            .where(Assignment.pool_id == pool_id, Assignment.status == AssignmentStatus.ACTIVE)
            .order_by(Assignment.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def ending(session: Session, repository_id: str, *, after: datetime, until: datetime) -> list[Assignment]:
    """The repository's active assignments that end in this time, the soonest first."""
    active = (Assignment.repository_id == repository_id, Assignment.status == AssignmentStatus.ACTIVE)
    soon = (Assignment.expires_at > after, Assignment.expires_at <= until)
    return list(
        session.scalars(select(Assignment).where(*active, *soon).order_by(Assignment.expires_at, Assignment.id))
    )


def repositories_with_ends(session: Session) -> list[str]:
    """Of which some active assignment ends some time, by their ids."""
    ending = (Assignment.status == AssignmentStatus.ACTIVE, Assignment.expires_at.is_not(None))
    return list(session.scalars(select(Assignment.repository_id).where(*ending).distinct()))


def past_due(session: Session, *, now: datetime, limit: int = 100) -> list[Assignment]:
    """Active assignments whose life has ended, held alone; those another transaction works on are left to it."""
    return list(
        session.scalars(
            select(Assignment)
            .where(_past_due(now))
            .order_by(Assignment.expires_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
    )


def any_past_due(session: Session, *, now: datetime) -> bool:
    return bool(session.scalar(select(select(Assignment.id).where(_past_due(now)).exists())))


def _past_due(now: datetime) -> Any:
    return and_(
        Assignment.status == AssignmentStatus.ACTIVE,
        Assignment.expires_at <= now,
        or_(Assignment.in_use_until.is_(None), Assignment.in_use_until <= now),
    )


def active_holders(session: Session, repository_id: str) -> list[Holder]:
    """Who of the repository holds something, in any domain."""
    active = select(Assignment).where(
        Assignment.repository_id == repository_id, Assignment.status == AssignmentStatus.ACTIVE
    )
    return [assignment.holder for assignment in session.scalars(active)]
