"""Many actors at once on a few holders and one small pool, then a look through the history (I1, I2, I5, I6, I8, I10).

A failure names its seed. What the actors do is drawn from it; how they interleave is the machine's affair.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from jobs.worker import Worker
from operations import waiting
from operations.acquire import acquire
from operations.assign import Wish, assign
from operations.close import close
from operations.end import replenish_soon
from operations.errors import OperationError, PoolExhausted
from operations.extend import extend
from operations.find import find_living, find_or_refuse
from operations.transition import transition
from operations.unassign import unassign
from storage import assignments, pools, tickets
from storage.assignments import Holder
from storage.audit import SWEEP, Actor
from storage.database import StoreUnavailable
from storage.pools import Pool
from storage.queue import QueueName, enqueue
from storage.threads import Thread
from tests import history
from tests.at_once import at_once
from tests.world import REPO, World

DEPTH = int(os.environ.get("TEST_DEPTH", "1"))
PEOPLE, WORKERS = 3, 2
STEPS = 40 * DEPTH
OUTAGES = 0.05  # of all steps, at most: whoever loses a deadlock does its step again


class Storm:
    """One small pool, whose environments cost nothing to make, and everybody who wants one."""

    def __init__(self, world: World, seed: str) -> None:
        self.world = world
        self.seed = seed
        self.outages: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()
        self.closed: set[Holder] = set()
        config = {"reattachMinutes": 1}
        self.pool: Pool = world.pool(min_available=1, max_total=3, return_on_unassign=True, additional_config=config)
        self.holders = [self._open() for _ in range(2 * PEOPLE)]

    def _open(self) -> Holder:
        """A pull request that shows what it has, but tells Greenroom nothing by itself."""
        self.world.sink.holding = True
        opened = self.world.github.open_pull_request(REPO, "alice")
        with self.world.database.transaction() as session:
            thread = Thread(
                repository_id=self.pool.repository_id, number=opened.number, type="pr", title=opened.title, url="",
                author="alice", updated_at=opened.updated_at, created_at=opened.created_at,
            )  # fmt: skip
            session.add(thread)
            session.flush()
            return thread.holder

    def person(self, number: int) -> None:
        """Two pull requests, whose events come one after the other as in the inbox."""
        chance = random.Random(f"{self.seed} person {number}")
        mine = self.holders[2 * number : 2 * number + 2]
        for _ in range(STEPS):
            name = chance.choice(["ask"] * 4 + ["close"] * 3 + ["give back", "hand over", "replace", "use"])
            who = chance.choice(mine)
            self._step(name, partial(self._act, name, who, other=mine[1 - mine.index(who)], coin=chance.random()))
            if name == "close":
                self.closed.add(who)
            elif name in ("ask", "hand over", "replace"):
                self.closed -= set(mine)

    def worker(self, number: int) -> None:
        """A process of its own, that also sweeps and replenishes."""
        chance = random.Random(f"{self.seed} worker {number}")
        workers = [Worker(self.world.new_shop(), queue) for queue in QueueName]
        for _ in range(STEPS // 4):
            self._step("ring", partial(self._ring, chance.choice(["sweep", "replenish"])))
            for worker in workers:
                self._step("work", worker.drain)

    def _step(self, name: str, act: Callable[[], object]) -> None:
        """Done again as an edge would, when the database was lost over a deadlock."""
        for _ in range(10):
            self.steps[name] += 1
            try:
                act()
            except StoreUnavailable as lost:
                self.outages[f"{name}: {str(lost.__cause__).splitlines()[0]}"] += 1
            except OperationError:
                return
            else:
                return
        raise AssertionError(f"{name} never succeeds")

    def _ring(self, kind: str) -> None:
        now = self.world.clock()
        with self.world.database.transaction() as session:
            if kind == "replenish":
                replenish_soon(session, self.pool.id, now=now)
            else:
                enqueue(session, kind, queue=QueueName.BATCH, now=now, serial_key=kind, once_key=kind)

    def _act(self, name: str, who: Holder, other: Holder, coin: float) -> None:
        now, actor = self.world.clock(), Actor(str(who), role="user")
        wish = Wish(who, self.pool.tag, hours=1, override=name == "replace")
        with self.world.database.transaction() as session:
            match name:
                case "ask":
                    try:
                        assign(session, wish, actor, now=now)
                    except PoolExhausted:
                        waiting.join(session, wish, actor, now=now)
                case "replace":
                    assign(session, wish, actor, now=now)
                case "close":
                    close(session, who, actor, now=now, returned=coin < 0.5)
                case "give back":
                    unassign(session, find_or_refuse(session, who, now=now), actor, now=now)
                case "hand over":
                    transition(session, find_or_refuse(session, who, now=now), other, {}, actor, now=now)
                case "use":
                    held = find_living(session, who, now=now)
                    acquire(session, held, "ci", timedelta(minutes=1), actor, now=now)
                    extend(session, held, 1, SWEEP, now=now)

    def check(self) -> None:
        for who in self.closed:  # on GitHub too, or they would be found open there and served
            self.world.github.close(REPO, int(who.id))
        for seconds in (0, 13, 61, 1):  # what was lost over a deadlock is taken over, and the last windows end
            self.world.later(seconds=seconds)
        history.check(self.world.database)
        with self.world.session() as session:
            history.check_nobody_waits_for_what_it_has(session)
            history.check_bounds(session, {self.pool.id: self.pool.max_total})
            for who in self.closed:
                assert not assignments.all_active(session, who), f"{who} is closed and holds"
                assert not tickets.all_open(session, who), f"{who} is closed and waits"
            free = pools.counts(session, [self.pool.id])[self.pool.id].available
            assert not (free and tickets.in_line(session, self.pool.id)), "somebody waits beside a free one"
        assert self.world.failures() == []


@pytest.mark.parametrize("seed", [f"storm {number}" for number in range(DEPTH)])
def test_a_storm_leaves_everything_in_order(world: World, seed: str) -> None:
    storm = Storm(world, seed)
    actors = [partial(storm.person, number) for number in range(PEOPLE)]
    actors += [partial(storm.worker, number) for number in range(WORKERS)]
    at_once(actors)
    storm.check()
    told = f"{seed}: {dict(storm.outages)} of {dict(storm.steps)}"
    print(told)  # noqa: T201 - shown with a failure
    assert storm.outages.total() <= OUTAGES * storm.steps.total(), told
