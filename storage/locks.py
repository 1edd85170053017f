"""Locks: one queue of tickets a resource, one holder at a time."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.database import Base


class LockStatus(StrEnum):
    QUEUED = "queued"
    ACQUIRED = "acquired"
    RELEASED = "released"


class Lock(Base):
    __tablename__ = "locks"
    __table_args__ = (
        Index(
            "uq_locks_holder",
            "repository_id",
            "resource",
            unique=True,
            postgresql_where=text("status = 'acquired'"),
            sqlite_where=text("status = 'acquired'"),
        ),
        Index("ix_locks_queue", "repository_id", "resource", "status", "number"),
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)  # the order
    ticket: Mapped[str] = mapped_column(unique=True)  # <epoch millis>-<number>-<uuid4>, opaque to clients
    repository_id: Mapped[str] = mapped_column(ForeignKey("repositories.id"))
    resource: Mapped[str]
    status: Mapped[str] = mapped_column(default=LockStatus.QUEUED)
    fence: Mapped[int | None]  # the resource's grant number; strictly grows
    requested_by: Mapped[str]
    reason: Mapped[str | None]
    lease_seconds: Mapped[int]
    created_at: Mapped[datetime]
    acquired_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
