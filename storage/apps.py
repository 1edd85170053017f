"""The GitHub App's credentials as the manifest flow or the demo stored them, encrypted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from storage.database import Base


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
