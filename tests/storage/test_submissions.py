"""Submissions are found by an index however many have ended, and removed when they are old."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from storage import submissions
from storage.database import Database, new_id
from storage.submissions import Sight, Submission
from storage.tasks import TaskState
from tests.provider import Clock

MANY = 5000
EVERYTHING = Sight(None, None)


@pytest.fixture
def full(database: Database, clock: Clock) -> Database:
    """Very many have ended, one every half minute, and the last one is pending."""
    rows = [row(clock(), number) for number in range(MANY)]
    rows[-1] |= {"status": TaskState.PENDING, "finished_at": None}
    with database.transaction() as session:
        session.execute(insert(Submission), rows)
    with database.transaction() as session:
        session.execute(text("ANALYZE submissions"))
    return database


def row(now: datetime, number: int) -> dict[str, Any]:
    at = now - timedelta(seconds=30 * (MANY - number))
    return {
        "id": new_id(), "type": "listAssignedReviewEnvironments", "data": {}, "sees": None, "result": None,
        "recurrence": None, "repository": "acme/rare" if number % 100 == 0 else "acme/shop", "submitted_by": "ci",
        "submitter_id": "another" if number % 1000 == 0 else "a token", "submitter_role": "application",
        "queue": "batch", "lock_seconds": 300.0, "max_attempts": 1, "backoff_seconds": 0.0, "backoff_doubles": False,
        "attempts": 1, "status": TaskState.COMPLETED, "run_at": at, "ticket_is_own": False, "executions": 0,
        "created_at": at, "finished_at": at,
    }  # fmt: skip


def planned(database: Database, **given: Any) -> tuple[int, str]:
    """How many a page has, and how the database finds it."""
    asked: list[tuple[str, Any]] = []

    def ask(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    how = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    with database.reading() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", ask)
        found = submissions.page(session, EVERYTHING, **{"limit": 50, **given})
        event.remove(connection, "before_cursor_execute", ask)
        [(statement, values)] = asked
        plan = connection.exec_driver_sql(f"{how} {statement}", values)
        return len(found), "\n".join(str(line) for line in plan)


@pytest.mark.parametrize(
    ("given", "number"),
    [({}, 50), ({"status": "completed"}, 50), ({"status": "pending"}, 1), ({"repository": "acme/RARE"}, 50)],
)
def test_a_page_is_read_from_an_index_in_its_order(full: Database, given: dict[str, str], number: int) -> None:
    found, plan = planned(full, **given)
    assert found == number
    assert not any(slow in plan for slow in ("TEMP B-TREE", "Sort", "Seq Scan")), plan


def test_so_is_one_far_back(full: Database) -> None:
    with full.reading() as session:
        [*_, last] = submissions.page(session, EVERYTHING, limit=MANY - 10)
    found, plan = planned(full, before=last.id)
    assert found == 10
    assert not any(slow in plan for slow in ("TEMP B-TREE", "Sort", "Seq Scan")), plan


def test_everybody_sees_their_own_and_those_of_their_repositories(full: Database) -> None:
    with full.reading() as session:
        rare = submissions.page(session, Sight("nobody", {"acme/rare"}), limit=1000)
        mine = submissions.page(session, Sight("another", set()), limit=1000)
        both = submissions.page(session, Sight("another", {"acme/rare"}), limit=1000)
    assert (len(rare), len(mine), len(both)) == (50, 5, 50)
    assert {each.repository for each in rare} == {"acme/rare"}
    assert Sight("another", set()).covers(mine[0])
    assert not Sight("nobody", {"acme/shop"}).covers(mine[0])


def test_what_ended_long_ago_is_removed_in_batches_and_what_lives_is_kept(full: Database, clock: Clock) -> None:
    def remove(limit: int) -> int:
        with full.transaction() as session:
            return submissions.remove_finished(session, before=clock(), limit=limit)

    assert [remove(3000) for _ in range(3)] == [3000, MANY - 3001, 0]
    with full.reading() as session:
        assert [left.status for left in submissions.page(session, EVERYTHING, limit=10)] == [TaskState.PENDING]
