"""The mock service's own database: what exists over there, whatever our tables say."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from providers.provider import CALL_SECONDS, ProviderError

SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS environments (
    scope TEXT NOT NULL, name TEXT NOT NULL, pool TEXT NOT NULL, key TEXT NOT NULL,
    fence INTEGER NOT NULL, made_by INTEGER NOT NULL,
    provider_id TEXT NOT NULL, org_id TEXT NOT NULL, token TEXT NOT NULL,
    revision TEXT, dirty INTEGER NOT NULL, fails INTEGER NOT NULL,
    created_at REAL NOT NULL, started_at REAL NOT NULL, ready_at REAL NOT NULL, listed_at REAL NOT NULL,
    deletion_eligible_at REAL NOT NULL, deleting_since REAL, gone_at REAL,
    PRIMARY KEY (scope, name)
);
CREATE TABLE IF NOT EXISTS login_links (
    token TEXT PRIMARY KEY, scope TEXT NOT NULL, name TEXT NOT NULL, expires_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS calls (
    scope TEXT NOT NULL, name TEXT NOT NULL, verb TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (scope, name, verb)
);
COMMIT;
"""


@dataclass(frozen=True)
class Record:
    """One environment, past ones included. Times are seconds since 1970; the state at an instant follows from them."""

    scope: str
    name: str
    pool: str
    key: str
    fence: int
    made_by: int
    """The fence of the creation or refresh that its content stems from."""
    provider_id: str
    org_id: str
    token: str
    revision: str | None
    dirty: bool
    fails: bool
    created_at: float
    started_at: float
    ready_at: float
    listed_at: float
    deletion_eligible_at: float
    deleting_since: float | None
    gone_at: float | None

    def exists(self, now: float) -> bool:
        return self.gone_at is None or now < self.gone_at


COLUMNS = [column.name for column in fields(Record)]
EXISTS = "(gone_at IS NULL OR gone_at > :now)"


class MockState:
    """What one transaction sees of the service, and changes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find(self, scope: str, name: str) -> Record | None:
        """The environment of that name, even when it is gone: names are never used twice."""
        query = "SELECT * FROM environments WHERE scope = ? AND name = ?"
        row = self._connection.execute(query, (scope, name)).fetchone()
        return _record(row) if row else None

    def save(self, record: Record) -> None:
        values = ", ".join(f":{column}" for column in COLUMNS)
        statement = f"INSERT OR REPLACE INTO environments ({', '.join(COLUMNS)}) VALUES ({values})"
        self._connection.execute(statement, asdict(record))

    def existing(self, scope: str, now: float) -> list[Record]:
        query = f"SELECT * FROM environments WHERE scope = :scope AND {EXISTS} ORDER BY name"
        return [_record(row) for row in self._connection.execute(query, {"scope": scope, "now": now})]

    def count_existing(self, scope: str, pool: str, now: float) -> int:
        query = f"SELECT count(*) FROM environments WHERE scope = :scope AND pool = :pool AND {EXISTS}"
        count: int = self._connection.execute(query, {"scope": scope, "pool": pool, "now": now}).fetchone()[0]
        return count

    def count_call(self, scope: str, name: str, verb: str) -> int:
        """How many times this was called, this time included."""
        statement = (
            "INSERT INTO calls VALUES (?, ?, ?, 1) "
            "ON CONFLICT (scope, name, verb) DO UPDATE SET count = count + 1 RETURNING count"
        )
        count: int = self._connection.execute(statement, (scope, name, verb)).fetchone()[0]
        return count

    def save_login_link(self, token: str, record: Record, *, now: float, expires_at: float) -> None:
        self._connection.execute("DELETE FROM login_links WHERE expires_at <= ?", (now,))
        row = (token, record.scope, record.name, expires_at)
        self._connection.execute("INSERT INTO login_links VALUES (?, ?, ?, ?)", row)

    def drop_login_links(self, scope: str, name: str) -> None:
        self._connection.execute("DELETE FROM login_links WHERE scope = ? AND name = ?", (scope, name))

    def take_login_link(self, token: str, now: float) -> Record | None:
        """The environment that the link leads to, once; None when it was used, has lapsed or never was."""
        statement = "DELETE FROM login_links WHERE token = ? AND expires_at > ? RETURNING scope, name"
        row = self._connection.execute(statement, (token, now)).fetchone()
        return self.find(row["scope"], row["name"]) if row else None


def prepare(path: Path) -> None:
    """The file exists with every table; safe while others do the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _connection(path) as connection:
        if connection.execute("PRAGMA user_version").fetchone()[0]:
            return
        # Two processes that switch to WAL in the same instant refuse each other without waiting. The loser may go on:
        # the mode is a property of the file, and nothing but speed depends on it.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA + "PRAGMA user_version = 1;")


@contextmanager
def reading(path: Path) -> Iterator[MockState]:
    with _transaction(path, "BEGIN") as state:
        yield state


@contextmanager
def writing(path: Path) -> Iterator[MockState]:
    """One writer at a time over all processes; everything is undone when the block raises."""
    with _transaction(path, "BEGIN IMMEDIATE") as state:
        yield state


@contextmanager
def _transaction(path: Path, begin: str) -> Iterator[MockState]:
    with _connection(path) as connection:
        connection.execute(begin)
        try:
            yield MockState(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


@contextmanager
def _connection(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of its own for every transaction: workers fork, and SQLite forbids to carry one over a fork."""
    try:
        with closing(sqlite3.connect(path, timeout=CALL_SECONDS, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous = OFF")  # has to survive a killed process, not a power cut
            yield connection
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        raise ProviderError("The mock service did not answer in time", permanent=False) from error


def _record(row: sqlite3.Row) -> Record:
    return Record(**{**dict(row), "dirty": bool(row["dirty"]), "fails": bool(row["fails"])})
