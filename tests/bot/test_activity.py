"""What is used lives on for a while: a push, a command, a visit (bot-behaviour 6.2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tests.bot.test_login_link import Doors
from tests.world import REPO, World

FLOOR = timedelta(hours=8)

Act = Callable[[World, int], object]


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def end(world: World, number: int) -> datetime:
    [assignment] = world.held_by(number)
    assert assignment.expires_at is not None
    return assignment.expires_at


def pushes(world: World, number: int) -> None:
    world.github.push(REPO, number)
    world.work()


def refreshes(world: World, number: int) -> None:
    world.comments(number, "trish", "/env refresh")


def asks_for_the_status(world: World, number: int) -> None:
    world.comments(number, "wendy", "/status\n/why\n/env help\n/lock info")


def is_refused(world: World, number: int) -> None:
    world.comments(number, "trish", "/lock 1h load test")


@pytest.mark.parametrize("act", [pushes, refreshes])
def test_a_push_and_a_command_leave_eight_hours(world: World, act: Act) -> None:
    world.pool()
    number = world.opens()
    world.clock.advance(hours=46)
    for _ in range(2):
        act(world, number)
        assert end(world, number) == world.clock() + FLOOR, "not added up"


@pytest.mark.parametrize("act", [pushes, refreshes])
def test_what_ends_later_stays_as_it_is(world: World, act: Act) -> None:
    world.pool()
    number = world.opens()
    before = end(world, number)
    act(world, number)
    assert end(world, number) == before


@pytest.mark.parametrize("act", [asks_for_the_status, is_refused])
def test_who_only_looks_or_is_refused_keeps_nothing(world: World, act: Act) -> None:
    world.pool()
    number = world.opens()
    world.clock.advance(hours=46)
    before = end(world, number)
    act(world, number)
    assert end(world, number) == before


@pytest.mark.parametrize("act", [pushes, refreshes])
def test_no_activity_reaches_beyond_the_lifetime(world: World, act: Act) -> None:
    world.configure("expiry: {max_lifetime: 50h, extend_max: 50h}")
    world.pool()
    number = world.opens()
    last = world.clock() + timedelta(hours=50)
    world.clock.advance(hours=46)
    act(world, number)
    assert end(world, number) == last


def test_a_visit_leaves_eight_hours_and_is_shown(world: World) -> None:
    doors = Doors(world)
    world.clock.advance(hours=46)
    assert doors.follow("alice").status_code == 303
    world.work()
    assert end(world, doors.number) == world.clock() + FLOOR
    assert f"{end(world, doors.number):%Y-%m-%d %H:%M UTC}" in world.says(doors.number)


def test_who_is_not_let_in_keeps_nothing(world: World) -> None:
    doors = Doors(world)
    before = end(world, doors.number)
    world.clock.advance(hours=46)
    assert doors.follow("rita").status_code == 403
    assert end(world, doors.number) == before
