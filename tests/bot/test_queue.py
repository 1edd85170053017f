"""Who waits for a pool, as people see it and as the policy orders it (bot-behaviour 4.2, 6.1)."""

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


def test_where_shares_are_fair_who_has_less_comes_first(sqlite_world: World) -> None:
    world = sqlite_world
    world.configure("queue: {fair_share: true}")
    world.pool(max_total=1)
    holding, again, newcomer = world.opens("alice"), world.opens("alice"), world.opens("bob")
    assert "Position 2 of 2" in world.says(again)
    assert "Position 1 of 2" in world.says(newcomer)
    world.configure("")
    world.comments(newcomer, "rita", "/status")
    assert "Position 2 of 2" in world.says(newcomer)
    world.configure("queue: {fair_share: true}")
    world.github.close(REPO, holding)
    world.work()
    assert (len(world.held_by(again)), world.held_by(newcomer)) == (1, [])


def test_the_policy_says_how_many_are_ready_when(sqlite_world: World) -> None:
    world = sqlite_world
    world.configure("""schedule:
  - {pool: core, cron: "5 8 * * 1-5", timezone: Europe/Berlin, ready: 3}
  - {pool: core, cron: "0 20 * * *", timezone: Europe/Berlin, ready: 0}
""")
    pool = world.pool(min_available=1, max_total=4)
    assert world.counts(pool).available == 3
    world.later(hours=7)
    world.opens()
    world.later(hours=12)
    assert world.counts(pool).available == 2
    world.later(minutes=1)
    world.later(minutes=5)
    assert world.counts(pool).available == 3
    assert world.failures() == []
