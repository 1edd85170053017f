"""Environments given out and taken back, next to the least that a database can do for it: one durable statement each.

Run from the checkout: `python -m bench.allocation [--seconds 2] [--rounds 5]`.
"""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from statistics import quantiles
from typing import Any

import click
import psycopg
from sqlalchemy import insert, make_url, text

from bench.databases import Databases, databases, raw
from bench.rounds import Figures, compete, show, table
from bot import logs
from operations.assign import Wish, assign
from operations.pools import create_pool
from operations.unassign import unassign
from storage import assignments, repositories
from storage.assignments import Holder, HolderType
from storage.audit import Actor
from storage.database import SQLITE_PRAGMAS, Database, new_id
from storage.environments import Environment, EnvironmentState, new_name

PROCESSES, THREADS = 4, 4
ACTOR = Actor("bench")
FEW, MANY = 1_000, 100_000
WARM_UP = 0.3  # seconds

Pair = Callable[[Holder], None]  # the holder gets an environment and gives it back

POOL: dict[str, Any] = {
    "name": "Core",
    "provider": "mock",
    "min_available": 0,
    "max_total": MANY,
    "days_to_keep_available": 30,
    "strategy": "DELETE_EXPIRED",
    "default_expiration_hours": 24,
    "return_on_unassign": True,
}

# The same rows in the same tables, with every guard that a statement can have. What is chosen is a CTE of its own:
# in a subquery of the update PostgreSQL chooses again where the row has changed meanwhile, and then updates none.
CLAIM = """
WITH chosen AS MATERIALIZED (
    SELECT id FROM environments WHERE pool_id = %(pool)s AND state = 'AVAILABLE'
    ORDER BY available_at, name LIMIT 1 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE environments SET state = 'ASSIGNED', fence = fence + 1, version = version + 1
    FROM chosen WHERE environments.id = chosen.id AND state = 'AVAILABLE'
    RETURNING environments.id, fence
), assigned AS (
    INSERT INTO assignments (id, pool_assignment_id, repository_id, holder_type, holder_id, domain, pool_id,
        environment_id, fence, status, assigned_by, assigned_at, expires_at, metadata, version)
    SELECT %(id)s, %(id)s, %(repository)s, 'pr', %(holder)s, '', %(pool)s,
        id, fence, 'active', 'bench', %(now)s, %(expires)s, '{}', 1 FROM claimed
    RETURNING id, environment_id
)
INSERT INTO audit (at, actor, role, action, subject_type, subject_id, repository_id, details)
SELECT %(now)s, 'bench', 'application', 'assignment.created', 'assignment', id, %(repository)s, %(details)s
FROM assigned
"""
RELEASE = """
WITH ended AS (
    UPDATE assignments SET status = 'released', ended_at = %(now)s, end_reason = 'unassigned', version = version + 1
    WHERE repository_id = %(repository)s AND holder_type = 'pr' AND holder_id = %(holder)s AND domain = ''
        AND status = 'active'
    RETURNING id, environment_id
), returned AS (
    UPDATE environments SET state = 'AVAILABLE', available_at = %(now)s, fence = fence + 1, version = version + 1
    WHERE id = (SELECT environment_id FROM ended) RETURNING id
)
INSERT INTO audit (at, actor, role, action, subject_type, subject_id, repository_id, details)
SELECT %(now)s, 'bench', 'application', 'assignment.ended', 'assignment', id, %(repository)s, %(details)s FROM ended
"""


@dataclass(frozen=True)
class Place:
    """A database with one pool, full of available environments."""

    url: str
    repository_id: str
    pool_id: str


def prepare(url: str, size: int) -> Place:
    database = Database(url)
    now = datetime.now(UTC)
    with database.transaction() as session:
        repository = repositories.register(session, "acme/shop", now=now)
        pool = create_pool(session, repository, "core", POOL, ACTOR, now=now)
        for start in range(0, size, 10_000):
            rows = [_environment(pool.id, now, number) for number in range(start, min(start + 10_000, size))]
            session.execute(insert(Environment.__table__), rows)  # type: ignore[arg-type]
    with database.transaction() as session:
        session.execute(text("ANALYZE"))
    database.dispose()
    return Place(url, repository.id, pool.id)


