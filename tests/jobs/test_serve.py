"""When its turn comes, who waited is looked at once more: the policy, the state and the quotas of that moment count."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from operations.submit import Order, submit
from storage.audit import Actor
from storage.decisions import Decision
from storage.submissions import SubmissionType
from storage.tickets import Ticket
from tests.world import REPO, World


@pytest.fixture
def world(sqlite_world: World) -> World:
    """Who is served is decided by the gates; the claim itself is tested on both databases."""
    sqlite_world.configure("")
    sqlite_world.pool(max_total=1)
    return sqlite_world


def turn_comes(world: World, holding: int) -> None:
    world.github.close(REPO, holding)
    world.work()


def decided(world: World, number: int) -> Decision:
    found: Decision = [row for row in world.rows(Decision) if row.holder_id == str(number)][-1]
    return found


def like_others(world: World) -> int:
    return world.opens()


def by_command(world: World) -> int:
    number = world.opens(draft=True)
    world.comments(number, "wendy", "/assign")
    return number


def approved_fork(world: World) -> int:
    number = world.opens("mallory", fork="mallory/shop")
    world.clock.advance(seconds=5)
    world.comments(number, "mona", "/env approve")
    return number


@pytest.mark.parametrize(("joins", "policy", "reason"), [
    (like_others, "mode: off", "mode_off"),
    (like_others, "mode: manual", "mode_manual"),
    (like_others, "pools: {core: {mode: manual}}", "mode_manual"),
    (like_others, "labels: {required: true}", "label_missing"),
    (by_command, "drafts: none", "draft"),
    (approved_fork, "forks: never", "fork_never"),
    (approved_fork, "forks: no_secrets", "no_pool_match"),
])  # fmt: skip
def test_who_is_not_served_any_more_is_passed_over(
    world: World, joins: Callable[[World], int], policy: str, reason: str
) -> None:
    holding = world.opens("bob")
    waiting = joins(world)
    world.configure(policy)
    turn_comes(world, holding)
    assert world.held_by(waiting) == []
    decision = decided(world, waiting)
    assert (decision.reason, decision.operation) == (reason, "serve")
    assert decision.config_sha is not None
    assert world.failures() == []


def test_its_turn_is_the_next_ones(world: World) -> None:
    holding, passed, served = world.opens("bob"), by_command(world), world.opens("carol")
    world.configure("drafts: none")
    turn_comes(world, holding)
    assert (world.held_by(passed), len(world.held_by(served))) == ([], 1)


def test_what_a_command_asked_for_needs_no_mode_and_no_label(world: World) -> None:
    holding = world.opens("bob")
    waiting = by_command(world)
    world.configure("mode: manual\nlabels: {required: true}")
    turn_comes(world, holding)
    assert len(world.held_by(waiting)) == 1


def test_who_became_a_draft_unheard_keeps_its_time(world: World) -> None:
    holding, waiting, later = world.opens("bob"), world.opens(), world.opens("carol")
    world.sink.cut_off = True
    world.github.convert_to_draft(REPO, waiting)
    world.sink.cut_off = False
    turn_comes(world, holding)
    assert (world.held_by(waiting), len(world.held_by(later))) == ([], 1)
    assert decided(world, waiting).reason == "draft"
    assert "Paused: draft" in world.says(waiting)
    world.github.ready(REPO, waiting)
    turn_comes(world, later)
    assert len(world.held_by(waiting)) == 1


def test_against_a_quota_only_those_count_who_hold(world: World) -> None:
    """Who waits behind it does not keep it from its turn; who was served before it may."""
    holding, first, second = world.opens("bob"), world.opens(), world.opens()
    world.configure("quotas: {per_author: 1}")
    turn_comes(world, holding)
    assert len(world.held_by(first)) == 1
    assert decided(world, second).reason == "queued"


def test_a_quota_that_was_lowered_counts_when_the_turn_comes(world: World) -> None:
    holding, waiting = world.opens("bob"), world.opens("carol")
    world.pool("other", branch_pattern="other")
    world.opens("carol", base="other")
    world.configure("quotas: {per_author: 1}")
    turn_comes(world, holding)
    assert world.held_by(waiting) == []
    assert decided(world, waiting).reason == "quota_author"


def test_while_github_does_not_tell_what_we_know_is_judged(world: World) -> None:
    holding, waiting = world.opens("bob"), world.opens()
    world.configure("mode: off")
    world.github.fail("GET", f"/pulls/{waiting}$", 502, times=2)
    turn_comes(world, holding)
    assert world.held_by(waiting) == []
    assert decided(world, waiting).reason == "mode_off"


def test_whom_a_pipeline_waits_for_no_gate_keeps_back(world: World) -> None:
    holding = world.opens("bob")
    number = world.opens(draft=True)
    data = {"repositoryIdentifier": REPO, "poolTag": "core", "assignmentId": str(number), "assignmentType": "pr",
            "wait": 6000}  # fmt: skip
    with world.database.transaction() as session:
        submit(session, Order(SubmissionType.FETCH, data, REPO), Actor("ci"), None, now=world.clock())
    world.work()
    assert [ticket.state for ticket in world.rows(Ticket)] == ["waiting"]
    world.configure("mode: off")
    turn_comes(world, holding)
    assert len(world.held_by(number)) == 1
