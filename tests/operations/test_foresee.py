"""A ticket knows when its turn comes as soon as its pool has a history, and what it knows stays calm."""

from __future__ import annotations

from datetime import timedelta

from operations.foresee import foresee
from operations.waiting import pause, resume
from storage.environments import EnvironmentState
from storage.pools import Pool
from storage.tickets import Ticket
from tests.operations.rows import Rows


def with_history(rows: Rows) -> Pool:
    """A pool of one, made in half an hour, which twelve held for one to twelve hours and somebody holds now."""
    pool = rows.pool(free=1, max_total=1)
    for minutes in range(20, 44, 2):
        began = rows.clock() - timedelta(days=3)
        rows.environment(pool, f"made{minutes}", EnvironmentState.ARCHIVED, created_at=began,
                         ready_at=began + timedelta(minutes=minutes))  # fmt: skip
    for hours in range(1, 13):
        rows.assign(rows.holder(f"before-{hours}", "custom"))
        rows.clock.advance(hours=hours)
        rows.unassign(rows.holder(f"before-{hours}", "custom"), returned=True)
    rows.assign(rows.holder(1))
    return pool


def foreseen(rows: Rows, ticket: Ticket) -> Ticket:
    with rows.transaction() as session:
        foresee(session, session.get_one(Ticket, ticket.id), now=rows.clock())
    return rows.ticket(ticket.id)


def test_it_is_likely_served_when_others_would_have_given_back(rows: Rows) -> None:
    with_history(rows)
    ticket = foreseen(rows, rows.join(rows.holder(2)))
    assert ticket.likely_at is not None
    assert ticket.late_at is not None
    assert rows.clock() + timedelta(hours=4) <= ticket.likely_at <= rows.clock() + timedelta(hours=9)
    assert ticket.likely_at < ticket.late_at <= rows.clock() + timedelta(hours=12)
    assert ticket.promised_at == ticket.likely_at


def test_without_a_history_nothing_is_said(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(1))
    ticket = foreseen(rows, rows.join(rows.holder(2)))
    assert (ticket.likely_at, ticket.late_at, ticket.promised_at) == (None, None, None)


def test_what_is_being_made_counts(rows: Rows) -> None:
    pool = with_history(rows)
    alone = foreseen(rows, rows.join(rows.holder(2))).likely_at
    rows.environment(pool, "coming", EnvironmentState.PROVISIONING)
    behind = foreseen(rows, rows.join(rows.holder(3))).likely_at
    assert alone is not None
    assert behind is not None
    assert behind <= alone


def test_it_stays_while_the_place_in_line_does(rows: Rows) -> None:
    with_history(rows)
    ticket = foreseen(rows, rows.join(rows.holder(2)))
    rows.clock.advance(minutes=30)
    assert foreseen(rows, ticket).likely_at == ticket.likely_at


def test_it_is_made_anew_when_it_is_late_but_the_promise_stays(rows: Rows) -> None:
    with_history(rows)
    ticket = foreseen(rows, rows.join(rows.holder(2)))
    rows.clock.advance(hours=13)
    later = foreseen(rows, ticket)
    assert later.likely_at is not None
    assert later.likely_at > rows.clock()
    assert later.promised_at == ticket.promised_at


def test_it_is_sooner_when_somebody_ahead_leaves(rows: Rows) -> None:
    with_history(rows)
    first = rows.join(rows.holder(2))
    second = foreseen(rows, rows.join(rows.holder(3)))
    with rows.transaction() as session:
        pause(session, session.get_one(Ticket, first.id), now=rows.clock())
    sooner = foreseen(rows, second)
    assert second.likely_at is not None
    assert sooner.likely_at is not None
    assert sooner.likely_at < second.likely_at
    assert sooner.estimated_ahead == 0


def test_who_is_paused_is_promised_nothing(rows: Rows) -> None:
    with_history(rows)
    ticket = rows.join(rows.holder(2))
    assert foreseen(rows, ticket).promised_at is not None
    with rows.transaction() as session:
        pause(session, session.get_one(Ticket, ticket.id), now=rows.clock())
    paused = foreseen(rows, ticket)
    assert (paused.likely_at, paused.promised_at) == (None, None)
    with rows.transaction() as session:
        resume(session, session.get_one(Ticket, ticket.id), now=rows.clock())
    rows.clock.advance(hours=1)
    again = foreseen(rows, ticket)
    assert again.promised_at == again.likely_at is not None
