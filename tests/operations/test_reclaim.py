"""Which holders could be asked for what they do not use (bot-behaviour 6.7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from operations.acquire import acquire
from operations.extend import extend
from operations.reclaim import is_still_wanted, reclaimable
from storage import pools
from storage.assignments import Assignment
from storage.tickets import Ticket
from tests.operations.rows import ACTOR, Rows


def idle(rows: Rows, **pool: Any) -> Ticket:
    """Somebody has held the pool's only environment for two hours, and somebody has just begun to wait."""
    rows.pool(free=1, max_total=1, **pool)
    rows.assign(rows.holder(1))
    rows.clock.advance(hours=2)
    return rows.join(rows.holder(2))


def asked(rows: Rows) -> list[str]:
    with rows.database.reading() as session:
        return [each.assignment.holder_id for each in reclaimable(session, now=rows.clock())]


def test_who_waits_for_half_an_hour_waits_long(rows: Rows) -> None:
    idle(rows)
    rows.clock.advance(minutes=29)
    assert asked(rows) == []
    rows.clock.advance(minutes=1)
    assert asked(rows) == ["1"]


@pytest.mark.parametrize(("minutes", "who"), [(30, []), (31, ["1"])])
def test_so_does_who_is_likely_to(rows: Rows, minutes: int, who: list[str]) -> None:
    ticket = idle(rows)
    with rows.transaction() as session:
        session.get_one(Ticket, ticket.id).likely_at = rows.clock() + timedelta(minutes=minutes)
    assert asked(rows) == who


@pytest.mark.parametrize(("returned", "strategy", "who"), [
    (True, "NOTIFY_ONLY", ["1"]), (False, "DELETE_EXPIRED", ["1"]), (False, "NOTIFY_ONLY", []),
])  # fmt: skip
def test_it_has_to_help_who_waits(rows: Rows, returned: bool, strategy: str, who: list[str]) -> None:
    idle(rows, return_on_unassign=returned, strategy=strategy)
    rows.clock.advance(minutes=30)
    assert asked(rows) == who


def test_nobody_is_asked_while_something_is_free(rows: Rows) -> None:
    ticket = idle(rows)
    rows.clock.advance(minutes=30)
    with rows.database.reading() as session:
        pool = pools.get(session, ticket.pool_id)
    rows.environment(pool, "free")
    assert asked(rows) == []


@pytest.mark.parametrize("how", ["active", "worked in", "for ever"])
def test_who_uses_it_is_not_asked(rows: Rows, how: str) -> None:
    idle(rows)
    rows.clock.advance(minutes=30)
    held = rows.held_by(rows.holder(1))
    assert held is not None
    with rows.transaction() as session:
        held = session.get_one(Assignment, held.id)
        if how == "active":
            held.active_at = rows.clock() - timedelta(minutes=119)
        elif how == "worked in":
            acquire(session, held, "job 1", timedelta(hours=1), ACTOR, now=rows.clock())
        else:
            extend(session, held, None, ACTOR, now=rows.clock(), is_immortal=True)
    assert asked(rows) == []


def test_the_question_is_over_when_it_is_used_or_nobody_waits(rows: Rows) -> None:
    ticket = idle(rows)
    held = rows.held_by(rows.holder(1))
    assert held is not None
    assert wanted(rows, f"{held.id} {ticket.id}")
    assert not wanted(rows, f"{held.id} {ticket.id + 1}")
    with rows.transaction() as session:
        session.get_one(Assignment, held.id).active_at = rows.clock() + timedelta(seconds=1)
    assert not wanted(rows, f"{held.id} {ticket.id}")


def wanted(rows: Rows, key: str) -> bool:
    with rows.database.reading() as session:
        return is_still_wanted(session, key, asked_at=rows.clock())
