"""Bearer tokens: stored as a hash, shown once."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, Json, new_id

PREFIX = "sfp_app_"


class Role(StrEnum):
    MEMBER = "member"
    APPLICATION = "application"
    OWNER = "owner"


class Token(Base):
    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    name: Mapped[str]
    role: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    repositories: Mapped[list[str] | None] = mapped_column(Json)  # names without case; None: every repository
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    def sees(self, full_name: str) -> bool:
        """Whether the token's scope covers the repository."""
        return self.repositories is None or full_name.lower() in self.repositories


def create(
    session: Session, *, name: str, role: Role, repositories: list[str] | None, expires_at: datetime, now: datetime
) -> tuple[Token, str]:
    """A new token and its secret, which is nowhere kept."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token(
        name=name,
        role=role,
        digest=digest(secret),
        repositories=[repository.lower() for repository in repositories] if repositories else None,
        created_at=now,
        expires_at=expires_at,
    )
    session.add(token)
    session.flush()
    return token, secret


def find(session: Session, secret: str) -> Token | None:
    """The token with this secret, expired or not; never a revoked one."""
    return session.scalar(select(Token).where(Token.digest == digest(secret), Token.revoked_at.is_(None)))


def get(session: Session, token_id: str) -> Token | None:
    """The token of this id; never a revoked one."""
    return session.scalar(select(Token).where(Token.id == token_id, Token.revoked_at.is_(None)))


def listed(session: Session) -> list[Token]:
    """Every token that is not revoked, expired ones among them, the oldest first."""
    return list(session.scalars(select(Token).where(Token.revoked_at.is_(None)).order_by(Token.created_at, Token.id)))


def digest(secret: str) -> str:
    """SHA-256: the secret has 256 random bits, so that a slow hash would add nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()
