"""GitHub against our rows: what happened unheard of is made good, once, as a repair, and nothing else is touched."""

from __future__ import annotations

import pytest

from bot.policy.keys import PATH
from storage.audit import Audit
from storage.decisions import Decision, Reason
from storage.threads import Thread
from storage.tickets import Ticket, TicketState
from tests.world import REPO, World


def sweep(world: World) -> None:
    world.later(minutes=5, seconds=1)


def unheard(world: World) -> None:
    """From now on GitHub tells us nothing, and does not remember that it tried."""
    world.sink.cut_off = True
    world.github.webhooks.attempts.clear()
    world.github.webhooks.remembers = False


def heard(world: World) -> None:
    world.sink.cut_off = False


def row(world: World, number: int) -> Thread:
    found: list[Thread] = [thread for thread in world.rows(Thread) if thread.number == number]
    return found[0]


def repairs(world: World) -> list[list[str]]:
    """What was made good, in order."""
    return [d.inputs["missed"] for d in world.rows(Decision) if d.reason == Reason.REPAIRED]


# Both ways


def test_who_was_closed_unheard_is_released(world: World) -> None:
    pool = world.pool()
    number = world.opens()
    unheard(world)
    world.github.close(REPO, number, merged=True)
    sweep(world)
    assert world.held_by(number) == []
    assert world.counts(pool).assigned == 0
    assert "merged" in world.says(number)
    assert repairs(world) == [["closed"]]


def test_who_was_opened_unheard_is_served(world: World) -> None:
    world.pool()
    sweep(world)
    unheard(world)
    number = world.opens()
    sweep(world)
    assert len(world.held_by(number)) == 1
    assert repairs(world) == [["opened"]]


def test_a_repair_is_on_record_as_one(world: World) -> None:
    world.pool()
    number = world.opens()
    unheard(world)
    world.github.close(REPO, number)
    sweep(world)
    [repair] = [row for row in world.rows(Audit) if row.action == "thread.repaired"]
    assert repair.details == {"missed": ["closed"]}
    assert str(repair.request).startswith("task:")
    assert row(world, number).repaired_at is not None

    heard(world)
    world.github.reopen(REPO, number)
    world.work()
    world.comments(number, "wendy", "/why")
    assert len(world.replies(number)) == 1


@pytest.mark.parametrize("happens", ["ready", "reopen", "push", "label"])
def test_whoever_asks_unheard_is_served(world: World, happens: str) -> None:
    world.pool(max_total=3, min_available=3)
    if happens == "label":
        world.github.push_to_default_branch(REPO, {PATH: "mode: manual"})
        world.work()
    number = world.opens(draft=happens == "ready")
    if happens in ("reopen", "push"):
        world.comments(number, "wendy", "/unassign")
    if happens == "reopen":
        world.github.close(REPO, number)
        world.work()
    assert world.held_by(number) == []

    unheard(world)
    match happens:
        case "ready":
            world.github.ready(REPO, number)
        case "reopen":
            world.github.reopen(REPO, number)
        case "push":
            world.github.push(REPO, number)
        case "label":
            world.github.label(REPO, number, "env:deploy", by="wendy")
    sweep(world)
    assert len(world.held_by(number)) == 1


def test_a_label_on_a_bots_pull_request_opens_nothing_where_nobody_knows_who_set_it(world: World) -> None:
    world.pool()
    number = world.opens("dependabot[bot]")
    unheard(world)
    world.github.label(REPO, number, "env:deploy", by="wendy")
    sweep(world)
    assert world.held_by(number) == []


def test_who_became_a_draft_unheard_is_passed_over(world: World) -> None:
    world.pool(max_total=1)
    world.opens()
    waiting = world.opens()
    unheard(world)
    world.github.convert_to_draft(REPO, waiting)
    sweep(world)
    assert [ticket.state for ticket in world.rows(Ticket)] == [TicketState.PAUSED]
    assert repairs(world) == [["converted_to_draft"]]


