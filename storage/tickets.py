"""Waiting tickets: one queue a pool, one ticket a holder, first come first served within a class, or fair shares."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    bindparam,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.assignments import NO_DOMAIN, Holder
from storage.database import Base, Id

HUMAN_CLASS = 0
BOT_CLASS = 1


class TicketState(StrEnum):
    WAITING = "waiting"
    PAUSED = "paused"  # a draft: keeps its place
    SERVED = "served"
    LEFT = "left"


class Ticket(Base):
    __tablename__ = "tickets"
    __table_args__ = (
        Index(
            "uq_tickets_holder",
            "repository_id",
            "holder_type",
            "holder_id",
            "domain",
            unique=True,
            postgresql_where=text("state IN ('waiting', 'paused')"),
            sqlite_where=text("state IN ('waiting', 'paused')"),
        ),
        Index("ix_tickets_queue", "pool_id", "state", "priority", "rank", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    pool_id: Mapped[str] = mapped_column(ForeignKey("pools.id"))
    repository_id: Mapped[str] = mapped_column(ForeignKey("repositories.id"))
    holder_type: Mapped[str]
    holder_id: Mapped[str]
    domain: Mapped[str] = mapped_column(default=NO_DOMAIN)
    priority: Mapped[int] = mapped_column(default=HUMAN_CLASS)
    rank: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")  # operations/rank.py
    state: Mapped[str] = mapped_column(default=TicketState.WAITING)
    requested_by: Mapped[str]
    hours: Mapped[float | None]
    is_immortal: Mapped[bool] = mapped_column(default=False)
    extra: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    joined_at: Mapped[datetime]
    gives_up_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    assignment_id: Mapped[str | None] = mapped_column(Id, index=True)
    estimated_ahead: Mapped[int | None]  # how many were served before it when this was estimated:
    likely_at: Mapped[datetime | None]
    late_at: Mapped[datetime | None]
    promised_at: Mapped[datetime | None]  # the first likely_at, by which the estimates are scored

    @property
    def holder(self) -> Holder:
        return Holder(self.repository_id, self.holder_type, self.holder_id, self.domain)


OPEN = (TicketState.WAITING, TicketState.PAUSED)
ORDER = (Ticket.priority, Ticket.rank, Ticket.id)
"""In which those who wait for a pool are served."""


_OPEN = select(Ticket).where(
    Ticket.repository_id == bindparam("repository", type_=Id),
    Ticket.holder_type == bindparam("type"),
    Ticket.holder_id == bindparam("id"),
    Ticket.domain == bindparam("domain"),
    or_(Ticket.state == TicketState.WAITING, Ticket.state == TicketState.PAUSED),
)
_OPEN_HELD = _OPEN.with_for_update().execution_options(populate_existing=True)


def find_open(session: Session, holder: Holder) -> Ticket | None:
    return session.scalars(_OPEN, holder.parameters).first()


def lock(session: Session, ticket_id: int) -> Ticket | None:
    """The ticket as it is now, held alone until the transaction ends."""
    return session.get(Ticket, ticket_id, with_for_update=True, populate_existing=True)


def waited_for(session: Session, assignment_id: str) -> timedelta | None:
    """How long its holder had waited for this assignment; None for one that nobody waited for."""
    ticket = session.scalars(select(Ticket).where(Ticket.assignment_id == assignment_id)).first()
    return None if ticket is None or ticket.ended_at is None else ticket.ended_at - ticket.joined_at


def lock_open(session: Session, holder: Holder) -> Ticket | None:
    """The holder's open ticket in exactly its domain, held alone until the transaction ends."""
    return session.scalars(_OPEN_HELD, holder.parameters).first()


