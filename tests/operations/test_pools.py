"""Pools are made, changed and deleted (contract P2, P4, P5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from operations.acquire import acquire
from operations.assign import Wish, assign
from operations.errors import EnvironmentInUse, InvalidRequest, PoolExists, PoolNotFound
from operations.find import find_or_refuse
from operations.pools import create_pool, delete_pool, update_pool
from operations.times import iso
from operations.unassign import unassign
from storage import pools
from storage.environments import EnvironmentState
from storage.pools import Pool
from tests.at_once import beside
from tests.operations.rows import ACTOR, POOL, Rows


def updated(rows: Rows, pool: Pool, **changes: Any) -> Pool:
    with rows.transaction() as session:
        return update_pool(session, pools.get(session, pool.id), changes, ACTOR, now=rows.clock())


def deleted(rows: Rows, pool: Pool, *, if_unused: bool = False) -> None:
    with rows.transaction() as session:
        delete_pool(session, pools.get(session, pool.id), ACTOR, now=rows.clock(), if_unused=if_unused)


# Made


def test_a_pool_is_made_empty(rows: Rows) -> None:
    pool = rows.pool("core", min_available=2)
    assert (pool.tag, pool.version, pool.is_active, pool.created_at) == ("core", 1, True, rows.clock())
    assert rows.counts(pool).total == 0
    assert rows.pending("replenish") == []
    assert [row.details for row in rows.audit("pool.created")] == [{"tag": "core"}]


def test_a_tag_is_taken_once_in_a_repository(rows: Rows) -> None:
    rows.pool("core")
    with pytest.raises(PoolExists, match=r"^Pool core already exists in acme/shop$") as refused:
        rows.pool("core")
    assert refused.value.code == "POOL_EXISTS"


def test_the_tag_of_a_deleted_pool_is_free_again(rows: Rows) -> None:
    deleted(rows, rows.pool("core"))
    assert rows.pool("core").deleted_at is None


def test_of_two_that_are_made_at_once_one_is_refused(rows: Rows) -> None:
    with rows.transaction() as session:
        create_pool(session, rows.repository, "core", dict(POOL), ACTOR, now=rows.clock())
        second = beside(rows.database, lambda: rows.pool("core"))
    with pytest.raises(PoolExists):
        second.result(10)


@pytest.mark.parametrize("made", [True, False])
def test_a_minimum_above_the_maximum_is_refused(rows: Rows, made: bool) -> None:
    other = rows.pool("other", min_available=2, max_total=2)
    with pytest.raises(InvalidRequest) as refused:
        updated(rows, other, max_total=1) if made else rows.pool("core", min_available=2, max_total=1)
    assert refused.value.code == "VALIDATION_FAILED"
    assert refused.value.message == "minAvailableInstances must not be above maxTotalInstances (1)"
    [error] = refused.value.details["errors"]
    assert (error["field"], error["rule"]) == ("minAvailableInstances", "range")


# Changed


def test_a_change_is_one_version_up_and_in_the_audit_log(rows: Rows) -> None:
    pool = rows.pool()
    rows.clock.advance(minutes=1)
    updated(rows, pool, name="New", max_total=9)
    after = rows.reload(pool)
    assert (after.name, after.max_total, after.version, after.updated_at) == ("New", 9, 2, rows.clock())
    assert [row.details for row in rows.audit("pool.updated")] == [{"tag": "core", "changed": ["max_total", "name"]}]


def test_a_tag_is_not_changed(rows: Rows) -> None:
    with pytest.raises(AssertionError, match="tag"):
        updated(rows, rows.pool(), tag="other")


def test_who_waits_profits_from_a_higher_maximum_at_once(rows: Rows) -> None:
    pool = rows.pool(max_total=1)
    rows.join(rows.holder(1))
    rows.forget_tasks()
    updated(rows, pool, max_total=2)
    assert [task.payload for task in rows.pending("replenish")] == [{"pool_id": pool.id}]


def test_nothing_is_made_for_a_pool_that_nobody_waits_for(rows: Rows) -> None:
    updated(rows, rows.pool(), min_available=2)
    assert rows.pending("replenish") == []


def test_a_pool_that_is_being_deleted_is_not_changed(rows: Rows) -> None:
    pool = rows.pool()
    with rows.transaction() as session:
        delete_pool(session, pools.get(session, pool.id), ACTOR, now=rows.clock())
        changing = beside(rows.database, lambda: updated(rows, pool, is_active=True))
    with pytest.raises(PoolNotFound):
        changing.result(10)
    assert not rows.reload(pool).is_active


# Deleted


def test_holders_lose_their_environments_and_waiters_their_place(rows: Rows) -> None:
    pool = rows.pool(free=1)
    threads = {rows.thread(1).id, rows.thread(2).id}
    got = rows.assign(rows.holder(1), is_immortal=True)
    ticket = rows.join(rows.holder(2))
    rows.forget_tasks()
    rows.clock.advance(minutes=1)
    deleted(rows, pool)
    ended = rows.assignment(got.assignment.id)
    assert (ended.status, ended.end_reason) == ("released", "pool_deleted")
    assert (rows.ticket(ticket.id).state, rows.ticket(ticket.id).end_reason) == ("left", "the pool was deleted")
    gone = rows.reload(pool)
    assert (gone.deleted_at, gone.is_active, gone.version) == (rows.clock(), False, 2)
    assert {task.payload["thread_id"] for task in rows.pending("refresh")} == threads
    assert len(rows.audit("pool.deleted")) == 1


def test_every_environment_goes_whatever_its_state(rows: Rows) -> None:
    pool = rows.pool()
    living = set(EnvironmentState) - {EnvironmentState.ARCHIVED, EnvironmentState.ASSIGNED}
    for state in living:
        rows.environment(pool, state, state, fence=3)
    rows.environment(pool, "history", "ARCHIVED", fence=3)
    deleted(rows, pool)
    for state in living:
        environment = rows.named(state)
        assert (environment.state, environment.tombstone) == ("DELETING", True)
        assert environment.fence == (3 if state == "DELETING" else 4)
    assert rows.named("history").fence == 3
    assert len(rows.pending("provision")) == len(living) - 1
    assert len(rows.pending("replenish")) == 1


def test_nobody_gets_anything_from_a_deleted_pool(rows: Rows) -> None:
    pool = rows.pool(free=1)
    deleted(rows, pool)
    with pytest.raises(PoolNotFound):
        rows.assign(rows.holder(1))
    assert rows.counts(pool).deleting == 1


def test_a_used_pool_is_spared_if_asked(rows: Rows) -> None:
    pool = rows.pool(free=2)
    rows.assign(rows.holder(1), hours=1)
    with rows.transaction() as session:
        held = find_or_refuse(session, rows.holder(1), now=rows.clock())
        acquire(session, held, "ci", timedelta(hours=2), ACTOR, now=rows.clock())
    with pytest.raises(EnvironmentInUse) as refused:
        deleted(rows, pool, if_unused=True)
    until = rows.clock() + timedelta(hours=2)
    assert refused.value.message == f"Environment is in use by pr-1 until {iso(until)}"
    assert rows.reload(pool).deleted_at is None
    rows.unassign(rows.holder(1))
    deleted(rows, pool, if_unused=True)
    assert rows.reload(pool).deleted_at is not None


def test_a_pool_is_deleted_beside_an_end_in_it(rows: Rows) -> None:
    pool = rows.pool(free=1)
    rows.assign(rows.holder(1))
    with rows.transaction() as session:
        held = find_or_refuse(session, rows.holder(1), now=rows.clock())
        deleting = beside(rows.database, lambda: deleted(rows, pool))
        unassign(session, held, ACTOR, now=rows.clock())
    deleting.result(10)
    assert rows.counts(pool).deleting == 1
    assert len(rows.audit("assignment.ended")) == 1


def test_who_is_just_being_assigned_loses_it(rows: Rows) -> None:
    pool = rows.pool(free=1)
    with rows.transaction() as session:
        assign(session, Wish(rows.holder(1), "core"), ACTOR, now=rows.clock())
        deleting = beside(rows.database, lambda: deleted(rows, pool))
    deleting.result(10)
    assert rows.held_by(rows.holder(1)) is None
    assert (rows.named("core0").state, rows.counts(pool).total) == ("DELETING", 1)