def test_issues_are_compared_too(world: World) -> None:
    world.pool(max_total=2, min_available=2)
    sweep(world)
    held = world.github.open_issue(REPO, "bob").number
    world.github.label(REPO, held, "env:deploy", by="wendy")
    world.work()
    assert len(world.held_by(held, "issue")) == 1

    unheard(world)
    world.github.close(REPO, held)
    labelled = world.github.open_issue(REPO, "bob").number
    world.github.label(REPO, labelled, "env:deploy", by="wendy")
    sweep(world)
    assert world.held_by(held, "issue") == []
    assert len(world.held_by(labelled, "issue")) == 1


# Only that


def test_nothing_is_written_or_repaired_where_nothing_was_missed(world: World) -> None:
    world.pool(max_total=3)
    numbers = [world.opens(), world.opens(draft=True), world.opens(fork="mallory/shop")]
    world.github.comment(REPO, numbers[0], "bob", "Looks good")
    world.github.label(REPO, numbers[0], "bug")
    world.comments(numbers[0], "wendy", "/unassign")
    world.later(minutes=1)
    requests, decisions = len(world.github.requests), len(world.rows(Decision))
    for _ in range(3):
        sweep(world)
    asked = {f"{r.method} {r.path}" for r in world.github.requests[requests:]}
    assert asked == {"POST /graphql", "GET /app/hook/deliveries"}
    assert len(world.rows(Decision)) == decisions
    assert row(world, numbers[0]).confirmed_at == world.clock()


def test_an_installation_serves_nothing_that_was_open_before_it(world: World) -> None:
    unheard(world)
    old = world.opens()
    issue = world.github.open_issue(REPO, "bob").number
    world.github.label(REPO, issue, "env:deploy", by="wendy")
    world.clock.advance(minutes=1)
    world.pool(max_total=5, min_available=5)
    sweep(world)
    assert world.held_by(old) == world.held_by(issue, "issue") == []
    assert repairs(world) == []

    world.github.push(REPO, old)
    sweep(world)
    assert len(world.held_by(old)) == 1


def test_a_repository_without_pools_is_not_looked_at(world: World) -> None:
    world.opens()
    before = len(world.github.requests)
    sweep(world)
    assert [r.path for r in world.github.requests[before:]] == ["/app/hook/deliveries"]


def test_a_hundred_and_one_are_two_pages(sqlite_world: World) -> None:
    world = sqlite_world
    world.pool()
    for _ in range(101):
        world.github.open_pull_request(REPO, "alice", draft=True)
    world.work()
    before = len(world.github.requests)
    sweep(world)
    assert [r.path for r in world.github.requests[before:]].count("/graphql") == 2
    assert repairs(world) == []


def test_what_is_still_in_the_inbox_is_left_to_it(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.close(REPO, number)
    world.github.fail("GET", f"/pulls/{number}", 502, times=2)
    sweep(world)
    assert repairs(world) == []

    world.later(minutes=1)
    assert world.held_by(number) == []


def test_a_suspended_installation_is_left_alone(world: World) -> None:
    world.pool()
    world.opens()
    world.github.suspend(world.installation)
    world.work()
    before = len(world.github.requests)
    sweep(world)
    assert "/graphql" not in [r.path for r in world.github.requests[before:]]
    assert world.failures() == []


# On demand


def test_refresh_compares_one_now_and_shows_it_anew(world: World) -> None:
    world.pool()
    number = world.opens()
    [shown] = [c for c in world.written(number) if c.body == world.says(number)]
    unheard(world)
    world.github.edit_comment(shown, "spoilt", by="mona")
    world.github.push(REPO, number)
    heard(world)
    world.comments(number, "trish", "/env refresh")
    assert world.github.check_runs(REPO, world.github.pull_request(REPO, number).head_sha) != []
    assert repairs(world) == [["synchronize"]]


def test_refresh_is_for_triage_and_above(world: World) -> None:
    world.pool()
    number = world.opens()
    world.comments(number, "rita", "/env refresh")
    [reply] = world.replies(number)
    assert "triage" in reply


def test_refresh_of_a_closed_one_repairs_nothing(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.close(REPO, number)
    world.work()
    world.comments(number, "trish", "/env refresh")
    assert repairs(world) == []
