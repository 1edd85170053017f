"""One environment goes for good, as far as its provider lets it (contract P16, 11.2)."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from operations.acquire import acquire
from operations.delete import Deletion, accepted, delete, refused
from operations.end import EndReason
from operations.errors import (
    AssignmentNotFound,
    EnvironmentInUse,
    InstanceNotFound,
    PoolExhausted,
    SandboxImmortal,
    SandboxTooYoung,
)
from storage import environments
from storage.assignments import Assignment
from storage.environments import Environment
from storage.pools import Pool
from tests.at_once import at_once
from tests.operations.rows import ACTOR, Rows

WHY = "Not now"


def intended(rows: Rows, name: str, **how: Any) -> Deletion:
    with rows.transaction() as session:
        return delete(session, rows.named(name), ACTOR, now=rows.clock(), **how)


def was_accepted(rows: Rows, deletion: Deletion, *, gone: bool = True) -> None:
    with rows.transaction() as session:
        accepted(session, deletion, ACTOR, gone=gone, now=rows.clock())


def was_refused(rows: Rows, deletion: Deletion, *, minutes: int | None = None) -> None:
    eligible_at = None if minutes is None else rows.clock() + timedelta(minutes=minutes)
    with rows.transaction() as session:
        refused(session, deletion, WHY, eligible_at, now=rows.clock())


def driven(rows: Rows) -> list[tuple[str, int]]:
    """The environments that a task will look after, and in how many minutes."""
    with rows.database.reading() as session:
        return [
            (session.get_one(Environment, t.payload["environment_id"]).name, (t.run_at - rows.clock()).seconds // 60)
            for t in rows.pending("provision")
        ]


@pytest.fixture
def pool(rows: Rows) -> Pool:
    """With one environment, core0."""
    made = rows.pool(free=1)
    rows.forget_tasks()
    return made


@pytest.mark.usefixtures("pool")
def test_nobody_is_given_what_is_being_deleted(rows: Rows) -> None:
    deletion = intended(rows, "core0")
    assert (deletion.previous, deletion.fence) == ("AVAILABLE", rows.named("core0").fence)
    with pytest.raises(PoolExhausted):
        rows.assign(rows.holder())


@pytest.mark.usefixtures("pool")
def test_the_holder_keeps_it_until_the_provider_has_accepted(rows: Rows) -> None:
    given = rows.assign(rows.holder())
    deletion = intended(rows, "core0")
    assert deletion.fence > given.environment.fence
    assert rows.held_by(rows.holder()) is not None
    was_accepted(rows, deletion)
    former = rows.assignment(given.assignment.id)
    assert (former.status, former.end_reason) == ("released", "deleted")
    assert (rows.named("core0").state, rows.named("core0").credentials) == ("ARCHIVED", None)


@pytest.mark.usefixtures("pool")
def test_what_is_forced_leaves_its_holder_at_once(rows: Rows) -> None:
    rows.assign(rows.holder(), is_immortal=True)
    deletion = intended(rows, "core0", force=True, reason=EndReason.LOST)
    assert (deletion.is_forced, deletion.is_immortal) == (True, True)
    assert rows.held_by(rows.holder()) is None
    assert (rows.named("core0").state, rows.named("core0").tombstone) == ("DELETING", True)


def test_a_deletion_that_has_begun_is_looked_after(rows: Rows, pool: Pool) -> None:
    was_accepted(rows, intended(rows, "core0"), gone=False)
    deleting = rows.named("core0")
    assert (deleting.state, deleting.requested_at) == ("DELETING", rows.clock())
    assert driven(rows) == [("core0", 0)]
    assert [task.payload for task in rows.pending("replenish")] == [{"pool_id": pool.id}]


@pytest.mark.parametrize("state", ["AVAILABLE", "EXPIRED", "PROVISIONING", "REFRESHING"])
def test_after_a_refusal_it_is_as_it_was(rows: Rows, pool: Pool, state: str) -> None:
    rows.environment(pool, "other", state)
    was_refused(rows, intended(rows, "other"))
    other = rows.named("other")
    assert (other.state, other.tombstone) == (state, False)
    assert driven(rows) == ([("other", 0)] if state in ("PROVISIONING", "REFRESHING") else [])
    assert rows.audit("environment.deletion_refused")[0].details["error"] == WHY


@pytest.mark.usefixtures("pool")
def test_after_a_refusal_its_holder_still_has_it(rows: Rows) -> None:
    given = rows.assign(rows.holder())
    was_refused(rows, intended(rows, "core0"))
    held = rows.held_by(rows.holder())
    assert held is not None
    assert (held.id, rows.named("core0").state) == (given.assignment.id, "ASSIGNED")


def test_a_refused_force_is_a_tombstone_until_the_provider_will_do_it(rows: Rows, pool: Pool) -> None:
    was_refused(rows, intended(rows, "core0", force=True), minutes=20)
    tombstone = rows.named("core0")
    assert (tombstone.state, tombstone.tombstone, tombstone.last_error) == ("DELETING", True, WHY)
    assert tombstone.deletion_eligible_at == rows.clock() + timedelta(minutes=20)
    assert driven(rows) == [("core0", 20)]
    assert (rows.counts(pool).total, rows.counts(pool).deleting) == (1, 1)
    assert rows.pending("replenish")


def test_in_error_it_is_forced_in_any_case(rows: Rows, pool: Pool) -> None:
    rows.environment(pool, "broken", "ERROR", deletion_eligible_at=rows.clock() + timedelta(hours=1))
    assert intended(rows, "broken").is_forced


@pytest.mark.usefixtures("pool")
def test_whoever_got_it_meanwhile_loses_it_too(rows: Rows) -> None:
    """The provider has accepted: that is a fact, whatever has happened to the row since it was asked."""
    rows.assign(rows.holder(1))
    deletion = intended(rows, "core0")
    rows.unassign(rows.holder(1), returned=True)
    second = rows.assign(rows.holder(2))
    was_accepted(rows, deletion, gone=False)
    assert rows.assignment(second.assignment.id).end_reason == "deleted"
    assert rows.named("core0").state == "DELETING"


@pytest.mark.usefixtures("pool")
def test_a_refusal_that_comes_late_changes_nothing(rows: Rows) -> None:
    deletion = intended(rows, "core0")
    was_accepted(rows, deletion)
    was_refused(rows, deletion)
    was_accepted(rows, deletion, gone=False)
    assert rows.named("core0").state == "ARCHIVED"
    with pytest.raises(InstanceNotFound, match=r"^Sandbox core0 not found in pool core$"):
        intended(rows, "core0")


@pytest.mark.usefixtures("pool")
def test_what_is_left_half_done_is_found(rows: Rows) -> None:
    """The process was killed after it had said what it would do."""
    intended(rows, "core0")
    with rows.database.reading() as session:
        assert [row.name for row in environments.in_motion_without_task(session)] == ["core0"]


def test_the_first_reason_that_applies_is_told(rows: Rows, pool: Pool) -> None:
    eligible_at = rows.clock() + timedelta(hours=1)
    rows.environment(pool, "young", available_at=rows.clock() - timedelta(days=1), deletion_eligible_at=eligible_at)
    given = rows.assign(rows.holder(), is_immortal=True).assignment
    with rows.transaction() as session:
        acquire(session, session.get_one(Assignment, given.id), "ci", timedelta(hours=3), ACTOR, now=rows.clock())
    with pytest.raises(SandboxTooYoung):
        intended(rows, "young")
    rows.clock.advance(hours=1)
    with pytest.raises(SandboxImmortal):
        intended(rows, "young")
    with rows.transaction() as session:
        session.get_one(Assignment, given.id).expires_at = rows.clock() + timedelta(hours=1)
    with pytest.raises(EnvironmentInUse):
        intended(rows, "young")
    rows.clock.advance(hours=2)
    assert intended(rows, "young").previous == "ASSIGNED"


@pytest.mark.usefixtures("pool")
def test_giving_back_and_deleting_at_once_do_not_stand_in_each_others_way(rows: Rows) -> None:
    rows.assign(rows.holder())
    deletion = intended(rows, "core0")

    def give_back() -> None:
        with suppress(AssignmentNotFound):  # the other was first
            rows.unassign(rows.holder(), returned=True)

    at_once([give_back, lambda: was_accepted(rows, deletion)])
    assert rows.named("core0").state == "ARCHIVED"
    assert rows.held_by(rows.holder()) is None
