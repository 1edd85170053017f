"""Health, readiness and metrics, for whoever watches over the process."""

from __future__ import annotations

import re

import pytest
from redis.exceptions import ConnectionError
from werkzeug.test import Client

from bot.context import Context
from bot.web import create_app
from storage.database import Database
from tests.world import World


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def without_redis() -> None:
    raise ConnectionError


def without_database(world: World) -> Context:
    return Context.of(world.context.settings, Database("sqlite:////nowhere/at/all.db"), world.clock)


def test_alive_is_said_whatever_is_away(world: World) -> None:
    answer = Client(create_app(without_database(world), without_redis)).get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert answer.headers["X-Request-Id"]


def test_ready_is_who_reaches_database_and_queue(world: World) -> None:
    answer = Client(create_app(world.context, lambda: True)).get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "database": "ok", "queue": "ok"})


def test_who_is_not_ready_names_what_is_away(world: World) -> None:
    no_queue = Client(create_app(world.context, without_redis)).get("/readyz")
    no_database = Client(create_app(without_database(world), lambda: None)).get("/readyz")

    assert no_queue.status_code == no_database.status_code == 503
    assert no_queue.json == {"status": "unavailable", "database": "ok", "queue": "unreachable"}
    assert no_database.json == {"status": "unavailable", "database": "unreachable", "queue": "ok"}


def test_the_pools_are_measured_as_they_are_at_the_scrape(world: World) -> None:
    world.pool(min_available=2, max_total=3)
    client = Client(create_app(world.context, lambda: None))
    client.get("/sfp/api/ping")

    metrics = scraped(client)
    world.opens("alice")
    later = scraped(client)

    of_core = 'pool="core",repository="acme/shop"'
    assert metrics[f'greenroom_environments{{{of_core},state="available"}}'] == 2
    assert metrics[f'greenroom_environments{{{of_core},state="error"}}'] == 0
    assert metrics[f"greenroom_waiting_tickets{{{of_core}}}"] == 0
    assert metrics[f"greenroom_pool_max_total{{{of_core}}}"] == 3
    assert metrics["greenroom_deliveries_backlog"] == 0
    assert metrics["greenroom_database_reachable"] == 1
    assert metrics['greenroom_requests_total{operation="GET /sfp/api/ping",status="200"}'] >= 1
    assert later[f'greenroom_environments{{{of_core},state="assigned"}}'] == 1


def test_what_waits_in_the_inbox_is_measured(world: World) -> None:
    client = Client(create_app(world.context, lambda: None))
    world.github.open_pull_request("acme/shop", "alice")
    before = scraped(client)["greenroom_deliveries_backlog"]
    world.work()
    assert before > scraped(client)["greenroom_deliveries_backlog"] == 0


def test_a_scrape_without_the_database_still_tells_about_the_process(world: World) -> None:
    metrics = scraped(Client(create_app(without_database(world), lambda: None)))
    assert metrics["greenroom_database_reachable"] == 0
    assert any(name.startswith("process_") for name in metrics)
    assert not any(name.startswith("greenroom_environments") for name in metrics)


def scraped(client: Client) -> dict[str, float]:
    """The samples by name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    lines = answer.get_data(as_text=True).splitlines()
    samples = [re.fullmatch(r"(\w+(?:\{.*\})?) (\S+)", line) for line in lines if not line.startswith("#")]
    return {sample[1]: float(sample[2]) for sample in samples if sample is not None}
