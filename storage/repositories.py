"""Repositories: known by GitHub's numeric id where GitHub told us of them, by name without case everywhere."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, new_id

_DIALECTS = {"sqlite": sqlite, "postgresql": postgresql}


class Repository(Base):
    __tablename__ = "repositories"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    full_name: Mapped[str]  # as its owner writes it: "acme/Web"
    name_key: Mapped[str] = mapped_column(unique=True)  # lower case: GitHub compares without case
    github_id: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    installation_id: Mapped[int | None] = mapped_column(ForeignKey("installations.id"), index=True)
    default_branch: Mapped[str | None]
    private: Mapped[bool | None]
    archived: Mapped[bool] = mapped_column(default=False)
    installed_at: Mapped[datetime | None]  # when its present installation came to have it
    reconciled_at: Mapped[datetime | None]  # when it was last compared with GitHub as a whole
    created_at: Mapped[datetime]

    @property
    def name(self) -> str:
        return self.full_name.rsplit("/", 1)[-1]


def find(session: Session, full_name: str) -> Repository | None:
    """The repository of that name, in any case, or None."""
    return session.scalar(select(Repository).where(Repository.name_key == full_name.lower()))


def find_by_github_id(session: Session, github_id: int) -> Repository | None:
    return session.scalar(select(Repository).where(Repository.github_id == github_id))


def register(session: Session, full_name: str, *, now: datetime) -> Repository:
    """The repository of that name, made if it is new (contract P2: registered on first use)."""
    found = find(session, full_name)
    if found is not None:
        return found
    insert = _DIALECTS[session.get_bind().dialect.name].insert(Repository)
    values = {"full_name": full_name, "name_key": full_name.lower(), "archived": False, "created_at": now}
    session.execute(insert.values(id=new_id(), **values).on_conflict_do_nothing())  # two may be first at once
    return session.scalars(select(Repository).where(Repository.name_key == full_name.lower())).one()


def of_installation(session: Session, installation_id: int) -> list[Repository]:
    return list(session.scalars(select(Repository).where(Repository.installation_id == installation_id)))


def rename(session: Session, repository: Repository, full_name: str) -> None:
    """It has this name; a repository that had it before (deleted on GitHub, say) keeps its rows under another."""
    if repository.full_name == full_name:
        return
    former = find(session, full_name)
    if former is not None and former.id != repository.id:
        make_way(session, former)
    repository.full_name, repository.name_key = full_name, full_name.lower()
    session.flush()


def make_way(session: Session, former: Repository) -> None:
    """Its name is free for another one."""
    former.full_name = f"{former.full_name}.former-{former.id[:8]}"
    former.name_key = former.full_name.lower()
    session.flush()
