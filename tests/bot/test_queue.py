"""`/env queue`: who waits for the pool (bot-behaviour 4.2)."""

from __future__ import annotations

from operations import waiting
from operations.assign import Wish
from storage import repositories
from storage.assignments import Holder, HolderType
from storage.pools import Pool
from storage.tickets import Ticket
from tests.world import REPO, TEST, World


def waits(world: World, pool: Pool, name: str) -> None:
    """A pipeline waits for an environment of the pool."""
    with world.database.transaction() as session:
        repository = repositories.find(session, REPO)
        assert repository is not None
        holder = Holder(repository.id, HolderType.CUSTOM, name)
        waiting.join(session, Wish(holder, pool.tag), TEST, now=world.clock())


def queue(world: World, number: int) -> list[str]:
    """The lines of the answer."""
    world.comments(number, "rita", "/env queue")
    return world.replies(number)[-1].splitlines()


def test_the_first_ten_are_shown_and_this_one(sqlite_world: World) -> None:
    world = sqlite_world
    pool = world.pool(max_total=1)
    world.opens("bob")
    for number in range(12):
        waits(world, pool, f"job-{number}")
    mine = queue(world, world.opens())
    assert mine[1].startswith("@rita 13 wait for `core` (0 available, 1 held, 0 being made):")
    rows = [line.split("|")[1:3] for line in mine[5:] if line.startswith("|")]
    assert [row[0].strip() for row in rows] == [*map(str, range(1, 11)), "13"]
    assert rows[-1][1].strip() == "#2"
    assert mine[-1] == "and 2 more"


def test_what_another_repository_does_is_not_told(sqlite_world: World) -> None:
    world = sqlite_world
    pool = world.pool(max_total=1)
    number = world.opens("bob")
    with world.database.transaction() as session:
        other = repositories.register(session, "acme/secret", now=world.clock())
        ticket = Ticket(pool_id=pool.id, repository_id=other.id, holder_type="pr", holder_id="77",
                        requested_by="eve", joined_at=world.clock())  # fmt: skip
        session.add(ticket)
    told = queue(world, number)
    assert told[1].startswith("@rita 1 waits for `core`")
    assert told[-1] == "| 1 | another repository | 2026-03-02 12:00 UTC | No estimate yet |"
    assert "77" not in told[-1]


def test_where_no_pool_would_serve_it_that_is_said(sqlite_world: World) -> None:
    world = sqlite_world
    world.pool(branch_pattern="release/*")
    assert "No pool matches branch main" in queue(world, world.opens())[-1]
