"""Pools' counters, locks and run mutexes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storage import pools
from storage.database import Database, new_id
from storage.environments import EnvironmentState
from storage.pools import Counts, Pool
from tests.at_once import at_once, beside
from tests.operations.rows import Rows
from tests.provider import Clock


@pytest.fixture
def rows(database: Database, clock: Clock) -> Rows:
    return Rows(database, clock)


def begin(rows: Rows, pool: Pool, run_id: str) -> bool:
    with rows.transaction() as session:
        return pools.begin_monitor_run(session, pool.id, run_id, now=rows.clock())


def end(rows: Rows, pool: Pool, run_id: str) -> None:
    with rows.transaction() as session:
        pools.end_monitor_run(session, pool.id, run_id, now=rows.clock())


def test_one_run_of_a_pool_at_a_time(rows: Rows) -> None:
    pool, other = rows.pool(), rows.pool("other")
    mine, theirs = new_id(), new_id()
    assert begin(rows, pool, mine)
    assert not begin(rows, pool, theirs)
    assert begin(rows, other, theirs)
    rows.clock.advance(minutes=1)
    end(rows, pool, mine)
    assert rows.reload(pool).last_monitored_at == rows.clock()
    assert begin(rows, pool, theirs)


def test_a_run_whose_worker_died_goes_on(rows: Rows) -> None:
    pool, mine = rows.pool(), new_id()
    assert begin(rows, pool, mine)
    assert begin(rows, pool, mine)


def test_a_run_of_half_an_hour_is_stale(rows: Rows) -> None:
    pool, mine, theirs = rows.pool(), new_id(), new_id()
    begin(rows, pool, mine)
    rows.clock.advance(minutes=30)
    assert not begin(rows, pool, theirs)
    rows.clock.advance(seconds=1)
    assert begin(rows, pool, theirs)
    end(rows, pool, mine)  # it comes back late, and ends nothing of the other's
    assert rows.reload(pool).monitor_run_id == theirs


def test_a_run_that_was_killed_is_not_shown_for_ever(rows: Rows) -> None:
    pool, other = rows.pool(), rows.pool("other")
    with rows.transaction() as session:
        for begin_run in (pools.begin_monitor_run, pools.begin_provision_run):
            assert begin_run(session, pool.id, new_id(), now=rows.clock())
    rows.clock.advance(minutes=30, seconds=1)
    begin(rows, other, new_id())
    with rows.transaction() as session:
        pools.end_stale_runs(session, now=rows.clock())
    ended = rows.reload(pool)
    assert (ended.monitor_run_id, ended.provision_run_id) == (None, None)
    assert rows.reload(other).monitor_run_id is not None


def test_of_many_that_begin_at_once_one_does(rows: Rows) -> None:
    pool = rows.pool()
    assert sorted(at_once([lambda: begin(rows, pool, new_id())] * 4)) == [False, False, False, True]


def test_who_locks_a_pool_waits_for_who_has_it(rows: Rows) -> None:
    pool = rows.pool()

    def lock_and_read() -> int:
        with rows.transaction() as session:
            return pools.lock(session, pool.id).max_total

    with rows.transaction() as session:
        pools.lock(session, pool.id).max_total = 99
        other = beside(rows.database, lock_and_read)
        assert not other.done()
    assert other.result(10) == 99


def test_a_locked_pool_still_hands_out(rows: Rows) -> None:
    pool = rows.pool(free=1)
    with rows.transaction() as session:
        pools.lock(session, pool.id)
        asking = beside(rows.database, lambda: rows.assign(rows.holder()))
        assert asking.done() is not rows.database.is_sqlite
    assert asking.result(10).environment.name == "core0"


def test_the_counters_of_a_pool(rows: Rows) -> None:
    pool, empty = rows.pool(), rows.pool("empty")
    for number, state in enumerate(EnvironmentState):
        for copy in range(number + 1):
            rows.environment(pool, f"{state}{copy}", state)
    rows.environment(pool, "tombstone", "DELETING", tombstone=True)
    paused = rows.join(rows.holder(1))
    rows.join(rows.holder(2))
    with rows.transaction() as session:
        session.merge(paused).state = "paused"
    with rows.database.reading() as session:
        counted = pools.counts(session, [pool.id, empty.id])
    assert counted[empty.id] == Counts()
    assert counted[pool.id] == Counts(
        total=1 + 2 + 3 + 4 + 5 + 6 + 7 + 1, available=2, assigned=3, provisioning=1 + 6, error=5, expired=4,
        deleting=7 + 1, waiting=1,
    )  # fmt: skip


def test_what_is_monitored(rows: Rows) -> None:
    active, asleep = rows.pool("active"), rows.pool("asleep", is_active=False)
    gone, going = (rows.pool(tag, is_active=False, deleted_at=rows.clock()) for tag in ("gone", "going"))
    rows.environment(asleep, "a")
    rows.environment(gone, "b", "ARCHIVED")
    rows.environment(going, "c", "DELETING")
    with rows.database.reading() as session:
        assert set(pools.to_monitor(session)) == {active.id, going.id}


@pytest.mark.parametrize(
    ("config", "minutes"), [({}, 30), ({"reattachMinutes": 0}, 0), ({"reattachMinutes": 1.5}, 1.5)]
)
def test_the_re_attach_window_is_the_pools(config: dict[str, float], minutes: float) -> None:
    assert Pool(additional_config=config).reattach_window == timedelta(minutes=minutes)
