"""What another policy would have changed in the last days: as in a twin that lived under it."""

from __future__ import annotations

import shutil
from itertools import permutations
from pathlib import Path

import pytest

from bot.policy import replay as replaying
from bot.policy.checks import previewed
from bot.policy.configuration import InForce, in_force
from bot.policy.file import parse
from bot.policy.replay import SERVED, Past, replay
from storage import repositories
from storage.database import Database
from storage.decisions import Decision
from tests.provider import Clock
from tests.world import REPO, World

POLICIES = [
    "",
    "mode: 'off'",
    "drafts: auto\nforks: unrestricted",
    "drafts: none\nlabels: {required: true}",
    "bots: never\npools: {core: {mode: manual}}",
]
UNSEEN = "surfaces: {sticky: false, check_run: false, deployments: false}"


def replayed(world: World, proposed: str) -> Past:
    with world.session() as session:
        repository = repositories.find(session, REPO)
        assert repository is not None
        present = in_force(session, repository.id)
        return replay(session, repository, present, InForce(parse(proposed)), now=world.clock())


def lived(world: World, policy: str) -> set[int]:
    """The same happens to everybody; who was served."""
    world.configure(f"{policy}\n{UNSEEN}")
    world.pool(min_available=12, max_total=12)
    world.opens()
    world.opens(draft=True)
    readied, asked = world.opens(draft=True), world.opens(draft=True)
    world.opens("mallory", fork="mallory/shop")
    world.opens("dependabot[bot]")
    labelled, by_person = world.opens(), world.opens("dependabot[bot]")
    withdrawn = world.opens()
    world.opens(labels=("env:off",))
    world.clock.advance(hours=1)
    for number in (labelled, by_person):
        world.github.label(REPO, number, "env:deploy", by="trish")
    world.github.label(REPO, withdrawn, "env:off", by="trish")
    world.github.ready(REPO, readied)
    world.comments(asked, "wendy", "/assign")
    world.github.push(REPO, labelled)
    world.work()
    return {int(row.holder_id) for row in world.rows(Decision) if row.reason in SERVED}


def test_it_is_as_in_a_twin_that_lived_under_the_other_policy(sqlite_template: Path, tmp_path: Path) -> None:
    worlds, served = {}, {}
    for number, policy in enumerate(POLICIES):
        worlds[policy] = _world(sqlite_template, tmp_path / str(number))
        served[policy] = lived(worlds[policy], policy)
    assert len(set(map(frozenset, served.values()))) == len(POLICIES), "a policy that changes nothing proves nothing"
    for present, proposed in permutations(POLICIES, 2):
        past = replayed(worlds[present], proposed)
        assert set(past.more) == served[proposed] - served[present], (present, proposed)
        assert set(past.fewer) == served[present] - served[proposed], (present, proposed)
        assert (past.replayed, past.left_out, past.is_all) == (10, 0, True)
    for world in worlds.values():
        assert world.failures() == []
        world.database.dispose()


def test_of_those_that_would_have_been_served_it_tells_the_forks(world: World) -> None:
    world.pool(min_available=2)
    fork, draft = world.opens("mallory", fork="mallory/shop"), world.opens(draft=True)
    past = replayed(world, "forks: unrestricted\ndrafts: auto")
    assert (sorted(past.more), past.forks, past.fewer) == ([fork, draft], [fork], [])


def test_an_approval_counts_for_the_commit_that_had_it(world: World) -> None:
    world.pool()
    number = world.opens("mallory", fork="mallory/shop")
    world.clock.advance(minutes=1)
    world.comments(number, "mona", "/env approve")
    world.github.push(REPO, number)
    world.work()
    assert replayed(world, "drafts: auto").fewer == []
    assert replayed(world, "forks: never").fewer == [number]
    assert replayed(world, "forks: unrestricted").more == []


def test_who_was_decided_about_by_what_is_on_no_record_is_left_out(world: World) -> None:
    world.configure("paths: [src/**]")
    world.pool()
    world.opens()
    past = replayed(world, "")
    assert (past.more, past.replayed, past.left_out) == ([], 0, 1)


def test_what_is_long_ago_does_not_count(world: World) -> None:
    world.pool()
    world.opens(draft=True)
    assert replayed(world, "drafts: auto").replayed == 1
    world.clock.advance(days=15)
    assert replayed(world, "drafts: auto") == Past([], [], [], replayed=0, left_out=0, is_all=True)


@pytest.mark.parametrize(("limit", "most"), [("MOST_PULLS", 2), ("MOST_DECISIONS", 2)])
def test_no_more_than_so_many_are_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    world.pool()
    numbers = []
    for _ in range(3):
        world.clock.advance(seconds=1)
        numbers.append(world.opens(draft=True))
    monkeypatch.setattr(replaying, limit, most)
    monkeypatch.setattr(replaying, "PAGE", 1)
    past = replayed(world, "drafts: auto")
    assert (past.more, past.is_all) == ([numbers[2], numbers[1]], False)


def _world(template: Path, folder: Path) -> World:
    folder.mkdir()
    shutil.copy(template, folder / "greenroom.db")
    return World(Database(f"sqlite:///{folder / 'greenroom.db'}"), folder, Clock())


@pytest.mark.parametrize(("past", "said"), [
    (Past([], [], [], 0, 0, True), "Last 14 days: nothing on record can be replayed."),
    (Past([], [], [], 0, 2, True), "; and 2 decisions on grounds that are not on record."),
    (Past([], [], [], 1, 0, True), ": 0 more served, 0 fewer, of 1 pull request, replayed"),
    (Past([12, 3], [3, 12], [5], 500, 1, False), ": 2 more served (#3, #12), 2 of them from forks, 1 fewer (#5), "
                                                 "of 500 pull requests, those that changed last, replayed"),
    (Past([*range(1, 12)], [], [], 20, 0, True), "11 more served (#1, #2, #3, #4, #5, #6, #7, #8, #9, #10, …), 0"),
])  # fmt: skip
def test_the_check_run_says_it_and_what_is_left_out(past: Past, said: str) -> None:
    assert said in previewed("a" * 40, [], 0, past, is_all=True)["output"]["summary"]
