"""What happens by the clock: one process of several leads, and nothing that is due is missed or done twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.context import Context
from bot.settings import Settings
from jobs.cron import catch_up, tick
from storage import deliveries
from storage.database import Database
from storage.deliveries import DeliveryState
from storage.queue import QueueName, enqueue
from storage.schedules import LEADER, SCHEDULE, Leader
from storage.tasks import CLAIM, Task, TaskState
from tests.world import REPO, World

ROOT = Path(__file__).parents[2]
EVERYTHING = sorted(recurring.kind for recurring in SCHEDULE.values())


def kinds(world: World, *, state: str = TaskState.PENDING) -> list[str]:
    return sorted(task.kind for task in world.rows(Task) if task.state == state)


def enqueued(world: World, kind: str) -> int:
    return sum(task.kind == kind for task in world.rows(Task))


def rung(world: World) -> set[str]:
    """For which queues a worker was called since this was asked last."""
    heard = {str(queue) for queues in world.rung for queue in queues}
    world.rung.clear()
    return heard


def at(world: World, time: str) -> None:
    """The clock shows this time of its day."""
    hour, minute, second = (int(part) for part in time.split(":"))
    world.clock.now = world.clock.now.replace(hour=hour, minute=minute, second=second)


# One leads


def test_one_of_two_leads_and_only_it_does_anything(world: World) -> None:
    at(world, "12:00:58")
    assert tick(world.context, "one")
    world.work()
    before = len(world.rows(Task))
    world.clock.advance(seconds=4)
    assert not tick(world.context, "two")
    assert len(world.rows(Task)) == before
    assert tick(world.context, "one")
    assert kinds(world) == ["sweep"]


def test_the_other_leads_once_the_first_is_silent(world: World) -> None:
    assert tick(world.context, "one")
    world.clock.advance(seconds=LEADER.total_seconds())
    assert not tick(world.context, "two")
    world.clock.advance(seconds=1)
    assert tick(world.context, "two")
    assert not tick(world.context, "one")


def test_two_that_lead_in_turn_do_the_recurring_work_once(world: World) -> None:
    at(world, "12:00:30")
    tick(world.context, "one")
    world.work()
    world.clock.advance(seconds=20)
    tick(world.context, "two")
    assert enqueued(world, "sweep") == enqueued(world, "monitor") == enqueued(world, "clean") == 1


def test_who_is_told_to_end_lets_another_lead_at_once(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url)
    context = Context.of(Settings(data=tmp_path, secret_keys=("key",)), database)
    keeping = "from jobs.cron import keep_time; from bot.context import Context; from bot.settings import Settings\n"
    keeping += "from storage.database import Database\nsettings = Settings.from_env()\n"
    keeping += "keep_time(Context.of(settings, Database(settings.database_url)))"
    environment = {"PYTHONPATH": str(ROOT), "GREENROOM_DATA": str(tmp_path), "DATABASE_URL": sqlite_url}
    process = subprocess.Popen([sys.executable, "-c", keeping], env=environment)
    try:
        deadline = time.monotonic() + 30
        while not leaders(database):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert not tick(context, "another")
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert tick(context, "another")
    database.dispose()


def leaders(database: Database) -> list[Leader]:
    with database.reading() as session:
        return session.query(Leader).all()


# Recurring work


def test_the_recurring_work_is_due_by_its_pattern_and_not_before(world: World) -> None:
    at(world, "12:00:01")
    tick(world.context, "one")
    assert kinds(world) == EVERYTHING, "the first time everything is"
    world.work()

    for time_of_day, due in [
        ("12:00:59", []),
        ("12:01:00", []),
        ("12:01:01", ["sweep"]),
        ("12:01:02", []),
        ("12:17:01", ["clean", "reconcile_all", "recover", "sweep"]),
        ("12:29:59", ["reconcile_all", "recover", "sweep"]),
        ("12:30:01", ["monitor", "reconcile_all", "recover", "sweep"]),
    ]:
        at(world, time_of_day)
        tick(world.context, "one")
        assert kinds(world) == due, time_of_day
        world.work()


def test_what_was_missed_while_nobody_led_is_done_once_and_not_as_often_as_missed(world: World) -> None:
    tick(world.context, "one")
    world.work()
    world.clock.advance(days=2)
    for _ in range(3):
        tick(world.context, "one")
        world.work()
    assert enqueued(world, "sweep") == enqueued(world, "monitor") == enqueued(world, "clean") == 2


def test_what_is_still_to_be_done_is_not_asked_for_again(world: World) -> None:
    for _ in range(3):
        tick(world.context, "one")
        world.clock.advance(minutes=31)
    assert kinds(world) == EVERYTHING


def test_who_begins_to_lead_looks_for_what_was_missed_and_whatever_the_time_is(world: World) -> None:
    tick(world.context, "one")
    world.work()
    world.clock.advance(seconds=2)
    catch_up(world.context)
    assert kinds(world) == sorted(recurring.kind for recurring in SCHEDULE.values() if recurring.at_start) != []


def test_every_pattern_is_one_that_can_be_due() -> None:
    noon = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
    for name, recurring in SCHEDULE.items():
        assert noon - timedelta(hours=1) <= recurring.last_due(noon) <= noon, name


# Bells for what became due


def test_a_delayed_task_is_rung_for_when_its_time_comes(world: World) -> None:
    tick(world.context, "one")
    world.work()
    rung(world)
    later = world.clock() + timedelta(seconds=40)
    with world.database.transaction() as session:
        enqueue(session, "replenish", queue=QueueName.NORMAL, now=world.clock(), run_at=later)
    tick(world.context, "one")
    assert rung(world) == set()

    world.clock.advance(seconds=40)
    tick(world.context, "one")
    assert "normal" in rung(world)


def test_a_delivery_whose_ring_was_lost_is_rung_for(world: World) -> None:
    tick(world.context, "one")
    world.work()
    world.github.open_pull_request(REPO, "alice")
    rung(world)
    tick(world.context, "one")
    assert rung(world) == {"critical"}


def test_what_a_dead_worker_had_taken_up_is_rung_for_when_its_claim_is_over(world: World) -> None:
    tick(world.context, "one")
    world.pool()
    number = world.github.open_pull_request(REPO, "alice").number
    with world.database.transaction() as session:
        deliveries.claim_due(session, "dead", now=world.clock(), limit=9)
    rung(world)
    tick(world.context, "one")
    assert rung(world) == set()

    world.later(seconds=CLAIM.total_seconds() + 1)
    assert len(world.held_by(number)) == 1
    assert [d.state for d in world.deliveries() if d.action == "opened"] == [DeliveryState.DONE]


def test_what_is_past_its_end_is_swept_within_a_tick(world: World) -> None:
    world.pool(default_expiration_hours=1)
    number = world.opens()
    tick(world.context, "test")
    world.work()
    world.clock.advance(minutes=59, seconds=59)
    tick(world.context, "test")
    world.work()
    assert len(world.held_by(number)) == 1

    world.later(seconds=1)
    assert world.held_by(number) == []


def test_who_waits_beside_a_free_environment_is_served_within_a_tick(world: World) -> None:
    """A join that no release saw, and a release that saw no join."""
    pool = world.pool(max_total=1)
    holding, waiting = world.opens(), world.opens()
    world.github.close(REPO, holding)
    world.workers[QueueName.CRITICAL].drain(stop_after(1))
    assert world.held_by(waiting) == []
    with world.database.transaction() as session:
        for task in session.query(Task).filter_by(kind="serve", state=TaskState.PENDING):
            session.delete(task)

    world.later(seconds=1)
    assert len(world.held_by(waiting)) == 1
    assert world.counts(pool).assigned == 1


def stop_after(rows: int) -> Callable[[], bool]:
    """Whether a worker is to stop, which it asks before each look and before each row."""
    asked = iter([False] * (1 + rows))
    return lambda: next(asked, True)
