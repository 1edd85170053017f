"""Search: which assignments there are, the newest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from storage.assignments import Assignment, AssignmentStatus
from storage.environments import Environment
from storage.pools import Pool
from storage.repositories import Repository


@dataclass(frozen=True)
class Sought:
    """What to look for (contract R8); None is anything. `seen` are names of repositories in lower case, None all."""

    seen: Collection[str] | None = None
    repository: str | None = None
    holder_type: str | None = None
    holder_id: str | None = None
    pool_tag: str | None = None
    statuses: Sequence[str] = (AssignmentStatus.ACTIVE,)
    assigned_by: str | None = None


@dataclass(frozen=True)
class Row:
    assignment: Assignment
    environment: Environment
    pool: Pool
    repository: Repository


def search(session: Session, sought: Sought, *, limit: int | None = None, offset: int = 0) -> tuple[list[Row], int]:
    """One page of what there is, the newest first, and how many there are altogether."""
    conditions = _conditions(sought)
    rows = session.execute(
        select(Assignment, Environment, Pool, Repository)
        .join(Environment, Environment.id == Assignment.environment_id)
        .join(Pool, Pool.id == Assignment.pool_id)
        .join(Repository, Repository.id == Assignment.repository_id)
        .where(*conditions)
        .order_by(Assignment.assigned_at.desc(), Assignment.id)
        .limit(limit)
        .offset(offset)
    )
    total = session.scalar(
        select(func.count())
        .select_from(Assignment)
        .join(Pool, Pool.id == Assignment.pool_id)
        .join(Repository, Repository.id == Assignment.repository_id)
        .where(*conditions)
    )
    return [Row(*row) for row in rows], total or 0


def _conditions(sought: Sought) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if len(sought.statuses) == 1:  # an index of active rows only is used for `=`, not for IN
        conditions.append(Assignment.status == sought.statuses[0])
    else:
        conditions.append(Assignment.status.in_(sought.statuses))
    if sought.seen is not None:
        conditions.append(Repository.name_key.in_(sought.seen))
    if sought.repository is not None:
        conditions.append(Repository.name_key == sought.repository.lower())
    for column, value in (
        (Assignment.holder_type, sought.holder_type),
        (Assignment.holder_id, sought.holder_id),
        (Assignment.assigned_by, sought.assigned_by),
        (Pool.tag, sought.pool_tag),
    ):
        if value is not None:
            conditions.append(column == value)
    return conditions
