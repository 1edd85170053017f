"""Whatever is past its end is expired, whoever notices first (contract 4.5, rule I7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from operations.acquire import acquire
from operations.expire import expire_past_due, is_past_due
from operations.extend import extend
from operations.find import find_or_refuse
from storage import assignments
from storage.assignments import Assignment
from tests.at_once import at_once, beside
from tests.operations.rows import ACTOR, Rows

HOUR = timedelta(hours=1)


def sweep(rows: Rows, limit: int = 100) -> int:
    with rows.transaction() as session:
        return expire_past_due(session, now=rows.clock(), limit=limit)


def lease(rows: Rows, number: int, hours: float) -> None:
    with rows.transaction() as session:
        held = find_or_refuse(session, rows.holder(number), now=rows.clock())
        acquire(session, held, "ci", timedelta(hours=hours), ACTOR, now=rows.clock())


@pytest.mark.parametrize(
    ("expires", "in_use", "past"),
    [
        (None, None, False),
        (None, 0, False),
        (2, None, False),
        (1, None, True),
        (1, 0.5, True),
        (0, 1, True),
        (1, 2, False),
        (2, 0, False),
    ],
)
def test_the_end_of_life_is_the_later_of_expiry_and_lease(
    expires: float | None, in_use: float | None, past: bool
) -> None:
    start = datetime(2026, 3, 2, 12, tzinfo=UTC)
    after = [None if hours is None else start + hours * HOUR for hours in (expires, in_use)]
    assignment = Assignment(expires_at=after[0], used_by="ci", in_use_until=after[1])
    assert is_past_due(assignment, now=start + HOUR) is past


def test_the_sweep_expires_what_is_past_due_and_nothing_else(rows: Rows) -> None:
    rows.pool(free=4)
    for number, hours in ((1, 1), (2, 2), (3, 1), (4, 1)):
        rows.assign(rows.holder(number), hours=hours, is_immortal=number == 4)
    lease(rows, 3, 2)
    rows.clock.advance(minutes=59, seconds=59)
    assert sweep(rows) == 0
    rows.clock.advance(seconds=1)
    with rows.database.reading() as session:
        assert assignments.any_past_due(session, now=rows.clock())
    assert sweep(rows) == 1
    with rows.database.reading() as session:
        assert not assignments.any_past_due(session, now=rows.clock())
    assert rows.held_by(rows.holder(1)) is None
    rows.clock.advance(hours=1)
    assert sweep(rows) == 2
    assert rows.held_by(rows.holder(4)) is not None


def test_the_environment_expires_even_where_the_pool_takes_back(rows: Rows) -> None:
    rows.pool(free=1, return_on_unassign=True)
    got = rows.assign(rows.holder(1), hours=1)
    rows.clock.advance(hours=1)
    sweep(rows)
    ended, environment = rows.assignment(got.assignment.id), rows.named("core0")
    assert (ended.status, ended.end_reason, environment.state) == ("expired", "expired", "EXPIRED")
    assert environment.reattach_until == rows.clock() + timedelta(minutes=30)
    [row] = rows.audit("assignment.ended")
    assert (row.actor, row.role) == ("greenroom[sweep]", "system")


def test_a_sweep_takes_no_more_than_its_limit_the_oldest_first(rows: Rows) -> None:
    rows.pool(free=3)
    for number in (1, 2, 3):
        rows.assign(rows.holder(number), hours=4 - number)
    rows.clock.advance(hours=3)
    assert sweep(rows, limit=2) == 2
    assert rows.held_by(rows.holder(1)) is not None
    assert sweep(rows, limit=2) == 1


def test_two_sweeps_at_once_expire_each_once(rows: Rows) -> None:
    rows.pool(free=5)
    for number in range(5):
        rows.assign(rows.holder(number), hours=1)
    rows.clock.advance(hours=1)
    assert sum(at_once([lambda: sweep(rows)] * 3)) == 5
    assert len(rows.audit("assignment.ended")) == 5


def test_who_is_just_being_extended_is_not_expired(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(1), hours=1)
    with rows.transaction() as session:
        held = find_or_refuse(session, rows.holder(1), now=rows.clock())
        rows.clock.advance(hours=1)
        extend(session, held, 1, ACTOR, now=rows.clock())
        sweeping = beside(rows.database, lambda: sweep(rows))
    assert sweeping.result(10) == 0
    assert rows.held_by(rows.holder(1)) is not None
