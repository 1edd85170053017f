"""The same environment under another key (contract R5, semantics 7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from operations.acquire import acquire
from operations.errors import SameAssignment, TargetAlreadyAssigned
from operations.find import find_or_refuse
from operations.transition import transition
from storage.assignments import Assignment, Holder
from tests.at_once import at_once, beside
from tests.operations.rows import ACTOR, Rows


def moved(rows: Rows, source: Holder, target: Holder, **extra: Any) -> Assignment:
    with rows.transaction() as session:
        found = find_or_refuse(session, source, now=rows.clock())
        return transition(session, found, target, extra, ACTOR, now=rows.clock())


def test_the_environment_is_the_targets(rows: Rows) -> None:
    rows.pool(free=1)
    got = rows.assign(rows.holder(1, domain="sales"), hours=10, extra={"title": "Cart"})
    with rows.transaction() as session:
        held = find_or_refuse(session, rows.holder(1, domain="sales"), now=rows.clock())
        acquire(session, held, "ci", timedelta(minutes=5), ACTOR, now=rows.clock())
    moved(rows, rows.holder(1), rows.holder(9, "issue"), reason="PR merged")
    after = rows.assignment(got.assignment.id)
    assert after.holder == rows.holder(9, "issue", "sales")
    assert (after.environment_id, after.fence, after.status) == (got.environment.id, got.assignment.fence, "active")
    assert (after.expires_at, after.used_by, after.version) == (got.assignment.expires_at, "ci", 3)
    previous = {"type": "pr", "id": "1"}
    assert after.extra == {"issueNumber": 9, "previousAssignment": previous, "reason": "PR merged"}
    assert rows.named("core0").state == "ASSIGNED"
    assert [row.details for row in rows.audit("assignment.transitioned")] == [{"source": "pr-1", "target": "issue-9"}]


def test_both_sides_show_it(rows: Rows) -> None:
    rows.pool(free=1)
    threads = {rows.thread(1).id, rows.thread(9, "issue").id}
    rows.assign(rows.holder(1))
    rows.forget_tasks()
    moved(rows, rows.holder(1), rows.holder(9, "issue"))
    assert {task.payload["thread_id"] for task in rows.pending("refresh")} == threads


def test_to_itself_is_refused(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(1))
    with pytest.raises(SameAssignment, match=r"^Source and target assignment are the same$") as refused:
        moved(rows, rows.holder(1), rows.holder(1))
    assert refused.value.code == "SAME_ASSIGNMENT"


def test_to_one_that_has_an_environment_is_refused(rows: Rows) -> None:
    rows.pool(free=2)
    rows.assign(rows.holder(1))
    rows.assign(rows.holder(9, "issue"))
    with pytest.raises(TargetAlreadyAssigned) as refused:
        moved(rows, rows.holder(1), rows.holder(9, "issue"))
    assert refused.value.code == "TARGET_ALREADY_ASSIGNED"
    assert refused.value.message == "issue-9 already has environment core1"
    assert refused.value.details == {"sandboxName": "core1"}
    assert rows.held_by(rows.holder(1)) is not None


def test_what_the_target_has_in_another_domain_is_not_in_the_way(rows: Rows) -> None:
    rows.pool(free=2)
    rows.assign(rows.holder(1))
    rows.assign(rows.holder(9, "issue", "sales"))
    assert moved(rows, rows.holder(1), rows.holder(9, "issue")).domain == ""


def test_what_the_target_has_past_its_end_is_expired_first(rows: Rows) -> None:
    rows.pool(free=2)
    rows.assign(rows.holder(1))
    lapsed = rows.assign(rows.holder(2), hours=1)
    rows.clock.advance(hours=1)
    moved(rows, rows.holder(1), rows.holder(2))
    assert rows.assignment(lapsed.assignment.id).status == "expired"
    held = rows.held_by(rows.holder(2))
    assert held is not None
    assert held.environment_id == rows.named("core0").id


def test_of_two_transitions_to_one_target_the_second_is_refused(rows: Rows) -> None:
    rows.pool(free=2)
    for number in (1, 2):
        rows.assign(rows.holder(number))

    def move(number: int) -> str:
        try:
            moved(rows, rows.holder(number), rows.holder(9, "issue"))
        except TargetAlreadyAssigned as refused:
            return refused.code
        return "moved"

    assert sorted(at_once([lambda: move(1), lambda: move(2)])) == ["TARGET_ALREADY_ASSIGNED", "moved"]


def test_a_target_that_is_just_given_one_is_refused(rows: Rows) -> None:
    rows.pool(free=2)
    rows.assign(rows.holder(1))
    with rows.transaction() as session:
        source = find_or_refuse(session, rows.holder(1), now=rows.clock())
        transition(session, source, rows.holder(9, "issue"), {}, ACTOR, now=rows.clock())
        assigning = beside(rows.database, lambda: rows.assign(rows.holder(9, "issue")))
    assert assigning.result(10).is_reused
    assert rows.named("core1").state == "AVAILABLE"


def test_back_and_forth_each_says_where_it_came_from(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(1))
    moved(rows, rows.holder(1), rows.holder(9, "issue"))
    back = moved(rows, rows.holder(9, "issue"), rows.holder(1))
    assert back.extra == {"prNumber": 1, "previousAssignment": {"type": "issue", "id": "9"}}
