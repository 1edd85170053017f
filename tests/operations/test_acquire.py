"""A lease on an assigned environment, and giving it up (contract R6, R7, semantics 8)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from operations.acquire import acquire, release
from operations.errors import EnvironmentInUse
from operations.find import find_living, find_or_refuse
from operations.times import iso
from storage.assignments import Assignment
from tests.at_once import at_once
from tests.operations.rows import ACTOR, Rows


def acquired(rows: Rows, used_by: str, minutes: float) -> Assignment:
    with rows.transaction() as session:
        held = find_living(session, rows.holder(), now=rows.clock())
        return acquire(session, held, used_by, timedelta(minutes=minutes), ACTOR, now=rows.clock())


def released(rows: Rows, used_by: str | None) -> Assignment:
    with rows.transaction() as session:
        held = find_or_refuse(session, rows.holder(), now=rows.clock())
        return release(session, held, used_by, ACTOR, now=rows.clock())


@pytest.fixture(autouse=True)
def _assigned(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(), hours=1)


def test_a_free_one_is_acquired(rows: Rows) -> None:
    acquired(rows, "ci", 30)
    held = rows.held_by(rows.holder())
    assert held is not None
    assert (held.used_by, held.acquired_at, held.in_use_until) == (
        "ci", rows.clock(), rows.clock() + timedelta(minutes=30)
    )  # fmt: skip
    assert held.version == 2
    assert [row.details for row in rows.audit("assignment.acquired")] == [{"holder": "pr-1", "used_by": "ci"}]


def test_who_has_it_starts_anew(rows: Rows) -> None:
    since = rows.clock()
    acquired(rows, "ci", 30)
    rows.clock.advance(minutes=29)
    again = acquired(rows, "ci", 10)
    assert (again.acquired_at, again.in_use_until) == (since, rows.clock() + timedelta(minutes=10))


def test_another_is_refused_while_the_lease_runs(rows: Rows) -> None:
    until = acquired(rows, "ci", 30).in_use_until
    assert until is not None
    rows.clock.advance(minutes=29, seconds=59)
    with pytest.raises(EnvironmentInUse) as refused:
        acquired(rows, "other", 5)
    assert refused.value.code == "ENVIRONMENT_IN_USE"
    assert refused.value.message == f"Environment is in use by ci until {iso(until)}"
    assert refused.value.details == {"usedBy": "ci", "inUseUntil": iso(until)}


def test_anyone_may_take_it_when_the_lease_has_run_out(rows: Rows) -> None:
    acquired(rows, "ci", 30)
    rows.clock.advance(minutes=30)
    assert acquired(rows, "other", 5).acquired_at == rows.clock()


def test_a_lease_longer_than_the_assignment_keeps_it(rows: Rows) -> None:
    acquired(rows, "ci", 90)
    rows.clock.advance(minutes=89)
    with rows.transaction() as session:
        assert find_living(session, rows.holder(), now=rows.clock()).used_by == "ci"


def test_released_nobody_has_it(rows: Rows) -> None:
    acquired(rows, "ci", 30)
    free = released(rows, "ci")
    assert (free.used_by, free.acquired_at, free.in_use_until, free.version) == (None, None, None, 3)
    assert [row.details for row in rows.audit("assignment.released")] == [{"holder": "pr-1", "used_by": "ci"}]


def test_another_may_not_release_it_but_who_names_nobody_may(rows: Rows) -> None:
    acquired(rows, "ci", 30)
    with pytest.raises(EnvironmentInUse, match="in use by ci"):
        released(rows, "other")
    assert released(rows, None).used_by is None


def test_anyone_may_release_what_has_run_out(rows: Rows) -> None:
    acquired(rows, "ci", 30)
    rows.clock.advance(minutes=30)
    assert released(rows, "other").used_by is None


def test_released_again_it_stays_released(rows: Rows) -> None:
    assert released(rows, "ci").version == 1
    assert rows.audit("assignment.released") == []


def test_of_two_at_once_one_is_refused(rows: Rows) -> None:
    def ask(name: str) -> bool:
        try:
            return acquired(rows, name, 30) is not None
        except EnvironmentInUse:
            return False

    assert sorted(at_once([lambda: ask("a"), lambda: ask("b")])) == [False, True]
