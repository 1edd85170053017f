"""Before an environment ends its author is told, if anything would be lost, and can extend it there (6.3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from demo.github_state import Comment
from providers.mock import MockProvider
from storage.environments import Environment
from storage.notices import Notice
from storage.pools import Pool
from storage.repositories import Repository
from tests.bot.test_controls import told
from tests.world import REPO, World


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def is_used(world: World, pool: Pool, number: int) -> None:
    """Somebody has been in the pull request's environment, so that there is something to lose."""
    [repository] = [one for one in world.rows(Repository) if one.id == pool.repository_id]
    [held] = world.held_by(number)
    [environment] = [one for one in world.rows(Environment) if one.id == held.environment_id]
    provider = world.context.provider(repository, pool)
    assert isinstance(provider, MockProvider)
    provider.follow_login_link(provider.login_link(environment.name))


def used(world: World, **values: Any) -> int:
    pool = world.pool(**values)
    number = world.opens()
    is_used(world, pool, number)
    return number


def notices(world: World, number: int) -> list[Comment]:
    return [c for c in world.written(number) if c.body.startswith("<!-- greenroom:notice")]


def end(world: World, number: int) -> datetime:
    [assignment] = world.held_by(number)
    assert assignment.expires_at is not None
    return assignment.expires_at


def test_a_day_and_two_hours_before_the_author_is_told(world: World) -> None:
    number = used(world)
    world.later(hours=23, minutes=59)
    assert told(world, number) == []
    world.later(minutes=1)
    [first] = told(world, number)
    assert first.startswith("@alice The review environment `")
    assert "expires **2026-03-04 12:00 UTC**, with all that is in it. `/extend` adds up to 12 d more." in first
    assert "- [ ] <!-- greenroom:box extend --> Extend by 48 h" in first
    world.later(hours=21)
    assert len(told(world, number)) == 1
    world.later(hours=1)
    assert len(told(world, number)) == 2
    assert [notice.minimized for notice in notices(world, number)] == ["OUTDATED", None]


def test_where_nobody_would_lose_anything_nobody_is_told(world: World) -> None:
    pool = world.pool()
    number = world.opens()
    world.later(hours=24)
    is_used(world, pool, number)
    world.later(hours=1)
    assert told(world, number) == []
    world.later(hours=21)
    assert len(told(world, number)) == 1


def test_a_provider_that_cannot_tell_is_taken_to_have_something(world: World) -> None:
    world.pool("local", provider="local")
    number = world.opens()
    world.later(hours=24)
    assert len(told(world, number)) == 1


def test_what_lives_shortly_is_only_told_of_what_is_short(world: World) -> None:
    number = used(world, default_expiration_hours=40)
    world.later(hours=37)
    assert told(world, number) == []
    world.later(hours=1)
    assert len(told(world, number)) == 1


def test_the_policy_says_when(world: World) -> None:
    world.configure("expiry: {warn: [10h]}")
    number = used(world)
    world.later(hours=37)
    assert told(world, number) == []
    world.later(hours=1)
    world.later(hours=9)
    assert len(told(world, number)) == 1


def test_extended_meanwhile_it_is_folded_away_and_told_again_in_time(world: World) -> None:
    number = used(world)
    world.later(hours=24)
    world.comments(number, "alice", "/extend 24h")
    assert [notice.minimized for notice in notices(world, number)] == ["OUTDATED"]
    world.later(hours=23)
    assert len(told(world, number)) == 1
    world.later(hours=1)
    assert len(told(world, number)) == 2


def test_pushes_near_the_end_are_not_answered_by_warnings(world: World) -> None:
    number = used(world)
    world.later(hours=24)
    for _ in range(3):
        world.later(hours=7)
        world.github.push(REPO, number)
        world.work()
    assert end(world, number) == world.clock() + timedelta(hours=8)
    assert len(told(world, number)) == 1
    world.later(hours=6)
    assert len(told(world, number)) == 2


def test_pinned_it_is_folded_away(world: World) -> None:
    number = used(world)
    world.later(hours=24)
    world.comments(number, "wendy", "/pin demo")
    assert [notice.minimized for notice in notices(world, number)] == ["OUTDATED"]


