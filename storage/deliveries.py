"""Deliveries: the inbox of webhooks, acknowledged when stored, worked in order within one pull request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    func,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column
from sqlalchemy.sql.dml import ReturningUpdate

from storage.database import Base, Database, UtcDateTime
from storage.queue import QueueName, ring
from storage.tasks import CLAIM, ClaimLost


class DeliveryState(StrEnum):
    RECEIVED = "received"
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"


class Delivery(Base):
    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_due", "state", "number"),
        Index("ix_deliveries_serial", "serial_key", "state", "number"),
        Index(
            "uq_deliveries_serial",
            "serial_key",
            unique=True,
            postgresql_where=text("state = 'active'"),
            sqlite_where=text("state = 'active'"),
        ),
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)  # the order
    guid: Mapped[str] = mapped_column(unique=True)  # X-GitHub-Delivery; a redelivery keeps it
    event: Mapped[str]
    action: Mapped[str | None]
    serial_key: Mapped[str]  # deliveries of one key are worked one at a time, in order
    body: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(default=DeliveryState.RECEIVED)
    attempts: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)  # counts the claims; what an earlier claim writes is refused
    run_at: Mapped[datetime]
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
    received_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


def _insert(dialect: Any) -> Any:
    # Constants are text, not parameters: each parameter costs some 10 µs, in the one statement where they count.
    statement = dialect.insert(Delivery.__table__).values(
        guid=bindparam("guid"),
        event=bindparam("event"),
        action=bindparam("action"),
        serial_key=bindparam("serial_key"),
        body=bindparam("body"),
        state=text("'received'"),
        attempts=text("0"),
        fence=text("0"),
        run_at=bindparam("now"),
        received_at=bindparam("now"),
    )
    # A redelivery of what was never worked, or failed, rings again; of what is done or in work it changes nothing.
    return statement.on_conflict_do_update(
        index_elements=["guid"],
        set_={"state": text("'received'"), "attempts": text("0"), "run_at": statement.excluded.run_at, "error": null()},
        where=text("deliveries.state IN ('received', 'failed')"),
    ).inline()


_INSERT = {"sqlite": _insert(sqlite), "postgresql": _insert(postgresql)}


def receive(
    database: Database, guid: str, event: str, action: str | None, serial_key: str, body: bytes, *, now: datetime
) -> None:
    """The delivery is stored once, whatever number of times it arrives, and a worker hears of it."""
    values = {
        "guid": guid, "event": event, "action": action, "serial_key": serial_key, "body": body, "now": now
    }  # fmt: skip
    database.execute(_INSERT[database.engine.dialect.name], values, rings=QueueName.CRITICAL)


def claim_due(session: Session, worker: str, *, now: datetime, limit: int) -> Sequence[Delivery]:
    """Takes up to `limit` deliveries for this worker, in order, in one guarded statement.

    Of one serial key (a pull request) only the oldest unworked one, and none while another is being worked.
    A delivery whose worker has not renewed its claim is taken over. Raises ClaimLost if another worker takes one
    of the same key at this very moment.
    """
    given = {"worker": worker, "now": now, "until": now + CLAIM, "most": limit}
    options = {"populate_existing": True, "synchronize_session": False}
    try:
        claimed = session.scalars(_claim(), given, execution_options=options).all()
    except IntegrityError as error:
        raise ClaimLost("another worker has just claimed one of the same key") from error
    return sorted(claimed, key=lambda delivery: delivery.number)


@cache
def _claim() -> ReturningUpdate[Delivery]:
    """Put together once: that takes several times as long as running it, and idle workers run it all the time."""
    other, earlier = aliased(Delivery), aliased(Delivery)
    now = bindparam("now", type_=UtcDateTime())
    due = or_(
        and_(Delivery.state == DeliveryState.RECEIVED, Delivery.run_at <= now),
        and_(Delivery.state == DeliveryState.ACTIVE, Delivery.claimed_until < now),
    )
    busy = exists().where(
        other.serial_key == Delivery.serial_key,
        other.state == DeliveryState.ACTIVE,
        other.number != Delivery.number,
    )
    behind = exists().where(
        earlier.serial_key == Delivery.serial_key,
        earlier.state == DeliveryState.RECEIVED,
        earlier.number < Delivery.number,
    )
    chosen = (
        select(Delivery.number)
        .where(due, or_(Delivery.state == DeliveryState.ACTIVE, and_(~busy, ~behind)))
        .order_by(Delivery.number)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
        .cte("chosen")  # evaluated once: as a subquery PostgreSQL may repeat it for each row, past the limit
    )
    return (
        update(Delivery)
        .where(Delivery.number.in_(select(chosen.c.number)), due)
        .values(
            state=DeliveryState.ACTIVE,
            claimed_by=bindparam("worker"),
            claimed_until=bindparam("until"),
            attempts=Delivery.attempts + 1,
            fence=Delivery.fence + 1,
        )
        .returning(Delivery)
    )


def renew(session: Session, worker: str, *, now: datetime) -> None:
    """Every claim of this worker runs for another CLAIM."""
    session.execute(
        update(Delivery)
        .where(Delivery.claimed_by == worker, Delivery.state == DeliveryState.ACTIVE)
        .values(claimed_until=now + CLAIM)
    )


def hold(session: Session, delivery: Delivery) -> None:
    """Returns if this worker still has the delivery; raises ClaimLost else. Holds it until the transaction ends."""
    _update(session, delivery, claimed_by=delivery.claimed_by)


def done(session: Session, delivery: Delivery, *, now: datetime) -> None:
    _update(session, delivery, **_done(now))


def all_done(session: Session, deliveries: Sequence[Delivery], *, now: datetime) -> None:
    """Those are done that this worker still has; the others, which had no effect here, are another's to work."""
    session.execute(_MINE, [_claim_of(delivery) | _done(now) for delivery in deliveries])


