"""Workers: rows are tried again after a while, given up in the end, taken over from the dead, and never lost."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from jobs.worker import DELIVERY_ATTEMPTS, RENEW_EVERY, TASKS, Renewal, Worker
from jobs.workshop import Workshop
from storage import deliveries, tasks
from storage.database import Database, StoreUnavailable
from storage.deliveries import Delivery, DeliveryState
from storage.queue import QueueName, enqueue
from storage.schedules import SCHEDULE
from storage.tasks import CLAIM, Task, TaskState
from tests.github import WireTo
from tests.world import REPO, World


class Meanwhile(httpx.BaseTransport):
    """GitHub's wire, on which something else happens before the first answer to a matching request."""

    def __init__(self, world: World, path: str, happens: Callable[[], None]) -> None:
        self._wire = WireTo(world.github)
        self._path = path
        self._happens: Callable[[], None] | None = happens

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._wire.handle_request(request)
        if self._happens is not None and self._path in request.url.path:
            happens, self._happens = self._happens, None
            happens()
        return answer


def task_of(world: World, kind: str) -> Any:
    """The newest task of this kind."""
    return [task for task in world.rows(Task) if task.kind == kind][-1]


def delivery_of(world: World, action: str) -> Delivery:
    [found] = [delivery for delivery in world.deliveries() if delivery.action == action]
    return found


# Trying again


def test_a_task_is_tried_again_ever_later_and_given_up_in_the_end(world: World) -> None:
    world.pool()
    world.github.fail("*", "/comments", 500, times=99)
    world.opens()
    waited = []
    for attempt in range(1, 8):
        task = task_of(world, "refresh")
        assert (task.state, task.attempts) == (TaskState.PENDING, attempt)
        waited.append(int((task.run_at - world.clock()).total_seconds()))
        world.clock.advance(seconds=waited[-1])
        world.work()

    assert waited == [2, 4, 8, 16, 32, 64, 128]
    task = task_of(world, "refresh")
    assert (task.state, task.attempts, task.error_code) == (TaskState.FAILED, 8, "OUTSIDE_FAILED")
    assert task.error == "GET /repos/acme/shop/issues/1/comments: 500 It is not your fault"


