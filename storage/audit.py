"""The audit log: append-only, each row written in the transaction of what it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, func, insert, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, Json

BOT = "greenroom[bot]"


@dataclass(frozen=True)
class Actor:
    """Who does something, and at whose request: a token, a user, the bot or a sweep."""

    name: str
    role: str = "application"
    request: str | None = None  # X-Request-Id, "delivery:GUID", "task:ID"
    token_id: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    """Where the request came from; kept where accesses are on the record (operations/access.py)."""


SWEEP = Actor("greenroom[sweep]", role="system")


class Audit(Base):
    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_subject", "subject_type", "subject_id", "id"),
        Index(
            "ix_audit_dedicated",
            "repository_id",
            "id",
            postgresql_where=text("subject_type = 'dedicated'"),
            sqlite_where=text("subject_type = 'dedicated'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    role: Mapped[str]
    request: Mapped[str | None]
    action: Mapped[str]  # "assignment.created", "environment.granted", "pool.deleted" …
    subject_type: Mapped[str]
    subject_id: Mapped[str]
    repository_id: Mapped[str | None] = mapped_column(Id)
    details: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


_INSERT = insert(Audit.__table__).inline()  # type: ignore[arg-type]


def record(
    session: Session,
    action: str,
    subject_id: str,
    actor: Actor,
    *,
    now: datetime,
    repository_id: str | None = None,
    **details: Any,
) -> None:
    """One row; the subject's type is the first word of the action. Never give it a secret."""
    session.execute(
        _INSERT,
        {
            "at": now,
            "actor": actor.name,
            "role": actor.role,
            "request": actor.request,
            "action": action,
            "subject_type": action.split(".", 1)[0],
            "subject_id": subject_id,
            "repository_id": repository_id,
            "details": details,
        },
    )


def of_dedicated(
    session: Session, repository_id: str, environment_id: str | None = None, *, limit: int
) -> tuple[list[Audit], int]:
    """The newest accesses to a repository's dedicated environments, or to one of them, and how many there are."""
    mine = [Audit.subject_type == "dedicated", Audit.repository_id == repository_id]
    if environment_id is not None:
        mine.append(Audit.subject_id == environment_id)
    total = session.scalars(select(func.count()).select_from(Audit).where(*mine)).one()
    return list(session.scalars(select(Audit).where(*mine).order_by(Audit.id.desc()).limit(limit))), total
