"""Reconcile with the provider, age, then fill up to the quota (contract 11.1)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from operations.close import close
from operations.replenish import Filled, Observed, Reconciled, age, fill, reconcile
from storage import environments, pools
from storage.database import StoreUnavailable
from storage.environments import Environment, EnvironmentState
from storage.pools import Pool
from tests.at_once import at_once, beside
from tests.operations.rows import ACTOR, Rows

LONG_AGO = timedelta(days=300)
READY, FAILED, CREATING, DELETING = Observed.READY, Observed.FAILED, Observed.CREATING, Observed.DELETING


def reconciled(rows: Rows, pool: Pool, **inventory: Observed) -> Reconciled:
    with rows.transaction() as session:
        return reconcile(session, pools.get(session, pool.id), inventory, now=rows.clock())


def aged(rows: Rows, pool: Pool) -> list[str]:
    with rows.transaction() as session:
        return age(session, pools.get(session, pool.id), now=rows.clock())


def filled(rows: Rows, pool: Pool) -> Filled:
    with rows.transaction() as session:
        return fill(session, pool, now=rows.clock())


def driven(rows: Rows) -> list[str]:
    """The names of the environments that a task has to do something about."""
    with rows.database.reading() as session:
        return [session.get_one(Environment, t.payload["environment_id"]).name for t in rows.pending("provision")]


def old(rows: Rows, **values: Any) -> dict[str, Any]:
    return {"created_at": rows.clock() - LONG_AGO, "ready_at": rows.clock() - LONG_AGO, **values}


# Reconcile


@pytest.mark.parametrize("state", ["AVAILABLE", "EXPIRED"])
def test_what_the_listing_lacks_is_not_offered_any_more(rows: Rows, state: str) -> None:
    pool = rows.pool()
    rows.environment(pool, "here", state, **old(rows))
    rows.environment(pool, "gone", state, **old(rows))
    assert reconciled(rows, pool, here=READY).changed == ["gone"]
    gone = rows.named("gone")
    assert (gone.state, gone.last_error, gone.failed_at) == ("ERROR", "Not found at the provider", rows.clock())
    assert rows.named("here").state == state
    assert [row.details["environment"] for row in rows.audit("environment.failed")] == ["gone"]


@pytest.mark.parametrize("state", ["AVAILABLE", "EXPIRED"])
def test_what_was_made_since_the_listing_is_not_missing(rows: Rows, state: str) -> None:
    """A listing is taken before the transaction, and some providers list what is new only after a while."""
    pool = rows.pool()
    rows.environment(pool, "new", state, ready_at=rows.clock())
    assert reconciled(rows, pool).changed == []
    rows.clock.advance(minutes=5)
    assert reconciled(rows, pool).changed == []
    rows.clock.advance(seconds=1)
    assert reconciled(rows, pool).changed == ["new"]


def test_a_held_one_that_is_missing_stays_with_its_holder_and_says_so(rows: Rows) -> None:
    pool = rows.pool(free=1)
    rows.assign(rows.holder())
    assert reconciled(rows, pool).changed == ["core0"]
    held = rows.named("core0")
    assert (held.state, held.last_error) == ("ASSIGNED", "Not found at the provider")
    assert reconciled(rows, pool).changed == []


def test_an_available_one_that_failed_is_not_offered_any_more(rows: Rows) -> None:
    pool = rows.pool(free=1)
    assert reconciled(rows, pool, core0=FAILED).changed == ["core0"]
    assert (rows.named("core0").state, rows.named("core0").last_error) == ("ERROR", "The provider reports it as failed")


def test_what_is_in_motion_goes_on(rows: Rows) -> None:
    pool = rows.pool()
    for state in environments.IN_MOTION:
        rows.environment(pool, state, state)
    assert reconciled(rows, pool).changed == []
    assert sorted(driven(rows)) == sorted(environments.IN_MOTION)


@pytest.mark.parametrize("state", ["PROVISIONING", "REFRESHING"])
@pytest.mark.parametrize(("average", "minutes"), [(10, 40), (None, 180)])
def test_what_takes_four_times_too_long_has_failed(
    rows: Rows, state: str, average: float | None, minutes: float
) -> None:
    pool = rows.pool(average_creation_minutes=average)
    rows.environment(pool, "stuck", state, requested_at=rows.clock())
    rows.environment(pool, "never-asked", state)
    rows.clock.advance(minutes=minutes)
    assert reconciled(rows, pool, stuck=CREATING).changed == []
    rows.clock.advance(seconds=1)
    assert reconciled(rows, pool, stuck=CREATING).changed == ["stuck"]
    stuck = rows.named("stuck")
    assert (stuck.state, stuck.last_error) == ("ERROR", "Not ready after 4 times the average")


def test_a_deletion_is_never_stuck(rows: Rows) -> None:
    pool = rows.pool(average_creation_minutes=1)
    rows.environment(pool, "slow", "DELETING", requested_at=rows.clock())
    rows.clock.advance(days=3)
    assert reconciled(rows, pool, slow=DELETING).changed == []


def test_the_login_check_of_a_failed_one_is_repeated_each_run(rows: Rows) -> None:
    pool = rows.pool()
    for name in ("ready", "failed", "creating"):
        rows.environment(pool, name, "ERROR", failed_at=rows.clock())
    assert reconciled(rows, pool, ready=READY, failed=FAILED, creating=CREATING).changed == []
    assert driven(rows) == ["ready"]


def test_a_failed_one_is_believed_gone_after_five_minutes(rows: Rows) -> None:
    pool = rows.pool()
    rows.environment(pool, "gone", "ERROR", failed_at=rows.clock())
    rows.clock.advance(minutes=5)
    assert reconciled(rows, pool).changed == []
    rows.clock.advance(seconds=1)
    rows.forget_tasks()
    assert reconciled(rows, pool).changed == ["gone"]
    gone = rows.named("gone")
    assert (gone.state, gone.archived_at, gone.credentials) == ("ARCHIVED", rows.clock(), None)
    assert len(rows.pending("replenish")) == 1
    assert rows.counts(pool).total == 0


def test_what_is_there_and_was_never_ours_is_reported(rows: Rows) -> None:
    pool, other = rows.pool(free=1), rows.pool("other")
    rows.environment(other, "theirs")
    rows.environment(pool, "former", "ARCHIVED")
    found = reconciled(rows, pool, core0=READY, theirs=READY, former=READY, stray=READY, lost=CREATING)
    assert found.orphans == ["lost", "stray"]


def test_a_pool_hands_out_while_it_is_reconciled_and_aged(rows: Rows) -> None:
    pool = rows.pool(free=2)
    rows.environment(pool, "gone", **old(rows))
    with rows.transaction() as session:
        locked = pools.lock(session, pool.id)
        reconcile(session, locked, {"core0": READY, "core1": READY}, now=rows.clock())
        age(session, locked, now=rows.clock())
        asking = beside(rows.database, lambda: rows.assign(rows.holder()))
    assert asking.result(10).environment.name == "core0"


def test_what_is_handed_out_at_this_moment_is_left_to_the_next_run(rows: Rows) -> None:
    pool = rows.pool()
    rows.environment(pool, "gone", **old(rows))
    with rows.transaction() as session:
        environments.claim_available(session, pool.id, now=rows.clock())
        reconciling = beside(rows.database, lambda: reconciled(rows, pool))
    reconciling.result(10)
    assert rows.named("gone").state == "ASSIGNED"


# Age


def test_what_waited_too_long_is_expired(rows: Rows) -> None:
    pool = rows.pool(days_to_keep_available=30, strategy="NOTIFY_ONLY")
    rows.environment(pool, "old", available_at=rows.clock())
    rows.clock.advance(days=30)
    rows.environment(pool, "young")
    assert aged(rows, pool) == []
    rows.clock.advance(seconds=1)
    assert aged(rows, pool) == ["old"]
    environment = rows.named("old")
    assert (environment.state, environment.expired_at) == ("EXPIRED", rows.clock())
    [row] = rows.audit("environment.expired")
    assert row.details == {"environment": "old", "fence": environment.fence}


@pytest.mark.parametrize(
    ("strategy", "state", "flagged"),
    [
        ("AUTO_REFRESH_EXPIRED", "REFRESHING", False),
        ("DELETE_EXPIRED", "DELETING", False),
        ("FLAG_EXPIRED", "EXPIRED", True),
        ("NOTIFY_ONLY", "EXPIRED", False),
    ],
)
def test_the_strategy_decides_what_becomes_of_the_expired(rows: Rows, strategy: str, state: str, flagged: bool) -> None:
    pool = rows.pool(strategy=strategy)
    rows.environment(pool, "old", "EXPIRED", fence=4)
    changed = aged(rows, pool)
    environment = rows.named("old")
    assert (environment.state, environment.flagged) == (state, flagged)
    assert environment.fence == 5 if changed else 4
    assert driven(rows) == (["old"] if state in environments.IN_MOTION else [])
    assert (environment.credentials is None) is (state == "REFRESHING")
    assert len(changed) == (0 if strategy == "NOTIFY_ONLY" else 1)


def test_it_is_flagged_once(rows: Rows) -> None:
    pool = rows.pool(strategy="FLAG_EXPIRED")
    rows.environment(pool, "old", "EXPIRED")
    for _ in range(2):
        aged(rows, pool)
    assert len(rows.audit("environment.flagged")) == 1


@pytest.mark.parametrize("strategy", ["AUTO_REFRESH_EXPIRED", "DELETE_EXPIRED"])
def test_what_is_too_young_to_be_removed_waits(rows: Rows, strategy: str) -> None:
    pool = rows.pool(strategy=strategy)
    rows.environment(pool, "young", "EXPIRED", deletion_eligible_at=rows.clock() + timedelta(hours=1))
    assert aged(rows, pool) == []
    rows.clock.advance(hours=1)
    assert aged(rows, pool) == ["young"]


@pytest.mark.parametrize(
    ("strategy", "goes"),
    [("AUTO_REFRESH_EXPIRED", True), ("DELETE_EXPIRED", True), ("FLAG_EXPIRED", False), ("NOTIFY_ONLY", False)],
)
def test_what_is_in_error_for_a_day_is_deleted(rows: Rows, strategy: str, goes: bool) -> None:
    pool = rows.pool(strategy=strategy)
    rows.environment(pool, "broken", "ERROR", failed_at=rows.clock())
    rows.clock.advance(hours=24)
    assert aged(rows, pool) == []
    rows.clock.advance(seconds=1)
    assert aged(rows, pool) == (["broken"] if goes else [])
    assert rows.named("broken").state == ("DELETING" if goes else "ERROR")


def closed_and_expired(rows: Rows) -> None:
    with rows.transaction() as session:
        close(session, rows.holder(1), ACTOR, now=rows.clock(), returned=False)


@pytest.mark.parametrize("strategy", ["AUTO_REFRESH_EXPIRED", "DELETE_EXPIRED", "FLAG_EXPIRED"])
def test_what_may_be_taken_back_is_spared(rows: Rows, strategy: str) -> None:
    pool = rows.pool(free=1, strategy=strategy)
    rows.assign(rows.holder(1))
    closed_and_expired(rows)
    rows.clock.advance(minutes=29, seconds=59)
    assert aged(rows, pool) == []
    rows.clock.advance(seconds=1)
    assert aged(rows, pool) == ["core0"]


def test_it_is_not_spared_while_somebody_waits(rows: Rows) -> None:
    pool = rows.pool(free=1)
    rows.assign(rows.holder(1))
    closed_and_expired(rows)
    rows.join(rows.holder(2))
    assert aged(rows, pool) == ["core0"]


@pytest.mark.parametrize(("maximum", "spared"), [(1, False), (2, True)])
def test_it_is_not_spared_where_the_maximum_leaves_no_room_for_the_quota(
    rows: Rows, maximum: int, spared: bool
) -> None:
    pool = rows.pool(free=1, min_available=1, max_total=maximum)
    rows.assign(rows.holder(1))
    closed_and_expired(rows)
    assert (aged(rows, pool) == []) is spared


def test_age_leaves_everything_else_alone(rows: Rows) -> None:
    pool = rows.pool()
    others = set(EnvironmentState) - {EnvironmentState.AVAILABLE, EnvironmentState.EXPIRED, EnvironmentState.ERROR}
    for state in others:
        rows.environment(pool, state, state, **old(rows, available_at=rows.clock() - LONG_AGO))
    assert aged(rows, pool) == []


# Fill


@pytest.mark.parametrize(
    ("available", "provisioning", "assigned", "waiting", "minimum", "maximum", "wanted"),
    [
        (0, 0, 0, 0, 3, 10, 3),
        (1, 4, 0, 0, 5, 10, 0),  # the published example: 5 - 1 - 4
        (1, 1, 0, 0, 5, 10, 3),
        (3, 0, 0, 0, 3, 10, 0),
        (5, 0, 0, 0, 3, 10, 0),
        (0, 0, 4, 0, 3, 5, 1),  # assigned ones are no spare capacity, but they count to the maximum
        (0, 0, 5, 0, 3, 5, 0),
        (0, 0, 2, 2, 1, 10, 3),
        (2, 0, 0, 2, 1, 10, 1),
        (0, 0, 0, 4, 0, 3, 3),
        (0, 0, 0, 0, 0, 5, 0),
    ],
)
def test_the_quota(
    rows: Rows, available: int, provisioning: int, assigned: int, waiting: int, minimum: int, maximum: int, wanted: int
) -> None:
    pool = rows.pool(min_available=minimum, max_total=maximum)
    for state, number in (("AVAILABLE", available), ("PROVISIONING", provisioning), ("ASSIGNED", assigned)):
        for index in range(number):
            rows.environment(pool, f"{state}{index}", state)
    for number in range(waiting):
        rows.join(rows.holder(number))
    made = filled(rows, pool)
    assert (made.available, made.provisioning, made.wanted, len(made.names)) == (
        available, provisioning, wanted, wanted
    )  # fmt: skip
    assert rows.counts(pool).total == available + provisioning + assigned + wanted
    assert filled(rows, pool).wanted == 0


def test_everything_that_uses_up_the_allowance_counts_to_the_maximum(rows: Rows) -> None:
    counted = [state for state in EnvironmentState if state is not EnvironmentState.ARCHIVED]
    pool = rows.pool(min_available=5, max_total=len(counted) + 2)
    for state in counted:
        rows.environment(pool, state, state)
    rows.environment(pool, "tombstone", "DELETING", tombstone=True)
    rows.environment(pool, "history", "ARCHIVED")
    assert filled(rows, pool).wanted == 1
    assert rows.counts(pool).total == rows.reload(pool).max_total


def test_nothing_is_removed_where_the_maximum_was_lowered(rows: Rows) -> None:
    pool = rows.pool(free=3, min_available=2, max_total=2)
    assert filled(rows, pool) == Filled(available=3, provisioning=0, error=0, wanted=0, names=[])


@pytest.mark.parametrize("values", [{"is_active": False}, {"deleted_at": timedelta()}])
def test_a_pool_that_is_inactive_or_deleted_is_not_filled(rows: Rows, values: dict[str, Any]) -> None:
    if "deleted_at" in values:
        values = {"deleted_at": rows.clock()}
    assert filled(rows, rows.pool(min_available=3, **values)).wanted == 0


def test_the_rows_of_new_ones_are_there_each_with_a_task(rows: Rows) -> None:
    pool = rows.pool(min_available=2, sandbox_definition={"sandboxName": ["DEV-x"]})
    made = filled(rows, pool)
    for name in made.names:
        environment = rows.named(name)
        assert name.startswith("dev")
        assert (environment.state, environment.fence, environment.requested_at) == ("PROVISIONING", 1, None)
    assert sorted(driven(rows)) == sorted(made.names)
    assert rows.reload(pool).last_provisioned_at == rows.clock()
    created = [row.details for row in rows.audit("environment.created")]
    assert created == [{"environment": name, "pool": "core", "fence": 1} for name in made.names]


@pytest.mark.parametrize(("tag", "prefix"), [("core_dev", "cor"), ("-_", "env"), ("x", "x")])
def test_without_a_name_in_the_definition_the_tag_is_the_prefix(rows: Rows, tag: str, prefix: str) -> None:
    [name] = filled(rows, rows.pool(tag, min_available=1)).names
    assert (name[: len(prefix)], len(name)) == (prefix, len(prefix) + 7)


def test_two_runs_at_once_fill_the_gap_once(rows: Rows) -> None:
    pool = rows.pool(min_available=3, max_total=10)
    with rows.transaction() as session:
        first = fill(session, pool, now=rows.clock())
        second = beside(rows.database, lambda: filled(rows, pool))
    assert (first.wanted, second.result(10).wanted) == (3, 0)
    assert rows.counts(pool).total == 3


def test_many_runs_beside_much_coming_and_going_never_exceed_the_maximum(rows: Rows) -> None:
    pool = rows.pool(min_available=2, max_total=6)

    def run(number: int) -> None:
        for _ in range(4):
            try:
                filled(rows, pool)
                rows.join(rows.holder(number))
                assert rows.counts(pool).total <= 6
            except StoreUnavailable:  # somebody has to lose a deadlock
                continue

    at_once([partial(run, number) for number in range(4)])
    assert rows.counts(pool).total == 6
