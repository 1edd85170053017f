"""Submitted tasks worked a second, next to jobs that do nothing performed by RQ's own worker.

Run from the checkout: `python -m bench.tasks [--number 300] [--rounds 3]`.
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

import click

from bench.databases import databases
from bench.drain import perform_jobs
from bench.rounds import Figures, compete, show, table
from bot import logs
from bot.context import Context
from bot.settings import Settings
from jobs.worker import Worker
from jobs.workshop import Workshop
from operations.submit import Order, submit
from storage import submissions
from storage.audit import Actor
from storage.database import Database
from storage.queue import QueueName
from storage.submissions import Sight, SubmissionType
from storage.tasks import TaskState
from tests.services import redis

_forking = multiprocessing.get_context("fork")


def drain(url: str, number: int, workers: int) -> Figures:
    """This many tasks that list what is assigned, worked by so many processes."""
    _fill(url, number)
    with ProcessPoolExecutor(workers, mp_context=_forking) as pool:
        spans = [running.result() for running in [pool.submit(_drain, url) for _ in range(workers)]]
    _expect_all_done(url)
    return {"rows or jobs/s": number / (max(end for _, end in spans) - min(start for start, _ in spans))}


def _fill(url: str, number: int) -> None:
    database, now = Database(url), datetime.now(UTC)
    with database.transaction() as session:
        for _ in range(number):
            submit(session, Order(SubmissionType.LIST, {}, None), Actor("bench"), None, now=now)
    database.dispose()


def _drain(url: str) -> tuple[float, float]:
    """When the worker began and ended."""
    settings = Settings(data=Path("unused"), secret_keys=("a key",))
    worker = Worker(Workshop(Context.of(settings, Database(url))), QueueName.BATCH)
    began = time.perf_counter()
    worker.drain()
    return began, time.perf_counter()


def _expect_all_done(url: str) -> None:
    database = Database(url)
    with database.reading() as session:
        left = submissions.page(session, Sight(None, None), status=TaskState.PENDING, limit=1)
    database.dispose()
    if left:
        raise click.ClickException("not all tasks were worked")


@click.command()
@click.option("--number", default=300, help="Tasks in each turn.")
@click.option("--rounds", default=3)
def main(number: int, rounds: int) -> None:
    """Works a backlog of submitted tasks, each with its states and its result in the database."""
    logs.configure("text", "ERROR")
    with databases() as made, TemporaryDirectory(prefix="greenroom-bench-") as directory, redis(Path(directory)) as url:
        reference = "RQ, a SimpleWorker, jobs that do nothing"
        contestants: dict[str, Callable[[], Figures]] = {reference: partial(perform_jobs, url)}
        for kind, database in made.both().items():
            for workers in (1, 2):
                name = f"Greenroom, {workers} worker{'s' * (workers - 1)}, {kind}"
                contestants[name] = partial(drain, database, number, workers)
        contest = compete(contestants, rounds)
        compared = dict.fromkeys(list(contestants)[1:], reference)
        title = "A backlog of tasks that list assignments"
        show(table(title, contest, compared=compared, column="rows or jobs/s", caption=made.versions()))


if __name__ == "__main__":
    main()
