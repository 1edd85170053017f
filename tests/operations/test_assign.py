"""A holder gets an environment of a pool, or the one it has (contract section 7, semantics 1-4)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from operations import waiting
from operations.acquire import acquire
from operations.assign import Assigned, Wish, assign
from operations.errors import NoPoolMatch, PoolExhausted, PoolNotFound
from operations.find import find_or_refuse
from operations.unassign import unassign
from storage import tickets
from tests.at_once import at_once, beside
from tests.operations.rows import ACTOR, Rows

# The first assignment


def test_the_longest_available_environment_is_assigned(rows: Rows) -> None:
    pool = rows.pool(free=2)
    got = rows.assign(rows.holder(7))
    assert (got.environment.name, got.pool.id, got.is_reused) == ("core0", pool.id, False)
    held = rows.held_by(rows.holder(7))
    assert held is not None
    assert (held.environment_id, held.fence, held.version) == (got.environment.id, got.environment.fence, 1)
    assert held.assigned_by == ACTOR.name
    assert rows.named("core0").state == "ASSIGNED"


def test_it_ends_after_the_pools_hours_or_those_asked_for_or_never(rows: Rows) -> None:
    rows.pool(free=3, default_expiration_hours=48)
    assert rows.assign(rows.holder(1)).assignment.expires_at == rows.clock() + timedelta(hours=48)
    assert rows.assign(rows.holder(2), hours=2).assignment.expires_at == rows.clock() + timedelta(hours=2)
    assert rows.assign(rows.holder(3), hours=2, is_immortal=True).assignment.expires_at is None


def test_the_grant_is_in_the_audit_log_with_its_fence(rows: Rows) -> None:
    rows.pool(free=1)
    got = rows.assign(rows.holder(7, domain="sales"))
    [row] = rows.audit("assignment.created")
    assert (row.actor, row.subject_id, row.repository_id) == (ACTOR.name, got.assignment.id, rows.repository.id)
    assert row.details == {
        "holder": "pr-7", "domain": "sales", "pool": "core", "environment": "core0", "fence": got.environment.fence
    }  # fmt: skip


@pytest.mark.parametrize(
    ("type", "id", "added"),
    [
        ("pr", "7", {"prNumber": 7}),
        ("issue", "8", {"issueNumber": 8}),
        ("user", "dev@example.com", {"userEmail": "dev@example.com"}),
        ("custom", "9", {}),
        ("pr", "my-branch", {}),
    ],
)
def test_the_type_of_the_holder_is_in_the_metadata(rows: Rows, type: str, id: str, added: dict[str, object]) -> None:
    rows.pool(free=1)
    got = rows.assign(rows.holder(id, type), extra={"prTitle": "Cart", "prNumber": 0})
    assert got.assignment.extra == {"prTitle": "Cart", "prNumber": 0, **added}


def test_the_pull_request_shows_it(rows: Rows) -> None:
    rows.pool(free=1)
    thread = rows.thread(7)
    rows.assign(rows.holder(7))
    assert [task.payload for task in rows.pending("refresh")] == [{"thread_id": thread.id}]


def test_a_holder_without_a_thread_is_shown_nowhere(rows: Rows) -> None:
    rows.pool(free=3)
    rows.thread(7, type="issue")
    rows.assign(rows.holder(7))  # another kind of thread has this number
    rows.assign(rows.holder(99999999999))
    rows.assign(rows.holder("dev@example.com", "user"))
    assert rows.pending("refresh") == []


# Which pool


def test_the_tag_wins_over_the_branch(rows: Rows) -> None:
    rows.pool("main", free=1, branch_pattern="main")
    rows.pool("other", free=1, branch_pattern="other")
    assert rows.assign(rows.holder(1), "other", branch="main").pool.tag == "other"
    assert rows.assign(rows.holder(2), None, branch="main").pool.tag == "main"


def test_a_tag_that_no_pool_has_is_refused(rows: Rows) -> None:
    rows.pool("gone", deleted_at=rows.clock())
    with pytest.raises(PoolNotFound, match=r"^Pool not found$") as refused:
        rows.assign(rows.holder(), "gone")
    assert refused.value.code == "POOL_NOT_FOUND"


def test_a_branch_that_no_pool_serves_is_refused(rows: Rows) -> None:
    rows.pool(branch_pattern="main")
    with pytest.raises(NoPoolMatch):
        rows.assign(rows.holder(), None, branch="feature/x")


def test_an_inactive_pool_still_gives_what_it_has_to_who_names_it(rows: Rows) -> None:
    rows.pool(free=1, is_active=False)
    assert rows.assign(rows.holder()).environment.name == "core0"


# Again


def test_who_has_one_gets_the_same_from_whatever_pool(rows: Rows) -> None:
    rows.pool(free=1)
    rows.pool("other", free=1)
    first = rows.assign(rows.holder())
    rows.clock.advance(hours=1)
    again = rows.assign(rows.holder(), "other", hours=500)
    assert (again.assignment.id, again.environment.name, again.pool.tag) == (first.assignment.id, "core0", "core")
    assert again.is_reused
    assert (again.assignment.expires_at, again.assignment.version) == (first.assignment.expires_at, 1)
    assert len(rows.audit("assignment.created")) == 1
    assert rows.audit("assignment.described") == []


def test_new_metadata_is_merged_into_the_old(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(7), extra={"title": "Cart", "size": 1})
    again = rows.assign(rows.holder(7), extra={"size": 2})
    assert again.assignment.extra == {"title": "Cart", "size": 2, "prNumber": 7}
    assert rows.assignment(again.assignment.id).version == 2
    assert [row.details for row in rows.audit("assignment.described")] == [{"keys": ["size"]}]


def test_each_domain_has_its_own(rows: Rows) -> None:
    rows.pool(free=3)
    names = {rows.assign(rows.holder(7, domain=domain)).environment.name for domain in ("", "sales", "hr", "sales")}
    assert names == {"core0", "core1", "core2"}


def test_one_past_its_end_is_expired_before_a_new_one_is_given(rows: Rows) -> None:
    rows.pool(free=1, additional_config={"reattachMinutes": 0})
    first = rows.assign(rows.holder(), hours=1)
    rows.environment(first.pool, "fresh")
    rows.clock.advance(hours=1)
    second = rows.assign(rows.holder())
    assert (second.is_reused, second.environment.name) == (False, "fresh")
    former = rows.assignment(first.assignment.id)
    assert (former.status, former.end_reason) == ("expired", "expired")
    assert rows.named("core0").state == "EXPIRED"


def test_one_that_somebody_works_in_is_not_past_its_end(rows: Rows) -> None:
    rows.pool(free=1)
    first = rows.assign(rows.holder(), hours=1)
    with rows.transaction() as session:
        found = find_or_refuse(session, rows.holder(), now=rows.clock())
        acquire(session, found, "ci", timedelta(hours=2), ACTOR, now=rows.clock())
    rows.clock.advance(hours=1)
    assert rows.assign(rows.holder()).assignment.id == first.assignment.id


# Override


@pytest.mark.parametrize(
    ("returns", "status", "state"), [(True, "released", "AVAILABLE"), (False, "expired", "EXPIRED")]
)
def test_an_override_claims_the_new_one_and_ends_the_old_by_its_pools_setting(
    rows: Rows, returns: bool, status: str, state: str
) -> None:
    rows.pool(free=1, return_on_unassign=returns)
    rows.pool("other", free=1, return_on_unassign=not returns)
    first = rows.assign(rows.holder())
    second = rows.assign(rows.holder(), "other", override=True)
    assert (second.environment.name, second.is_reused) == ("other0", False)
    former = rows.assignment(first.assignment.id)
    assert (former.status, former.end_reason) == (status, "replaced")
    assert (rows.named("core0").state, rows.named("core0").reattach_until) == (state, None)
    held = rows.held_by(rows.holder())
    assert held is not None
    assert held.id == second.assignment.id


def test_an_override_from_an_exhausted_pool_keeps_the_old_one(rows: Rows) -> None:
    rows.pool(free=1)
    first = rows.assign(rows.holder())
    with pytest.raises(PoolExhausted):
        rows.assign(rows.holder(), override=True)
    held = rows.held_by(rows.holder())
    assert held is not None
    assert (held.id, held.version) == (first.assignment.id, 1)
    assert rows.named("core0").state == "ASSIGNED"


def test_an_override_without_an_old_one_is_a_first_assignment(rows: Rows) -> None:
    rows.pool(free=1)
    assert not rows.assign(rows.holder(), override=True).is_reused


# Exhausted, and who comes first


def test_an_exhausted_pool_is_refused_with_its_numbers(rows: Rows) -> None:
    pool = rows.pool(free=1, max_total=3, average_creation_minutes=10)
    rows.environment(pool, "coming", "PROVISIONING")
    rows.assign(rows.holder(1))
    with pytest.raises(PoolExhausted) as refused:
        rows.assign(rows.holder(2))
    assert refused.value.code == "POOL_EXHAUSTED"
    assert refused.value.message == (
        "No environment is available in pool core (0 available, 1 assigned, 1 provisioning, 2 of 3 used)"
    )
    assert refused.value.details == {
        "poolTag": "core", "total": 2, "available": 0, "assigned": 1, "provisioning": 1, "error": 0, "expired": 0,
        "deleting": 0, "waiting": 0, "maxTotal": 3, "retryAfterSeconds": 600,
    }  # fmt: skip
    assert (refused.value.pool_id, refused.value.retry_after) == (pool.id, 600)


def test_nobody_overtakes_those_who_wait(rows: Rows) -> None:
    pool = rows.pool()
    rows.join(rows.holder(1))
    rows.join(rows.holder(2))
    for name in ("a", "b"):
        rows.environment(pool, name)
    with pytest.raises(PoolExhausted, match=r"\(2 available"):
        rows.assign(rows.holder(3))
    rows.environment(pool, "c")
    assert rows.assign(rows.holder(3)).environment is not None


def test_who_waits_may_take_what_is_there_for_it(rows: Rows) -> None:
    pool = rows.pool()
    first, second, third = (rows.join(rows.holder(number)) for number in (1, 2, 3))
    for name in ("a", "b"):
        rows.environment(pool, name)
    with pytest.raises(PoolExhausted):
        rows.assign(rows.holder(3))
    got = rows.assign(rows.holder(2))
    assert (rows.ticket(second.id).state, rows.ticket(second.id).assignment_id) == ("served", got.assignment.id)
    assert rows.ticket(second.id).ended_at == rows.clock()
    rows.assign(rows.holder(1))
    assert [rows.ticket(ticket.id).state for ticket in (first, third)] == ["served", "waiting"]


def test_the_paused_are_not_waited_for_and_do_not_overtake(rows: Rows) -> None:
    pool = rows.pool()
    paused = rows.join(rows.holder(1))
    rows.join(rows.holder(2))
    with rows.transaction() as session:
        [ticket] = tickets.all_open(session, rows.holder(1))
        waiting.pause(session, ticket, now=rows.clock())
    rows.environment(pool, "a")
    with pytest.raises(PoolExhausted):
        rows.assign(rows.holder(1))
    rows.environment(pool, "b")
    rows.assign(rows.holder(1))
    assert rows.ticket(paused.id).state == "served"


def test_who_waits_for_one_pool_and_gets_from_another_waits_no_more(rows: Rows) -> None:
    rows.pool()
    rows.pool("other", free=1)
    ticket = rows.join(rows.holder(1))
    rows.assign(rows.holder(1), "other")
    assert rows.ticket(ticket.id).state == "served"


# Environments that cannot be used


def test_one_without_credentials_is_never_handed_out(rows: Rows) -> None:
    pool = rows.pool()
    early = rows.clock() - timedelta(hours=1)
    rows.environment(pool, "blank", available_at=early, credentials=None)
    rows.environment(pool, "good")
    assert rows.assign(rows.holder()).environment.name == "good"
    blank = rows.named("blank")
    assert (blank.state, blank.last_error, blank.failed_at) == ("ERROR", "It has no credentials", rows.clock())
    [row] = rows.audit("environment.failed")
    assert row.details == {"environment": "blank", "fence": blank.fence, "error": "It has no credentials"}


def test_a_pool_of_only_such_ones_is_exhausted(rows: Rows) -> None:
    pool = rows.pool()
    rows.environment(pool, "blank", credentials=None)
    with rows.transaction() as session, pytest.raises(PoolExhausted, match=r"\(0 available"):
        assign(session, Wish(rows.holder(), "core"), ACTOR, now=rows.clock())
    assert rows.named("blank").state == "ERROR"


# Taking back


@pytest.mark.parametrize("returns", [True, False])
def test_who_reopens_soon_takes_the_same_environment_back(rows: Rows, returns: bool) -> None:
    rows.pool(free=2, return_on_unassign=returns)
    first = rows.assign(rows.holder())
    rows.close(rows.holder())
    rows.clock.advance(minutes=29)
    again = rows.assign(rows.holder())
    assert (again.environment.id, again.is_reused) == (first.environment.id, False)
    assert again.assignment.id != first.assignment.id
    assert again.environment.fence > first.assignment.fence
    assert (again.environment.state, again.environment.last_holder_id) == ("ASSIGNED", None)


def test_who_expired_takes_the_same_environment_back(rows: Rows) -> None:
    rows.pool(free=2)
    first = rows.assign(rows.holder(), hours=1)
    rows.clock.advance(hours=1)
    assert rows.assign(rows.holder()).environment.id == first.environment.id


def test_after_the_window_it_is_like_any_other(rows: Rows) -> None:
    rows.pool(free=2, return_on_unassign=False)
    rows.assign(rows.holder())
    rows.close(rows.holder())
    rows.clock.advance(minutes=30)
    assert rows.assign(rows.holder()).environment.name == "core1"


def test_who_gave_it_back_on_purpose_has_no_claim_to_it(rows: Rows) -> None:
    rows.pool(free=2)
    rows.assign(rows.holder())
    rows.clock.advance(minutes=1)
    rows.unassign(rows.holder())
    assert rows.assign(rows.holder()).environment.name == "core1"


@pytest.mark.parametrize(("minutes", "name"), [(0, "core1"), (1, "core1"), (3, "core0")])
def test_the_pool_says_how_long_the_window_is(rows: Rows, minutes: int, name: str) -> None:
    rows.pool(free=2, additional_config={"reattachMinutes": minutes})
    rows.assign(rows.holder())
    rows.close(rows.holder())
    rows.clock.advance(minutes=2)
    assert rows.assign(rows.holder()).environment.name == name


def test_others_get_it_last_but_they_get_it(rows: Rows) -> None:
    rows.pool(free=2)
    rows.assign(rows.holder(1))
    rows.close(rows.holder(1))
    assert rows.assign(rows.holder(2)).environment.name == "core1"
    assert rows.assign(rows.holder(3)).environment.name == "core0"


# At the same moment


def test_two_callers_for_one_holder_get_one_environment(rows: Rows) -> None:
    pool = rows.pool(free=2)
    with rows.transaction() as session:
        first = assign(session, Wish(rows.holder(), "core"), ACTOR, now=rows.clock())
        second = beside(rows.database, lambda: rows.assign(rows.holder()))
    got = second.result(10)
    assert (got.assignment.id, got.environment.id, got.is_reused) == (first.assignment.id, first.environment.id, True)
    assert (rows.counts(pool).assigned, rows.counts(pool).available) == (1, 1)
    assert len(rows.audit("assignment.created")) == 1


@pytest.mark.parametrize(("state", "expired"), [("AVAILABLE", False), ("EXPIRED", True)])
def test_the_slower_of_two_callers_leaves_what_it_took_back_as_it_was(rows: Rows, state: str, expired: bool) -> None:
    pool = rows.pool()
    window = {"last_holder_type": "pr", "last_holder_id": "1", "last_holder_domain": ""}
    for name in ("a", "b"):
        rows.environment(pool, name, state, reattach_until=rows.clock() + timedelta(minutes=9),
                         expired_at=rows.clock() if expired else None, **window)  # fmt: skip
    with rows.transaction() as session:
        assign(session, Wish(rows.holder(), "core"), ACTOR, now=rows.clock())
        second = beside(rows.database, lambda: rows.assign(rows.holder()))
    assert second.result(10).is_reused
    assert sorted(rows.named(name).state for name in ("a", "b")) == ["ASSIGNED", state]


def test_who_is_served_while_it_asks_has_what_it_was_served(rows: Rows) -> None:
    pool = rows.pool(free=1)
    other = rows.assign(rows.holder(2))
    ticket = rows.join(rows.holder(1))
    with rows.transaction() as session:
        unassign(session, find_or_refuse(session, rows.holder(2), now=rows.clock()), ACTOR, now=rows.clock())
    with rows.transaction() as session:
        served = waiting.serve(session, ticket.id, request="task:1", now=rows.clock())
        asked = beside(rows.database, lambda: rows.assign(rows.holder(1)))
    assert served is not None
    assert asked.result(10).assignment.id == served.assignment.id
    assert other.environment.id == served.environment.id
    assert rows.counts(pool).waiting == 0


def test_many_callers_get_each_their_own_until_there_is_none(rows: Rows) -> None:
    pool = rows.pool(free=6)

    def ask(number: int) -> Assigned | None:
        try:
            return rows.assign(rows.holder(number))
        except PoolExhausted:
            return None

    got = at_once([partial(ask, number) for number in range(8)])
    environments = [assigned.environment.id for assigned in got if assigned is not None]
    assert len(environments) == len(set(environments)) == 6
    assert rows.counts(pool).assigned == 6
