"""How many environments a pool keeps ready by time of day (bot-behaviour section 2, `schedule`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from operations.replenish import fill
from operations.targets import ready_target, turn
from storage import pools
from storage.configurations import Configuration, Source
from storage.pools import Pool
from tests.operations.rows import Rows

MORNING = {"pool": "core", "cron": "0 8 * * 1-5", "timezone": "Europe/Berlin", "ready": 3}
EVENING = {"pool": "core", "cron": "0 18 * * *", "timezone": "Europe/Berlin", "ready": 0}


def scheduled(rows: Rows, *targets: dict[str, Any]) -> None:
    with rows.transaction() as session:
        session.add(
            Configuration(
                repository_id=rows.repository.id,
                source=Source.REPOSITORY,
                read_at=rows.clock(),
                targets=list(targets),
            )
        )


def ready(rows: Rows, pool: Pool, *at: int) -> int:
    with rows.database.reading() as session:
        return ready_target(session, pool, now=datetime(*at, tzinfo=UTC))  # type: ignore[misc,arg-type]


def test_the_last_time_that_came_says_how_many(rows: Rows) -> None:
    pool, other = rows.pool(min_available=1), rows.pool("other", min_available=2)
    assert ready(rows, pool, 2026, 3, 2, 7) == 1
    scheduled(rows, MORNING, EVENING)
    assert ready(rows, pool, 2026, 3, 2, 6, 59, 59) == 0
    assert ready(rows, pool, 2026, 3, 2, 7) == 3, "a Monday, eight o'clock in Berlin"
    assert ready(rows, pool, 2026, 3, 2, 17) == 0
    assert ready(rows, pool, 2026, 3, 7, 12) == 0, "nobody works on a Saturday"
    assert ready(rows, pool, 2026, 3, 30, 6) == 3, "the clock was put forward the day before"
    assert ready(rows, other, 2026, 3, 2, 7) == 2


def test_of_two_at_once_the_one_written_later_counts(rows: Rows) -> None:
    pool = rows.pool()
    scheduled(rows, MORNING, {**MORNING, "ready": 5})
    assert ready(rows, pool, 2026, 3, 2, 7) == 5


def test_the_pool_is_filled_up_to_it_and_never_above_its_maximum(rows: Rows) -> None:
    pool = rows.pool(min_available=1, max_total=2)
    scheduled(rows, MORNING)
    with rows.transaction() as session:
        assert fill(session, pool, now=rows.clock()).wanted == 2


def test_when_another_target_has_come_the_pool_is_replenished_once(rows: Rows) -> None:
    pool, idle = rows.pool(), rows.pool("idle", is_active=False)
    scheduled(rows, MORNING, {**MORNING, "pool": "idle"})
    rows.clock.now = datetime(2026, 3, 3, 7, 1, tzinfo=UTC)
    monitored(rows, pool, idle, at=rows.clock() - timedelta(minutes=2))
    assert replenished(rows) == [pool.id]

    monitored(rows, pool, at=rows.clock())
    rows.forget_tasks()
    rows.clock.advance(hours=8)
    assert replenished(rows) == []


def monitored(rows: Rows, *looked_after: Pool, at: datetime) -> None:
    with rows.transaction() as session:
        for pool in looked_after:
            pools.get(session, pool.id).last_monitored_at = at


def replenished(rows: Rows) -> list[str]:
    with rows.transaction() as session:
        turn(session, now=rows.clock())
    return [task.payload["pool_id"] for task in rows.pending("replenish")]
