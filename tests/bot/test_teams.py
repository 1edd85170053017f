"""Teams that the policy names: their members may use a command as if they could maintain."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.look import PERMISSION_REMEMBERED
from demo.github import PERMISSIONS
from tests.world import REPO, World

POLICY = "commands: {permissions: {approve: {teams: [qa, leads]}, unlock: {teams: [qa]}, assign: {level: maintain}}}"
MEMBERSHIPS = "/memberships/"


@pytest.fixture
def number(sqlite_world: World) -> int:
    """A fork's pull request, where quinn of the team qa may read."""
    world = sqlite_world
    world.installation.permissions = {**PERMISSIONS, "members": "read"}
    world.configure(POLICY)
    world.pool()
    world.github.set_permission(REPO, "quinn", "read")
    world.github.make_team("acme", "qa", "quinn")
    return world.opens("mallory", fork="mallory/shop")


def asked(world: World) -> list[str]:
    return [request.path for request in world.github.requests if MEMBERSHIPS in request.path]


def test_who_is_in_the_team_may(sqlite_world: World, number: int) -> None:
    sqlite_world.comments(number, "quinn", "/env approve")
    assert len(sqlite_world.held_by(number)) == 1


def test_who_is_not_is_told_who_may(sqlite_world: World, number: int) -> None:
    sqlite_world.comments(number, "rita", "/env approve")
    assert sqlite_world.held_by(number) == []
    said = "`/env approve` is for team qa, team leads, maintain or above here; you have read permission."
    assert said in sqlite_world.replies(number)[0]


def test_for_other_commands_it_counts_nothing(sqlite_world: World, number: int) -> None:
    sqlite_world.comments(number, "quinn", "/assign")
    assert sqlite_world.held_by(number) == []
    assert "maintain or above here; you have read" in sqlite_world.replies(number)[0]


def test_it_goes_as_far_as_maintaining_does(sqlite_world: World, number: int) -> None:
    world = sqlite_world
    world.comments(number, "mona", "/env approve")
    world.comments(number, "wendy", "/lock the demo")
    by_rita = world.comments(number, "rita", "/unlock --force")
    by_quinn = world.comments(number, "quinn", "/unlock --force")
    assert [world.reactions(comment)[-1] for comment in (by_rita, by_quinn)] == ["-1", "rocket"]


def test_help_names_the_teams(sqlite_world: World, number: int) -> None:
    sqlite_world.comments(number, "rita", "/env help")
    assert "| team qa, team leads, maintain or above |" in sqlite_world.replies(number)[0]


def test_where_it_makes_no_difference_nobody_is_asked(sqlite_world: World, number: int) -> None:
    sqlite_world.comments(number, "mona", "/env approve")
    assert asked(sqlite_world) == []


def test_what_is_known_of_a_team_is_known_for_a_minute(sqlite_world: World, number: int) -> None:
    world = sqlite_world
    world.comments(number, "quinn", "/status")
    before = len(asked(world))
    world.github.make_team("acme", "qa")
    world.clock.advance(seconds=59)
    world.comments(number, "quinn", "/status")
    assert len(asked(world)) == before == 2

    world.clock.advance(seconds=1)
    assert timedelta(seconds=60) == PERMISSION_REMEMBERED
    world.comments(number, "quinn", "/env approve")
    assert world.held_by(number) == []


def test_who_leaves_the_team_leaves_it_at_once_where_github_says_so(sqlite_world: World, number: int) -> None:
    world = sqlite_world
    world.comments(number, "quinn", "/status")
    world.clock.advance(seconds=1)
    world.github.make_team("acme", "qa")
    world.tells("membership", {"action": "removed", "installation": {"id": world.installation.id}})
    world.clock.advance(seconds=1)
    world.comments(number, "quinn", "/env approve")
    assert world.held_by(number) == []


def test_without_the_permission_to_look_nobody_is_in_a_team(sqlite_world: World, number: int) -> None:
    world = sqlite_world
    world.installation.permissions = dict(PERMISSIONS)
    world.github.revoke_tokens()
    world.comments(number, "quinn", "/env approve")
    assert world.held_by(number) == []
    assert "you have read permission" in world.replies(number)[0]
    assert world.failures() == []


def test_a_github_that_does_not_tell_lets_nobody_in_and_is_asked_again(sqlite_world: World, number: int) -> None:
    world = sqlite_world
    world.github.fail("GET", MEMBERSHIPS, 500)
    world.comments(number, "quinn", "/env approve")
    assert world.held_by(number) == []
    world.later(seconds=2)
    assert len(world.held_by(number)) == 1