def all_open(session: Session, holder: Holder) -> list[Ticket]:
    """The holder's open tickets in every domain, held alone until the transaction ends."""
    return list(
        session.scalars(
            select(Ticket)
            .where(
                Ticket.repository_id == holder.repository_id,
                Ticket.holder_type == holder.type,
                Ticket.holder_id == holder.id,
                Ticket.state.in_(OPEN),
            )
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def any_open(session: Session, holder: Holder) -> bool:
    """Whether the holder waits, in any domain."""
    waits = select(Ticket.id).where(
        Ticket.repository_id == holder.repository_id,
        Ticket.holder_type == holder.type,
        Ticket.holder_id == holder.id,
        Ticket.state.in_(OPEN),
    )
    return bool(session.scalar(select(waits.exists())))


def in_line(session: Session, pool_id: str) -> list[Ticket]:
    """Who waits for the pool, the next to be served first."""
    return list(
        session.scalars(
            select(Ticket)
            .where(Ticket.pool_id == pool_id, Ticket.state == TicketState.WAITING)
            .order_by(*ORDER)
            .execution_options(populate_existing=True)
        )
    )


def behind(session: Session, ticket: Ticket) -> list[Ticket]:
    """Who waits for the same pool and is served after this one."""
    return list(
        session.scalars(
            select(Ticket).where(
                Ticket.pool_id == ticket.pool_id,
                Ticket.state == TicketState.WAITING,
                tuple_(*ORDER) > _place(ticket),
            )
        )
    )


def pools_waited_for(session: Session) -> list[str]:
    return list(session.scalars(select(Ticket.pool_id).where(Ticket.state == TicketState.WAITING).distinct()))


def open_of_pool(session: Session, pool_id: str) -> list[Ticket]:
    """Every ticket of the pool that waits or is paused."""
    return list(session.scalars(select(Ticket).where(Ticket.pool_id == pool_id, Ticket.state.in_(OPEN))))


def open_of_repository(session: Session, repository_id: str) -> list[Ticket]:
    return list(session.scalars(select(Ticket).where(Ticket.repository_id == repository_id, Ticket.state.in_(OPEN))))


def first(session: Session, pool_id: str) -> Ticket | None:
    """Whose turn is next, held alone until the transaction ends; who is just leaving is waited for."""
    return session.scalars(
        select(Ticket)
        .where(Ticket.pool_id == pool_id, Ticket.state == TicketState.WAITING)
        .order_by(*ORDER)
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()


def number_waiting(session: Session, pool_id: str) -> int:
    return (
        session.scalar(select(func.count()).where(Ticket.pool_id == pool_id, Ticket.state == TicketState.WAITING)) or 0
    )


_WAITING = (
    select(Ticket.id).where(Ticket.pool_id == bindparam("pool", type_=Id), Ticket.state == TicketState.WAITING).limit(1)
)


def anybody_waits(session: Session, pool_id: str) -> bool:
    return session.scalar(_WAITING, {"pool": pool_id}) is not None


def position(session: Session, ticket: Ticket) -> int:
    """The ticket's place in line, 1 for the next to be served."""
    ahead = session.scalar(
        select(func.count()).where(
            Ticket.pool_id == ticket.pool_id,
            Ticket.state == TicketState.WAITING,
            tuple_(*ORDER) < _place(ticket),
        )
    )
    return 1 + (ahead or 0)


def _place(ticket: Ticket) -> Any:
    return tuple_(literal(ticket.priority), literal(ticket.rank, BigInteger), literal(ticket.id, BigInteger))


def rank_as_they_came(session: Session, repository_id: str) -> None:
    """Nobody of the repository who waits has a rank any more."""
    open_ones = Ticket.repository_id == repository_id, Ticket.state.in_(OPEN), Ticket.rank != 0
    session.execute(update(Ticket).where(*open_ones).values(rank=0))


def overdue(session: Session, *, now: datetime) -> list[Ticket]:
    """Open tickets past their time, held alone; those that another transaction works on are left to it."""
    return list(
        session.scalars(
            select(Ticket)
            .where(Ticket.state.in_(OPEN), Ticket.gives_up_at <= now)
            .order_by(Ticket.id)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
    )
