"""Who listens hears a day and two hours before an assignment ends, once each."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from operations.events import EventType
from operations.extend import extend
from operations.find import find_or_refuse
from operations.warn import warn
from storage.events import Event
from storage.webhooks import Webhook
from tests.operations.rows import ACTOR, Rows

BEFORE = (timedelta(hours=24), timedelta(hours=2))


def listen(rows: Rows, event: EventType = EventType.ASSIGNMENT_EXPIRING) -> None:
    with rows.transaction() as session:
        webhook = Webhook(
            target=b"sealed", events=[event], timeout_ms=1, retry_count=0, retry_delay_ms=1, created_by="the owner",
            created_at=rows.clock(), updated_at=rows.clock(),
        )  # fmt: skip
        session.add(webhook)


def heard_each_hour(rows: Rows, hours: int) -> list[float]:
    """After how many hours something was told, and it is looked several times an hour."""
    began, told = rows.clock(), []
    for _ in range(hours * 2):
        rows.clock.advance(minutes=30)
        before = len(warnings(rows))
        for _ in range(2):
            with rows.transaction() as session:
                warn(session, lambda repository_id: BEFORE, now=rows.clock())
        if len(warnings(rows)) > before:
            assert len(warnings(rows)) == before + 1
            told.append((rows.clock() - began) / timedelta(hours=1))
    return told


def extend_by(rows: Rows, hours: float) -> None:
    with rows.transaction() as session:
        extend(session, find_or_refuse(session, rows.holder(), now=rows.clock()), hours, ACTOR, now=rows.clock())


def warnings(rows: Rows) -> list[str]:
    with rows.database.reading() as session:
        return [json.loads(event.body)["data"]["expiresAt"] for event in session.query(Event)]


@pytest.mark.parametrize(
    ("hours", "told"),
    [(48, [24, 46]), (47, [45]), (24, [22]), (4, [2]), (3, [])],
)
def test_before_the_end_unless_that_is_most_of_its_life(rows: Rows, hours: int, told: list[float]) -> None:
    rows.pool(free=1)
    listen(rows)
    rows.assign(rows.holder(), hours=hours)
    assert heard_each_hour(rows, hours) == told


def test_one_that_is_extended_is_told_again(rows: Rows) -> None:
    rows.pool(free=1)
    listen(rows)
    rows.assign(rows.holder(), hours=24)
    assert heard_each_hour(rows, 23) == [22]
    extend_by(rows, 5)
    assert heard_each_hour(rows, 5) == [4]


def test_what_had_passed_when_the_end_was_set_is_not_told(rows: Rows) -> None:
    rows.pool(free=1)
    listen(rows)
    rows.assign(rows.holder(), hours=48)
    assert heard_each_hour(rows, 47) == [24, 46]
    extend_by(rows, 3)
    assert heard_each_hour(rows, 3) == [2], "nothing at once, a day before its end"


def test_one_that_never_ends_is_not_told(rows: Rows) -> None:
    rows.pool(free=1)
    listen(rows)
    rows.assign(rows.holder(), is_immortal=True)
    assert heard_each_hour(rows, 3) == []


def test_nobody_listens_and_nothing_is_told(rows: Rows) -> None:
    rows.pool(free=1)
    listen(rows, EventType.LOCK_FORCED)
    rows.assign(rows.holder(), hours=3)
    assert heard_each_hour(rows, 2) == []
