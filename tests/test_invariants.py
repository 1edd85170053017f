"""What must always be true, whatever people, providers and time do in whatever order (rules I1, I2, I5–I8, I10)."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select
from sqlalchemy.orm import Session

from operations import waiting
from operations.acquire import acquire, release
from operations.assign import Wish, assign
from operations.close import close
from operations.errors import OperationError, PoolExhausted
from operations.extend import extend
from operations.find import find_living, find_or_refuse
from operations.pools import delete_pool, update_pool
from operations.transition import transition
from operations.unassign import unassign
from storage import assignments, pools, tasks, tickets
from storage.assignments import Holder
from storage.audit import Actor
from storage.database import Database
from storage.environments import Environment, EnvironmentState
from storage.pools import Pool
from storage.queue import QueueName
from storage.tickets import BOT_CLASS, HUMAN_CLASS, TicketState
from tests import history
from tests.faults import Fault, FaultyProviders, faulty
from tests.provider import Clock, vanish
from tests.services import PostgresServer
from tests.world import World

PEOPLE = Actor("people", role="user")
Who = tuple[str, str]
HOLDERS: list[Who] = [("pr", "1"), ("pr", "2"), ("pr", "3"), ("issue", "4")]
MOCK = {"creationSeconds": 60, "deletionSeconds": 20, "refreshSeconds": 40, "minimumAgeSeconds": 600}
VERBS = ["create", "refresh", "delete", "inventory", "inspect", "check_login"]
FAULTS = [Fault.REFUSED, Fault.DENIED, Fault.UNANSWERED]
POOLS: dict[str, dict[str, Any]] = {
    "core": {"min_available": 2, "max_total": 3, "strategy": "DELETE_EXPIRED", "return_on_unassign": True},
    "tiny": {"min_available": 0, "max_total": 1, "strategy": "AUTO_REFRESH_EXPIRED", "return_on_unassign": False},
}

DEPTH = int(os.environ.get("TEST_DEPTH", "1"))  # how many times longer than in every run of the tests

holders = st.sampled_from(HOLDERS)
tags = st.sampled_from(["core", "core", "tiny"])


class Life(RuleBasedStateMachine):
    """People, pipelines, admins, a provider with its moods, and time. `worlds` makes an empty world for each run."""

    worlds: Callable[[], World]

    def __init__(self) -> None:
        super().__init__()
        self.world = type(self).worlds()
        self.clock = self.world.clock
        self.faults: FaultyProviders = faulty(self.world)
        self.closed: set[Who] = set()
        self.pools: dict[str, Pool] = {}
        self.ceilings: dict[str, int] = {}
        for tag, values in POOLS.items():
            self._make_pool(tag, values)
        self.repository_id = self.pools["core"].repository_id
        for minutes in (0, 2):
            self.world.later(minutes=minutes)

    def _make_pool(self, tag: str, values: dict[str, Any]) -> None:
        pool = self.world.pool(tag, filled=False, additional_config={"mock": MOCK, "reattachMinutes": 10}, **values)
        self.pools[tag] = pool
        self.ceilings[pool.id] = pool.max_total

    def teardown(self) -> None:
        try:
            self._settle()
        finally:
            self.world.database.dispose()

    # People and pipelines. Whoever asks waits if there is nothing, as the bot does.

    @rule(who=holders, tag=tags, hours=st.sampled_from([None, 1, 5]), is_bot=st.booleans())
    def ask(self, who: Who, tag: str, hours: float | None, is_bot: bool) -> None:
        self.closed.discard(who)
        wish = Wish(self._holder(who), tag, hours=hours)
        with self._refusable() as session:
            ahead, available = self._queue(session, wish)
            try:
                got = assign(session, wish, PEOPLE, now=self.clock())
            except PoolExhausted:
                priority = BOT_CLASS if is_bot else HUMAN_CLASS
                waiting.join(session, wish, PEOPLE, now=self.clock(), priority=priority)
            else:
                assert got.is_reused or not ahead or available > ahead, "it overtook who waits"

    @rule(tag=tags)
    def everybody_asks(self, tag: str) -> None:
        for who in HOLDERS:
            self.ask(who, tag, 5, is_bot=False)

    @rule(who=holders)
    def close_it(self, who: Who) -> None:
        self.closed.add(who)
        with self.world.database.transaction() as session:
            close(session, self._holder(who), PEOPLE, now=self.clock())

    @precondition(lambda self: self._using())
    @rule(data=st.data(), what=st.sampled_from(["extend", "give back", "hand over", "replace", "start", "stop"]))
    def use_it(self, data: st.DataObject, what: str) -> None:
        who, other = data.draw(st.sampled_from(self._using()), "who"), data.draw(holders, "other")
        now, holder = self.clock(), self._holder(who)
        with self._refusable() as session:
            match what:
                case "extend":
                    is_immortal = data.draw(st.sampled_from([None, None, True, False]))
                    extend(session, find_living(session, holder, now=now), 24, PEOPLE, now=now, is_immortal=is_immortal)
                case "give back":
                    returned = data.draw(st.sampled_from([None, True, False]))
                    unassign(session, find_or_refuse(session, holder, now=now), PEOPLE, now=now, returned=returned)
                case "hand over":
                    held = find_or_refuse(session, holder, now=now)
                    transition(session, held, self._holder(other), {}, PEOPLE, now=now)
                    self.closed.discard(other)
                case "replace":
                    assign(session, Wish(holder, data.draw(tags), override=True), PEOPLE, now=now)
                case "start":
                    held = find_living(session, holder, now=now)
                    acquire(session, held, data.draw(st.sampled_from("ab")), timedelta(hours=2), PEOPLE, now=now)
                case "stop":
                    release(session, find_or_refuse(session, holder, now=now), "a", PEOPLE, now=now)

    @precondition(lambda self: self._waiting())
    @rule(data=st.data(), leaves=st.booleans())
    def change_its_mind(self, data: st.DataObject, leaves: bool) -> None:
        who = data.draw(st.sampled_from(self._waiting()))
        with self.world.database.transaction() as session:
            for ticket in tickets.all_open(session, self._holder(who)):
                if leaves:
                    waiting.leave(session, ticket, "not wanted", now=self.clock())
                elif ticket.state == TicketState.WAITING:
                    waiting.pause(session, ticket, now=self.clock())
                else:
                    waiting.resume(session, ticket, now=self.clock())

    # Admins

    @rule(tag=tags, minimum=st.integers(0, 2), maximum=st.integers(1, 4))
    def change_the_pool(self, tag: str, minimum: int, maximum: int) -> None:
        with self._refusable() as session:
            pool = pools.get(session, self.pools[tag].id)
            changes = {"min_available": min(minimum, maximum), "max_total": maximum}
            update_pool(session, pool, changes, PEOPLE, now=self.clock())
            total = pools.counts(session, [pool.id])[pool.id].total
            self.ceilings[pool.id] = max(maximum, total)

    @precondition(lambda self: len(self.ceilings) < 3)
    @rule(tag=tags)
    def replace_the_pool(self, tag: str) -> None:
        with self.world.database.transaction() as session:
            delete_pool(session, pools.get(session, self.pools[tag].id), PEOPLE, now=self.clock())
        self._make_pool(tag, POOLS[tag])

    # Workers, the provider and time

    @rule()
    def work(self) -> None:
        self.world.work()

    @rule(queue=st.sampled_from(sorted(QueueName)), verb=st.sampled_from(VERBS), fault=st.sampled_from(FAULTS))
    def things_go_wrong(self, queue: QueueName, verb: str, fault: Fault) -> None:
        """A worker dies with what it had claimed, and the provider's next calls will fail."""
        with self.world.database.transaction() as session:
            tasks.claim_due(session, queue, "a worker that dies", now=self.clock(), limit=20)
        self.faults.order(verb, fault)

    @precondition(lambda self: self._existing())
    @rule(data=st.data())
    def one_vanishes_at_the_provider(self, data: st.DataObject) -> None:
        vanish(self._service(), data.draw(st.sampled_from(self._existing())))

    @rule(minutes=st.sampled_from([1, 2, 31, 70, 300]), noticed=st.booleans())
    def time_passes(self, minutes: int, noticed: bool) -> None:
        if not noticed:
            self.clock.advance(minutes=minutes)
            return
        self.world.later(minutes=minutes)
        with self.world.session() as session:
            assert not assignments.any_past_due(session, now=self.clock()), "one sweep did not reclaim it"  # I7

    # What must be true

    @invariant()
    def rows_agree(self) -> None:
        with self.world.session() as session:
            history.check_rows(session)
            history.check_nobody_waits_for_what_it_has(session)
            history.check_bounds(session, self.ceilings)
            for who in self.closed:
                assert not assignments.all_active(session, self._holder(who)), f"{who} is closed and holds"
                assert not tickets.all_open(session, self._holder(who)), f"{who} is closed and waits"

    def _settle(self) -> None:
        """The provider is well again and time goes on: nobody waits beside a free environment, nothing is lost (I5)."""
        self.faults.orders.clear()
        for hours in (0.02, 1, 25, 1, 0.02):
            self.world.later(hours=hours)
        self.world.replenish(self.pools["core"])
        history.check(self.world.database)
        with self.world.session() as session:
            for pool in self.pools.values():
                free = pools.counts(session, [pool.id])[pool.id].available
                assert not (free and tickets.in_line(session, pool.id)), "somebody waits beside a free one"
            exist = Environment.state != EnvironmentState.ARCHIVED
            ours = set(session.scalars(select(Environment.name).where(exist)))
        assert ours == self._inventory(), "ours and the provider's are not the same"
        assert [failure for failure in self.world.failures() if "as ordered" not in failure] == []

    def _queue(self, session: Session, wish: Wish) -> tuple[int, int]:
        """How many others wait before it, and how many are available."""
        pool = pools.find(session, self.repository_id, wish.pool_tag or "")
        assert pool is not None
        mine = tickets.find_open(session, wish.holder)
        ahead = tickets.number_waiting(session, pool.id)
        if mine is not None and mine.pool_id == pool.id and mine.state == TicketState.WAITING:
            ahead = tickets.position(session, mine) - 1
        return ahead, pools.counts(session, [pool.id])[pool.id].available

    def _holder(self, who: Who) -> Holder:
        return Holder(self.repository_id, *who)

    def _using(self) -> list[Who]:
        with self.world.session() as session:
            return [who for who in HOLDERS if assignments.all_active(session, self._holder(who))]

    def _waiting(self) -> list[Who]:
        with self.world.session() as session:
            return [who for who in HOLDERS if tickets.all_open(session, self._holder(who))]

    def _existing(self) -> list[str]:
        exist = select(Environment.name).where(Environment.state != EnvironmentState.ARCHIVED)
        with self.world.session() as session:
            return list(session.scalars(exist.order_by(Environment.created_at, Environment.id)))

    def _service(self) -> Path:
        return self.world.context.settings.data / "mock-service.sqlite3"

    def _inventory(self) -> set[str]:
        pool = self.pools["core"]
        with self.world.session() as session:
            repository = pools.repository_of(session, pool)
        return set(self.world.context.provider(repository, pool).inventory())

    @contextmanager
    def _refusable(self) -> Iterator[Session]:
        """A transaction in which an operation may refuse; then nothing is kept."""
        try:
            with self.world.database.transaction() as session:
                yield session
        except OperationError:
            return


def run(worlds: Callable[[], World], examples: int, steps: int) -> None:
    machine = type("Life", (Life,), {"worlds": staticmethod(worlds)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # a failure tells its steps; to shrink them takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_invariants_hold_on_sqlite(sqlite_template: Path, tmp_path: Path) -> None:
    numbers = itertools.count()

    def world() -> World:
        data = tmp_path / str(next(numbers))
        data.mkdir()
        shutil.copy(sqlite_template, data / "greenroom.db")
        return World(Database(f"sqlite:///{data / 'greenroom.db'}"), data, Clock())

    run(world, examples=12 * DEPTH, steps=30)


def test_the_invariants_hold_on_postgresql(postgres_server: PostgresServer, tmp_path: Path) -> None:
    numbers = itertools.count()

    def world() -> World:
        name = f"invariants_{next(numbers)}"
        data = tmp_path / name
        data.mkdir()
        return World(Database(postgres_server.create_database(name, template="template")), data, Clock())

    run(world, examples=3 * DEPTH, steps=25)
