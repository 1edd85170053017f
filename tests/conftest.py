"""The world of the tests: real databases, one simulated GitHub, one simulated provider, a clock that stands still."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from storage import schema, tables
from storage.database import Database
from tests.provider import Clock
from tests.services import PostgresMissing, PostgresServer
from tests.world import World

# The same examples in every run, so that a change is judged by what it did; asked for more, something new each time.
LONGER = {"GREENROOM_EXAMPLES", "TEST_DEPTH"} & os.environ.keys()
settings.register_profile("greenroom", derandomize=not LONGER, database=None, deadline=None)
settings.load_profile("greenroom")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-golden", action="store_true", help="write tests/golden instead of comparing with it")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL with a database `template` at the newest schema."""
    try:
        server = PostgresServer.start()
    except PostgresMissing as missing:
        pytest.skip(str(missing))
    server.create_database("template")
    _make_schema(server.url("template"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _make_schema(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "greenroom.db")
    return f"sqlite:///{tmp_path / 'greenroom.db'}"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"test_{abs(hash(request.node.nodeid)):x}"
    yield postgres_server.create_database(name, template="template")
    postgres_server.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database at the newest schema; every test that asks for it runs on both kinds."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(scope="session")
def shared_sqlite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("shared") / "greenroom.db"
    shutil.copy(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def shared_postgresql(postgres_server: PostgresServer) -> Iterator[Database]:
    database = Database(postgres_server.create_database("shared", template="template"))
    yield database
    database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database, the same for all tests of its kind: to compile every statement anew takes far longer."""
    with _emptied_afterwards(request.getfixturevalue(f"shared_{request.param}")) as database:
        yield database


@pytest.fixture
def sqlite_database(shared_sqlite: Database) -> Iterator[Database]:
    """An empty database of one kind, for what is the same on every one."""
    with _emptied_afterwards(shared_sqlite) as database:
        yield database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(database: Database, tmp_path: Path, clock: Clock) -> World:
    """Greenroom between a simulated GitHub and a simulated provider, on both databases."""
    return World(database, tmp_path, clock)


@pytest.fixture
def sqlite_world(sqlite_database: Database, tmp_path: Path, clock: Clock) -> World:
    """The world on one kind of database, for what is the same on every one."""
    return World(sqlite_database, tmp_path, clock)


@contextmanager
def _emptied_afterwards(database: Database) -> Iterator[Database]:
    yield database
    database.ring = database.wake = None
    deletes = "; ".join(f'DELETE FROM "{table.name}"' for table in reversed(tables.metadata.sorted_tables))
    with database.transaction() as session:
        if database.is_sqlite:
            for delete in deletes.split("; "):
                session.connection().exec_driver_sql(delete)
        else:
            session.connection().exec_driver_sql(f"SET LOCAL lock_timeout = '30s'; {deletes}")


def _make_schema(url: str) -> None:
    database = Database(url)
    schema.upgrade(database)
    database.dispose()
