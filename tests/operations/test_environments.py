"""An environment's life beside its holders: each change of state, its fence, and who hears of it (contract 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from operations import environments as life
from operations.environments import Facts
from storage import environments
from storage.environments import Environment
from tests.operations.rows import Rows

Change = Callable[..., None]

HELD = {"last_holder_type": "pr", "last_holder_id": "1", "last_holder_domain": ""}


def changed(rows: Rows, name: str, change: Change, *given: Any) -> Environment:
    with rows.transaction() as session:
        environment = environments.lock(session, rows.named(name).id)
        change(session, environment, *given, now=rows.clock())
    return rows.named(name)


def facts(rows: Rows) -> Facts:
    return Facts(b"new", "p1", "https://a.example", "https://a.example/login", "00D1", rows.clock() + timedelta(days=1))


def test_made_it_is_available_with_what_the_provider_says(rows: Rows) -> None:
    rows.environment(rows.pool(), "a", "PROVISIONING", credentials=None, available_at=None, requested_at=rows.clock())
    rows.clock.advance(minutes=7)
    after = changed(rows, "a", life.become_available, facts(rows))
    assert (after.state, after.available_at, after.ready_at) == ("AVAILABLE", rows.clock(), rows.clock())
    assert (after.credentials, after.provider_id, after.org_id) == (b"new", "p1", "00D1")
    assert (after.instance_url, after.login_url) == ("https://a.example", "https://a.example/login")
    assert after.deletion_eligible_at == rows.clock() + timedelta(days=1)
    assert (after.fence, after.requested_at) == (2, None)
    [row] = rows.audit("environment.available")
    assert row.details == {"environment": "a", "fence": 2}


@pytest.mark.parametrize("state", ["REFRESHING", "ERROR"])
def test_available_again_it_has_forgotten_what_was(rows: Rows, state: str) -> None:
    made_at = rows.clock()
    rows.environment(rows.pool(), "a", state, flagged=True, last_error="broken", failed_at=made_at, expired_at=made_at,
                     ready_at=made_at, reattach_until=made_at, **HELD)  # fmt: skip
    rows.clock.advance(minutes=7)
    after = changed(rows, "a", life.become_available, facts(rows))
    assert (after.state, after.available_at, after.ready_at) == ("AVAILABLE", rows.clock(), made_at)
    assert (after.flagged, after.last_error, after.failed_at, after.expired_at) == (False, None, None, None)
    assert (after.last_holder_id, after.reattach_until) == (None, None)


def test_available_it_goes_to_who_waits(rows: Rows) -> None:
    pool = rows.pool()
    rows.environment(pool, "a", "PROVISIONING")
    changed(rows, "a", life.become_available, facts(rows))
    assert rows.pending("serve") == []
    rows.join(rows.holder(1))
    rows.forget_tasks()
    rows.environment(pool, "b", "PROVISIONING")
    changed(rows, "b", life.become_available, facts(rows))
    assert [task.payload for task in rows.pending("serve")] == [{"pool_id": pool.id}]


def test_the_creation_time_is_learnt_from_the_fifth_on(rows: Rows) -> None:
    pool = rows.pool(average_creation_minutes=45)
    for number, minutes in enumerate((10, 2, 3, 4, 30)):
        assert rows.reload(pool).average_creation_minutes == 45
        begun = rows.clock() - timedelta(minutes=minutes)
        rows.environment(pool, f"e{number}", "PROVISIONING", created_at=begun)
        changed(rows, f"e{number}", life.become_available, facts(rows))
    assert rows.reload(pool).average_creation_minutes == 4
    rows.environment(pool, "again", "REFRESHING", created_at=rows.clock() - timedelta(days=1))
    changed(rows, "again", life.become_available, facts(rows))
    assert rows.reload(pool).average_creation_minutes == 4


def test_the_creation_time_is_at_least_a_minute(rows: Rows) -> None:
    pool = rows.pool()
    for number in range(5):
        rows.environment(pool, f"e{number}", "PROVISIONING")
        changed(rows, f"e{number}", life.become_available, facts(rows))
    assert rows.reload(pool).average_creation_minutes == 1


def test_failed_it_says_why_and_since_when(rows: Rows) -> None:
    rows.environment(rows.pool(), "a", "PROVISIONING")
    since = rows.clock()
    after = changed(rows, "a", life.fail, "The service said no")
    assert (after.state, after.last_error, after.failed_at) == ("ERROR", "The service said no", since)
    rows.clock.advance(hours=1)
    again = changed(rows, "a", life.fail, "Still no")
    assert (again.last_error, again.failed_at, again.fence) == ("Still no", since, 3)
    assert [row.details["error"] for row in rows.audit("environment.failed")] == ["The service said no", "Still no"]


@pytest.mark.parametrize(
    ("change", "state", "sealed", "action"),
    [
        (life.start_refresh, "REFRESHING", None, "environment.refreshing"),
        (life.start_deletion, "DELETING", b"sealed credentials", "environment.deleting"),
    ],
)
def test_what_the_provider_shall_do_gets_a_task(
    rows: Rows, change: Change, state: str, sealed: bytes | None, action: str
) -> None:
    rows.environment(rows.pool(), "a", "EXPIRED", requested_at=rows.clock(), reattach_until=rows.clock(), **HELD)
    after = changed(rows, "a", change)
    assert (after.state, after.fence, after.requested_at, after.credentials) == (state, 2, None, sealed)
    assert (after.last_holder_id, after.reattach_until) == (None, None)
    [task] = rows.pending("provision")
    assert (task.payload, task.serial_key) == ({"environment_id": after.id}, f"environment:{after.id}")
    assert len(rows.audit(action)) == 1


def test_driven_twice_it_has_one_task(rows: Rows) -> None:
    rows.environment(rows.pool(), "a", "DELETING")
    for _ in range(2):
        changed(rows, "a", life.drive)
    assert len(rows.pending("provision")) == 1


def test_a_call_that_was_accepted_is_not_made_again(rows: Rows) -> None:
    rows.environment(rows.pool(), "a", "PROVISIONING")
    after = changed(rows, "a", life.requested)
    assert (after.requested_at, after.fence) == (rows.clock(), 1)


def test_a_deletion_that_is_refused_is_tried_again(rows: Rows) -> None:
    rows.environment(rows.pool(), "a", "DELETING", requested_at=rows.clock())
    after = changed(rows, "a", life.deletion_refused, "Too young")
    assert (after.state, after.last_error, after.expired_at) == ("EXPIRED", "Too young", rows.clock())
    assert (after.fence, after.requested_at) == (2, None)
    assert [row.details["error"] for row in rows.audit("environment.deletion_refused")] == ["Too young"]


def test_a_tombstone_stays_one_when_it_is_refused(rows: Rows) -> None:
    rows.environment(rows.pool(), "a", "DELETING", tombstone=True, requested_at=rows.clock())
    after = changed(rows, "a", life.deletion_refused, "Too young")
    assert (after.state, after.last_error, after.requested_at, after.fence) == ("DELETING", "Too young", None, 1)


def test_gone_it_counts_no_more_and_makes_room(rows: Rows) -> None:
    pool = rows.pool()
    rows.environment(pool, "a", "DELETING", tombstone=True)
    after = changed(rows, "a", life.archive)
    assert (after.state, after.archived_at, after.credentials) == ("ARCHIVED", rows.clock(), None)
    assert rows.counts(pool).total == 0
    assert [task.payload for task in rows.pending("replenish")] == [{"pool_id": pool.id}]


def test_every_change_of_state_counts_the_fence_and_is_in_the_audit_log(rows: Rows) -> None:
    def refuse(session: Session, environment: Environment, **when: Any) -> None:
        life.deletion_refused(session, environment, "no", **when)

    def ready(session: Session, environment: Environment, **when: Any) -> None:
        life.become_available(session, environment, facts(rows), **when)

    rows.environment(rows.pool(), "a", "PROVISIONING")
    changes: list[Change] = [ready, life.start_refresh, ready, life.flag, life.start_deletion, refuse,
                             life.start_deletion, life.archive]  # fmt: skip
    for number, change in enumerate(changes):
        assert changed(rows, "a", change).fence == number + 2
    actions = ["available", "refreshing", "flagged", "deleting", "deletion_refused", "archived"]
    fences = [row.details["fence"] for action in actions for row in rows.audit(f"environment.{action}")]
    assert sorted(fences) == list(range(2, len(changes) + 2))
