"""Installations of the GitHub App, with the installation token that all processes share (encrypted)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base

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
    paused_until: Mapped[datetime | None]  # GitHub's rate limit: no call before
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


def keep_token(
    session: Session, installation_id: int, token: bytes | None, expires_at: datetime | None
) -> None:
    """The installation's token is this one, encrypted, or none."""
    session.execute(
        update(Installation)
        .where(Installation.id == installation_id)
        .values(token=token, token_expires_at=expires_at)
    )


def pause(session: Session, installation_id: int, until: datetime) -> None:
    """No call is made as this installation before `until`: GitHub limits its rate."""
    session.execute(update(Installation).where(Installation.id == installation_id).values(paused_until=until))
