"""Who does not use an environment is asked whether who waits long can have it (bot-behaviour 6.7)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from demo.github_state import Comment
from storage.audit import Audit
from tests.world import REPO, World


@pytest.fixture
def world(sqlite_world: World) -> World:
    """Bob has the only environment, and Alice waits for one."""
    sqlite_world.pool(max_total=1)
    assert (sqlite_world.opens("bob"), sqlite_world.opens("alice")) == (1, 2)
    return sqlite_world


def notices(world: World, number: int = 1) -> list[Comment]:
    return [c for c in world.written(number) if c.body.startswith("<!-- greenroom:notice")]


def question(world: World) -> Comment:
    """Two hours later Bob is asked."""
    world.later(hours=2, minutes=1)
    [asked] = notices(world)
    return asked


def ticks(world: World, comment: Comment, box: str, by: str) -> None:
    world.github.tick(comment, box, by)
    world.work()


def test_who_is_idle_is_asked_once_and_no_answer_changes_nothing(world: World) -> None:
    world.later(hours=1, minutes=50)
    assert notices(world) == []
    asked = question(world)
    assert asked.body.splitlines()[1].startswith(
        "@bob #2 waits for an environment of `core` since 2026-03-02 12:00 UTC"
    )
    world.later(hours=3)
    world.later(minutes=1, seconds=1)
    assert len(notices(world)) == 1
    assert asked.minimized is None
    assert len(world.held_by(1)) == 1
    assert world.failures() == []


def test_released_it_is_at_once_whose_turn_it_is(world: World) -> None:
    asked = question(world)
    ticks(world, asked, "Release now", "bob")
    assert (world.held_by(1), len(world.held_by(2))) == ([], 1)
    assert asked.minimized == "OUTDATED"
    assert "[x]" not in asked.body
    [ended] = [row for row in world.rows(Audit) if row.action == "assignment.ended"]
    assert (ended.actor, ended.details["reason"]) == ("bob", "reclaimed")
    assert world.failures() == []


def test_kept_it_stays_a_while_and_is_not_asked_for_again(world: World) -> None:
    world.configure("expiry: {activity_floor: 1h}")
    world.clock.advance(hours=45)
    asked = question(world)
    ticks(world, asked, "Keep 2 h", "wendy")
    [held] = world.held_by(1)
    assert held.expires_at == world.clock() + timedelta(hours=2)
    assert asked.minimized == "OUTDATED"
    assert "[x]" not in asked.body
    world.later(hours=1)
    assert len(notices(world)) == 1


@pytest.mark.parametrize("box", ["Release now", "Keep 2 h"])
def test_only_its_author_and_who_may_write_answer(world: World, box: str) -> None:
    asked = question(world)
    before = asked.body
    ticks(world, asked, box, "trish")
    assert len(world.held_by(1)) == 1
    assert (asked.body, asked.minimized) == (before, None)
    assert "@trish `/unassign` is for the author, write or above here" in notices(world)[-1].body


def test_other_changes_of_the_question_are_taken_back(world: World) -> None:
    asked = question(world)
    before = asked.body
    world.github.edit_comment(asked, before.replace("core", "prod") + "\n/unassign", by="wendy")
    world.work()
    assert asked.body == before
    assert len(world.held_by(1)) == 1
    world.github.delete_comment(asked, by="wendy")
    world.work()
    assert len(world.says(1)) > 0
    assert world.failures() == []


@pytest.mark.parametrize("how", ["leaves", "pushes", "is served"])
def test_the_question_is_folded_away_when_it_is_over(world: World, how: str) -> None:
    asked = question(world)
    if how == "leaves":
        world.comments(2, "alice", "/unassign")
    elif how == "pushes":
        world.github.push(REPO, 1)
    else:
        world.comments(1, "bob", "/unassign")
    world.work()
    world.later(minutes=1, seconds=1)
    assert asked.minimized == "OUTDATED"
    assert len(notices(world)) == 1


@pytest.mark.parametrize("command", ["/lock 8h load test", "/pin waiting for the audit"])
def test_who_has_said_that_it_is_needed_is_not_asked(world: World, command: str) -> None:
    world.comments(1, "wendy", command)
    world.later(hours=3)
    assert notices(world) == []


def test_without_boxes_the_command_is_named(world: World) -> None:
    world.configure("surfaces: {checkboxes: false}\ncommands: {aliases: []}")
    asked = question(world)
    assert "[ ]" not in asked.body
    assert "`/env unassign` gives it back" in asked.body
