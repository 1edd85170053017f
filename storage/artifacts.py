"""What is installed in dedicated environments, as it was read from each of them, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Json


class InstalledArtifacts(Base):
    __tablename__ = "artifacts"

    dedicated_id: Mapped[str] = mapped_column(
        ForeignKey("dedicated_environments.id", ondelete="CASCADE"), primary_key=True
    )
    username: Mapped[str]  # whose org was read: an environment may get another
    items: Mapped[list[dict[str, Any]]] = mapped_column(Json)  # as the API shows them
    read_at: Mapped[datetime]


def of_environment(session: Session, dedicated_id: str) -> InstalledArtifacts | None:
    return session.get(InstalledArtifacts, dedicated_id)


def remember(session: Session, installed: InstalledArtifacts) -> None:
    """This is what is known now; the environment is held by the caller (storage/dedicated.lock)."""
    session.merge(installed)
