"""Several actors at the same moment, each in a thread with connections of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from sqlalchemy import text

from storage.database import Database

T = TypeVar("T")

PATIENCE = 20  # seconds
_SOMEBODY_WAITS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def at_once(calls: Sequence[Callable[[], T]], *, patience: float = PATIENCE) -> list[T]:
    """What each of the calls gave; none begins before all are there."""
    there = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        there.wait(PATIENCE)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return [future.result(patience) for future in [threads.submit(run, call) for call in calls]]


def beside(database: Database, call: Callable[[], T]) -> Future[T]:
    """Starts the call beside the caller's open transaction; returns when it is done or waits for that transaction."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it rises where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    for _ in range(1000):
        if wait([future], timeout=0.005 if not database.is_sqlite else 0.05).done:
            return future
        if database.is_sqlite or _somebody_waits(database):
            return future
    raise AssertionError("it is neither done nor waiting for a lock")


def _somebody_waits(database: Database) -> bool:
    with database.reading() as session:
        return bool(session.scalar(_SOMEBODY_WAITS))
