"""Transactions: all or nothing, times in UTC, and one word for every way in which the database is away."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from traceback import format_exception

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, StatementError

from storage import audit
from storage.audit import Actor, Audit
from storage.database import Database, StoreUnavailable
from storage.repositories import Repository
from tests.at_once import at_once
from tests.provider import Clock


class Killed(BaseException):
    """The process ends here."""


def register(database: Database, name: str, at: datetime) -> None:
    with database.transaction() as session:
        session.add(Repository(full_name=name, name_key=name, created_at=at))


def names(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(Repository.full_name).order_by(Repository.full_name)))


@pytest.mark.parametrize("error", [ValueError, Killed])
def test_nothing_is_kept_of_a_transaction_that_fails(database: Database, error: type[BaseException]) -> None:
    with suppress(error), database.transaction() as session:
        session.add(Repository(full_name="a", name_key="a", created_at=datetime.now(UTC)))
        session.flush()
        raise error
    assert names(database) == []


def test_times_are_utc_and_keep_their_order_whatever_zone_they_were_given_in(database: Database) -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    register(database, "noon", noon)
    register(database, "before", datetime(2026, 3, 2, 13, 59, 59, 999999, tzinfo=timezone(timedelta(hours=2))))
    with database.reading() as session:
        found = session.scalars(select(Repository).order_by(Repository.created_at)).all()
        assert [(row.full_name, row.created_at) for row in found] == [
            ("before", noon - timedelta(microseconds=1)), ("noon", noon)
        ]  # fmt: skip
        assert found[0].created_at.utcoffset() == timedelta()
        earlier = select(Repository.full_name).where(Repository.created_at < noon)
        assert session.scalars(earlier).all() == ["before"]


def test_a_time_without_a_zone_is_a_bug(database: Database) -> None:
    with pytest.raises(StatementError, match="without a zone"):
        register(database, "a", datetime(2026, 3, 2, 12))  # noqa: DTZ001 - that is the point


def test_a_database_that_is_away_is_unavailable(tmp_path: object) -> None:
    for url in (f"sqlite:///{tmp_path}/missing/greenroom.db", f"postgresql:///x?host={tmp_path}"):
        with pytest.raises(StoreUnavailable):
            Database(url).ping()


def test_a_connection_that_is_cut_is_unavailable_once(database: Database) -> None:
    database.ping()
    if database.is_sqlite:
        return  # there is nobody to cut it
    with pytest.raises(StoreUnavailable), database.transaction() as session:
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    database.ping()


def test_the_loser_of_a_deadlock_finds_the_store_unavailable(database: Database, clock: Clock) -> None:
    for name in ("a", "b"):
        register(database, name, clock())

    def change(first: str, second: str) -> str:
        try:
            with database.transaction() as session:
                for name in (first, second):
                    session.execute(text("UPDATE repositories SET private = true WHERE full_name = :n"), {"n": name})
                    session.execute(text("SELECT pg_sleep(0.1)")) if not database.is_sqlite else None
        except StoreUnavailable:
            return "lost"
        return "won"

    outcomes = sorted(at_once([lambda: change("a", "b"), lambda: change("b", "a")]))
    assert outcomes == (["won", "won"] if database.is_sqlite else ["lost", "won"])


def test_a_reader_waits_for_no_writer(database: Database, clock: Clock) -> None:
    with database.transaction() as session:
        session.add(Repository(full_name="a", name_key="a", created_at=clock()))
        session.flush()
        assert names(database) == []
    assert names(database) == ["a"]


def test_an_audit_row_tells_who_did_what_at_whose_request(database: Database, clock: Clock) -> None:
    with database.transaction() as session:
        actor = Actor("wendy", role="user", request="comment:1")
        audit.record(session, "assignment.created", "an id", actor, now=clock(), fence=3)
    with database.reading() as session:
        row = session.scalars(select(Audit)).one()
    assert (row.at, row.actor, row.role, row.request) == (clock(), "wendy", "user", "comment:1")
    assert (row.action, row.subject_type, row.subject_id) == ("assignment.created", "assignment", "an id")
    assert row.details == {"fence": 3}


def test_what_is_logged_of_a_failed_statement_has_none_of_its_values(database: Database) -> None:
    with pytest.raises((DBAPIError, StoreUnavailable)) as failed, database.transaction() as session:
        session.execute(text("SELEKT :value"), {"value": "can" + "ary"})
    assert "canary" not in "".join(format_exception(failed.value))
