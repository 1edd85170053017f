"""A pull request or issue that is over holds nothing and waits for nothing (rule I6)."""

from __future__ import annotations

import pytest

from operations.close import close
from operations.end import EndReason
from tests.at_once import at_once
from tests.operations.rows import ACTOR, Rows


@pytest.mark.parametrize(
    ("returns", "state", "status"), [(True, "AVAILABLE", "released"), (False, "EXPIRED", "expired")]
)
def test_its_environment_goes_the_way_of_the_pool(rows: Rows, returns: bool, state: str, status: str) -> None:
    rows.pool(free=1, return_on_unassign=returns)
    rows.assign(rows.holder(1))
    [given] = rows.close(rows.holder(1))
    assert (given.environment.state, given.assignment.status, given.assignment.end_reason) == (state, status, "closed")
    assert rows.held_by(rows.holder(1)) is None


def test_it_gives_up_every_domain(rows: Rows) -> None:
    pool = rows.pool(free=2)
    rows.pool("other")
    for domain in ("", "sales"):
        rows.assign(rows.holder(1, domain=domain))
    for domain in ("hr", "it"):
        rows.join(rows.holder(1, domain=domain), "other")
    given = rows.close(rows.holder(1, domain="whichever"))
    assert [unassigned.assignment.domain for unassigned in given] == ["", "sales"]
    assert (rows.counts(pool).assigned, rows.counts(pool).available) == (0, 2)
    assert [row.details["reason"] for row in rows.audit("ticket.left")] == ["closed", "closed"]


def test_the_paused_leave_too(rows: Rows) -> None:
    rows.pool()
    ticket = rows.join(rows.holder(1))
    with rows.transaction() as session:
        session.merge(ticket).state = "paused"
    rows.close(rows.holder(1))
    assert rows.ticket(ticket.id).state == "left"


def test_others_keep_what_they_have(rows: Rows) -> None:
    pool = rows.pool(free=2)
    for holder in (rows.holder(1), rows.holder(1, "issue")):
        rows.assign(holder)
    rows.join(rows.holder(11))
    rows.close(rows.holder(1))
    assert rows.held_by(rows.holder(1, "issue")) is not None
    assert rows.counts(pool).waiting == 1


def test_closing_again_changes_nothing(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(1))
    assert len(rows.close(rows.holder(1))) == 1
    fence = rows.named("core0").fence
    assert rows.close(rows.holder(1)) == []
    assert rows.named("core0").fence == fence


def test_the_caller_may_say_why_and_where_it_goes(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(1))
    with rows.transaction() as session:
        close(session, rows.holder(1), ACTOR, now=rows.clock(), reason=EndReason.UNASSIGNED, returned=False)
    environment = rows.named("core0")
    assert (environment.state, environment.reattach_until) == ("EXPIRED", None)


def test_closed_twice_at_once_it_ends_once(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(1))
    ended = at_once([lambda: rows.close(rows.holder(1))] * 2)
    assert sorted(len(given) for given in ended) == [0, 1]
    assert len(rows.audit("assignment.ended")) == 1
