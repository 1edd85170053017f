"""Installations of the GitHub App, with the installation token that all processes share (encrypted)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=60), timedelta(minutes=16)
IN_A_ROW = timedelta(minutes=10)  # after the end of a pause, in which another one is longer
FETCH = timedelta(seconds=15)  # as long as fetching a token lasts, and longer
WRITE = timedelta(seconds=15)  # longer than any lasts: of a process that died in one, others go on then

_DIALECTS = {"sqlite": sqlite, "postgresql": postgresql}


class InstallationStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


class Installation(Base):
    __tablename__ = "installations"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # GitHub's
    account: Mapped[str]
    account_id: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(default=InstallationStatus.ACTIVE)
    permissions: Mapped[dict[str, Any] | None]
    token: Mapped[bytes | None] = mapped_column(LargeBinary)
    token_expires_at: Mapped[datetime | None]
    fetching_until: Mapped[datetime | None]  # a process fetches a new token; by then it has, or is dead
    paused_until: Mapped[datetime | None]  # GitHub's rate limit: no call before
    pauses: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # in a row, of which GitHub named no end
    next_write_at: Mapped[datetime | None]  # no write before; one at a time
    writers_until: Mapped[datetime | None]  # when the last of those that wait to write has its turn
    members_changed_at: Mapped[datetime | None]  # what was known of permissions before is not trusted
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


def find(session: Session, installation_id: int) -> Installation | None:
    return session.get(Installation, installation_id)


def register(
    session: Session,
    installation_id: int,
    account: str,
    account_id: int | None = None,
    *,
    now: datetime,
    status: InstallationStatus | None = None,
    permissions: Mapping[str, str] | None = None,
) -> Installation:
    """The installation is known, with whatever of this is given."""
    row = find(session, installation_id)
    if row is None:
        insert = _DIALECTS[session.get_bind().dialect.name].insert(Installation)
        values = {"account": account, "status": InstallationStatus.ACTIVE, "created_at": now, "updated_at": now}
        session.execute(insert.values(id=installation_id, **values).on_conflict_do_nothing())  # two may be first
        row = session.get_one(Installation, installation_id)
    row.account = account
    row.account_id = account_id or row.account_id
    row.status = status or row.status or InstallationStatus.ACTIVE
    row.permissions = dict(permissions) if permissions is not None else row.permissions
    session.flush()
    return row


def begin_fetching(session: Session, installation_id: int, *, now: datetime) -> bool:
    """Whether this process is the one to fetch a token: no other does, of those that know the installation."""
    is_free = or_(Installation.fetching_until.is_(None), Installation.fetching_until <= now)
    row = session.get(Installation, installation_id)
    if row is None:
        return True
    claim = update(Installation).where(Installation.id == installation_id, is_free).values(fetching_until=now + FETCH)
    return session.execute(claim.returning(Installation.id)).first() is not None


def end_fetching(session: Session, installation_id: int) -> None:
    session.execute(update(Installation).where(Installation.id == installation_id).values(fetching_until=None))


def keep_token(session: Session, installation_id: int, token: bytes | None, expires_at: datetime | None) -> None:
    """The installation's token is this one, encrypted, or none."""
    session.execute(
        update(Installation).where(Installation.id == installation_id).values(token=token, token_expires_at=expires_at)
    )


def pause(session: Session, installation_id: int, until: datetime, *, named: bool, now: datetime) -> None:
    """No call is made as this installation before `until`: GitHub limits its rate.

    Where GitHub `named` no time, a pause that comes soon after another is twice as long, up to LONGEST_PAUSE.
    """
    row = find(session, installation_id)
    if row is None:
        return
    in_a_row = row.paused_until is not None and now < row.paused_until + IN_A_ROW
    row.pauses = 0 if named else (row.pauses + 1 if in_a_row else 1)
    longer = now + min(FIRST_PAUSE * 2 ** max(row.pauses - 1, 0), LONGEST_PAUSE)
    row.paused_until = until if named else max(until, longer)


def begin_write(session: Session, installation_id: int, pace: timedelta, *, now: datetime) -> datetime | None:
    """None: this write is the only one of the installation until it ends, or WRITE is over. Else when to come back.

    Those that have to wait are sent to different times, so that they do not all come back at once.
    """
    taken = session.execute(
        update(Installation)
        .where(
            Installation.id == installation_id,
            or_(Installation.next_write_at.is_(None), Installation.next_write_at <= now),
        )
        .values(next_write_at=now + WRITE)
        .returning(Installation.id)
    ).first()
    if taken is not None:
        return None
    row = session.get(Installation, installation_id, with_for_update=True, populate_existing=True)
    if row is None:
        return None
    row.writers_until = max(row.writers_until or now, now) + pace
    return row.writers_until


def end_write(session: Session, installation_id: int, pace: timedelta, *, now: datetime) -> None:
    """The next write may begin after another `pace`."""
    session.execute(update(Installation).where(Installation.id == installation_id).values(next_write_at=now + pace))


def members_changed(session: Session, installation_id: int, *, now: datetime) -> None:
    """What any process knows of permissions there is void."""
    session.execute(update(Installation).where(Installation.id == installation_id).values(members_changed_at=now))


def members_last_changed_at(session: Session) -> datetime | None:
    """Anywhere: one answer for whoever knows permissions in many repositories."""
    return session.scalar(select(func.max(Installation.members_changed_at)))
