"""The GitHub App's credentials as the manifest flow or the demo stored them, encrypted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base
from storage.vault import Vault


class App(Base):
    __tablename__ = "apps"

    id: Mapped[str] = mapped_column(primary_key=True)  # GitHub's App id
    slug: Mapped[str]
    api_url: Mapped[str]
    private_key: Mapped[bytes] = mapped_column(LargeBinary)
    webhook_secret: Mapped[bytes] = mapped_column(LargeBinary)
    client_id: Mapped[str | None]
    client_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


def store(
    session: Session,
    vault: Vault,
    app_id: str,
    *,
    slug: str,
    api_url: str,
    private_key: str,
    webhook_secret: str,
    client_id: str | None = None,
    client_secret: str | None = None,
    now: datetime,
) -> App:
    """The App's credentials are kept, each secret encrypted; they replace former ones of the same App."""
    app = App(
        id=app_id,
        slug=slug,
        api_url=api_url,
        private_key=vault.encrypt(private_key),
        webhook_secret=vault.encrypt(webhook_secret),
        client_id=client_id,
        client_secret=None if client_secret is None else vault.encrypt(client_secret),
        created_at=now,
    )
    return session.merge(app)


def is_any_stored(session: Session) -> bool:
    return session.scalars(select(App.id).limit(1)).first() is not None


def find_by_slug(session: Session, slug: str) -> App | None:
    return session.scalars(select(App).where(App.slug == slug)).first()


def remove(session: Session, slug: str) -> None:
    session.execute(delete(App).where(App.slug == slug))
