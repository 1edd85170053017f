"""Pools: how many environments a repository keeps ready, of what kind, and for how long it lends them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, and_, bindparam, func, or_, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from storage.database import Base, Id, new_id
from storage.environments import Environment, EnvironmentState
from storage.repositories import Repository
from storage.tickets import Ticket, TicketState


class Strategy(StrEnum):
    AUTO_REFRESH_EXPIRED = "AUTO_REFRESH_EXPIRED"
    DELETE_EXPIRED = "DELETE_EXPIRED"
    FLAG_EXPIRED = "FLAG_EXPIRED"
    NOTIFY_ONLY = "NOTIFY_ONLY"


RUN_IS_STALE_AFTER = timedelta(minutes=30)  # contract section 8: run mutexes


class Pool(Base):
    __tablename__ = "pools"
    __table_args__ = (
        Index(
            "uq_pools_tag",
            "repository_id",
            "tag",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
            sqlite_where=text("deleted_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    repository_id: Mapped[str] = mapped_column(ForeignKey("repositories.id"), index=True)
    tag: Mapped[str]
    name: Mapped[str]
    provider: Mapped[str] = mapped_column(default="salesforce")
    dev_hub_username: Mapped[str | None]
    branch_pattern: Mapped[str | None]
    domain_patterns: Mapped[list[str]] = mapped_column(default=list)
    min_available: Mapped[int]
    max_total: Mapped[int]
    days_to_keep_available: Mapped[int]
    strategy: Mapped[str]
    sandbox_definition: Mapped[dict[str, Any]] = mapped_column(default=dict)
    default_expiration_hours: Mapped[float] = mapped_column(default=24)
    extended_expiration_hours: Mapped[float | None]
    average_creation_minutes: Mapped[float | None]
    return_on_unassign: Mapped[bool] = mapped_column(default=False)
    is_active: Mapped[bool] = mapped_column(default=True)
    additional_config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    extra: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    legacy: Mapped[dict[str, Any]] = mapped_column(default=dict)  # published fields that drive nothing
    last_monitored_at: Mapped[datetime | None]
    listed_at: Mapped[datetime | None]  # when the provider's complete list was last compared with ours
    last_provisioned_at: Mapped[datetime | None]
    monitor_run_id: Mapped[str | None] = mapped_column(Id)
    monitor_started_at: Mapped[datetime | None]
    provision_run_id: Mapped[str | None] = mapped_column(Id)
    provision_started_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    @property
    def reattach_window(self) -> timedelta:
        """How long a closed holder may take its environment back (contract 4.5); zero is off."""
        return timedelta(minutes=float(self.additional_config.get("reattachMinutes", 30)))

    @property
    def is_untrusted(self) -> bool:
        """Whether it is for code that nobody has looked at, and has no secrets (bot-behaviour section 3)."""
        return bool(self.additional_config.get("trust") == "untrusted")

    @property
    def extension_hours(self) -> float:
        """What an extension without a number adds (contract section 7, semantics 5)."""
        return self.extended_expiration_hours or self.default_expiration_hours or 24


def get(session: Session, pool_id: str) -> Pool:
    """The pool; it must exist, deleted or not."""
    return session.get_one(Pool, pool_id)


_TAGGED = select(Pool).where(
    Pool.repository_id == bindparam("repository", type_=Id), Pool.tag == bindparam("tag"), Pool.deleted_at.is_(None)
)


def find(session: Session, repository_id: str, tag: str) -> Pool | None:
    return session.scalar(_TAGGED, {"repository": repository_id, "tag": tag})


def of_repository(session: Session, repository_id: str) -> list[Pool]:
    """The repository's pools, the oldest first."""
    return list(
        session.scalars(
            select(Pool)
            .where(Pool.repository_id == repository_id, Pool.deleted_at.is_(None))
            .order_by(Pool.created_at, Pool.id)
        )
    )


def listed(
    session: Session, *, seen: Collection[str] | None, repository: str | None = None, tag: str | None = None
) -> list[tuple[Pool, Repository]]:
    """Pools with their repositories, the oldest first; `seen` are the repositories' names in lower case, None all."""
    wanted = select(Pool, Repository).join(Repository, Repository.id == Pool.repository_id)
    if seen is not None:
        wanted = wanted.where(Repository.name_key.in_(seen))
    if repository is not None:
        wanted = wanted.where(Repository.name_key == repository.lower())
    if tag is not None:
        wanted = wanted.where(Pool.tag == tag)
    rows = session.execute(wanted.where(Pool.deleted_at.is_(None)).order_by(Pool.created_at, Pool.id))
    return [(pool, its_repository) for pool, its_repository in rows]


def to_monitor(session: Session) -> list[str]:
    """Active pools, and deleted ones whose environments are not all gone yet."""
    leftover = (
        select(Environment.id)
        .where(Environment.pool_id == Pool.id, Environment.state != EnvironmentState.ARCHIVED)
        .exists()
    )
    wanted = or_(and_(Pool.is_active, Pool.deleted_at.is_(None)), and_(Pool.deleted_at.is_not(None), leftover))
    return list(session.scalars(select(Pool.id).where(wanted).order_by(Pool.id)))


def lock(session: Session, pool_id: str) -> Pool:
    """The pool as it is now, held alone until the transaction ends: whoever creates, serves or joins holds it.

    Claims do not (FOR NO KEY UPDATE lets their foreign keys pass), so that handing out never queues up here.
    """
    return session.scalars(
        select(Pool).where(Pool.id == pool_id).with_for_update(key_share=True).execution_options(populate_existing=True)
    ).one()


