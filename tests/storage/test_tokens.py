"""Bearer tokens: stored as a hash, shown once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from storage import tokens
from storage.database import Database
from storage.tokens import Role, Token
from tests.provider import Clock


def create(database: Database, clock: Clock, repositories: list[str] | None = None) -> tuple[Token, str]:
    with database.transaction() as session:
        return tokens.create(
            session, name="ci", role=Role.APPLICATION, repositories=repositories,
            expires_at=clock() + timedelta(days=30), now=clock(),
        )  # fmt: skip


def test_a_token_is_found_by_its_secret(database: Database, clock: Clock) -> None:
    token, secret = create(database, clock)
    other, another_secret = create(database, clock)
    with database.reading() as session:
        found = tokens.find(session, secret)
        assert found is not None
        assert (found.id, found.name, found.role) == (token.id, "ci", "application")
        assert (found.created_at, found.expires_at) == (clock(), clock() + timedelta(days=30))
        assert tokens.find(session, secret[:-1]) is None
        assert tokens.find(session, "") is None
    assert secret != another_secret
    assert other.id != token.id


def test_the_secret_is_nowhere_in_the_database(database: Database, clock: Clock) -> None:
    _, secret = create(database, clock)
    assert secret.startswith("sfp_app_")
    assert len(secret) >= len("sfp_app_") + 43  # 256 bits
    with database.reading() as session:
        row = " ".join(str(value) for value in session.execute(text("SELECT * FROM tokens")).one())
    assert secret not in row
    assert secret.removeprefix("sfp_app_") not in row


def test_a_revoked_token_is_not_found(database: Database, clock: Clock) -> None:
    token, secret = create(database, clock)
    with database.transaction() as session:
        session.get_one(Token, token.id).revoked_at = clock()
    with database.reading() as session:
        assert tokens.find(session, secret) is None


def test_an_expired_token_is_found_so_that_its_bearer_can_be_told(database: Database, clock: Clock) -> None:
    _, secret = create(database, clock)
    clock.advance(days=31)
    with database.reading() as session:
        assert tokens.find(session, secret) is not None


@pytest.mark.parametrize(
    ("repositories", "seen", "unseen"),
    [
        (None, ["acme/shop", "other/x"], []),
        ([], ["acme/shop"], []),
        (["Acme/Shop"], ["acme/shop", "ACME/SHOP"], ["acme/shop2", "shop"]),
    ],
)
def test_a_token_sees_the_repositories_it_was_made_for(
    database: Database, clock: Clock, repositories: list[str] | None, seen: list[str], unseen: list[str]
) -> None:
    token, _ = create(database, clock, repositories)
    with database.reading() as session:
        found = session.get_one(Token, token.id)
    assert all(found.sees(name) for name in seen)
    assert not any(found.sees(name) for name in unseen)
