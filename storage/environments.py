"""Environments of pools: what a pull request gets, and the guarded statements that hand one out."""

from __future__ import annotations

import secrets
import string
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    Select,
    Table,
    bindparam,
    case,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.assignments import Holder
from storage.database import Base, Id, UtcDateTime, new_id
from storage.tasks import LIVE, Task
from storage.tickets import Ticket, TicketState

NAME_LETTERS = string.digits + string.ascii_lowercase


class EnvironmentState(StrEnum):
    PROVISIONING = "PROVISIONING"
    AVAILABLE = "AVAILABLE"
    ASSIGNED = "ASSIGNED"
    EXPIRED = "EXPIRED"
    ERROR = "ERROR"
    REFRESHING = "REFRESHING"
    DELETING = "DELETING"
    ARCHIVED = "ARCHIVED"  # gone, proved by a query; kept so that its name is never used again


# What the provider is working on: a task drives each of these (jobs/provision.py).
IN_MOTION = (EnvironmentState.PROVISIONING, EnvironmentState.REFRESHING, EnvironmentState.DELETING)


class Environment(Base):
    __tablename__ = "environments"
    __table_args__ = (
        Index("ix_environments_state", "pool_id", "state", "available_at"),
        Index(
            "ix_environments_given_up",
            "pool_id",
            "last_holder_id",
            postgresql_where=text("reattach_until IS NOT NULL"),
            sqlite_where=text("reattach_until IS NOT NULL"),
        ),
        Index("uq_environments_name", "name", unique=True),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    pool_id: Mapped[str] = mapped_column(ForeignKey("pools.id"))
    name: Mapped[str]  # stored before the provider's create call, never used twice
    provider_id: Mapped[str | None]
    state: Mapped[str] = mapped_column(default=EnvironmentState.PROVISIONING)
    fence: Mapped[int] = mapped_column(default=1)  # grows with every grant and every provider call
    flagged: Mapped[bool] = mapped_column(default=False)
    tombstone: Mapped[bool] = mapped_column(default=False)
    instance_url: Mapped[str | None]
    login_url: Mapped[str | None]
    org_id: Mapped[str | None]
    credentials: Mapped[bytes | None] = mapped_column(LargeBinary)  # encrypted (storage/vault.py)
    requested_at: Mapped[datetime | None]  # the provider accepted the call of this state
    available_at: Mapped[datetime | None]
    expired_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    deletion_eligible_at: Mapped[datetime | None]
    last_holder_type: Mapped[str | None]
    last_holder_id: Mapped[str | None]
    last_holder_domain: Mapped[str | None]
    reattach_until: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]  # the row; the creation time of the environment is ready_at - what it took
    ready_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]


def new_name(prefix: str) -> str:
    """A name of at most 10 letters and digits: the prefix cut to 3, then 7 at random (contract 11.1)."""
    return prefix[:3].lower() + "".join(secrets.choice(NAME_LETTERS) for _ in range(7))


_LOCKED = (
    select(Environment)
    .where(Environment.id == bindparam("id", type_=Id))
    .with_for_update()
    .execution_options(populate_existing=True)
)


def lock(session: Session, environment_id: str) -> Environment:
    """The environment as it is now, held alone until the transaction ends."""
    return session.scalars(_LOCKED, {"id": environment_id}).one()


def of_pool(session: Session, pool_id: str, *states: str) -> list[Environment]:
    """The pool's environments that exist or should, the oldest first; only in these states if any are named."""
    wanted = Environment.state.in_(states) if states else Environment.state != EnvironmentState.ARCHIVED
    return list(
        session.scalars(
            select(Environment)
            .where(Environment.pool_id == pool_id, wanted)
            .order_by(Environment.created_at, Environment.name)
            .execution_options(populate_existing=True)
        )
    )


