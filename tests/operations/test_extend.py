"""A living assignment ends later, or never (contract R3, semantics 5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from operations.extend import Extended, extend, keep_alive
from operations.find import find_or_refuse
from operations.times import iso
from tests.operations.rows import ACTOR, Rows


def extended(rows: Rows, hours: float | None = None, **how: Any) -> Extended:
    with rows.transaction() as session:
        held = find_or_refuse(session, rows.holder(), now=rows.clock())
        return extend(session, held, hours, ACTOR, now=rows.clock(), **how)


def in_hours(rows: Rows, hours: float) -> datetime:
    return rows.clock() + timedelta(hours=hours)


def test_the_hours_are_added_to_the_end(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(), hours=10)
    before, after = in_hours(rows, 10), in_hours(rows, 34)
    rows.clock.advance(hours=1)
    change = extended(rows, 24)
    assert (change.previous_expires_at, change.assignment.expires_at, change.hours) == (before, after, 24)
    assert rows.assignment(change.assignment.id).version == 2
    [row] = rows.audit("assignment.extended")
    assert row.details == {"holder": "pr-1", "previous": iso(before), "expires": iso(after)}


def test_twice_is_twice_as_long(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(), hours=10)
    extended(rows, 5)
    assert extended(rows, 5).assignment.expires_at == in_hours(rows, 20)


def test_what_only_a_lease_keeps_alive_is_extended_from_now(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(), hours=1)
    with rows.transaction() as session:
        held = find_or_refuse(session, rows.holder(), now=rows.clock())
        held.used_by, held.in_use_until = "ci", in_hours(rows, 9)
    rows.clock.advance(hours=3)
    assert extended(rows, 2).assignment.expires_at == in_hours(rows, 2)


@pytest.mark.parametrize(
    ("pool", "default", "hours"),
    [
        ({"extended_expiration_hours": 168}, None, 168),
        ({"extended_expiration_hours": 168}, 5, 5),
        ({"extended_expiration_hours": None, "default_expiration_hours": 48}, None, 48),
        ({"extended_expiration_hours": None, "default_expiration_hours": 0}, None, 24),
    ],
)
def test_without_hours_the_default_counts(
    rows: Rows, pool: dict[str, Any], default: float | None, hours: float
) -> None:
    rows.pool(free=1, **pool)
    rows.assign(rows.holder(), hours=10)
    change = extended(rows, default_hours=default)
    assert (change.hours, change.assignment.expires_at) == (hours, in_hours(rows, 10 + hours))


def test_it_can_be_made_to_last_for_ever(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(), hours=10)
    change = extended(rows, 5, is_immortal=True)
    assert (change.previous_expires_at, change.assignment.expires_at) == (in_hours(rows, 10), None)
    [row] = rows.audit("assignment.extended")
    assert row.details["expires"] is None


def test_hours_change_nothing_on_what_lasts_for_ever(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(), is_immortal=True)
    rows.forget_tasks()
    for change in (extended(rows, 5), extended(rows), extended(rows, is_immortal=True)):
        assert (change.assignment.expires_at, change.assignment.version) == (None, 1)
    assert rows.audit("assignment.extended") == []


@pytest.mark.parametrize(("given", "hours"), [(5, 5), (None, 48)])
def test_what_lasts_for_ever_can_get_an_end_again(rows: Rows, given: float | None, hours: float) -> None:
    rows.pool(free=1, default_expiration_hours=48, extended_expiration_hours=168)
    rows.assign(rows.holder(), is_immortal=True)
    rows.clock.advance(hours=100)
    change = extended(rows, given, is_immortal=False)
    assert (change.previous_expires_at, change.assignment.expires_at) == (None, in_hours(rows, hours))
    assert change.hours == hours


def test_what_has_an_end_is_extended_as_ever_if_it_shall_have_one(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(), hours=10)
    assert extended(rows, 5, is_immortal=False).assignment.expires_at == in_hours(rows, 15)


def test_the_pull_request_shows_it(rows: Rows) -> None:
    rows.pool(free=1)
    thread = rows.thread(1)
    rows.assign(rows.holder())
    rows.forget_tasks()
    extended(rows, 5)
    assert [task.payload for task in rows.pending("refresh")] == [{"thread_id": thread.id}]


@pytest.mark.parametrize(("left", "floor", "then"), [(1, 8, 8), (8, 8, 8), (20, 8, 20), (1, -5, 1)])
def test_activity_guarantees_some_hours_and_takes_none_away(rows: Rows, left: float, floor: float, then: float) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(), hours=left)
    kept_alive(rows, floor)
    held = rows.held_by(rows.holder())
    assert held is not None
    assert held.expires_at == in_hours(rows, then)


def test_activity_guarantees_no_more_to_what_only_a_lease_keeps_alive(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(), hours=1)
    with rows.transaction() as session:
        held = find_or_refuse(session, rows.holder(), now=rows.clock())
        held.used_by, held.in_use_until = "ci", in_hours(rows, 9)
    rows.clock.advance(hours=4)
    kept_alive(rows, 8)
    after = rows.held_by(rows.holder())
    assert after is not None
    assert after.expires_at == in_hours(rows, 8)


def test_activity_takes_nothing_from_what_lasts_for_ever(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(), is_immortal=True)
    kept_alive(rows, 8)
    held = rows.held_by(rows.holder())
    assert held is not None
    assert held.expires_at is None


def kept_alive(rows: Rows, hours: float) -> None:
    with rows.transaction() as session:
        held = find_or_refuse(session, rows.holder(), now=rows.clock())
        keep_alive(session, held, timedelta(hours=hours), ACTOR, now=rows.clock())
