"""A holder gives its environment back (contract R4), and what every end does (operations/end.py)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from operations.acquire import acquire
from operations.end import EndReason, offer
from operations.find import find_or_refuse
from operations.unassign import unassign
from tests.operations.rows import ACTOR, Rows


@pytest.mark.parametrize(("setting", "returned", "state"), [
    (True, None, "AVAILABLE"), (False, None, "EXPIRED"), (True, False, "EXPIRED"), (False, True, "AVAILABLE"),
])  # fmt: skip
def test_the_caller_says_where_it_goes_or_else_the_pool(
    rows: Rows, setting: bool, returned: bool | None, state: str
) -> None:
    rows.pool(free=1, return_on_unassign=setting)
    rows.assign(rows.holder())
    rows.clock.advance(hours=1)
    given = rows.unassign(rows.holder(), returned=returned)
    back = state == "AVAILABLE"
    environment = rows.named("core0")
    assert (environment.state, given.returned) == (state, back)
    assert environment.available_at == rows.clock() if back else environment.expired_at == rows.clock()
    assert (environment.expired_at is None) is back
    assert rows.held_by(rows.holder()) is None


@pytest.mark.parametrize(("returned", "status"), [(True, "released"), (False, "expired")])
def test_the_assignment_says_how_it_ended(rows: Rows, returned: bool, status: str) -> None:
    rows.pool(free=1)
    before = rows.assign(rows.holder())
    rows.clock.advance(hours=1)
    rows.unassign(rows.holder(), returned=returned)
    ended = rows.assignment(before.assignment.id)
    assert (ended.status, ended.ended_at, ended.end_reason) == (status, rows.clock(), "unassigned")
    assert ended.version == 2
    [row] = rows.audit("assignment.ended")
    environment = rows.named("core0")
    assert environment.fence > before.assignment.fence
    assert row.details == {
        "holder": "pr-1", "environment": "core0", "fence": environment.fence, "reason": "unassigned",
        "returned": returned,
    }  # fmt: skip


def test_a_running_lease_does_not_stand_in_the_way(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder())
    with rows.transaction() as session:
        held = find_or_refuse(session, rows.holder(), now=rows.clock())
        acquire(session, held, "ci", timedelta(hours=1), ACTOR, now=rows.clock())
    ended = rows.unassign(rows.holder()).assignment
    assert (ended.used_by, ended.acquired_at, ended.in_use_until) == (None, None, None)


def test_whoever_waits_is_served_next(rows: Rows) -> None:
    pool = rows.pool(free=1)
    rows.assign(rows.holder(1))
    rows.join(rows.holder(2))
    rows.forget_tasks()
    rows.unassign(rows.holder(1))
    assert [task.payload for task in rows.pending("serve")] == [{"pool_id": pool.id}]


def test_nobody_is_woken_when_nobody_waits(rows: Rows) -> None:
    pool = rows.pool(free=1)
    rows.assign(rows.holder(1))
    rows.unassign(rows.holder(1), returned=True)
    with rows.transaction() as session:
        offer(session, pool.id, now=rows.clock())
    assert rows.pending("serve") == rows.pending("replenish") == []


def test_an_expired_one_is_replenished_at_once(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(1))
    rows.unassign(rows.holder(1), returned=False)
    assert [task.run_at for task in rows.pending("replenish")] == [rows.clock()]
    assert rows.named("core0").reattach_until is None


@pytest.mark.parametrize("reason", [EndReason.CLOSED, EndReason.EXPIRED])
def test_one_that_may_be_taken_back_is_replenished_after_its_window(rows: Rows, reason: EndReason) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(7, domain="sales"))
    rows.unassign(rows.holder(7, domain="sales"), returned=False, reason=reason)
    environment = rows.named("core0")
    assert environment.reattach_until == rows.clock() + timedelta(minutes=30)
    last_holder = (environment.last_holder_type, environment.last_holder_id, environment.last_holder_domain)
    assert last_holder == ("pr", "7", "sales")
    assert [task.run_at for task in rows.pending("replenish")] == [environment.reattach_until]


def test_one_that_others_wait_for_is_replenished_at_once(rows: Rows) -> None:
    """It is spared only while nobody waits (contract 4.5)."""
    rows.pool(free=1)
    rows.assign(rows.holder(1))
    rows.join(rows.holder(2))
    rows.forget_tasks()
    rows.unassign(rows.holder(1), returned=False, reason=EndReason.CLOSED)
    assert [task.run_at for task in rows.pending("replenish")] == [rows.clock()]


@pytest.mark.parametrize("reason", [EndReason.UNASSIGNED, EndReason.REPLACED, EndReason.POOL_DELETED])
def test_after_other_ends_there_is_no_way_back(rows: Rows, reason: EndReason) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(7))
    rows.unassign(rows.holder(7), reason=reason)
    assert (rows.named("core0").reattach_until, rows.named("core0").last_holder_id) == (None, None)


def test_the_pull_request_shows_it(rows: Rows) -> None:
    rows.pool(free=1)
    thread = rows.thread(7)
    rows.assign(rows.holder(7))
    rows.forget_tasks()
    rows.unassign(rows.holder(7))
    assert [task.payload for task in rows.pending("refresh")] == [{"thread_id": thread.id}]


def test_a_holder_without_an_environment_gives_nothing_back_twice(rows: Rows) -> None:
    """Whoever holds the assignment ends it; the second finds none."""
    rows.pool(free=2)
    rows.assign(rows.holder(1))
    with rows.transaction() as session:
        held = find_or_refuse(session, rows.holder(1), now=rows.clock())
        unassign(session, held, ACTOR, now=rows.clock())
    with pytest.raises(Exception, match="No active assignment for pr-1 in acme/shop"):
        rows.unassign(rows.holder(1))
    assert len(rows.audit("assignment.ended")) == 1
