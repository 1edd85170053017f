"""Connections that the database ended are replaced, and what can be done again is done again."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import make_url, select

import storage.database
from storage import deliveries
from storage.database import Database, StoreUnavailable
from storage.deliveries import Delivery
from tests.provider import Clock


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    yield database
    database.dispose()


def end_every_connection(database: Database) -> None:
    """As a restart of the server or a failover does."""
    url = make_url(database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def receive(database: Database, guid: str, clock: Clock) -> None:
    deliveries.receive(database, guid, "pull_request", "opened", "1#2", b"{}", now=clock())


def received(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(Delivery.guid).order_by(Delivery.number)))


def test_a_webhook_is_stored_over_a_new_connection_when_the_old_one_is_dead(postgres: Database, clock: Clock) -> None:
    receive(postgres, "one", clock)
    end_every_connection(postgres)
    receive(postgres, "two", clock)
    assert received(postgres) == ["one", "two"]


def test_a_connection_that_rested_is_asked_before_it_is_used(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.database, "UNASKED", 0.0)
    assert received(postgres) == []
    end_every_connection(postgres)
    assert received(postgres) == []


def test_after_a_transaction_met_a_dead_connection_the_next_meets_none(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.database, "UNASKED", 60.0)
    assert received(postgres) == []
    end_every_connection(postgres)
    with pytest.raises(StoreUnavailable):
        received(postgres)
    assert received(postgres) == []


def test_what_is_stored_alone_is_kept_and_rung_for(database_url: str, clock: Clock) -> None:
    rung: list[frozenset[str]] = []
    database = Database(database_url, ring=rung.append)
    receive(database, "one", clock)
    with database.reading() as session:
        stored = session.scalars(select(Delivery)).one()
    database.dispose()
    assert (stored.state, stored.run_at, stored.received_at, stored.body) == ("received", clock(), clock(), b"{}")
    assert rung == [frozenset({"critical"})]


def test_what_cannot_be_reached_is_said_and_not_rung_for(clock: Clock) -> None:
    rung: list[frozenset[str]] = []
    database = Database("postgresql://127.0.0.1:1/nowhere", ring=rung.append)
    with pytest.raises(StoreUnavailable):
        receive(database, "one", clock)
    database.dispose()
    assert rung == []