def lock_if_free(session: Session, environment: Environment) -> bool:
    """Whether it could be held alone until the transaction ends, without waiting; its row is then read anew."""
    held = session.scalars(
        select(Environment)
        .where(Environment.id == environment.id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).first()
    return held is not None


def names_ever(session: Session, names: set[str]) -> set[str]:
    """Those of the names that a row of ours has or had."""
    return set(session.scalars(select(Environment.name).where(Environment.name.in_(names))))


def find_by_name(session: Session, pool_id: str, name: str) -> Environment | None:
    return session.scalar(
        select(Environment).where(
            Environment.pool_id == pool_id, Environment.name == name, Environment.state != EnvironmentState.ARCHIVED
        )
    )


GRANTED = {
    "state": EnvironmentState.ASSIGNED,
    "fence": Environment.fence + 1,
    "version": Environment.version + 1,
    "flagged": False,
    "last_holder_type": None,
    "last_holder_id": None,
    "last_holder_domain": None,
    "reattach_until": None,
}


POOL = bindparam("pool", type_=Id)  # a foreign key has no type of its own before the other table is there
MOMENT = bindparam("moment", type_=UtcDateTime())


def _claim(chosen: Select[str], *states: str) -> Any:
    """The environment that `chosen` names is handed out if it is still in one of these states, in one statement."""
    table = cast(Table, Environment.__table__)
    still = or_(*(table.c.state == state for state in states))
    claimed = table.update().where(table.c.id == chosen.scalar_subquery(), still).values(GRANTED).returning(*table.c)
    return select(Environment).from_statement(claimed).execution_options(populate_existing=True)


def _longest_available(preference: ColumnElement[bool]) -> Any:
    return _claim(
        select(Environment.id)
        .where(Environment.pool_id == POOL, Environment.state == EnvironmentState.AVAILABLE, preference)
        .order_by(Environment.available_at, Environment.name)
        .limit(1)
        .with_for_update(skip_locked=True),
        EnvironmentState.AVAILABLE,
    )


# Statements that every assignment runs are put together once: that takes longer than running them.
_FREE = _longest_available(or_(Environment.reattach_until.is_(None), Environment.reattach_until <= MOMENT))
_RESERVED = _longest_available(Environment.reattach_until > MOMENT)
_GIVEN_UP = _claim(
    select(Environment.id)
    .where(
        Environment.pool_id == POOL,
        or_(Environment.state == EnvironmentState.AVAILABLE, Environment.state == EnvironmentState.EXPIRED),
        Environment.credentials.is_not(None),
        Environment.reattach_until > MOMENT,
        Environment.last_holder_type == bindparam("holder_type"),
        Environment.last_holder_id == bindparam("holder_id"),
        Environment.last_holder_domain == bindparam("holder_domain"),
    )
    .order_by(Environment.reattach_until.desc())
    .limit(1)
    .with_for_update(skip_locked=True),
    EnvironmentState.AVAILABLE,
    EnvironmentState.EXPIRED,
)


def claim_available(session: Session, pool_id: str, *, now: datetime) -> Environment | None:
    """Takes the environment that has been available longest, in one guarded statement; None if there is none.

    Those in another's re-attach window come last (contract 4.5). Two callers never get the same one: on
    PostgreSQL SKIP LOCKED lets each take its own, on SQLite writers come one at a time, and on both the
    outer guard refuses what has changed meanwhile.
    """
    for preference in (_FREE, _RESERVED):
        claimed: Environment | None = session.scalars(preference, {"pool": pool_id, "moment": now}).first()
        if claimed is not None:
            return claimed
    return None


def wait_for_claims(session: Session, pool_id: str) -> bool:
    """Whether an environment is left, or given back, by those who are claiming them at this moment; then it is held.

    Returns when each of their transactions has ended or has left one over.
    """
    left = (
        select(Environment.id)
        .where(Environment.pool_id == pool_id, Environment.state == EnvironmentState.AVAILABLE)
        .order_by(Environment.available_at, Environment.name)
        .limit(1)
        .with_for_update()
    )
    return session.scalar(left) is not None


def claim_again(session: Session, pool_id: str, holder: Holder, *, now: datetime) -> Environment | None:
    """Takes back the environment that this holder gave up within its re-attach window, or None (contract 4.5)."""
    mine = {"holder_type": holder.type, "holder_id": holder.id, "holder_domain": holder.domain}
    claimed: Environment | None = session.scalars(_GIVEN_UP, {"pool": pool_id, "moment": now, **mine}).first()
    return claimed


def any_available(session: Session, pool_id: str) -> bool:
    return bool(
        session.scalar(
            select(
                select(Environment.id)
                .where(Environment.pool_id == pool_id, Environment.state == EnvironmentState.AVAILABLE)
                .exists()
            )
        )
    )


def waited_for(session: Session) -> list[str]:
    """The pools in which somebody waits although an environment is available."""
    available = (
        select(Environment.id)
        .where(Environment.pool_id == Ticket.pool_id, Environment.state == EnvironmentState.AVAILABLE)
        .exists()
    )
    return list(
        session.scalars(select(Ticket.pool_id).where(Ticket.state == TicketState.WAITING, available).distinct())
    )


def creations_begun(session: Session, pool_id: str) -> list[datetime]:
    """When each of the pool's unfinished creations and refreshes began, the oldest first."""
    refreshed = func.coalesce(Environment.requested_at, Environment.expired_at, Environment.created_at)
    began = case((Environment.state == EnvironmentState.PROVISIONING, Environment.created_at), else_=refreshed)
    making = Environment.state.in_((EnvironmentState.PROVISIONING, EnvironmentState.REFRESHING))
    return list(session.scalars(select(began).where(Environment.pool_id == pool_id, making).order_by(began)))


def creation_minutes(session: Session, pool_id: str) -> list[float]:
    """How long the pool's last 25 creations took, in minutes."""
    rows = session.execute(
        select(Environment.created_at, Environment.ready_at)
        .where(Environment.pool_id == pool_id, Environment.ready_at.is_not(None))
        .order_by(Environment.ready_at.desc())
        .limit(25)
    )
    return [(ready - created).total_seconds() / 60 for created, ready in rows if ready is not None]


def in_motion_without_task(session: Session) -> list[Environment]:
    """Environments that the provider should be working on though no live task drives them (a sweep's question)."""
    in_motion = session.scalars(select(Environment).where(Environment.state.in_(IN_MOTION))).all()
    # Compared here, since SQLite and PostgreSQL write the same UUID differently as text.
    driven = set(session.scalars(select(Task.once_key).where(Task.kind == "provision", Task.state.in_(LIVE))))
    return [environment for environment in in_motion if environment.id not in driven]
