"""Many waiters on one lock, who cancel and die: strict first come first served, never two holders, everybody served.

TEST_DEPTH=4 is two hundred waiters. A failure names its seed.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from operations.errors import LockNotFound
from storage import repositories
from storage.database import Database, StoreUnavailable, new_id
from storage.locks import Lock, LockStatus
from tests import history
from tests.at_once import at_once
from tests.operations.lines import LockRows
from tests.provider import Clock

T = TypeVar("T")

DEPTH = int(os.environ.get("TEST_DEPTH", "1"))
PIPELINES = 5
WAITERS = 50 * DEPTH // PIPELINES  # of each pipeline
LEASE = 5.0  # minutes
LOOK_SECONDS = 0.05


class Storm:
    """Pipelines that ask for one lock, each with a database of its own as another web process would have."""

    def __init__(self, database: Database, clock: Clock, seed: str) -> None:
        with database.transaction() as session:
            repository = repositories.register(session, "acme/shop", now=clock())
        self.line = LockRows(database, clock, repository.id)
        self.seed = seed
        self.dead: set[int] = set()
        self.working = PIPELINES
        self.changed = threading.Condition()

    @contextmanager
    def process(self) -> Iterator[LockRows]:
        database = Database(self.line.database.url)
        yield LockRows(database, self.line.clock, self.line.repository_id)
        database.dispose()

    def pipeline(self, number: int) -> None:
        """Asks for all of its tickets, then gives each back when its turn has come, or before, or never."""
        chance = random.Random(f"{self.seed} pipeline {number}")
        with self.process() as line:
            waiting = [self._done(partial(line.lock, minutes=LEASE)) for _ in range(WAITERS)]
            while waiting:
                mine = waiting.pop(chance.randrange(len(waiting)) if chance.random() < 0.05 else 0)
                if self._keeps(line, mine, chance):
                    waiting.insert(0, mine)
        with self.changed:
            self.working -= 1
            self.changed.notify_all()

    def _keeps(self, line: LockRows, ticket: Lock, chance: random.Random) -> bool:
        """Whether the pipeline goes on waiting with it."""
        now = line.now(ticket)
        if now.status == LockStatus.QUEUED and chance.random() > 0.02:
            with self.changed:
                self.changed.wait(LOOK_SECONDS)
            return True
        if now.status == LockStatus.ACQUIRED and chance.random() < 0.05:
            self.dead.add(ticket.number)
        elif now.status != LockStatus.RELEASED:
            self._done(lambda: self._give_back(line, ticket))
        return False

    def _give_back(self, line: LockRows, ticket: Lock) -> None:
        try:
            line.unlock(ticket)
            with self.changed:
                self.changed.notify_all()
        except LockNotFound:
            assert line.now(ticket).end_reason == "lease_ended", "nobody but time takes a lock away"

    def clockwork(self) -> None:
        """Time passes for those who died with the lock in hand, and the sweep comes by."""
        with self.process() as line:
            while self.working:
                holder = line.line().holder
                if holder is not None and holder.number in self.dead:
                    line.clock.advance(minutes=LEASE)
                self._done(line.sweep)
                with self.changed:
                    self.changed.notify_all()
                    self.changed.wait(LOOK_SECONDS)

    def _done(self, act: Callable[[], T]) -> T:
        """Done again as an edge would, when the database was lost over a deadlock."""
        for _ in range(10):
            try:
                return act()
            except StoreUnavailable:
                continue
        raise AssertionError("it never succeeds")


@pytest.mark.parametrize("seed", ["storm 0"])
def test_in_a_storm_of_waiters_every_turn_comes_in_order(database: Database, clock: Clock, seed: str) -> None:
    storm = Storm(database, clock, seed)
    pipelines: list[Callable[[], None]] = [partial(storm.pipeline, number) for number in range(PIPELINES)]
    at_once([*pipelines, storm.clockwork], patience=120 * DEPTH)
    clock.advance(minutes=LEASE)
    storm.line.sweep()
    with database.reading() as session:
        ended = history.check_locks(history.entries(session))
    assert storm.line.order() == (None, []), seed
    assert sum(ended.values()) == PIPELINES * WAITERS, seed
    assert set(ended) <= {"unlocked", "cancelled", "lease_ended"}, seed


class Line(RuleBasedStateMachine):
    """One resource's line next to a list: whoever asks, gives up, comes late or sweeps, and whatever the clock does."""

    rows: LockRows

    def __init__(self) -> None:
        super().__init__()
        self.name = f"line {new_id()}"
        self.queue: list[Lock] = []
        self.ended: list[Lock] = []
        self.holder: Lock | None = None
        self.until = self.rows.clock()
        self.fence = 0

    @property
    def now_is_past(self) -> bool:
        return self.holder is not None and self.until <= self.rows.clock()

    def settle(self) -> None:
        """What everybody does first who changes anything in the line."""
        if self.now_is_past and self.holder is not None:
            self.ended.append(self.holder)
            self.holder = None
        if self.holder is None and self.queue:
            self.holder = self.queue.pop(0)
            self.until = self.rows.now(self.holder).expires_at or self.until

    @rule(minutes=st.integers(1, 5))
    def ask(self, minutes: int) -> None:
        self.queue.append(self.rows.lock(self.name, minutes=minutes))
        self.settle()
        self.settle()

    @rule(place=st.integers(0, 5))
    def give_back(self, place: int) -> None:
        everybody = [*([self.holder] if self.holder else []), *self.queue]
        if place >= len(everybody):
            return
        ticket = everybody[place]
        if ticket is self.holder and self.now_is_past:
            with pytest.raises(LockNotFound):
                self.rows.unlock(ticket, name=self.name)
            return
        self.rows.unlock(ticket, name=self.name)
        self.settle()
        if ticket is self.holder:
            self.holder = None
        else:
            self.queue.remove(ticket)
        self.ended.append(ticket)
        self.settle()

    @rule()
    def come_late(self) -> None:
        if self.ended:
            with pytest.raises(LockNotFound):
                self.rows.unlock(self.ended[-1], name=self.name)

    @rule(minutes=st.integers(-3, 6))
    def time_passes_or_steps(self, minutes: int) -> None:
        self.rows.clock.advance(minutes=minutes)

    @rule()
    def sweep(self) -> None:
        if self.now_is_past:
            self.rows.sweep()
            self.settle()

    @invariant()
    def the_rows_are_the_list(self) -> None:
        holder, queued = self.rows.order(self.name)
        assert queued == [ticket.ticket for ticket in self.queue]
        assert holder == (self.holder.ticket if self.holder is not None and not self.now_is_past else None)

    @invariant()
    def the_fence_grows(self) -> None:
        if self.holder is not None:
            fence = self.rows.now(self.holder).fence or 0
            assert fence >= self.fence
            self.fence = fence


def test_a_line_does_what_a_list_does(database: Database, clock: Clock) -> None:
    with database.transaction() as session:
        repository = repositories.register(session, "acme/shop", now=clock())
    machine = type("Line", (Line,), {"rows": LockRows(database, clock, repository.id)})
    bounded = settings(
        max_examples=8 * DEPTH, stateful_step_count=20, deadline=None, database=None, derandomize=DEPTH == 1,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=bounded)
    with database.reading() as session:
        history.check_locks(history.entries(session))
