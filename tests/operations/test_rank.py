"""Who is served first where a pool is shared fairly: who has had less of it, and nobody starves (bot-behaviour 6.1)."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from operations.rank import A_SHARE
from storage import tickets
from storage.assignments import Holder
from storage.configurations import Configuration, Source
from storage.pools import Pool
from storage.tickets import BOT_CLASS, HUMAN_CLASS, Ticket
from tests.operations.rows import Rows


@pytest.fixture
def fair(rows: Rows) -> Pool:
    """A pool whose repository shares it fairly."""
    switch(rows, on=True)
    return rows.pool(default_expiration_hours=10_000)


def switch(rows: Rows, *, on: bool) -> None:
    with rows.transaction() as session:
        session.merge(
            Configuration(
                repository_id=rows.repository.id, source=Source.REPOSITORY, read_at=rows.clock(), fair_share=on
            )
        )
        if not on:
            tickets.rank_as_they_came(session, rows.repository.id)


def opened(rows: Rows, number: int, author: str) -> Holder:
    rows.thread(number, author=author)
    return rows.holder(number)


def joins(rows: Rows, number: int, author: str, *, priority: int = HUMAN_CLASS) -> Ticket:
    rows.clock.advance(seconds=10)
    return rows.join(opened(rows, number, author), priority=priority)


def line(rows: Rows, pool: Pool) -> list[int]:
    """Who waits, the next first; every way to tell a place tells the same."""
    with rows.database.reading() as session:
        waiting = tickets.in_line(session, pool.id)
        assert [tickets.position(session, ticket) for ticket in waiting] == list(range(1, len(waiting) + 1))
        for place, ticket in enumerate(waiting, 1):
            assert len(tickets.behind(session, ticket)) == len(waiting) - place
        first = tickets.first(session, pool.id)
        assert (first.id if first else None) == (waiting[0].id if waiting else None)
        return [int(ticket.holder_id) for ticket in waiting]


def test_who_has_had_less_is_served_first(rows: Rows, fair: Pool) -> None:
    for number in (1, 2):
        rows.environment(fair, f"e{number}")
        rows.assign(opened(rows, number, "hog"))
    for number in (3, 4):
        joins(rows, number, "hog")
    joins(rows, 5, "newcomer")
    joins(rows, 6, "other")
    joins(rows, 7, "newcomer")
    assert line(rows, fair) == [5, 6, 7, 3, 4]


def test_what_was_given_back_counts_for_a_day(rows: Rows, fair: Pool) -> None:
    rows.environment(fair, "e1")
    holder = opened(rows, 1, "alice")
    rows.assign(holder)
    rows.unassign(holder, returned=False)
    rows.clock.advance(hours=23)
    joins(rows, 2, "alice")
    joins(rows, 3, "bob")
    assert line(rows, fair) == [3, 2]
    rows.clock.advance(hours=2)
    joins(rows, 4, "carol")
    assert line(rows, fair) == [3, 4, 2]


def test_equals_are_served_as_they_come_and_bots_after_people(rows: Rows, fair: Pool) -> None:
    joins(rows, 1, "robot[bot]", priority=BOT_CLASS)
    for number, author in ((2, "carol"), (3, "alice"), (4, "bob")):
        joins(rows, number, author)
    assert line(rows, fair) == [2, 3, 4, 1]


def test_who_is_no_pull_request_is_known_by_who_asked(rows: Rows, fair: Pool) -> None:
    rows.clock.advance(seconds=10)
    first = rows.join(rows.holder("1", "custom"))
    second = rows.join(rows.holder("2", "custom"))
    assert second.rank - first.rank == A_SHARE.total_seconds()


def test_nobody_waits_for_ever(rows: Rows, fair: Pool) -> None:
    """However many others come who have nothing: after a day for each that one has, they come too late."""
    rows.environment(fair, "e1")
    rows.assign(opened(rows, 1, "alice"))
    joins(rows, 2, "alice")
    for number in range(3, 60):
        rows.clock.advance(hours=1)
        joins(rows, number, f"newcomer-{number}")
        rows.environment(fair, f"e{number}")
        rows.serve(fair)
        if rows.held_by(rows.holder(2)) is not None:
            break
    else:
        raise AssertionError("alice was never served")
    assert 24 <= number - 2 <= 25


@pytest.mark.parametrize("seed", range(2))
def test_whoever_comes_and_goes_the_order_is_fair_and_bounded(rows: Rows, fair: Pool, seed: int) -> None:
    """Nobody is overtaken by who came more days later than one had environments; equals are served as they come."""
    chance, authors = Random(seed), ["alice", "bob", "carol"]
    joined: dict[int, Ticket] = {}
    held: list[Holder] = []
    for number in range(1, 26):
        rows.clock.advance(minutes=chance.randrange(1, 300))
        joined[number] = joins(rows, number, chance.choice(authors))
        if chance.random() < 0.5:
            before = line(rows, fair)
            rows.environment(fair, f"e{number}")
            served = rows.serve(fair)
            assert served is not None
            assert int(served.assignment.holder_id) == before[0]
            held.append(served.assignment.holder)
        if held and chance.random() < 0.4:
            rows.unassign(held.pop(0), returned=False)
    waiting = [joined[number] for number in line(rows, fair)]
    for place, ahead in enumerate(waiting):
        for behind in waiting[place + 1 :]:
            share = timedelta(seconds=behind.rank) - timedelta(seconds=int(behind.joined_at.timestamp()))
            assert ahead.joined_at <= behind.joined_at + share
            assert (ahead.rank, ahead.id) < (behind.rank, behind.id)


def test_without_the_key_they_are_served_as_they_came(rows: Rows) -> None:
    pool = rows.pool()
    rows.environment(pool, "e1")
    rows.assign(opened(rows, 1, "hog"))
    for number, author in ((2, "hog"), (3, "newcomer")):
        assert joins(rows, number, author).rank == 0
    rows.clock.advance(days=-1)
    joins(rows, 4, "other")
    assert line(rows, pool) == [2, 3, 4]


def test_the_key_may_come_and_go_while_they_wait(rows: Rows) -> None:
    pool = rows.pool()
    joins(rows, 1, "alice")
    joins(rows, 2, "alice")
    switch(rows, on=True)
    joins(rows, 3, "alice")
    joins(rows, 4, "bob")
    assert line(rows, pool) == [1, 2, 4, 3]
    switch(rows, on=False)
    joins(rows, 5, "bob")
    assert line(rows, pool) == [1, 2, 3, 4, 5]