def test_no_wait_is_longer_than_five_minutes(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.fail("GET", "/pulls/", 500, times=99)
    world.github.push(REPO, number)
    waited = []
    for _ in range(DELIVERY_ATTEMPTS - 1):
        world.work()
        waited.append(delivery_of(world, "synchronize").run_at - world.clock())
        world.clock.advance(seconds=waited[-1].total_seconds())
    assert max(waited) == waited[-1] == timedelta(minutes=5)


def test_what_github_will_say_again_is_not_asked_again(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.fail("GET", "/permission", 422, times=99)
    world.comments(number, "wendy", "/unassign")
    failed = [delivery for delivery in world.deliveries() if delivery.event == "issue_comment"][-1]
    assert (failed.state, failed.attempts) == (DeliveryState.FAILED, 1)
    assert len(world.held_by(number)) == 1


# Bugs


def test_a_bug_is_logged_once_with_its_delivery_and_fails_it(world: World) -> None:
    world.pool()
    world.sink.holding = True
    number = world.github.open_pull_request(REPO, "alice").number
    payload = payload_of(world)
    payload["pull_request"]["state"] = "neither open nor closed"
    world.github.fail("GET", "/pulls/", 404, times=9)
    with capture_logs() as logs:
        world.tells("pull_request", payload, guid="72d3162e")
        world.work()
        world.later(hours=1)

    bugs = [line for line in logs if line["log_level"] == "error"]
    assert [(line["event"], line["guid"]) for line in bugs] == [("bug at a delivery", "72d3162e")]
    failed = delivery_of(world, "opened")
    assert (failed.state, failed.attempts, failed.error) == (DeliveryState.FAILED, 1, "bug: ValueError")

    world.sink.post(*world.sink.kept[0])
    world.work()
    assert len(world.held_by(number)) == 1, "the pull request is not held up by it"


def payload_of(world: World) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(world.sink.kept[0][1])
    return payload


def test_a_bug_at_a_task_is_logged_once_with_its_id_and_fails_it(world: World) -> None:
    with world.database.transaction() as session:
        task_id = enqueue(session, "refresh", queue=QueueName.CRITICAL, now=world.clock(), payload={})
    with capture_logs() as logs:
        world.work()
        world.later(hours=1)
    bugs = [line for line in logs if line["log_level"] == "error"]
    assert [(line["event"], line["task"]) for line in bugs] == [("bug at a task", task_id)]
    task = task_of(world, "refresh")
    assert (task.state, task.error_code, task.error) == (TaskState.FAILED, "INTERNAL", "bug: KeyError")


def test_a_row_that_kills_its_workers_is_given_up(world: World) -> None:
    """Whoever takes it up dies before it can write anything down, or loses the database at it each time."""
    world.pool()
    world.sink.holding = True
    number = world.github.open_pull_request(REPO, "alice").number
    world.sink.post(*world.sink.kept[0])
    for _ in range(DELIVERY_ATTEMPTS):
        claim_and_die(world)
        world.clock.advance(seconds=CLAIM.total_seconds() + 1)
    world.work()

    failed = delivery_of(world, "opened")
    assert (failed.state, failed.error) == (DeliveryState.FAILED, "taken up 10 times and never finished")
    assert world.held_by(number) == []

    with world.database.transaction() as session:
        enqueue(session, "sweep", queue=QueueName.CRITICAL, now=world.clock(), max_attempts=1)
    claim_and_die(world)
    world.clock.advance(seconds=CLAIM.total_seconds() + 1)
    world.work()
    assert task_of(world, "sweep").error == "taken up 1 times and never finished"


def claim_and_die(world: World) -> None:
    with world.database.transaction() as session:
        deliveries.claim_due(session, "a worker that dies", now=world.clock(), limit=1)
        tasks.claim_due(session, QueueName.CRITICAL, "a worker that dies", now=world.clock(), limit=1)


# Taken over


def test_a_worker_that_comes_back_late_changes_nothing(world: World) -> None:
    """It was stopped for longer than its claim, in the middle of a call: another did its work by then."""
    pool = world.pool(min_available=2)
    another = Worker(world.new_shop(), QueueName.CRITICAL)

    def taken_over() -> None:
        world.clock.advance(seconds=CLAIM.total_seconds() + 1)
        another.drain()

    late = Worker(Workshop(world.context, transport=Meanwhile(world, "/pulls/", taken_over)), QueueName.CRITICAL)
    number = world.github.open_pull_request(REPO, "alice").number
    with capture_logs() as logs:
        late.drain()

    assert [line for line in logs if line["event"] == "taken over by another worker"]
    assert len(world.held_by(number)) == 1
    assert world.counts(pool).assigned == 1
    done = delivery_of(world, "opened")
    assert (done.state, done.attempts, done.claimed_by) == (DeliveryState.DONE, 2, None)
    assert "🟢" in world.says(number)
    assert world.failures() == []


def test_a_comment_is_not_written_twice_by_the_late_and_by_the_one_who_took_over(world: World) -> None:
    world.pool()
    another = Worker(world.new_shop(), QueueName.CRITICAL)

    def taken_over() -> None:
        world.clock.advance(seconds=CLAIM.total_seconds() + 1)
        another.drain()

    late = Worker(Workshop(world.context, transport=Meanwhile(world, "/comments", taken_over)), QueueName.CRITICAL)
    number = world.github.open_pull_request(REPO, "alice").number
    late.drain()
    world.work()
    assert "🟢" in world.says(number)


def test_a_renewed_claim_is_not_taken_over(world: World) -> None:
    world.pool()
    another = Worker(world.new_shop(), QueueName.CRITICAL)

    def renewed() -> None:
        for _ in range(5):
            world.clock.advance(seconds=RENEW_EVERY)
            slow.renew()
            assert another.drain() == 0

    slow = Worker(Workshop(world.context, transport=Meanwhile(world, "/pulls/", renewed)), QueueName.CRITICAL)
    number = world.github.open_pull_request(REPO, "alice").number
    slow.drain()
    assert delivery_of(world, "opened").attempts == 1
    assert len(world.held_by(number)) == 1


def test_a_claim_outlives_three_renewals_that_fail() -> None:
    assert timedelta(seconds=4 * RENEW_EVERY) <= CLAIM


class Stumbling:
    """A worker whose renewals end as they are told to."""

    def __init__(self, *endings: Exception | None) -> None:
        self._endings = list(endings)
        self.done = threading.Event()

    def renew(self) -> None:
        ending = self._endings.pop(0) if self._endings else None
        if not self._endings:
            self.done.set()
        if ending is not None:
            raise ending


@pytest.mark.parametrize("problem", [StoreUnavailable("away"), RuntimeError("a bug")])
def test_renewing_goes_on_whatever_happens(problem: Exception) -> None:
    worker: Any = Stumbling(problem, problem, None)
    renewal = Renewal(worker, every=0.001)
    renewal.start()
    assert worker.done.wait(5)
    assert renewal.is_alive()
    renewal.end()
    renewal.join(5)
    assert not renewal.is_alive()


# Stopping, and bad days


def test_a_worker_that_is_to_stop_takes_nothing_up(world: World) -> None:
    world.github.open_pull_request(REPO, "alice")
    assert world.workers[QueueName.CRITICAL].drain(lambda: True) == 0
    assert delivery_of(world, "opened").state == DeliveryState.RECEIVED


def test_what_a_stopping_worker_has_taken_up_and_not_begun_is_given_back(world: World) -> None:
    world.pool(min_available=2)
    world.work()
    for _ in range(3):
        world.github.open_pull_request(REPO, "alice")
    stop = threading.Event()
    shop = Workshop(world.context, transport=Meanwhile(world, "/pulls/", stop.set))
    assert Worker(shop, QueueName.CRITICAL).drain(stop.is_set) == 1

    states = [(d.state, d.attempts) for d in world.deliveries() if d.action == "opened"]
    assert states == [(DeliveryState.DONE, 1), (DeliveryState.RECEIVED, 0), (DeliveryState.RECEIVED, 0)]
    world.work()
    assert {d.state for d in world.deliveries()} == {DeliveryState.DONE}


def test_a_database_that_goes_away_in_the_middle_keeps_nothing_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.pool()
    number = world.github.open_pull_request(REPO, "alice").number
    monkeypatch.setattr("storage.database.SQLITE_PRAGMAS", ("busy_timeout=1",))
    monkeypatch.setattr("storage.database.UNASKED", 60.0)  # however slow the machine is, it finds out too late
    url = world.database.url
    lost = Database(url if world.database.is_sqlite else f"{url}&application_name=lost")
    with capture_logs() as logs, ExitStack() as ending, suppress(StoreUnavailable):
        goes_away = (lambda: lock(lost, ending)) if lost.is_sqlite else (lambda: cut(world.database, "lost"))
        context = replace(world.context, database=lost)
        Worker(Workshop(context, transport=Meanwhile(world, "/pulls/", goes_away)), QueueName.CRITICAL).drain()
    assert "the database went away" in [line["event"] for line in logs]
    assert world.held_by(number) == []
    assert delivery_of(world, "opened").state == DeliveryState.ACTIVE

    world.later(seconds=CLAIM.total_seconds() + 1)
    assert len(world.held_by(number)) == 1
    lost.dispose()


def lock(database: Database, ending: ExitStack) -> None:
    """Somebody else writes, for longer than anybody waits."""
    another = ending.enter_context(closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))))
    another.execute("BEGIN IMMEDIATE")


def cut(database: Database, name: str) -> None:
    """PostgreSQL ends the connections of that name."""
    of_name = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"
    with database.reading() as session:
        session.execute(text(of_name), {"name": name})


def test_every_kind_that_is_enqueued_has_a_job() -> None:
    assert {recurring.kind for recurring in SCHEDULE.values()} <= set(TASKS)
