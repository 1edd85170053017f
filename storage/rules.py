"""Assignment rules: which branches and domains of a repository are served by which of its pools."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import ForeignKey, Index, and_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base
from storage.repositories import Repository


def new_rule_id() -> str:
    return f"rpa_{secrets.token_hex(8)}"


class Rule(Base):
    __tablename__ = "rules"
    __table_args__ = (Index("uq_rules_same", "repository_id", "pool_tag", "branch_pattern", "domain_key", unique=True),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_rule_id)
    repository_id: Mapped[str] = mapped_column(ForeignKey("repositories.id"))
    pool_tag: Mapped[str]  # a tag, not a pool: a rule outlives its pool, inactive, and serves the next of that tag
    branch_pattern: Mapped[str]
    domain_patterns: Mapped[list[str]] = mapped_column(default=list)  # none: any domain
    domain_key: Mapped[str]  # stands for the domain patterns, whatever their order, in the index
    priority: Mapped[int]
    description: Mapped[str | None]
    is_active: Mapped[bool] = mapped_column(default=True)
    created_by: Mapped[str]
    updated_by: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


def domain_key(patterns: Iterable[str]) -> str:
    """The same for the same set of patterns; short, since an index takes no long rows."""
    return hashlib.sha256("\n".join(sorted(set(patterns))).encode()).hexdigest()


def find(session: Session, rule_id: str) -> tuple[Rule, Repository] | None:
    """The rule with its repository, held alone until the transaction ends."""
    found = session.execute(
        select(Rule, Repository)
        .join(Repository, Repository.id == Rule.repository_id)
        .where(Rule.id == rule_id)
        .with_for_update(of=Rule)
        .execution_options(populate_existing=True)
    ).first()
    return None if found is None else (found[0], found[1])


def of_repository(session: Session, repository_id: str) -> list[Rule]:
    """The repository's rules, active or not, the oldest first."""
    return list(
        session.scalars(select(Rule).where(Rule.repository_id == repository_id).order_by(Rule.created_at, Rule.id))
    )


def listed(
    session: Session,
    *,
    seen: Collection[str] | None,
    repository: str | None = None,
    tag: str | None = None,
    is_active: bool | None = None,
) -> list[tuple[Rule, Repository]]:
    """Rules with their repositories, the oldest first; `seen` are the repositories' names in lower case, None all."""
    wanted = select(Rule, Repository).join(Repository, Repository.id == Rule.repository_id)
    if seen is not None:
        wanted = wanted.where(Repository.name_key.in_(seen))
    if repository is not None:
        wanted = wanted.where(Repository.name_key == repository.lower())
    if tag is not None:
        wanted = wanted.where(Rule.pool_tag == tag)
    if is_active is not None:
        wanted = wanted.where(Rule.is_active.is_(is_active))
    rows = session.execute(wanted.order_by(Rule.created_at, Rule.id))
    return [(rule, its_repository) for rule, its_repository in rows]


def served_tags(session: Session, repository_ids: Collection[str]) -> set[tuple[str, str]]:
    """(repository id, pool tag) of every pool in these repositories that an active rule leads to."""
    rows = session.execute(
        select(Rule.repository_id, Rule.pool_tag).where(Rule.repository_id.in_(repository_ids), Rule.is_active)
    )
    return {(repository_id, tag) for repository_id, tag in rows}


def deactivate(session: Session, repository_id: str, tag: str, by: str, *, now: datetime) -> list[str]:
    """The active rules to this pool are inactive from now on; their ids."""
    changed = session.scalars(
        update(Rule)
        .where(and_(Rule.repository_id == repository_id, Rule.pool_tag == tag, Rule.is_active))
        .values(is_active=False, version=Rule.version + 1, updated_by=by, updated_at=now)
        .returning(Rule.id)
    )
    return sorted(changed)
