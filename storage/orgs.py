"""Salesforce orgs that sandboxes are made in, with the way into each, encrypted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, new_id


class Org(Base):
    __tablename__ = "orgs"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    username: Mapped[str]
    username_key: Mapped[str] = mapped_column(unique=True)  # lower case: Salesforce compares without case
    alias: Mapped[str | None] = mapped_column(unique=True)
    login_url: Mapped[str]
    instance_url: Mapped[str | None]
    credentials: Mapped[bytes] = mapped_column(LargeBinary)  # a JSON object, sealed by the Vault
    created_by: Mapped[str]
    created_at: Mapped[datetime]


def find(session: Session, name: str) -> Org | None:
    """The org of this username, in any case, or of this alias; a username comes before an alias."""
    named = select(Org).where(or_(Org.username_key == name.lower(), Org.alias == name))
    return session.scalars(named.order_by(Org.username_key != name.lower())).first()


def listed(session: Session) -> list[Org]:
    return list(session.scalars(select(Org).order_by(Org.username_key)))


def any_registered(session: Session) -> bool:
    return session.scalars(select(Org.id).limit(1)).first() is not None
