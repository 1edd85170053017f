"""Webhooks: who hears of which events, where, and how patiently."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import LargeBinary, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, Json, new_id


class WebhookStatus(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"
    FAILED = "failed"  # too many deliveries in a row never arrived


class WebhookFormat(StrEnum):
    JSON = "json"
    SLACK = "slack"


class Webhook(Base):
    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    name: Mapped[str | None]
    target: Mapped[bytes] = mapped_column(LargeBinary)  # its url, secret and headers, sealed by the Vault
    events: Mapped[list[str]]
    repositories: Mapped[list[str] | None] = mapped_column(Json)  # names without case; None: every repository
    format: Mapped[str] = mapped_column(default=WebhookFormat.JSON)
    timeout_ms: Mapped[int]
    retry_count: Mapped[int]
    retry_delay_ms: Mapped[int]
    status: Mapped[str] = mapped_column(default=WebhookStatus.ACTIVE)
    failed_in_a_row: Mapped[int] = mapped_column(default=0)  # deliveries, after all their retries
    last_sent_at: Mapped[datetime | None]
    last_outcome: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Listener(NamedTuple):
    """What has to be known of an active webhook to tell whether an event is for it."""

    id: str
    events: list[str]
    repositories: list[str] | None

    def hears(self, event: str, repository: str | None) -> bool:
        """An event of no repository is heard by those that hear of every repository."""
        if event not in self.events:
            return False
        return self.repositories is None or (repository is not None and repository.lower() in self.repositories)


_ACTIVE = select(Webhook.id, Webhook.events, Webhook.repositories).where(Webhook.status == WebhookStatus.ACTIVE)


def listeners(session: Session) -> Sequence[Listener]:
    """Every active webhook, looked up once in a transaction however many events it has."""
    found: list[Listener] | None = session.info.get("listeners")
    if found is None:
        found = [Listener(*row) for row in session.execute(_ACTIVE.order_by(Webhook.created_at, Webhook.id))]
        session.info["listeners"] = found
    return found


def get(session: Session, webhook_id: str) -> Webhook | None:
    return session.get(Webhook, webhook_id)


def lock(session: Session, webhook_id: str) -> Webhook | None:
    """The webhook as it is now, held alone until the transaction ends."""
    return session.scalar(
        select(Webhook).where(Webhook.id == webhook_id).with_for_update().execution_options(populate_existing=True)
    )


def listed(session: Session) -> list[Webhook]:
    return list(session.scalars(select(Webhook).order_by(Webhook.created_at, Webhook.id)))
