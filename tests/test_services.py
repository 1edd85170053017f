"""The servers for tests: each test database is its own, and nothing stays behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from redis import Redis

from tests.services import PostgresMissing, PostgresServer, postgres, redis


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    try:
        with postgres() as server:
            yield server
    except PostgresMissing as missing:
        pytest.skip(str(missing))


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(sqlalchemy.text(statement))
        rows = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return rows


def test_a_copy_has_what_its_template_had_and_does_not_change_it(server: PostgresServer) -> None:
    template = server.create_database("template")
    execute(template, "CREATE TABLE pools AS SELECT 'small' AS name")

    copy = server.create_database("copy", template="template")
    execute(copy, "INSERT INTO pools VALUES ('large')")

    assert execute(copy, "SELECT count(*) FROM pools") == [(2,)]
    assert execute(template, "SELECT name FROM pools") == [("small",)]


def test_a_database_is_dropped_under_an_open_connection(server: PostgresServer) -> None:
    engine = sqlalchemy.create_engine(server.create_database("busy"))
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))
        server.drop_database("busy")
        with pytest.raises(sqlalchemy.exc.OperationalError):
            connection.execute(sqlalchemy.text("SELECT 1"))
    engine.dispose()
    server.create_database("busy")


def test_on_a_shared_server_names_are_our_own_and_are_gone_afterwards(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", server.url("postgres"))
    databases = "SELECT count(*) FROM pg_database WHERE datname LIKE 'greenroom_%'"

    with postgres() as shared:
        execute(shared.create_database("one"), "CREATE TABLE pools (name text)")
        assert "greenroom_" in shared.url("one")
        assert execute(server.url("postgres"), databases) == [(1,)]

    assert execute(server.url("postgres"), databases) == [(0,)]


def test_each_directory_has_its_own_redis(tmp_path: Path) -> None:
    with redis(tmp_path / "one") as one, redis(tmp_path / "two") as two:
        with Redis.from_url(one) as client:
            client.set("key", "value")
        with Redis.from_url(two) as client:
            assert client.get("key") is None