@dataclass(frozen=True)
class Counts:
    """How many environments of a pool are in which state, as the contract counts them (section 2)."""

    total: int = 0
    available: int = 0
    assigned: int = 0
    provisioning: int = 0
    error: int = 0
    expired: int = 0
    deleting: int = 0
    waiting: int = 0


def counts(session: Session, pool_ids: list[str]) -> Mapping[str, Counts]:
    """The counters of these pools; a tombstone still counts to the total and to deleting."""
    states: dict[str, dict[str, int]] = {pool_id: {} for pool_id in pool_ids}
    rows = session.execute(
        select(Environment.pool_id, Environment.state, func.count())
        .where(Environment.pool_id.in_(pool_ids), Environment.state != EnvironmentState.ARCHIVED)
        .group_by(Environment.pool_id, Environment.state)
    )
    for pool_id, state, number in rows:
        states[pool_id][state] = number
    waiting = dict.fromkeys(pool_ids, 0)
    tickets = session.execute(
        select(Ticket.pool_id, func.count())
        .where(Ticket.pool_id.in_(pool_ids), Ticket.state == TicketState.WAITING)
        .group_by(Ticket.pool_id)
    )
    for pool_id, number in tickets:
        waiting[pool_id] = number
    return {pool_id: _counts(by_state, waiting[pool_id]) for pool_id, by_state in states.items()}


def _counts(by_state: Mapping[str, int], waiting: int) -> Counts:
    return Counts(
        total=sum(by_state.values()),
        available=by_state.get(EnvironmentState.AVAILABLE, 0),
        assigned=by_state.get(EnvironmentState.ASSIGNED, 0),
        provisioning=by_state.get(EnvironmentState.PROVISIONING, 0) + by_state.get(EnvironmentState.REFRESHING, 0),
        error=by_state.get(EnvironmentState.ERROR, 0),
        expired=by_state.get(EnvironmentState.EXPIRED, 0),
        deleting=by_state.get(EnvironmentState.DELETING, 0),
        waiting=waiting,
    )


def begin_monitor_run(session: Session, pool_id: str, run_id: str, *, now: datetime) -> bool:
    """Whether this run has the pool's monitor mutex: nobody else has, or had it for longer than 30 minutes.

    A run that has it already keeps it: its worker died, and another one goes on with it.
    """
    return _begin_run(session, pool_id, run_id, Pool.monitor_run_id, Pool.monitor_started_at, now)


def begin_provision_run(session: Session, pool_id: str, run_id: str, *, now: datetime) -> bool:
    """As begin_monitor_run, for the pool's provision mutex."""
    return _begin_run(session, pool_id, run_id, Pool.provision_run_id, Pool.provision_started_at, now)


def _begin_run(
    session: Session,
    pool_id: str,
    run_id: str,
    holder: InstrumentedAttribute[str | None],
    since: InstrumentedAttribute[datetime | None],
    now: datetime,
) -> bool:
    free = or_(holder.is_(None), holder == run_id, since < now - RUN_IS_STALE_AFTER)
    taken = session.execute(
        update(Pool).where(Pool.id == pool_id, free).values({holder: run_id, since: now}).returning(Pool.id)
    ).first()
    return taken is not None


def is_any_monitored(session: Session, *, now: datetime) -> bool:
    """Whether a monitor run goes on in any pool."""
    fresh = Pool.monitor_started_at >= now - RUN_IS_STALE_AFTER
    running = select(Pool.id).where(Pool.monitor_run_id.is_not(None), fresh)
    return bool(session.scalar(select(running.exists())))


def end_monitor_run(session: Session, pool_id: str, run_id: str, *, now: datetime) -> None:
    """Gives the mutex back, if this run still holds it."""
    session.execute(
        update(Pool)
        .where(and_(Pool.id == pool_id, Pool.monitor_run_id == run_id))
        .values(monitor_run_id=None, monitor_started_at=None, last_monitored_at=now)
    )


def end_provision_run(session: Session, pool_id: str, run_id: str) -> None:
    """Gives the mutex back, if this run still holds it."""
    session.execute(
        update(Pool)
        .where(and_(Pool.id == pool_id, Pool.provision_run_id == run_id))
        .values(provision_run_id=None, provision_started_at=None)
    )


def end_stale_runs(session: Session, *, now: datetime) -> None:
    """No pool names a run of which nothing can be left: a process that is killed gives nothing back."""
    before = now - RUN_IS_STALE_AFTER
    session.execute(
        update(Pool).where(Pool.monitor_started_at < before).values(monitor_run_id=None, monitor_started_at=None)
    )
    session.execute(
        update(Pool).where(Pool.provision_started_at < before).values(provision_run_id=None, provision_started_at=None)
    )


def repository_of(session: Session, pool: Pool) -> Repository:
    return session.get_one(Repository, pool.repository_id)


def repositories_served(session: Session) -> list[Repository]:
    """Those that asked for us, by having a pool, and have the App."""
    having = select(Pool.repository_id).where(Pool.deleted_at.is_(None))
    wanted = Repository.id.in_(having), Repository.installation_id.is_not(None), ~Repository.archived
    return list(session.scalars(select(Repository).where(*wanted).order_by(Repository.id)))
