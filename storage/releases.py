"""Releases into dedicated environments, as release processes have recorded them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, new_id


class Release(Base):
    __tablename__ = "releases"
    __table_args__ = (Index("ix_releases_published", "dedicated_id", "published_at"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    dedicated_id: Mapped[str] = mapped_column(ForeignKey("dedicated_environments.id", ondelete="CASCADE"))
    name: Mapped[str]
    domain: Mapped[str | None]
    published_at: Mapped[datetime]
    extra: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime]


def of_environment(
    session: Session, dedicated_id: str, *, domain: str | None = None, limit: int, offset: int = 0
) -> tuple[list[Release], int]:
    """One page of the environment's releases, the newest first, and how many there are in all."""
    mine = [Release.dedicated_id == dedicated_id, *([] if domain is None else [Release.domain == domain])]
    newest = select(Release).where(*mine).order_by(Release.published_at.desc(), Release.recorded_at.desc(), Release.id)
    total = session.scalars(select(func.count()).select_from(Release).where(*mine)).one()
    return list(session.scalars(newest.limit(limit).offset(offset))), total
