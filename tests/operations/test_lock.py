"""One holder at a time, first come first served, leases that end on time (contract 4.3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from operations.errors import LockAlreadyHeld, LockNotFound
from storage.locks import Lock, LockStatus, ResourceKind
from tests.at_once import at_once
from tests.operations.lines import LockRows
from tests.operations.rows import Rows


@pytest.fixture
def line(rows: Rows) -> LockRows:
    return LockRows(rows.database, rows.clock, rows.repository.id)


# Asking


def test_a_free_lock_is_acquired_at_once_and_its_lease_begins(line: LockRows) -> None:
    got = line.lock(minutes=10)
    assert (got.status, got.fence) == (LockStatus.ACQUIRED, 1)
    assert (got.acquired_at, got.expires_at) == (line.clock(), line.clock() + timedelta(minutes=10))


def test_a_held_lock_is_waited_for_in_the_order_of_asking(line: LockRows) -> None:
    first, second, third = (line.lock() for _ in range(3))
    assert (second.status, second.fence, second.expires_at) == (LockStatus.QUEUED, None, None)
    assert line.order() == (first.ticket, [second.ticket, third.ticket])


def test_the_estimate_is_what_is_left_and_the_full_leases_ahead(line: LockRows) -> None:
    for minutes in (10, 20, 30):
        line.lock(minutes=minutes)
    line.clock.advance(minutes=4)
    assert [waiting.estimated_wait_seconds for waiting in line.line().queued] == [360, 360 + 1200]


def test_a_ticket_reads_as_clients_parse_it(line: LockRows) -> None:
    millis, sequence, *uuid = line.lock().ticket.split("-")
    assert int(millis) == int(line.clock().timestamp() * 1000)
    assert (int(sequence), len(uuid)) == (1, 5)
    assert re.fullmatch(r"\d+-\d+-[a-f0-9-]+", line.lock().ticket)


def test_different_resources_do_not_meet_though_their_names_do(line: LockRows, rows: Rows) -> None:
    assert {line.lock("deploy").status, line.lock("release").status} == {LockStatus.ACQUIRED}
    assert line.resource("x") != line.resource("x", ResourceKind.ENVIRONMENT)
    assert line.resource("x").key != line.resource("x", ResourceKind.ENVIRONMENT).key


def test_who_may_have_one_ticket_is_refused_a_second_until_the_first_is_over(line: LockRows) -> None:
    held = line.lock(sole="user:alice")
    with pytest.raises(LockAlreadyHeld) as refused:
        line.lock(sole="user:alice")
    assert refused.value.details == {"ticketId": held.ticket, "status": "acquired"}
    waiting = line.lock(sole="user:bob")
    with pytest.raises(LockAlreadyHeld) as refused:
        line.lock(sole="user:bob")
    assert refused.value.details == {"ticketId": waiting.ticket, "status": "queued"}
    assert line.lock("release", sole="user:alice").status == LockStatus.ACQUIRED
    line.unlock(held)
    assert line.lock(sole="user:alice").status == LockStatus.QUEUED


def test_who_lets_a_lease_run_out_may_ask_again(line: LockRows) -> None:
    line.lock(minutes=1, sole="user:alice")
    line.clock.advance(minutes=1)
    assert line.lock(sole="user:alice").status == LockStatus.ACQUIRED


# Giving back


def test_the_next_in_line_has_the_lock_in_the_same_transaction(line: LockRows) -> None:
    first, second, third = (line.lock(minutes=10) for _ in range(3))
    line.clock.advance(minutes=3)
    now_holding = line.unlock(first)
    assert now_holding is not None
    assert now_holding.ticket == second.ticket
    assert now_holding.expires_at == line.clock() + timedelta(minutes=10), "the lease starts at acquisition"
    assert line.order() == (second.ticket, [third.ticket])


def test_unlocking_a_queued_ticket_cancels_it(line: LockRows) -> None:
    first, second, third = (line.lock() for _ in range(3))
    line.unlock(second)
    assert line.now(second).end_reason == "cancelled"
    assert line.order() == (first.ticket, [third.ticket])


def test_a_ticket_is_given_back_once(line: LockRows) -> None:
    first, second = line.lock(), line.lock()
    line.unlock(first)
    with pytest.raises(LockNotFound):
        line.unlock(first)
    assert line.order() == (second.ticket, [])


def test_a_ticket_of_another_resource_ends_nothing(line: LockRows) -> None:
    held = line.lock("deploy")
    line.lock("release")
    with pytest.raises(LockNotFound):
        line.unlock(held, name="release")
    with pytest.raises(LockNotFound):
        line.unlock(held, name="never heard of")
    assert line.now(held).status == LockStatus.ACQUIRED


def test_what_is_gone_is_neither_held_nor_waited_for(line: LockRows) -> None:
    held, waiting = line.lock(), line.lock()
    line.gone()
    assert [line.now(ticket).end_reason for ticket in (held, waiting)] == ["resource_gone"] * 2
    assert line.order() == (None, [])


# Leases


def test_a_lease_that_runs_out_makes_place_for_the_next(line: LockRows) -> None:
    first, second = line.lock(minutes=1), line.lock(minutes=5)
    line.clock.advance(seconds=59)
    assert line.sweep() == 0
    line.clock.advance(seconds=1)
    assert line.sweep() == 1
    assert line.now(first).end_reason == "lease_ended"
    assert line.order() == (second.ticket, [])
    assert line.now(second).expires_at == line.clock() + timedelta(minutes=5)


def test_a_sweep_that_takes_a_few_at_a_time_says_that_there_are_more(line: LockRows) -> None:
    for name in ("a", "b", "c"):
        line.lock(name, minutes=1)
    line.clock.advance(minutes=2)
    assert [line.sweep(limit=2), line.sweep(limit=2)] == [2, 1]


def test_whoever_asks_next_ends_a_lease_that_nobody_swept(line: LockRows) -> None:
    dead, waiting = line.lock(minutes=1), line.lock()
    line.clock.advance(minutes=1)
    late = line.lock()
    assert line.order() == (waiting.ticket, [late.ticket])
    assert line.now(dead).status == LockStatus.RELEASED


@pytest.mark.parametrize("what", ["unlock", "renew"])
def test_a_holder_that_comes_back_late_is_refused(line: LockRows, what: str) -> None:
    late, successor = line.lock(minutes=1), line.lock()
    line.clock.advance(minutes=1)
    acts: dict[str, Callable[[], object]] = {"unlock": lambda: line.unlock(late), "renew": lambda: line.renew(late)}
    with pytest.raises(LockNotFound):
        acts[what]()
    line.sweep()
    assert line.order() == (successor.ticket, [])


def test_renewing_extends_the_lease_from_now(line: LockRows) -> None:
    held = line.lock(minutes=10)
    line.clock.advance(minutes=9)
    assert line.renew(held).expires_at == line.clock() + timedelta(minutes=10)
    assert line.renew(held, minutes=2).expires_at == line.clock() + timedelta(minutes=2)
    assert line.now(held).fence == held.fence


def test_who_only_waits_has_no_lease_to_renew(line: LockRows) -> None:
    line.lock()
    waiting = line.lock()
    with pytest.raises(LockNotFound):
        line.renew(waiting)


# Clocks


def test_a_clock_that_steps_back_lets_nobody_overtake_and_no_two_hold(line: LockRows) -> None:
    first, second = line.lock(minutes=10), line.lock()
    line.clock.advance(minutes=-5)
    third = line.lock()
    assert line.sweep() == 0
    assert [waiting.estimated_wait_seconds for waiting in line.line().queued] == [600, 1200]
    line.unlock(first)
    assert line.order() == (second.ticket, [third.ticket])


def test_a_clock_that_steps_forward_ends_the_lease_and_keeps_the_order(line: LockRows) -> None:
    _, second, third = (line.lock(minutes=10) for _ in range(3))
    line.clock.advance(minutes=15)
    line.sweep()
    line.clock.advance(minutes=-5)
    assert line.order() == (second.ticket, [third.ticket])


# Fences


def test_the_fence_grows_with_every_grant_also_when_the_tickets_are_long_removed(line: LockRows) -> None:
    fences = []
    for _ in range(3):
        held = line.lock()
        line.unlock(held)
        fences.append(held.fence)
        line.clock.advance(days=8)
        assert line.forget_released(line.clock() - timedelta(days=7)) == 1
    assert fences == [1, 2, 3]


def test_a_live_ticket_is_never_removed(line: LockRows) -> None:
    line.lock(minutes=1)
    line.clock.advance(days=30)
    assert line.forget_released(line.clock()) == 0


# Pull requests


def test_a_closed_pull_request_holds_no_lock_and_waits_for_none(line: LockRows, rows: Rows) -> None:
    mine, other = rows.holder(1), rows.holder(2)
    held, ahead = line.lock("a", holder=mine), line.lock("b")
    behind = line.lock("a", holder=other)
    line.lock("b", holder=mine)
    line.close(mine)
    assert line.now(held).end_reason == "closed"
    assert line.order("a") == (behind.ticket, [])
    assert line.order("b") == (ahead.ticket, [])


def test_threads_in_line_show_their_places_anew(line: LockRows, rows: Rows) -> None:
    thread = rows.thread(7)
    first = line.lock()
    line.lock()
    line.lock(holder=rows.holder(7))
    rows.forget_tasks()
    line.unlock(first)
    assert [task.payload["thread_id"] for task in rows.pending("refresh")] == [thread.id]


# At once


def test_of_many_that_ask_at_once_one_holds_and_the_others_stand_in_line(line: LockRows) -> None:
    tickets = at_once([line.lock] * 6)
    assert sorted(ticket.status for ticket in tickets) == ["acquired"] + ["queued"] * 5
    assert len({ticket.ticket.split("-")[1] for ticket in tickets}) == 6


def test_of_one_person_asking_twice_at_once_one_is_refused(line: LockRows) -> None:
    def ask() -> Lock | None:
        try:
            return line.lock(sole="user:alice")
        except LockAlreadyHeld:
            return None

    got = at_once([ask] * 4)
    assert sum(ticket is not None for ticket in got) == 1


def test_an_unlock_and_a_sweep_at_the_same_moment_hand_over_once(line: LockRows) -> None:
    held, second, third = (line.lock(minutes=1) for _ in range(3))
    line.clock.advance(seconds=59)

    def give_back() -> object:
        try:
            return line.unlock(held)
        except LockNotFound:
            return None

    acts: list[Callable[[], object]] = [give_back, line.sweep]
    at_once(acts)
    assert line.order() == (second.ticket, [third.ticket])
