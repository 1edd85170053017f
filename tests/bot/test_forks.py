"""Pull requests from forks: nobody's code runs with our secrets before somebody looked at it."""

from __future__ import annotations

from typing import Any

import pytest

from storage.decisions import Decision
from tests.bot.test_gates import configured, decided, decisions
from tests.world import REPO, World


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def opens_from_fork(world: World) -> int:
    return world.opens("mallory", fork="mallory/shop")


def test_no_command_but_approval_brings_an_environment(world: World) -> None:
    configured(world, "")
    number = opens_from_fork(world)
    assert "who may maintain here can write `/env approve`, which approves its present commit" in world.says(number)
    assert decided(world, number).reason == "fork_needs_approval"
    world.comments(number, "mona", "/assign")
    world.comments(number, "wendy", "/env approve")
    assert world.held_by(number) == []
    assert "`/env approve` is for maintain or above here; you have write permission" in world.replies(number)[1]

    world.comments(number, "mona", "/env approve")
    [held] = world.held_by(number)
    assert held.extra["headSha"] == world.github.pull_request(REPO, number).head_sha


def test_a_push_ends_the_approval_and_keeps_what_is_held(world: World) -> None:
    configured(world, "")
    number = opens_from_fork(world)
    world.comments(number, "mona", "/env approve")
    approved = world.github.pull_request(REPO, number).head_sha
    world.later(minutes=1)
    world.github.push(REPO, number)
    world.work()
    assert len(world.held_by(number)) == 1
    assert decisions(world, number)[-1].reason == "approval_lapsed"

    world.comments(number, "mona", "/unassign")
    world.comments(number, "wendy", "/assign")
    assert "pushed to after it was approved" in world.replies(number)[-1]
    pull = world.github.pull_request(REPO, number)
    pull.head_sha = approved  # back to the approved one
    world.later(minutes=1)
    world.github._changed(pull, "synchronize", None, before="c" * 40, after=approved)
    world.work()
    assert world.held_by(number) == []


def test_who_approves_while_it_is_pushed_to_has_to_look_again(world: World) -> None:
    """The comment is older than our knowledge of the head: nobody knows which one was looked at."""
    configured(world, "")
    number = opens_from_fork(world)
    world.sink.holding = True
    world.github.comment(REPO, number, "mona", "/env approve")
    world.clock.advance(seconds=2)
    world.github.push(REPO, number)
    comment, push = world.sink.kept
    world.sink.holding = False
    for headers, body in (push, comment):
        world.sink.post(headers, body)
    world.work()
    assert world.held_by(number) == []
    assert "It may have been pushed to while you wrote" in world.replies(number)[0]


def test_an_approval_of_what_was_never_seen_is_none(world: World) -> None:
    configured(world, "")
    world.sink.holding = True
    number = opens_from_fork(world)
    world.sink.holding = False
    world.github.comment(REPO, number, "mona", "/env approve")
    world.clock.advance(seconds=5)
    world.work()
    assert world.held_by(number) == []


def test_who_waits_leaves_the_queue_when_it_is_pushed_to(world: World) -> None:
    configured(world, "", max_total=1)
    holding = world.opens()
    number = opens_from_fork(world)
    world.comments(number, "mona", "/env approve")
    assert "Position 1 of 1" in world.says(number)
    world.later(minutes=1)
    world.github.push(REPO, number)
    world.work()
    world.github.close(REPO, holding)
    world.work()
    assert world.held_by(number) == []
    assert decisions(world, number)[-1].reason == "approval_lapsed"


def test_who_was_pushed_to_unnoticed_is_passed_over_when_its_turn_comes(world: World) -> None:
    configured(world, "", max_total=1)
    holding = world.opens()
    number = opens_from_fork(world)
    world.comments(number, "mona", "/env approve")
    world.later(minutes=1)
    world.sink.holding = True
    world.github.push(REPO, number)
    world.sink.holding = False
    world.github.close(REPO, holding)
    world.work()
    assert world.held_by(number) == []
    assert decisions(world, number)[-1].reason == "approval_lapsed"


def test_an_approval_may_be_withdrawn(world: World) -> None:
    configured(world, "")
    number = opens_from_fork(world)
    world.comments(number, "mona", "/env approve cancel")
    assert "Nothing is approved here" in world.replies(number)[0]
    world.comments(number, "mona", "/env approve")
    world.comments(number, "mona", "/env approve")
    assert "There is nothing to approve here" in world.replies(number)[1]
    world.comments(number, "mona", "/env approve cancel")
    assert world.held_by(number) == []
    assert decisions(world, number)[-1].reason == "fork_needs_approval"


@pytest.mark.parametrize(("forks", "served"), [("unrestricted", True), ("never", False), ("no_secrets", False)])
def test_the_policy_says_what_a_fork_needs(world: World, forks: str, served: bool) -> None:
    configured(world, f"forks: {forks}")
    number = opens_from_fork(world)
    assert bool(world.held_by(number)) is served
    world.comments(number, "mona", "/env approve")
    world.comments(number, "mona", "/assign core")
    assert bool(world.held_by(number)) is served


UNTRUSTED: dict[str, Any] = {"additional_config": {"trust": "untrusted"}}


def test_without_secrets_it_is_served_from_untrusted_pools_alone(world: World) -> None:
    configured(world, "forks: no_secrets")
    world.pool("sandpit", **UNTRUSTED)
    number = opens_from_fork(world)
    assert "(sandpit)" in world.says(number)
    own = world.opens()
    assert "(core)" in world.says(own)


def test_a_trusted_environment_is_not_handed_to_a_fork_that_nobody_approved(world: World) -> None:
    configured(world, "")
    own, fork = world.opens(), opens_from_fork(world)
    world.comments(own, "mona", f"/transition #{fork}")
    assert "comes from a fork and is not approved" in world.replies(own)[0]
    assert world.held_by(fork) == []


def test_every_gate_that_was_shut_is_one_row(world: World) -> None:
    configured(world, "")
    number = opens_from_fork(world)
    for _ in range(2):
        world.github.push(REPO, number)
        world.work()
    rows: list[Decision] = decisions(world, number)
    assert [row.reason for row in rows] == ["fork_needs_approval"] * 3
    assert len({row.trigger for row in rows}) == 3
