"""What Prometheus is told of the workers: added up over all of them, whichever web process is asked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.measured import EVENT_AGE
from bot.metrics import exposition
from jobs.tally import Tally
from jobs.worker import Worker
from storage.database import StoreUnavailable
from storage.measurements import ALIVE
from storage.queue import QueueName
from storage.tickets import Ticket
from tests.world import REPO, World


def told(world: World, name: str, **labels: str) -> float | None:
    """The sample of this name and these labels, as a scrape finds it now."""
    families = text_string_to_metric_families(exposition(world.database, world.clock).decode())
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return next((sample.value for sample in samples if labels.items() <= sample.labels.items()), None)


def test_what_several_workers_counted_is_added_up(world: World) -> None:
    world.pool()
    first = world.opens()
    world.workers[QueueName.CRITICAL].add_up()
    world.shop = world.new_shop()
    world.workers = {queue: Worker(world.shop, queue) for queue in QueueName}
    world.clock.advance(seconds=10)
    world.github.push(REPO, first)
    world.clock.advance(seconds=20)
    world.work()
    world.workers[QueueName.CRITICAL].add_up()
    assert told(world, "greenroom_event_age_seconds_count", event="pull_request") == 2
    assert told(world, "greenroom_event_age_seconds_bucket", event="pull_request", le="5.0") == 1
    assert told(world, "greenroom_event_age_seconds_bucket", event="pull_request", le="60.0") == 2
    assert told(world, "greenroom_event_age_seconds_sum", event="pull_request") == 20


def test_a_worker_is_told_of_while_it_is_alive(world: World) -> None:
    world.workers[QueueName.CRITICAL].renew()
    Worker(world.shop, QueueName.CRITICAL).renew()
    assert told(world, "greenroom_workers", queue="critical") == 2
    assert told(world, "greenroom_workers", queue="batch") == 0
    world.clock.advance(seconds=ALIVE.total_seconds())
    assert told(world, "greenroom_workers", queue="critical") == 0


def test_what_waits_and_what_github_allows_is_told(world: World) -> None:
    pool = world.pool(max_total=1)
    first, second = world.opens(), world.opens()
    world.clock.advance(minutes=2)
    world.github.close(REPO, first)
    world.work()
    world.workers[QueueName.CRITICAL].add_up()
    installation = str(world.installation.id)
    left = told(world, "greenroom_github_calls_left", installation=installation, resource="core")
    assert left is not None
    assert 4900 < left < 5000
    assert len(world.held_by(second)) == 1
    assert told(world, "greenroom_wait_seconds_sum", pool=pool.tag) == 120
    world.replenish(pool)
    world.github.open_pull_request(REPO, "alice")
    assert told(world, "greenroom_deliveries_backlog") == 1


def test_estimates_are_scored_when_the_turn_has_come(sqlite_world: World) -> None:
    world = sqlite_world
    world.pool(max_total=1)
    for hours in range(1, 12):
        earlier = world.opens("carol")
        world.clock.advance(hours=hours)
        world.github.close(REPO, earlier, merged=True)
        world.work()
    holding, waiting = world.opens("bob"), world.opens()
    [*_, ticket] = world.rows(Ticket)
    assert ticket.promised_at is not None
    world.clock.now = ticket.promised_at + timedelta(minutes=45)
    world.github.close(REPO, holding)
    world.work()
    assert len(world.held_by(waiting)) == 1
    world.workers[QueueName.CRITICAL].add_up()
    of_pool = {"repository": REPO, "pool": "core"}
    assert told(world, "greenroom_eta_error_seconds_bucket", **of_pool, le="1800.0") == 0
    assert told(world, "greenroom_eta_error_seconds_bucket", **of_pool, le="3600.0") == 1


def test_what_failed_and_what_was_put_back_is_counted_by_event(world: World) -> None:
    world.pool()
    world.github.fail("GET", "/pulls/", 422)
    world.opens()
    world.github.fail("GET", "/pulls/", 502, times=2)
    world.opens()
    world.workers[QueueName.CRITICAL].add_up()
    assert told(world, "greenroom_delivery_failures_total", event="pull_request") == 1
    assert told(world, "greenroom_deliveries_put_back_total", event="pull_request") == 1


def test_repairs_are_counted(world: World) -> None:
    world.pool()
    number = world.opens()
    world.sink.cut_off, world.github.webhooks.remembers = True, False
    world.github.close(REPO, number)
    world.later(minutes=5, seconds=1)
    world.workers[QueueName.BATCH].add_up()
    assert told(world, "greenroom_repairs_total", missed="closed") == 1


def test_what_cannot_be_added_now_is_kept() -> None:
    tally = Tally()
    tally.observe(EVENT_AGE, 0.2, event="ping")
    with pytest.raises(StoreUnavailable), tally.taken():
        raise StoreUnavailable
    with tally.taken() as counted:
        assert sum(counted.values()) == pytest.approx(1.2)
    with tally.taken() as counted:
        assert counted == {}
