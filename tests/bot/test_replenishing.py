"""A run over a pool, as its job does it."""

from __future__ import annotations

import pytest

from jobs.replenish import replenish
from jobs.worker import Worker
from jobs.workshop import Later
from operations.end import replenish_soon
from storage import pools, tasks
from storage.database import new_id
from storage.pools import Pool
from storage.queue import QueueName
from storage.tasks import CLAIM, ClaimLost, Task
from tests.provider import vanish
from tests.world import World


def due(world: World, pool: Pool, worker: str = "worker") -> Task:
    """The pool's replenishing task, claimed by this worker."""
    with world.database.transaction() as session:
        replenish_soon(session, pool.id, now=world.clock())
    return claimed(world, worker)


def claimed(world: World, worker: str) -> Task:
    with world.database.transaction() as session:
        [task] = tasks.claim_due(session, QueueName.BATCH, worker, now=world.clock(), limit=1)
        return task


def run_id_of(world: World, pool: Pool) -> str | None:
    with world.session() as session:
        return pools.get(session, pool.id).monitor_run_id


def lists_nothing(world: World, pool: Pool) -> None:
    with world.database.transaction() as session:
        session.get_one(Pool, pool.id).additional_config = {"mock": {"listingFailureRate": 1}}


def test_a_pool_is_made_to_agree_and_filled(world: World) -> None:
    pool = world.pool(min_available=2)
    [lost, _] = world.environments(pool)
    vanish(world.context.settings.data / "mock-service.sqlite3", lost.name)
    world.clock.advance(minutes=6)
    assert replenish(world.shop, due(world, pool)) is None
    counts = world.counts(pool)
    assert (counts.available, counts.error, counts.provisioning) == (1, 1, 0)  # the maximum is 2
    assert run_id_of(world, pool) is None


def test_it_waits_for_a_run_that_is_under_way(world: World) -> None:
    pool = world.pool()
    with world.database.transaction() as session:
        assert pools.begin_monitor_run(session, pool.id, new_id(), now=world.clock())
    later = replenish(world.shop, due(world, pool))
    assert isinstance(later, Later)
    assert later.at > world.clock()


def test_what_is_old_goes_even_if_the_provider_does_not_list(world: World) -> None:
    pool = world.pool(days_to_keep_available=1)
    lists_nothing(world, pool)
    world.clock.advance(hours=25)
    world.replenish(pool)
    assert (world.counts(pool).expired, world.counts(pool).provisioning) == (1, 0)
    [task] = [row for row in world.rows(Task) if row.kind == "replenish" and row.state == "pending"]
    assert (task.error, task.attempts) == ("The mock service lost the rest of its list", 1)
    assert run_id_of(world, pool) is None


def test_a_worker_that_was_taken_over_does_not_end_the_run_of_the_other(world: World) -> None:
    pool = world.pool()
    stopped = due(world, pool, "stopped")
    with world.database.transaction() as session:
        assert pools.begin_monitor_run(session, pool.id, stopped.id, now=world.clock())
    world.clock.advance(seconds=(CLAIM * 2).total_seconds())
    assert claimed(world, "other").id == stopped.id
    with pytest.raises(ClaimLost):
        replenish(world.shop, stopped)
    assert run_id_of(world, pool) == stopped.id


def test_a_run_whose_worker_died_is_gone_on_with(world: World) -> None:
    pool = world.pool()
    killed = due(world, pool, "killed")
    with world.database.transaction() as session:
        assert pools.begin_monitor_run(session, pool.id, killed.id, now=world.clock())
    world.clock.advance(seconds=(CLAIM * 2).total_seconds())
    Worker(world.shop, QueueName.BATCH).drain()
    assert run_id_of(world, pool) is None
