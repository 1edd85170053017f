"""Webhooks that did not arrive: whatever GitHub could not deliver has its effects all the same, and has them once."""

from __future__ import annotations

from storage.deliveries import Delivery
from storage.missed import DeliveriesRead, MissedDelivery
from tests.world import REPO, World


def asked(world: World, *, since: int) -> list[str]:
    """What GitHub was asked about its deliveries."""
    return [f"{r.method} {r.path}" for r in world.github.requests[since:] if "/hook/deliveries" in r.path]


def sweep(world: World) -> list[str]:
    """Five minutes pass; what GitHub was asked about its deliveries."""
    before = len(world.github.requests)
    world.later(minutes=5, seconds=1)
    return asked(world, since=before)


def arrived(world: World, number: int) -> list[str | None]:
    """What has come in about the pull request."""
    return [row.action for row in world.deliveries() if row.serial_key.endswith(f"#{number}")]


def cut_off(world: World) -> None:
    world.sink.cut_off = True


def reachable(world: World) -> None:
    """The way to us works again, and something has come by it."""
    world.sink.cut_off = False
    world.github.label(REPO, world.github.open_pull_request(REPO, "bob", draft=True).number, "unrelated")
    world.work()


# Both ways


def test_what_was_missed_is_sent_again_once_we_can_be_reached(world: World) -> None:
    world.pool()
    cut_off(world)
    number = world.opens()
    assert world.held_by(number) == []

    reachable(world)
    [listed, again] = sweep(world)
    assert listed == "GET /app/hook/deliveries"
    assert again.startswith("POST /app/hook/deliveries/")
    assert len(world.held_by(number)) == 1
    assert world.says(number)


def test_behind_a_broken_tunnel_it_is_read_instead(world: World) -> None:
    world.pool()
    cut_off(world)
    number = world.opens()

    [listed, read] = sweep(world)
    assert listed == "GET /app/hook/deliveries"
    assert read.startswith("GET /app/hook/deliveries/")
    assert len(world.held_by(number)) == 1


def test_what_is_sent_again_in_vain_is_read(world: World) -> None:
    """Of a repository without pools, to which nothing is written that could be missed as well."""
    cut_off(world)
    number = world.opens()
    reachable(world)
    cut_off(world)
    [_, again] = sweep(world)
    assert again.startswith("POST")
    assert arrived(world, number) == []

    [_, read] = sweep(world)
    assert read.startswith("GET")
    assert arrived(world, number) == ["opened"]


def test_the_newest_state_counts_in_whatever_order_they_come(world: World) -> None:
    pool = world.pool()
    cut_off(world)
    number = world.opens()
    world.sink.cut_off = False
    world.github.close(REPO, number)
    world.work()
    sweep(world)
    assert world.held_by(number) == []
    assert world.counts(pool).available == 1


# Once


def test_one_that_comes_in_both_ways_has_its_effects_once(world: World) -> None:
    world.pool()
    number = world.opens()
    cut_off(world)
    world.github.comment(REPO, number, "alice", "/extend 24h")
    sweep(world)
    [extended] = world.held_by(number)

    [missed] = [a for a in world.github.webhooks.attempts if a.payload.get("comment", {}).get("body") == "/extend 24h"]
    world.sink.cut_off = False
    world.github.webhooks.redeliver(missed)
    world.work()
    assert [held.expires_at for held in world.held_by(number)] == [extended.expires_at]
    assert [d.state for d in world.rows(Delivery) if d.guid == missed.guid] == ["done"]


def test_one_that_we_have_but_could_not_answer_for_is_left_alone(world: World) -> None:
    world.pool()
    world.sink.holding = True
    number = world.opens()
    [(headers, body)] = world.sink.kept
    world.sink.holding = False
    world.sink.post(headers, body)
    world.work()
    cut_off(world)
    world.github.webhooks._attempt(headers, body)

    assert sweep(world) == ["GET /app/hook/deliveries"]
    assert len(world.held_by(number)) == 1
    assert world.rows(MissedDelivery) == []


def test_nothing_is_asked_for_what_means_nothing_to_us(world: World) -> None:
    cut_off(world)
    world.github.webhooks.of_repository("repository", world.github.repositories[REPO], "pinned", world.github.admin)
    assert sweep(world) == ["GET /app/hook/deliveries"]


# Bounds


def test_what_cannot_be_had_is_tried_five_times_and_no_more(world: World) -> None:
    cut_off(world)
    world.opens()
    world.github.fail("GET", "/app/hook/deliveries/", 404, times=100)
    assert [len(sweep(world)) for _ in range(7)] == [2, 2, 2, 2, 2, 1, 1]


def test_a_long_list_is_read_once_and_then_only_what_is_new(sqlite_world: World) -> None:
    world = sqlite_world
    world.pool()
    number = world.opens()
    for index in range(100):
        world.github.label(REPO, number, f"label-{index}")
    world.work()
    assert sweep(world) == ["GET /app/hook/deliveries"] * 2

    world.later(minutes=11)
    world.github.push(REPO, number)
    world.work()
    sweep(world)
    assert sweep(world) == ["GET /app/hook/deliveries"]


def test_a_list_that_leads_back_to_itself_is_not_read_for_ever(sqlite_world: World) -> None:
    world = sqlite_world
    cut_off(world)
    number = world.opens()
    leads_back = {"Link": '<https://api.github.test/app/hook/deliveries?per_page=100&cursor=v1_9>; rel="next"'}
    world.github.fail("GET", "/app/hook/deliveries$", 200, times=20, body="[]", headers=leads_back)
    assert sweep(world) == ["GET /app/hook/deliveries"] * 2

    world.github.wire.faults.clear()
    world.later(seconds=10)
    assert arrived(world, number) == ["opened"]


def test_what_is_more_than_three_days_old_is_forgotten(world: World) -> None:
    cut_off(world)
    world.pool()
    world.opens()
    world.github.fail("GET", "/app/hook/deliveries/", 404, times=100)
    sweep(world)
    assert len(world.rows(MissedDelivery)) == 1
    world.later(days=3, minutes=5)
    assert world.rows(MissedDelivery) == []


def test_a_rate_limit_is_waited_for_and_nothing_is_lost(world: World) -> None:
    cut_off(world)
    number = world.opens()
    world.github.fail("GET", "/app/hook/deliveries/", 429, headers={"Retry-After": "120"})
    sweep(world)
    assert arrived(world, number) == []
    world.later(seconds=121)
    assert arrived(world, number) == ["opened"]


def test_killed_between_reading_the_list_and_getting_them_it_goes_on(world: World) -> None:
    world.pool()
    cut_off(world)
    number = world.opens()
    world.github.fail("GET", "/app/hook/deliveries/", None, times=2)
    sweep(world)
    assert [row.tries for row in world.rows(MissedDelivery)] == [1]
    assert len(world.rows(DeliveriesRead)) == 1

    sweep(world)
    assert len(world.held_by(number)) == 1