def test_what_cannot_be_extended_says_who_may_pin(world: World) -> None:
    number = used(world, default_expiration_hours=336)
    world.later(days=13)
    [notice] = told(world, number)
    assert "It cannot be extended any more. `/pin` keeps it for longer, for write or above." in notice
    assert "[ ]" not in notice


# The box in it


def test_a_tick_there_extends_and_the_box_is_empty_again(world: World) -> None:
    number = used(world)
    world.later(hours=24)
    [notice] = notices(world, number)
    before = end(world, number)
    world.github.tick(notice, "Extend", "alice")
    world.work()
    assert end(world, number) == before + timedelta(hours=48)
    assert ("[x]" in notice.body, notice.minimized) == (False, "OUTDATED")
    assert [row.stale for row in world.rows(Notice)] == [False]


def test_a_tick_there_needs_the_permission_of_its_command(world: World) -> None:
    number = used(world)
    world.later(hours=24)
    [notice] = notices(world, number)
    before = end(world, number)
    world.github.tick(notice, "Extend", "rita")
    world.work()
    assert end(world, number) == before
    assert ("[x]" in notice.body, notice.minimized) == (False, None)
    assert told(world, number)[-1].startswith("@rita `/extend` is for the author, triage or above here")


def test_one_that_is_folded_away_extends_nothing(world: World) -> None:
    number = used(world)
    world.later(hours=24)
    [notice] = notices(world, number)
    world.github.tick(notice, "Extend", "alice")
    world.work()
    before = end(world, number)
    world.github.tick(notice, "Extend", "alice")
    world.work()
    assert end(world, number) == before
    assert ("[x]" in notice.body, notice.minimized) == (False, "OUTDATED")
    assert [row.finished_at is None for row in world.rows(Notice)] == [False]


def test_any_other_edit_of_it_is_taken_back(world: World) -> None:
    number = used(world)
    world.later(hours=24)
    [notice] = notices(world, number)
    before = notice.body
    world.github.edit_comment(notice, f"{before}\n/unassign", by="wendy")
    world.work()
    assert notice.body == before
    assert len(world.held_by(number)) == 1


def test_where_boxes_are_switched_off_it_has_none(world: World) -> None:
    world.configure("surfaces: {checkboxes: false}")
    number = used(world)
    world.later(hours=24)
    [notice] = told(world, number)
    assert "[ ]" not in notice


def test_a_pin_is_kept_by_a_tick_where_that_is_asked(world: World) -> None:
    world.pool()
    number = world.opens()
    world.comments(number, "wendy", "/pin customer demo")
    world.later(days=14)
    [notice] = notices(world, number)
    world.github.tick(notice, "Still needed", "wendy")
    world.work()
    [held] = world.held_by(number)
    assert held.extra["pin"]["reviewAt"] == "2026-03-30T12:00:00Z"
    assert held.extra["pin"]["reason"] == "customer demo"
    assert ("[x]" in notice.body, notice.minimized) == (False, "OUTDATED")


# What is shown beside it


def test_the_label_goes_with_it(world: World) -> None:
    world.configure("labels: {outputs: true}")
    number = used(world)
    world.later(hours=24)
    assert world.thread(number).labels == ["env:expiring"]
    world.comments(number, "alice", "/extend 24h")
    assert world.thread(number).labels == ["env:active"]


# Afterwards


def test_expired_it_is_told_why_and_that_the_same_one_comes_back(world: World) -> None:
    number = used(world)
    world.later(hours=49)
    expired = told(world, number)[-1]
    assert "has expired: its time ended 2026-03-04 12:00 UTC. `/assign` within 30 minutes usually" in expired
    assert "within 30 minutes" in world.says(number)


def test_where_somebody_waits_it_does_not_come_back_and_nobody_says_so(world: World) -> None:
    number = used(world, max_total=1)
    world.clock.advance(hours=47)
    world.opens("bob")
    world.later(hours=2)
    expired = told(world, number)[-1]
    assert "has expired" in expired
    assert "`/assign` brings a new one" in expired
    assert "within 30 minutes" not in world.says(number)
