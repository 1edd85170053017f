"""The databases that are measured on: PostgreSQL wherever the tests find it, and SQLite, at the newest schema."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from sqlalchemy import text

from storage import schema
from storage.database import Database
from tests.services import PostgresServer, postgres


@dataclass(frozen=True)
class Databases:
    _postgres: PostgresServer
    _directory: Path
    _numbers: Iterator[int]

    def postgres(self, *, tables: bool = True) -> str:
        """The URL of a PostgreSQL database with our empty tables or none, in which a commit waits for the log."""
        template = "template" if tables else None
        url = self._postgres.create_database(f"bench_{next(self._numbers)}", template)
        database = Database(url)
        with database.engine.begin() as connection:
            name = connection.execute(text("SELECT current_database()")).scalar_one()
            connection.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = on'))
        database.dispose()
        return url

    def sqlite(self, *, tables: bool = True) -> str:
        """The URL of an SQLite database with our empty tables or none."""
        url = f"sqlite:///{self._directory / f'bench_{next(self._numbers)}.db'}"
        if tables:
            make_schema(url)
        return url

    def both(self) -> dict[str, str]:
        return {"PostgreSQL": self.postgres(), "SQLite": self.sqlite()}

    def versions(self) -> str:
        """What the figures were taken on."""
        with psycopg.connect(raw(self._postgres.url("template"))) as connection:
            server = connection.info.server_version // 10000
            [fsync] = connection.execute("SHOW fsync").fetchone() or [""]
        return (
            f"Python {platform.python_version()}, PostgreSQL {server} (fsync {fsync}), "
            f"SQLite {sqlite3.sqlite_version}; median (lowest–highest)"
        )


@contextmanager
def databases() -> Iterator[Databases]:
    """Databases that are gone afterwards."""
    with postgres() as server, TemporaryDirectory(prefix="greenroom-bench-") as directory:
        make_schema(server.create_database("template"))
        yield Databases(server, Path(directory), count())


def make_schema(url: str) -> None:
    database = Database(url)
    schema.upgrade(database)
    database.dispose()


def raw(url: str) -> str:
    """The address for psycopg itself."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