def _environment(pool_id: str, now: datetime, number: int) -> dict[str, Any]:
    return {
        "id": new_id(),
        "pool_id": pool_id,
        "name": new_name("ben"),
        "state": EnvironmentState.AVAILABLE,
        "fence": 1,
        "flagged": False,
        "tombstone": False,
        "version": 1,
        "credentials": b"sealed",
        "available_at": now - timedelta(days=2) + timedelta(seconds=number),
        "created_at": now,
        "ready_at": now,
    }


def through_operations(place: Place) -> Callable[[], Pair]:
    """A transaction with operations.assign, and another with operations.unassign."""
    database = Database(place.url)

    def pair(holder: Holder) -> None:
        with database.transaction() as session:
            assign(session, Wish(holder, "core"), ACTOR, now=datetime.now(UTC))
        with database.transaction() as session:
            held = assignments.find_active(session, holder)
            assert held is not None
            unassign(session, held, ACTOR, now=datetime.now(UTC))

    return lambda: pair


def one_statement_each(place: Place) -> Callable[[], Pair]:
    """What PostgreSQL can do at most: a statement to claim, insert and record, and one to release and record."""

    def connected() -> Pair:
        connection = psycopg.connect(raw(place.url), autocommit=True)
        given = {"pool": place.pool_id, "repository": place.repository_id, "details": json.dumps({"pool": "core"})}

        def pair(holder: Holder) -> None:
            now = datetime.now(UTC)
            values = {**given, "holder": holder.id, "now": now}
            claimed = connection.execute(CLAIM, {**values, "id": new_id(), "expires": now + timedelta(days=1)})
            released = connection.execute(RELEASE, values)
            assert (claimed.rowcount, released.rowcount) == (1, 1)

        return pair

    return connected


def one_transaction_each(place: Place) -> Callable[[], Pair]:
    """The same by the sqlite3 module: SQLite knows no statement that writes to several tables."""

    def connected() -> Pair:
        connection = sqlite3.connect(make_url(place.url).database or "", isolation_level=None, check_same_thread=False)
        for pragma in SQLITE_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return partial(_pair_in_sqlite, connection, place)

    return connected


