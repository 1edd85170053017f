"""Deliveries worked a second, next to jobs that do nothing performed by RQ's own worker.

Run from the checkout: `python -m bench.drain [--number 1000] [--rounds 3]`.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import click
from redis import Redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import insert

from bench.databases import databases
from bench.load import SECRET, comments
from bench.rounds import Figures, compete, show, table
from bot import logs
from bot.context import Context
from bot.settings import Settings
from jobs.worker import Worker
from jobs.workshop import Workshop
from storage import deliveries
from storage.database import Database
from storage.deliveries import Delivery, DeliveryState
from storage.queue import QueueName
from tests.services import redis

JOBS = 200
_forking = multiprocessing.get_context("fork")


def nothing() -> None:
    """The job that RQ's worker is given."""


def perform_jobs(redis_url: str) -> Figures:
    """RQ's worker without forks, on a queue that is full when it starts."""
    with Redis.from_url(redis_url) as connection:
        queue = Queue("bench", connection=connection, serializer=JSONSerializer)
        for _ in range(JOBS):
            queue.enqueue_call("bench.drain.nothing", result_ttl=0)
        with ProcessPoolExecutor(1, mp_context=_forking) as process:
            return {"rows or jobs/s": JOBS / process.submit(_perform, redis_url).result()}


def _perform(redis_url: str) -> float:
    with Redis.from_url(redis_url) as connection:
        worker = SimpleWorker(["bench"], connection=connection, serializer=JSONSerializer)
        began = time.perf_counter()
        worker.work(burst=True, logging_level="ERROR")
        return time.perf_counter() - began


def drain(url: str, body: bytes, number: int, workers: int) -> Figures:
    """This many comments without a command, of as many pull requests, worked by so many processes."""
    _fill(url, body, number)
    with ProcessPoolExecutor(workers, mp_context=_forking) as pool:
        spans = [running.result() for running in [pool.submit(_drain, url) for _ in range(workers)]]
    _expect_all_done(url)
    return {"rows or jobs/s": number / (max(end for _, end in spans) - min(start for start, _ in spans))}


def _fill(url: str, body: bytes, number: int) -> None:
    database, now = Database(url), datetime.now(UTC)
    rows = [
        {
            "guid": str(uuid4()),
            "event": "issue_comment",
            "action": "created",
            "serial_key": f"1#{thread}",
            "body": body,
            "state": DeliveryState.RECEIVED,
            "attempts": 0,
            "fence": 0,
            "run_at": now,
            "received_at": now,
        }
        for thread in range(number)
    ]
    with database.transaction() as session:
        session.execute(insert(Delivery.__table__), rows)  # type: ignore[arg-type]
    database.dispose()


def _drain(url: str) -> tuple[float, float]:
    """When the worker began and ended."""
    settings = Settings(data=Path("unused"), secret_keys=("a key",), github_webhook_secrets=(SECRET,))
    worker = Worker(Workshop(Context.of(settings, Database(url))), QueueName.CRITICAL)
    began = time.perf_counter()
    worker.drain()
    return began, time.perf_counter()


def _expect_all_done(url: str) -> None:
    database = Database(url)
    with database.reading() as session:
        left = deliveries.backlog(session)
    database.dispose()
    if left:
        raise click.ClickException(f"{left} deliveries were not worked")


@click.command()
@click.option("--number", default=1000, help="Deliveries in each turn.")
@click.option("--rounds", default=3)
def main(number: int, rounds: int) -> None:
    """Works a backlog of deliveries that have no effect."""
    logs.configure("text", "ERROR")
    [body] = comments(1)
    with databases() as made, TemporaryDirectory(prefix="greenroom-bench-") as directory, redis(Path(directory)) as url:
        reference = "RQ, a SimpleWorker, jobs that do nothing"
        contestants: dict[str, Callable[[], Figures]] = {reference: partial(perform_jobs, url)}
        for kind, database in made.both().items():
            for workers in (1, 2):
                name = f"Greenroom, {workers} worker{'s' * (workers - 1)}, {kind}"
                contestants[name] = partial(drain, database, body, number, workers)
        contest = compete(contestants, rounds)
        compared = dict.fromkeys(list(contestants)[1:], reference)
        title = "A backlog of deliveries without an effect"
        show(table(title, contest, compared=compared, column="rows or jobs/s", caption=made.versions()))


if __name__ == "__main__":
    main()
