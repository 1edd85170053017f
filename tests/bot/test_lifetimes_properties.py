"""Whatever people and time do in whatever order: nothing lives beyond its limits unless it is pinned (6.2–6.4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bot.answering import run_one
from bot.asked import Asked, Refused
from bot.commands import Command
from bot.gates import Case
from bot.levels import Level
from bot.lifetimes import note_activity
from bot.look import Look
from bot.policy.configuration import InForce
from bot.policy.keys import Expiry, Policy
from operations.errors import OperationError
from operations.expire import expire_past_due
from operations.review import review
from storage import pins
from storage.assignments import Assignment
from storage.audit import BOT, Actor
from storage.database import Database
from storage.threads import Thread
from tests.operations.rows import Rows
from tests.provider import Clock

HOUR = timedelta(hours=1)
DEFAULT = 48 * HOUR
POLICY = Policy(expiry=Expiry(max_lifetime=50 * HOUR, extend_max=24 * HOUR))
LEVELS = {"wendy": Level.WRITE, "mona": Level.MAINTAIN}

EXTEND = [Command(1, "extend", duration=by) for by in (HOUR, 24 * HOUR, None)]
PIN = [Command(1, "pin", duration=by, reason="demo") for by in (HOUR, 240 * HOUR)]
commands = st.sampled_from([*EXTEND, *PIN, Command(1, "unpin"), Command(1, "unassign")])
people = st.sampled_from(sorted(LEVELS))
passing = st.sampled_from([HOUR, 46 * HOUR, 100 * HOUR])
happening = st.one_of(st.tuples(people, commands), passing, st.sampled_from(["push", "assign"]))


class Life:
    """One pull request, and what the limit of its environment is by the rules."""

    def __init__(self, rows: Rows, number: int) -> None:
        self.rows = rows
        self.thread = rows.thread(number)
        self.pool = rows.pool(f"core{number}", max_total=100)
        self.unpinned_at: datetime | None = None

    def say(self, who: str, command: Command) -> None:
        look = cast(Look, SimpleNamespace(trigger="comment:1", actor=Actor(BOT)))
        try:
            with self.rows.transaction() as session:
                thread = session.get_one(Thread, self.thread.id)
                case = Case(self.rows.repository, thread, InForce(POLICY), self.rows.clock())
                run_one(session, Asked(look, case, who, LEVELS[who], Actor(who), {}, self.rows.clock()), command)
        except (Refused, OperationError):
            return

    def assign(self) -> None:
        if self.held() is None:
            self.rows.environment(self.pool, uuid4().hex)
            self.rows.assign(self.thread.holder, self.pool.tag)

    def push(self) -> None:
        held = self.held()
        if held is not None:
            with self.rows.transaction() as session:
                found = session.get_one(Assignment, held.id)
                note_activity(session, [found], POLICY.expiry, Actor(BOT), now=self.rows.clock())

    def wait(self, time: timedelta) -> None:
        self.rows.clock.now += time
        with self.rows.transaction() as session:
            expire_past_due(session, now=self.rows.clock())
            review(session, now=self.rows.clock())

    def held(self) -> Assignment | None:
        return self.rows.held_by(self.thread.holder)

    def check(self, before: Assignment | None) -> None:
        now, held = self.rows.clock(), self.held()
        if held is None:
            return
        assert (pins.of(held) is not None) == ("pin" in held.extra) == held.is_immortal, "two truths"
        if held.expires_at is None:
            return
        if before is not None and before.id == held.id and before.is_immortal:
            self.unpinned_at = now
            assert held.expires_at == now + DEFAULT
        assert held.expires_at > now, "the sweep has ended it"
        limit = held.assigned_at + POLICY.expiry.max_lifetime
        if self.unpinned_at is not None and self.unpinned_at >= held.assigned_at:
            limit = max(limit, self.unpinned_at + DEFAULT)
        assert held.expires_at <= limit


@pytest.fixture
def rows(sqlite_url: str) -> Iterator[Rows]:
    database = Database(sqlite_url)
    yield Rows(database, Clock())
    database.dispose()


@settings(
    max_examples=15,
    phases=[Phase.generate],  # a failure tells its steps; to shrink them takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(happening, min_size=20, max_size=20))
def test_nothing_lives_beyond_its_limits_unless_it_is_pinned(rows: Rows, steps: list[object]) -> None:
    life = Life(rows, number=len(rows.audit("pool.created")) + 1)
    life.assign()
    for step in steps:
        before = life.held()
        match step:
            case (str(who), Command() as command):
                life.say(who, command)
            case timedelta():
                life.wait(step)
            case "push":
                life.push()
            case "assign":
                life.assign()
        life.check(before)
    rows.close(life.thread.holder)
