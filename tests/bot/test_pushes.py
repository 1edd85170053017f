"""Pushes: in whatever order they are told, and however old GitHub's answer is when it is asked."""

from __future__ import annotations

import json

import pytest

from demo import github_payloads as payloads
from storage.deliveries import DeliveryState
from storage.threads import Thread
from tests.world import REPO, World

ANSWER = r"/pulls/\d+$"


def answers(world: World, number: int) -> str:
    """What GitHub answers now when it is asked about the pull request."""
    return json.dumps(payloads.pull_request(world.github.pull_request(REPO, number)))


def lag(world: World, body: str, *, times: int) -> None:
    """GitHub goes on answering with what was."""
    world.github.fail("GET", ANSWER, 200, times=times, body=body)


def head(world: World, number: int) -> object:
    return next(row.head_sha for row in world.rows(Thread) if row.number == number)


def asked(world: World, since: int) -> int:
    return len([request for request in world.github.requests[since:] if request.path.endswith("/pulls/1")])


@pytest.mark.parametrize("seconds", [0, 3])
def test_an_answer_from_before_the_push_is_asked_for_once_more(sqlite_world: World, seconds: int) -> None:
    world = sqlite_world
    world.configure('paths: ["src/**"]')
    world.pool()
    number = world.opens()
    stale = answers(world, number)
    world.clock.advance(seconds=seconds)
    pull = world.github.push(REPO, number, files={"src/cart.py": "1"})
    lag(world, stale, times=1)
    world.work()
    assert world.held_by(number) == []
    assert world.deliveries()[-1].state == DeliveryState.RECEIVED

    world.later(seconds=2)
    assert len(world.held_by(number)) == 1
    assert head(world, number) == pull.head_sha


def test_an_answer_that_stays_old_is_asked_for_four_times_and_then_what_was_told_counts(sqlite_world: World) -> None:
    world = sqlite_world
    world.pool()
    number = world.opens()
    stale, before = answers(world, number), len(world.github.requests)
    world.clock.advance(seconds=3)
    pull = world.github.push(REPO, number)
    lag(world, stale, times=50)
    world.work()
    for seconds in (2, 4, 8):
        assert head(world, number) != pull.head_sha
        world.later(seconds=seconds)
    assert head(world, number) == pull.head_sha
    assert asked(world, before) == 4
    assert world.failures() == []


def test_a_later_push_within_the_second_is_not_taken_for_an_old_answer(sqlite_world: World) -> None:
    world = sqlite_world
    world.pool()
    number = world.opens()
    before = len(world.github.requests)
    world.clock.advance(seconds=3)
    world.github.push(REPO, number)
    newest = world.github.push(REPO, number)
    world.work()
    assert head(world, number) == newest.head_sha
    assert asked(world, before) == 2
    assert {row.state for row in world.deliveries()} == {DeliveryState.DONE}


@pytest.mark.parametrize("order", ["012", "021", "102", "210"])
def test_a_push_that_is_told_after_the_one_that_followed_it_replaces_nothing(sqlite_world: World, order: str) -> None:
    """All within a second, and GitHub does not show the pull request, so that only what is told is known."""
    world = sqlite_world
    world.pool()
    number = world.opens()
    world.clock.advance(seconds=3)
    world.sink.holding = True
    pushes = [world.github.push(REPO, number).head_sha for _ in order]
    world.github.fail("GET", ANSWER, 404, times=50)
    for place in order:
        world.sink.post(*world.sink.kept[int(place)])
        world.work()
    assert head(world, number) == pushes[-1]


def test_a_push_back_to_the_former_head_within_the_second_is_one(sqlite_world: World) -> None:
    world = sqlite_world
    world.pool()
    number = world.opens()
    world.clock.advance(seconds=3)
    first = world.github.push(REPO, number).head_sha
    world.github.push(REPO, number)
    world.work()
    pull = world.github.pull_request(REPO, number)
    before, pull.head_sha = pull.head_sha, first
    world.github.fail("GET", ANSWER, 404, times=50)
    world.github._changed(pull, "synchronize", None, before=before, after=first)
    world.work()
    assert head(world, number) == first
