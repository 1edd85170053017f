"""Configurations: the text of each repository's policy that is in force, and what is wrong with a newer one."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, false, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base


class Source(StrEnum):
    REPOSITORY = "repository"
    ORGANIZATION = "organization"  # the file in the owner's repository `.github`
    DEFAULTS = "defaults"  # there is no file


class Configuration(Base):
    __tablename__ = "configurations"

    repository_id: Mapped[str] = mapped_column(ForeignKey("repositories.id"), primary_key=True)
    source: Mapped[str]  # of the newest file
    sha: Mapped[str | None]  # what git calls the content of the newest file
    problems: Mapped[list[dict[str, Any]]] = mapped_column(default=list)  # why the newest file is not in force
    text: Mapped[str | None]  # in force: of the newest file that was valid; None: the defaults
    text_sha: Mapped[str | None]
    fair_share: Mapped[bool] = mapped_column(default=False, server_default=false())  # of the text, for operations:
    targets: Mapped[list[dict[str, Any]]] = mapped_column(default=list, server_default="[]")
    told_commit: Mapped[str | None]  # on which the problems were told
    read_at: Mapped[datetime]

    @property
    def is_usable(self) -> bool:
        """Whether there is something to go by: a newest file without a mistake, or an older one that had none."""
        return not self.problems or self.text is not None


def with_targets(session: Session) -> list[Configuration]:
    """Those that say how many environments pools keep ready, by time of day."""
    return [found for found in session.scalars(select(Configuration)) if found.targets]


def find(session: Session, repository_id: str) -> Configuration | None:
    """None: nobody has looked yet."""
    return session.get(Configuration, repository_id, populate_existing=True)
