"""Worker processes are killed in a loop while submitted tasks of all types run; nobody ever rings for them.

Every task ends in one final state and stays in it, what it did happened once, and none is forgotten. A failure names
its seed; TEST_DEPTH=17 has a thousand tasks.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from jobs.cron import tick
from jobs.worker import RENEW_EVERY, Renewal, Worker
from operations.cancel import cancel
from operations.errors import TaskNotCancellable
from operations.submit import Order, Retries, submit
from storage import submissions
from storage.audit import Actor, Audit
from storage.database import Database, StoreUnavailable
from storage.queue import QueueName
from storage.submissions import Submission, SubmissionType
from storage.tasks import LIVE, Task
from tests import history
from tests.provider import Clock
from tests.world import REPO, World

DEPTH = int(os.environ.get("TEST_DEPTH", "1"))
SEED = os.environ.get("TEST_SEED", "kills")
TASKS = 60 * DEPTH
WORKERS = 2
SPEED = 10  # so many seconds of Greenroom's pass in one: dead workers are relieved within a second
MOST_BETWEEN_KILLS = 8  # tasks that end
PATIENCE = 60.0  # seconds in which something must have ended
SUBMITTER = Actor("ci", token_id="a token")
FORKING = multiprocessing.get_context("fork")  # a new worker must not take seconds to start

# What a completed task has done to an assignment, and how often; a fetch may also have been served in its turn.
EFFECTS = {
    ("fetchReviewEnvironment", None): ("assignment.created", (0, 1)),
    ("transitionReviewEnvironment", "InUse"): ("assignment.acquired", (1,)),
    ("transitionReviewEnvironment", "Available"): ("assignment.released", (0, 1)),
    ("transitionReviewEnvironment", "Expired"): ("assignment.ended", (1,)),
    ("unassignReviewEnvironment", None): ("assignment.ended", (1,)),
    ("listAssignedReviewEnvironments", None): ("assignment.changed", (0,)),
    ("checkReviewEnvironment", None): ("assignment.changed", (0,)),
}


class QuickClock(Clock):
    """Real time, but quicker; the same in every process."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.time()

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self._began, UTC) + timedelta(seconds=(time.time() - self._began) * SPEED)


class Workers:
    """Forked from one parent, which has no threads and no open connection then: a new one must not take seconds."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world = world
        self._chance = chance
        self.kills = 0
        self.processes = [self._start() for _ in range(WORKERS)]

    def kill_one(self) -> None:
        place = self._chance.randrange(WORKERS)
        self._end(self.processes[place])
        self.kills += 1
        self.processes[place] = self._start()

    def end(self) -> None:
        for process in self.processes:
            self._end(process)

    def _start(self) -> BaseProcess:
        self._world.database.dispose()
        process = FORKING.Process(target=self._work, daemon=True)
        process.start()
        return process

    def _end(self, process: BaseProcess) -> None:
        process.kill()  # -9
        process.join()

    def _work(self) -> None:
        """For every queue, and keeping the time; never comes to an end by itself."""
        workers = [Worker(self._world.new_shop(), queue) for queue in QueueName]
        for worker in workers:
            Renewal(worker, every=RENEW_EVERY / SPEED).start()
        while True:
            with suppress(StoreUnavailable):
                tick(self._world.context, f"{os.getpid()}")
                for worker in workers:
                    worker.drain()
            time.sleep(0.01)


def drawn(chance: random.Random, now: datetime) -> Order:
    """Some task for one of a few issues."""
    type = chance.choice([SubmissionType.FETCH] * 6 + list(SubmissionType))
    data: dict[str, Any] = {"repositoryIdentifier": REPO, "assignmentId": str(chance.randrange(8))}
    match type:
        case SubmissionType.LIST:
            data = {}
        case SubmissionType.FETCH:
            data |= {"poolTag": "core", "wait": chance.choice([0, 20, 40])}
        case SubmissionType.TRANSITION:
            data |= {"status": chance.choice(["InUse", "Available", "Expired"]), "leasefor": 5}
        case SubmissionType.UNASSIGN:
            data |= {"returntopool": True}
    return Order(
        type,
        data,
        data.get("repositoryIdentifier"),
        queue=chance.choice([QueueName.BATCH, QueueName.NORMAL, QueueName.CRITICAL]),
        retries=Retries(chance.choice([1, 1, 3]), timedelta(seconds=2)),
        run_at=now + timedelta(seconds=chance.choice([0, 0, 5])),
    )


class Follower:
    """Looks at every task again and again: one that has ended is never seen in another state."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.ended: dict[str, str] = {}

    def all_ended(self) -> bool:
        with self._database.reading() as session:
            found = {each.id: each.status for each in session.query(Submission)}
        for id, status in self.ended.items():
            assert found[id] == status, f"{SEED}: task {id} had {status} and has {found[id]}"
        self.ended = {id: status for id, status in found.items() if status not in LIVE}
        return len(self.ended) == len(found)


