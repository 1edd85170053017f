"""The journeys of README, as a pull request lives them."""

from __future__ import annotations

from datetime import timedelta

from tests.world import World


def test_a_pull_request_gets_an_environment_and_gives_it_back(world: World) -> None:
    pool = world.pool()
    number = world.opens("alice")

    [assignment] = world.held_by(number)
    [environment] = [e for e in world.environments(pool) if e.state == "ASSIGNED"]
    assert environment.name in world.says(number)
    assert "Expires: **2026-03-04 12:00 UTC**" in world.says(number)
    assert assignment.expires_at == world.clock() + timedelta(hours=48)

    world.comments(number, "wendy", "/extend 24h")
    assert "Expires: **2026-03-05 12:00 UTC**" in world.says(number)

    world.github.close("acme/shop", number, merged=True)
    world.work()
    assert world.held_by(number) == []
    assert "was taken back when this was merged" in world.says(number)
    assert world.counts(pool).assigned == 0
    assert world.failures() == []