def _pair_in_sqlite(connection: sqlite3.Connection, place: Place, holder: Holder) -> None:
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
    assignment, repository, pool = (value.replace("-", "") for value in (new_id(), place.repository_id, place.pool_id))
    audit = "INSERT INTO audit (at, actor, role, action, subject_type, subject_id, repository_id, details)"
    connection.execute("BEGIN IMMEDIATE")
    environment, fence = connection.execute(
        "UPDATE environments SET state = 'ASSIGNED', fence = fence + 1, version = version + 1 WHERE id ="
        " (SELECT id FROM environments WHERE pool_id = ? AND state = 'AVAILABLE' ORDER BY available_at, name LIMIT 1)"
        " AND state = 'AVAILABLE' RETURNING id, fence",
        (pool,),
    ).fetchone()
    connection.execute(
        "INSERT INTO assignments (id, pool_assignment_id, repository_id, holder_type, holder_id, domain, pool_id,"
        " environment_id, fence, status, assigned_by, assigned_at, expires_at, metadata, version)"
        " VALUES (?, ?, ?, 'pr', ?, '', ?, ?, ?, 'active', 'bench', ?, ?, '{}', 1)",
        (assignment, assignment, repository, holder.id, pool, environment, fence, now, now),
    )
    created = (now, "bench", "application", "assignment.created", "assignment", assignment, repository, "{}")
    connection.execute(f"{audit} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", created)
    connection.execute("COMMIT")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(
        "UPDATE assignments SET status = 'released', ended_at = ?, version = version + 1 WHERE repository_id = ?"
        " AND holder_type = 'pr' AND holder_id = ? AND domain = '' AND status = 'active'",
        (now, repository, holder.id),
    )
    connection.execute(
        "UPDATE environments SET state = 'AVAILABLE', available_at = ?, fence = fence + 1, version = version + 1"
        " WHERE id = ?",
        (now, environment),
    )
    ended = (now, "bench", "application", "assignment.ended", "assignment", assignment, repository, "{}")
    connection.execute(f"{audit} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ended)
    connection.execute("COMMIT")


Way = Callable[[Place], Callable[[], Pair]]


class Clients:
    """Processes with threads, each of which is a client that takes and gives back as fast as it can."""

    def __init__(self, processes: int, threads: int) -> None:
        self._processes = processes
        self._threads = threads

    def turn(self, way: Way, place: Place, seconds: float) -> Figures:
        with ProcessPoolExecutor(self._processes, mp_context=multiprocessing.get_context("fork")) as pool:
            running = [
                pool.submit(_process, way, place, range(first, first + self._threads), seconds)
                for first in range(0, self._processes * self._threads, self._threads)
            ]
            took = [milliseconds for process in running for milliseconds in process.result()]
        if len(took) < 2:
            raise click.ClickException("a turn is too short for this machine: raise --seconds")
        percentiles = quantiles(took, n=100)
        return {"pairs/s": len(took) / seconds, "p50 ms": percentiles[49], "p99 ms": percentiles[98]}


def _process(way: Way, place: Place, numbers: range, seconds: float) -> list[float]:
    """How long each pair of these clients took, in ms."""
    connected = way(place)
    with ThreadPoolExecutor(len(numbers)) as pool:
        clients = [pool.submit(_client, connected(), place.repository_id, number, seconds) for number in numbers]
        return [milliseconds for client in clients for milliseconds in client.result()]


def _client(pair: Pair, repository_id: str, number: int, seconds: float) -> list[float]:
    took = []
    pull_requests = count(number * 1_000_000)
    began = time.perf_counter() + WARM_UP
    while (start := time.perf_counter()) < began + seconds:
        pair(Holder(repository_id, HolderType.PR, str(next(pull_requests))))
        if (end := time.perf_counter()) >= began:
            took.append((end - start) * 1000)
    return took


def at_once(made: Databases, seconds: float, rounds: int) -> None:
    """16 clients on one pool."""
    clients = Clients(PROCESSES, THREADS)
    limit, limit_sqlite = "one statement each, psycopg, PostgreSQL", "one transaction each, sqlite3, SQLite"
    ours, ours_sqlite = "Greenroom, PostgreSQL", "Greenroom, SQLite"
    contestants: dict[str, tuple[Way, Place]] = {
        limit: (one_statement_each, prepare(made.postgres(), FEW)),
        ours: (through_operations, prepare(made.postgres(), FEW)),
        limit_sqlite: (one_transaction_each, prepare(made.sqlite(), FEW)),
        ours_sqlite: (through_operations, prepare(made.sqlite(), FEW)),
    }
    contest = compete({name: partial(clients.turn, *how, seconds) for name, how in contestants.items()}, rounds)
    compared = {ours: limit, ours_sqlite: limit_sqlite}
    title = f"Assigned and given back by {PROCESSES * THREADS} clients in {PROCESSES} processes"
    show(table(title, contest, compared=compared, column="pairs/s", caption=made.versions()))


def in_pools_of_all_sizes(made: Databases, seconds: float, rounds: int) -> None:
    """One client, so that what is seen is the time of the work and not of waiting for the processor."""
    client = Clients(1, 1)
    names = {
        (kind, size): f"{size:,} environments, {kind}" for kind in ("PostgreSQL", "SQLite") for size in (FEW, MANY)
    }
    places = {
        names[kind, size]: prepare(made.postgres() if kind == "PostgreSQL" else made.sqlite(), size)
        for kind, size in names
    }
    contest = compete(
        {name: partial(client.turn, through_operations, place, seconds) for name, place in places.items()}, rounds
    )
    compared = {names[kind, MANY]: names[kind, FEW] for kind, size in names if size == MANY}
    show(table("Pools of all sizes, one client", contest, compared=compared, column="p99 ms", caption=made.versions()))


@click.command()
@click.option("--seconds", default=2.0, help="How long each turn lasts, without warming up.")
@click.option("--rounds", default=3)
def main(seconds: float, rounds: int) -> None:
    """Assigns and unassigns through our operations, and the shortest way there is."""
    logs.configure("text", "ERROR")
    with databases() as made:
        at_once(made, seconds, rounds)
        in_pools_of_all_sizes(made, seconds, rounds)


if __name__ == "__main__":
    main()
