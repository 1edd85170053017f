"""What GitHub leaves each installation of its hourly limits, and how much of that the sweeps have used."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base


class Rate(Base):
    __tablename__ = "rates"

    installation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    resource: Mapped[str] = mapped_column(primary_key=True)  # "core", "graphql"
    most: Mapped[int]  # of an hour
    remaining: Mapped[int]
    reset_at: Mapped[datetime]
    swept: Mapped[int] = mapped_column(default=0)  # by sweeps, in this hour


def find(session: Session, installation_id: int, resource: str) -> Rate | None:
    return session.get(Rate, (installation_id, resource))


def note(
    session: Session,
    installation_id: int,
    resource: str,
    *,
    most: int,
    remaining: int,
    reset_at: datetime,
    swept: int = 0,
) -> None:
    """What GitHub's newest answer says; a new hour begins with nothing swept."""
    row = find(session, installation_id, resource)
    before = 0 if row is None or row.reset_at < reset_at else row.swept
    session.merge(
        Rate(
            installation_id=installation_id,
            resource=resource,
            most=most,
            remaining=remaining,
            reset_at=reset_at,
            swept=before + swept,
        )
    )


def listed(session: Session) -> list[Rate]:
    return list(session.scalars(select(Rate).order_by(Rate.installation_id, Rate.resource)))
