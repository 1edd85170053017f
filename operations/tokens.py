"""Bearer tokens are made and revoked, each on the record."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage import audit, tokens
from storage.audit import Actor
from storage.tokens import Role, Token


def create_token(
    session: Session,
    name: str,
    life: timedelta,
    repositories: list[str] | None,
    actor: Actor,
    *,
    now: datetime,
    role: Role = Role.APPLICATION,
) -> tuple[Token, str]:
    """A new token with its secret, which is nowhere kept (contract 10.3); None is every repository."""
    token, secret = tokens.create(
        session, name=name, role=role, repositories=repositories, expires_at=now + life, now=now
    )
    audit.record(session, "token.created", token.id, actor, now=now, name=name, role=role, repositories=repositories)
    return token, secret


def revoke_token(session: Session, token: Token, actor: Actor, *, now: datetime) -> None:
    """The token opens nothing any more, from this transaction on."""
    token.revoked_at = now
    audit.record(session, "token.deleted", token.id, actor, now=now, name=token.name)