def test_every_task_ends_once_however_often_its_workers_are_killed(database_url: str, tmp_path: Path) -> None:
    clock, chance = QuickClock(), random.Random(SEED)
    world = World(Database(database_url), tmp_path, clock)
    pool = world.pool(min_available=2, max_total=3)
    workers = Workers(world, chance)
    try:
        for number in range(TASKS):
            submit_one(world, chance, cancelled=number % 10 == 9)
        ended = killed_until_all_have_ended(world, workers, chance)
    finally:
        workers.end()
    print(f"{SEED}: {TASKS} tasks, {workers.kills} kills, {dict(ended)}")  # noqa: T201 - shown with a failure
    assert workers.kills >= TASKS / (2 * MOST_BETWEEN_KILLS)
    assert ended["completed"] > 0
    check_effects(world)
    history.check(world.database)
    with world.session() as session:
        history.check_bounds(session, {pool.id: 3})
    world.database.dispose()


def killed_until_all_have_ended(world: World, workers: Workers, chance: random.Random) -> Counter[str]:
    """A worker is killed, at any moment, whenever some more tasks have ended. How many ended in which state."""
    follower, next_kill, deadline = Follower(world.database), 0, time.monotonic() + PATIENCE
    while not follower.all_ended():
        assert time.monotonic() < deadline, f"{SEED}: forgotten: {left(world)}"
        time.sleep(chance.uniform(0, 0.1))
        if len(follower.ended) >= next_kill:
            workers.kill_one()
            next_kill = len(follower.ended) + chance.randint(1, MOST_BETWEEN_KILLS)
            deadline = time.monotonic() + PATIENCE
    return Counter(follower.ended.values())


def submit_one(world: World, chance: random.Random, *, cancelled: bool) -> None:
    with world.database.transaction() as session:
        id = submit(session, drawn(chance, world.clock()), SUBMITTER, None, now=world.clock()).id
    if cancelled:
        cancel_one(world, id)


def cancel_one(world: World, id: str) -> None:
    with suppress(TaskNotCancellable), world.database.transaction() as session:
        submission = submissions.lock(session, id)
        assert submission is not None
        cancel(session, submission, SUBMITTER, now=world.clock())


def left(world: World) -> list[str]:
    """What has not ended, with the rows that should work it."""
    rows = {task.payload["submission_id"]: task.state for task in world.rows(Task) if task.kind == "fulfil"}
    return [f"{s.id} {s.status} by {rows.get(s.id)}" for s in world.rows(Submission) if s.is_live]


def check_effects(world: World) -> None:
    """What each task did to assignments is what it says, once; one that failed did nothing."""
    done = Counter((row.request, row.action) for row in world.rows(Audit) if row.action.startswith("assignment."))
    for submission in world.rows(Submission):
        request = f"submission:{submission.id}"
        mine = {action: number for (by, action), number in done.items() if by == request}
        action, allowed = EFFECTS[submission.type, submission.data.get("status")]
        if submission.status == "completed":
            assert mine.get(action, 0) in allowed, f"{SEED}: {submission.type} did {mine}"
            assert submission.result is not None
        elif submission.status == "failed":
            assert mine == {}, f"{SEED}: {submission.type} failed and did {mine}"
