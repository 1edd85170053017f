"""Dedicated environments: those that no pool lends, each a Salesforce org that a team keeps for itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, Select, case, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, new_id
from storage.locks import Resource, ResourceKind
from storage.repositories import Repository


class Category(StrEnum):
    DEV = "dev"
    TEST = "test"
    SNAPSHOT = "snapshot"
    RELEASE = "release"


class DedicatedEnvironment(Base):
    __tablename__ = "dedicated_environments"
    __table_args__ = (
        Index("uq_dedicated_environments_name", "repository_id", "name", unique=True),
        Index("uq_dedicated_environments_username", "account", "username_key", unique=True),
        Index(
            "uq_dedicated_environments_default",
            "repository_id",
            "category",
            unique=True,
            postgresql_where=text("is_default"),
            sqlite_where=text("is_default"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    repository_id: Mapped[str] = mapped_column(ForeignKey("repositories.id"))
    name: Mapped[str]
    category: Mapped[str]
    branch: Mapped[str]
    description: Mapped[str]
    salesforce_username: Mapped[str]
    username_key: Mapped[str]  # lower case: Salesforce compares without case
    account: Mapped[str]  # the repository's owner in lower case, in whose account the username is unique
    dev_hub_username: Mapped[str | None]
    is_active: Mapped[bool] = mapped_column(default=True)
    is_default: Mapped[bool] = mapped_column(default=False)
    extra: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    tags: Mapped[list[str]] = mapped_column(default=list)
    orchestration_order: Mapped[int | None]
    created_by: Mapped[str]
    updated_by: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    @property
    def resource(self) -> Resource:
        """What its lock is taken on."""
        return Resource(self.repository_id, ResourceKind.ENVIRONMENT, self.id)


@dataclass(frozen=True)
class Filter:
    """Which environments are meant; a value that is None means any, and all of the tags must be there."""

    repository: str | None = None
    category: str | None = None
    is_active: bool | None = None
    branch: str | None = None
    tags: Collection[str] = ()


# Those with an orchestration order first, then by name (contract E3).
_ORDER = (
    case((DedicatedEnvironment.orchestration_order.is_(None), 1), else_=0),
    DedicatedEnvironment.orchestration_order,
    DedicatedEnvironment.name,
)


def find(session: Session, environment_id: str) -> tuple[DedicatedEnvironment, Repository] | None:
    found = session.execute(_with_repository().where(DedicatedEnvironment.id == environment_id)).first()
    return None if found is None else (found[0], found[1])


def find_by_name(session: Session, repository_id: str, name: str) -> DedicatedEnvironment | None:
    return session.scalar(
        select(DedicatedEnvironment).where(
            DedicatedEnvironment.repository_id == repository_id, DedicatedEnvironment.name == name
        )
    )


def listed(
    session: Session, *, seen: Collection[str] | None, wanted: Filter
) -> list[tuple[DedicatedEnvironment, Repository]]:
    """Environments with their repositories, in orchestration order; `seen` are names in lower case, None is all."""
    query = _with_repository()
    if seen is not None:
        query = query.where(Repository.name_key.in_(seen))
    if wanted.repository is not None:
        query = query.where(Repository.name_key == wanted.repository.lower())
    for column in ("category", "is_active", "branch"):
        if (value := getattr(wanted, column)) is not None:
            query = query.where(getattr(DedicatedEnvironment, column) == value)
    rows = session.execute(query.order_by(Repository.name_key, DedicatedEnvironment.category, *_ORDER))
    return [(found, repository) for found, repository in rows if set(wanted.tags) <= set(found.tags)]


def of_category(session: Session, repository_id: str, category: str) -> list[DedicatedEnvironment]:
    """The repository's environments of one category, active or not, in orchestration order."""
    mine = (DedicatedEnvironment.repository_id == repository_id, DedicatedEnvironment.category == category)
    return list(session.scalars(select(DedicatedEnvironment).where(*mine).order_by(*_ORDER)))


def repository_names(session: Session) -> set[str]:
    """The repositories that have any."""
    mine = select(DedicatedEnvironment.repository_id)
    return set(session.scalars(select(Repository.full_name).where(Repository.id.in_(mine))))


def username_is_taken(session: Session, environment: DedicatedEnvironment) -> bool:
    """Whether another environment of the account has its username."""
    others = select(DedicatedEnvironment.id).where(
        DedicatedEnvironment.account == environment.account,
        DedicatedEnvironment.username_key == environment.username_key,
        DedicatedEnvironment.id != environment.id,
    )
    return session.scalars(others.limit(1)).first() is not None


def hold(session: Session, repository_id: str) -> None:
    """The repository's environments are changed by nobody else until the transaction ends."""
    session.execute(select(Repository.id).where(Repository.id == repository_id).with_for_update(key_share=True))


def lock(session: Session, environment_id: str) -> DedicatedEnvironment | None:
    """The environment as it is now, held alone until the transaction ends; None if it is gone."""
    return session.scalar(
        select(DedicatedEnvironment)
        .where(DedicatedEnvironment.id == environment_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def clear_default(session: Session, environment: DedicatedEnvironment, by: str, *, now: datetime) -> str | None:
    """No other environment of its repository and category is the default; the name of the one that was."""
    return session.scalar(
        update(DedicatedEnvironment)
        .where(
            DedicatedEnvironment.repository_id == environment.repository_id,
            DedicatedEnvironment.category == environment.category,
            DedicatedEnvironment.is_default,
            DedicatedEnvironment.id != environment.id,
        )
        .values(is_default=False, version=DedicatedEnvironment.version + 1, updated_by=by, updated_at=now)
        .returning(DedicatedEnvironment.name)
    )


def _with_repository() -> Select[DedicatedEnvironment, Repository]:
    return select(DedicatedEnvironment, Repository).join(
        Repository, Repository.id == DedicatedEnvironment.repository_id
    )
