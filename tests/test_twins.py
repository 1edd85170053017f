"""Two worlds in which the same happens; in one GitHub is not heard for a while: after the sweep both are the same."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.github_state import PullRequest
from storage import environments
from storage.database import Database
from storage.pools import Pool
from storage.threads import Thread
from storage.tickets import Ticket
from tests.provider import Clock
from tests.world import REPO, World

PULLS = 3
EXAMPLES = int(os.environ.get("GREENROOM_EXAMPLES", "8"))


class Act(NamedTuple):
    what: str
    number: int


acts = st.builds(
    Act, st.sampled_from(["open", "push", "close", "merge", "reopen", "draft", "ready"]), st.integers(1, PULLS)
)
days = st.tuples(st.lists(acts, max_size=8), st.lists(acts, min_size=1, max_size=6), st.lists(acts, max_size=3))


def play(world: World, act: Act) -> None:
    """Somebody does it, if GitHub would let them."""
    pull = world.github.repositories[REPO].threads.get(act.number)
    if act.what == "open":
        if len(world.github.repositories[REPO].threads) < PULLS:
            world.github.open_pull_request(REPO, "alice", draft=act.number == 2)
    elif isinstance(pull, PullRequest):
        _change(world, pull, act.what)
    world.work()


def _change(world: World, pull: PullRequest, what: str) -> None:
    is_open = pull.state == "open"
    match what:
        case "push" if is_open:
            world.github.push(REPO, pull.number)
        case "close" | "merge" if is_open:
            world.github.close(REPO, pull.number, merged=what == "merge")
        case "reopen" if not is_open and pull.merged_at is None:
            world.github.reopen(REPO, pull.number)
        case "draft" if is_open and not pull.draft:
            world.github.convert_to_draft(REPO, pull.number)
        case "ready" if is_open and pull.draft:
            world.github.ready(REPO, pull.number)


def state(world: World, pool: Pool) -> dict[str, object]:
    """What people can tell apart: what is open, who holds and waits, what is shown there, what is left.

    What was opened and closed again while nobody listened had nothing, and need never be known.
    """
    rows = world.rows(Thread)
    threads = {row.number: row.draft for row in rows if row.is_open}
    holding = {row.number for row in rows if world.held_by(row.number)}
    waiting = {ticket.holder_id: ticket.state for ticket in world.rows(Ticket) if ticket.ended_at is None}
    shown = {number: world.says(number).split("\n")[2:3] != [] for number in threads}
    with world.session() as session:
        free = sum(row.state == "AVAILABLE" for row in environments.of_pool(session, pool.id))
    return {"threads": threads, "holding": holding, "waiting": waiting, "shown": shown, "free": free}


@pytest.mark.parametrize("forgets", [True, False], ids=["forgotten", "remembered"])
def test_after_the_sweep_it_is_as_if_everything_had_been_heard(
    sqlite_template: Path, tmp_path: Path, forgets: bool
) -> None:
    """Forgotten: GitHub does not even know that it did not deliver, and only comparing helps."""
    lives = iter(range(10_000))

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(days)
    def same(day: tuple[list[Act], list[Act], list[Act]]) -> None:
        before, unheard, after = day
        folder = tmp_path / str(next(lives))
        twins = [_world(sqlite_template, folder / name) for name in ("undisturbed", "cut-off")]
        pools = [world.pool(max_total=PULLS, min_available=PULLS) for world in twins]
        for world in twins:
            world.later(minutes=5, seconds=1)
            _live(world, before)
        twins[1].sink.cut_off, twins[1].github.webhooks.remembers = True, not forgets
        for world in twins:
            _live(world, that_leave_traces(unheard))
        twins[1].sink.cut_off, twins[1].github.webhooks.remembers = False, True
        for world in twins:
            world.later(minutes=5, seconds=1)
            world.later(minutes=5, seconds=1)
            _live(world, after)
        assert state(twins[1], pools[1]) == state(twins[0], pools[0])
        assert [world.failures() for world in twins] == [[], []]
        for world in twins:
            world.database.dispose()

    same()


def that_leave_traces(unheard: list[Act]) -> list[Act]:
    """Acts whose traces are still there to be found afterwards.

    A draft keeps what it was given before it was one, so what it has depends on whether it was seen open in between:
    a draft that was ready for a moment, or a pull request that was opened and turned into a draft, cannot be told apart
    from one that has always been a draft.
    """
    passing = [act for act in unheard if act.what in ("draft", "ready")]
    spared = {act.number for act in passing if sum(other.number == act.number for other in passing) > 1}
    if any(act.what in ("open", "reopen") for act in unheard):
        spared = {act.number for act in passing}
    return [act for act in unheard if act not in passing or act.number not in spared]


def _live(world: World, acts: list[Act]) -> None:
    for act in acts:
        world.clock.advance(seconds=2)
        play(world, act)


def _world(template: Path, folder: Path) -> World:
    folder.mkdir(parents=True)
    shutil.copy(template, folder / "greenroom.db")
    return World(Database(f"sqlite:///{folder / 'greenroom.db'}"), folder, Clock())
