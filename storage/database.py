"""The database: one transaction at a time, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import uuid4

from sqlalchemy import JSON, DateTime, Dialect, Engine, Executable, MetaData, Uuid, create_engine, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000", "foreign_keys=ON")
UNASKED = 1.0  # seconds: a connection that rested no longer than this is not asked whether it lives


class StoreUnavailable(Exception):
    """The database cannot be reached or is locked; nothing of the transaction was kept."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite keeps it without the zone, in an order that compares as text."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")
Id = Uuid(as_uuid=False)


def new_id() -> str:
    """A fresh UUID v4, as text."""
    return str(uuid4())


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        dict[str, Any]: Json,
        list[str]: Json,
        list[dict[str, Any]]: Json,
    }


class Database:
    """Opens transactions. After a commit `ring` is told which queues have new work (storage/queue.py), and `wake`
    which lock tickets have changed (storage/locks.py).
    """

    def __init__(
        self,
        url: str,
        *,
        ring: Callable[[frozenset[str]], None] | None = None,
        wake: Callable[[frozenset[int]], None] | None = None,
    ) -> None:
        self.url = url
        self.ring = ring
        self.wake = wake
        self.engine = _engine(url)
        self._reader = self.engine.execution_options(begin="DEFERRED")
        self._alone = _engine(
            url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, skip_autocommit_rollback=True
        )
        if self.is_sqlite:
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            _ask_the_rested(self.engine)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One write transaction: committed at the end, rolled back on any exception, then the doorbells rung.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE), so that what it reads stays true.
        Raises StoreUnavailable when the database is away, locked for longer than 10 seconds or picks this
        transaction to end a deadlock.
        """
        with _translated(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session
        self._ring(frozenset(session.info.get("rung", ())))
        changed = frozenset(session.info.get("changed_locks", ()))
        if changed and self.wake is not None:
            self.wake(changed)

    def execute(self, statement: Executable, values: Mapping[str, Any], *, rings: str) -> None:
        """One statement is a transaction of its own, in one round trip; then that queue's doorbell is rung.

        It is done again where its connection breaks, which leaves open whether it was done: only for statements
        that change nothing the second time. Raises StoreUnavailable as transaction() does.
        """
        with _translated():
            try:
                self._execute(statement, values)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                self._execute(statement, values)
        self._ring(frozenset((rings,)))

    def _execute(self, statement: Executable, values: Mapping[str, Any]) -> None:
        with self._alone.connect() as connection:
            connection.execute(statement, values)

    def _ring(self, queues: frozenset[str]) -> None:
        if queues and self.ring is not None:
            self.ring(queues)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One transaction that only reads; on SQLite it waits for no writer."""
        with _translated(), Session(self._reader, expire_on_commit=False) as session:
            yield session

    def ping(self) -> None:
        """Returns if the database answers, else raises StoreUnavailable."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def dispose(self, *, close: bool = True) -> None:
        """Forgets the pooled connections; `close=False` in a forked child, whose parent still uses them."""
        self.engine.dispose(close=close)
        self._alone.dispose(close=close)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise StoreUnavailable("the database is not reachable") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StoreUnavailable("the connection to the database was lost") from error
        raise


def _engine(url: str, **options: Any) -> Engine:
    if url.startswith("postgres://"):
        url = "postgresql" + url.removeprefix("postgres")
    if url.startswith("postgresql://"):
        url = "postgresql+psycopg" + url.removeprefix("postgresql")
    options |= {"pool_size": 10, "max_overflow": 10, "pool_timeout": 10}
    # The connection used last is used next, so that what is idle stays idle, and can be closed by whoever does that.
    # Errors end up in logs, and the values in them could be secrets.
    engine = create_engine(url, pool_use_lifo=True, hide_parameters=True, **options)
    if url.startswith("sqlite"):
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _ask_the_rested(engine: Engine) -> None:
    """As pool_pre_ping does, but without a round trip for every transaction of a busy process."""

    def rest(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["rests_since"] = time.monotonic()

    def ask(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        if time.monotonic() - record.info.get("rests_since", time.monotonic()) <= UNASKED:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error  # the pool connects anew

    event.listen(engine, "checkin", rest)
    event.listen(engine, "checkout", ask)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late and is never IMMEDIATE
    for pragma in SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'IMMEDIATE')}")
