"""Webhooks that GitHub could not deliver, until we have them; and how far its list of deliveries has been read."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import BigInteger, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base


class MissedDelivery(Base):
    __tablename__ = "missed_deliveries"

    guid: Mapped[str] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(BigInteger)  # GitHub's, of the newest time that it failed
    event: Mapped[str]
    action: Mapped[str | None]
    tries: Mapped[int] = mapped_column(default=0)  # ours to get it
    found_at: Mapped[datetime]


class DeliveriesRead(Base):
    __tablename__ = "deliveries_read"

    app_id: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]


def note(
    session: Session, guid: str, attempt_id: int, event: str, action: str | None, *, now: datetime
) -> MissedDelivery:
    """The webhook is known to be missed; how often it was tried to get it stays."""
    row = session.get(MissedDelivery, guid)
    if row is None:
        row = MissedDelivery(guid=guid, attempt_id=attempt_id, event=event, action=action, tries=0, found_at=now)
        session.add(row)
    row.attempt_id = max(row.attempt_id, attempt_id)
    return row


def listed(session: Session, *, most_tries: int, after: int, limit: int) -> list[MissedDelivery]:
    """Those after this attempt that were tried less often, in the order in which GitHub sent them."""
    wanted = select(MissedDelivery).where(MissedDelivery.tries < most_tries, MissedDelivery.attempt_id > after)
    return list(session.scalars(wanted.order_by(MissedDelivery.attempt_id).limit(limit)))


def forget(session: Session, guids: Collection[str]) -> None:
    session.execute(delete(MissedDelivery).where(MissedDelivery.guid.in_(guids)))


def forget_old(session: Session, *, before: datetime) -> None:
    """GitHub has forgotten them, too."""
    session.execute(delete(MissedDelivery).where(MissedDelivery.found_at < before))


def read_until(session: Session, app_id: str) -> datetime | None:
    """Since when the App's deliveries are to be read: what is older has been."""
    row = session.get(DeliveriesRead, app_id)
    return None if row is None else row.until


def have_read(session: Session, app_id: str, until: datetime) -> None:
    session.merge(DeliveriesRead(app_id=app_id, until=until))