def _done(now: datetime) -> dict[str, Any]:
    return {"state": DeliveryState.DONE, "claimed_by": None, "claimed_until": None, "finished_at": now}


def fail(session: Session, delivery: Delivery, reason: str, *, now: datetime) -> None:
    """The delivery is kept, marked failed with the reason; a redelivery from GitHub tries it again."""
    _update(
        session,
        delivery,
        state=DeliveryState.FAILED,
        claimed_by=None,
        claimed_until=None,
        error=reason,
        finished_at=now,
    )


def put_back(session: Session, delivery: Delivery, reason: str | None, *, run_at: datetime, counted: bool) -> None:
    """The delivery is tried again at `run_at`; those behind it wait for it."""
    _update(
        session,
        delivery,
        state=DeliveryState.RECEIVED,
        claimed_by=None,
        claimed_until=None,
        error=reason,
        run_at=run_at,
        attempts=delivery.attempts if counted else delivery.attempts - 1,
    )


_TABLE = cast(Table, Delivery.__table__)
_MINE = _TABLE.update().where(
    _TABLE.c.number == bindparam("its_number"),
    _TABLE.c.state == DeliveryState.ACTIVE,
    _TABLE.c.claimed_by == bindparam("its_worker"),
    _TABLE.c.fence == bindparam("its_fence"),
)
_MINE_STILL = _MINE.returning(_TABLE.c.number)


def _claim_of(delivery: Delivery) -> dict[str, Any]:
    return {"its_number": delivery.number, "its_worker": delivery.claimed_by, "its_fence": delivery.fence}


def _update(session: Session, delivery: Delivery, **values: Any) -> None:
    if session.execute(_MINE_STILL, _claim_of(delivery) | values).first() is None:
        raise ClaimLost(delivery.guid)


def any_due(session: Session, *, now: datetime) -> bool:
    return bool(
        session.scalar(
            select(
                exists().where(
                    or_(
                        and_(Delivery.state == DeliveryState.RECEIVED, Delivery.run_at <= now),
                        and_(Delivery.state == DeliveryState.ACTIVE, Delivery.claimed_until < now),
                    )
                )
            )
        )
    )


def any_unworked(session: Session, serial_key: str) -> bool:
    """Whether something about this pull request, issue or repository is acknowledged and not yet worked."""
    unworked = Delivery.state.in_((DeliveryState.RECEIVED, DeliveryState.ACTIVE))
    return bool(session.scalar(select(exists().where(Delivery.serial_key == serial_key, unworked))))


def states(session: Session, guids: Sequence[str]) -> dict[str, str]:
    """The state of those that are in the inbox."""
    found = select(Delivery.guid, Delivery.state).where(Delivery.guid.in_(guids))
    return {guid: state for guid, state in session.execute(found)}


def backlog(session: Session) -> int:
    """How many deliveries are acknowledged and not yet worked."""
    return (
        session.scalar(select(func.count()).where(Delivery.state.in_((DeliveryState.RECEIVED, DeliveryState.ACTIVE))))
        or 0
    )


def work_refused_again(session: Session, repository_id: int | None, words: str, *, now: datetime) -> None:
    """What GitHub refused in these words, about the repository with this id of GitHub's, is tried again."""
    about = or_(Delivery.serial_key == str(repository_id), Delivery.serial_key.like(f"{repository_id}#%"))
    session.execute(
        update(Delivery)
        .where(Delivery.state == DeliveryState.FAILED, Delivery.error.contains(words, autoescape=True), about)
        .values(state=DeliveryState.RECEIVED, attempts=0, run_at=now, error=None)
    )
    ring(session, QueueName.CRITICAL)


def remove_finished(session: Session, *, before: datetime, limit: int = 1000) -> int:
    """Deletes up to `limit` deliveries that ended before then, and says how many."""
    old = (
        select(Delivery.number)
        .where(Delivery.state.in_((DeliveryState.DONE, DeliveryState.FAILED)), Delivery.finished_at < before)
        .limit(limit)
    )
    return len(session.execute(delete(Delivery).where(Delivery.number.in_(old)).returning(Delivery.number)).all())
