"""What becomes of a pull request, whatever GitHub tells of it, in whatever order, on whatever day."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from bot.policy.keys import DEFAULTS
from demo.github_state import PullRequest
from jobs.worker import DELIVERY_ATTEMPTS
from storage.deliveries import DeliveryState
from tests.world import REPO, World

HOURS_8 = timedelta(hours=8)


def pull_request(world: World, number: int) -> PullRequest:
    return world.github.pull_request(REPO, number)


def expires_at(world: World, number: int) -> Any:
    [assignment] = world.held_by(number)
    return assignment.expires_at


# A quiet life


def test_it_is_served_when_opened(world: World) -> None:
    pool = world.pool()
    number = world.opens("alice")

    [assignment] = world.held_by(number)
    [environment] = [e for e in world.environments(pool) if e.state == "ASSIGNED"]
    assert assignment.environment_id == environment.id
    assert assignment.assigned_by == "greenroom[bot]"
    assert assignment.extra["headSha"] == pull_request(world, number).head_sha
    assert f"🟢 Review environment: {environment.name} (core)" in world.says(number)


@pytest.mark.parametrize(("merged", "words"), [(True, "was merged"), (False, "was closed")])
def test_it_gives_its_environment_back_when_it_ends(world: World, merged: bool, words: str) -> None:
    pool = world.pool()
    number = world.opens()
    world.github.close(REPO, number, merged=merged)
    world.work()

    assert world.held_by(number) == []
    assert words in world.says(number).replace("this was", "was")
    assert world.counts(pool).available == 1


def test_the_pool_says_whether_somebody_else_may_have_it(world: World) -> None:
    pool = world.pool(return_on_unassign=False)
    number = world.opens()
    world.github.close(REPO, number)
    world.work()
    assert [e.state for e in world.environments(pool)] == ["EXPIRED"]


def test_reopened_soon_it_has_the_same_environment_again(world: World) -> None:
    world.pool(return_on_unassign=False, max_total=3)
    number = world.opens()
    [before] = world.held_by(number)
    world.github.close(REPO, number)
    world.later(minutes=29)
    world.github.reopen(REPO, number)
    world.work()

    [after] = world.held_by(number)
    assert after.environment_id == before.environment_id
    assert "🟢" in world.says(number)


def test_a_push_shows_the_new_head_and_keeps_the_environment(world: World) -> None:
    world.pool()
    number = world.opens()
    [before] = world.held_by(number)
    pull = world.github.push(REPO, number)
    world.work()

    assert [held.id for held in world.held_by(number)] == [before.id]
    [check_run] = world.github.check_runs(REPO, pull.head_sha)
    assert check_run.shown["conclusion"] == "success"


def test_a_push_leaves_at_least_eight_hours_and_adds_none_to_more(world: World) -> None:
    world.pool(default_expiration_hours=24)
    number = world.opens()
    opened = world.clock()
    world.github.push(REPO, number)
    world.work()
    assert expires_at(world, number) == opened + timedelta(hours=24)

    world.later(hours=20)
    for _ in range(3):
        world.github.push(REPO, number)
        world.work()
    assert expires_at(world, number) == world.clock() + HOURS_8


def test_no_push_lets_it_live_longer_than_a_fortnight(world: World) -> None:
    world.pool(default_expiration_hours=14 * 24 - 1)
    number = world.opens()
    opened = world.clock()
    world.later(days=13, hours=22)
    world.github.push(REPO, number)
    world.work()
    assert expires_at(world, number) == opened + timedelta(days=14)


def test_a_push_shortens_nothing_that_may_live_longer(world: World) -> None:
    """The pool, or an administrator over REST, may have given more than the bot would."""
    world.pool(default_expiration_hours=20 * 24)
    number = world.opens()
    opened = world.clock()
    world.later(days=19, hours=23)
    world.github.push(REPO, number)
    world.work()
    assert expires_at(world, number) == opened + timedelta(days=20)


def test_a_push_to_one_that_holds_nothing_asks_again(world: World) -> None:
    world.pool(default_expiration_hours=1)
    number = world.opens()
    world.later(hours=2)
    assert world.held_by(number) == []

    world.github.push(REPO, number)
    world.work()
    assert len(world.held_by(number)) == 1


def test_its_title_and_base_may_change_without_effect_on_what_it_holds(world: World) -> None:
    world.pool(branch_pattern="main")
    number = world.opens()
    [before] = world.held_by(number)
    pull = pull_request(world, number)
    pull.title, pull.base_ref = "Another title", "release"
    world.github._changed(pull, "edited", None, changes={"base": {"ref": {"from": "main"}}})
    world.work()
    assert [held.id for held in world.held_by(number)] == [before.id]


# Who is not served unasked


def test_where_there_is_no_pool_there_is_silence(world: World) -> None:
    number = world.opens()
    world.github.push(REPO, number)
    command = world.comments(number, "wendy", "/assign\n/env help\n/env nonsense")
    world.github.close(REPO, number)
    world.work()

    assert world.written(number) == []
    assert world.reactions(command) == []
    assert world.github.writes == []
    assert world.failures() == []


def test_a_draft_is_served_when_it_is_ready(world: World) -> None:
    world.pool()
    number = world.opens(draft=True)
    assert world.held_by(number) == []
    assert world.written(number) == []
    world.comments(number, "rita", "/why")
    assert "It is a draft: mark it ready for review, or write `/assign`" in world.replies(number)[0]

    world.github.ready(REPO, number)
    world.work()
    assert len(world.held_by(number)) == 1


def test_becoming_a_draft_takes_nothing_away(world: World) -> None:
    world.pool()
    number = world.opens()
    [before] = world.held_by(number)
    world.github.convert_to_draft(REPO, number)
    world.work()
    assert [held.id for held in world.held_by(number)] == [before.id]


def test_a_draft_in_the_queue_is_passed_over_and_keeps_its_place(world: World) -> None:
    world.pool(max_total=1)
    holding, drafting, waiting = world.opens(), world.opens(), world.opens()
    world.github.convert_to_draft(REPO, drafting)
    world.work()
    assert "⏸️ Paused: draft" in world.says(drafting)
    assert "Position 1 of 1" in world.says(waiting)

    world.github.ready(REPO, drafting)
    world.work()
    assert "Position 1 of 2" in world.says(drafting)
    assert "Position 2 of 2" in world.says(waiting)
    world.github.close(REPO, holding)
    world.work()
    assert len(world.held_by(drafting)) == 1


def test_a_fork_is_told_once_what_would_help(world: World) -> None:
    world.pool()
    number = world.opens("mallory", fork="mallory/shop")
    assert world.held_by(number) == []
    assert "It comes from a fork: who may maintain here can write `/env approve`" in world.says(number)
    for _ in range(3):
        world.github.push(REPO, number)
        world.work()
    assert len([write for write in world.github.writes if "/comments" in write.path]) == 1

    world.comments(number, "mallory", "/assign")
    assert world.held_by(number) == []
    world.comments(number, "wendy", "/assign")
    assert world.held_by(number) == []


def test_a_fork_that_is_gone_is_still_a_fork(world: World) -> None:
    world.pool()
    world.sink.holding = True
    number = world.github.open_pull_request(REPO, "mallory", fork="mallory/shop").number
    world.github.delete_fork(REPO, number)
    world.sink.post(*world.sink.kept[0])
    world.work()
    assert world.held_by(number) == []


def test_a_bots_pull_request_is_served_once_somebody_labels_it(world: World) -> None:
    world.pool()
    number = world.opens("renovate[bot]")
    assert world.held_by(number) == []
    assert world.written(number) == []

    world.github.label(REPO, number, "dependencies", by="wendy")
    world.work()
    assert world.held_by(number) == []
    world.github.label(REPO, number, DEFAULTS.labels.deploy, by="wendy")
    world.work()
    assert len(world.held_by(number)) == 1


def test_people_are_served_before_bots(world: World) -> None:
    world.pool(max_total=1)
    holding = world.opens()
    by_bot = world.opens("renovate[bot]")
    world.github.label(REPO, by_bot, DEFAULTS.labels.deploy, by="trish")
    world.work()
    by_alice = world.opens("alice")
    assert "Position 1 of 2" in world.says(by_alice)
    assert "Position 2 of 2" in world.says(by_bot)

    world.github.close(REPO, holding)
    world.work()
    assert len(world.held_by(by_alice)) == 1


def test_a_branch_that_no_pool_serves_is_silence_with_a_reason(world: World) -> None:
    world.pool(branch_pattern="release/*")
    number = world.opens()
    assert world.written(number) == []
    world.comments(number, "rita", "/why")
    assert "No pool matches branch main" in world.replies(number)[0]


# A full pool


def test_the_position_in_the_queue_is_said_and_moves_up(world: World) -> None:
    world.pool(max_total=1)
    first, second, third = world.opens(), world.opens(), world.opens()
    assert "🟢" in world.says(first)
    assert "Position 1 of 1 in `core`." in world.says(second)
    assert "Position 2 of 2 in `core`." in world.says(third)

    world.github.close(REPO, first)
    world.work()
    assert "🟢" in world.says(second)
    assert "Position 1 of 1" in world.says(third)
    assert world.failures() == []


def test_who_waits_is_served_by_what_is_being_made(world: World) -> None:
    world.pool(additional_config={"mock": {"creationSeconds": 60}})
    number = world.opens()
    assert "Position 1 of 1 in `core`; 1 is being made." in world.says(number)
    world.later(seconds=61)
    world.later(seconds=61)
    assert "🟢" in world.says(number)


def test_one_that_ends_while_it_waits_leaves_the_queue_and_says_so(world: World) -> None:
    world.pool(max_total=1)
    world.opens()
    leaving, staying = world.opens(), world.opens()
    world.github.close(REPO, leaving)
    world.work()

    assert "Waiting" not in world.says(leaving)
    assert "No review environment" in world.says(leaving)
    assert "Position 1 of 1" in world.says(staying)


def test_one_that_was_closed_unnoticed_does_not_take_its_turn(world: World) -> None:
    world.pool(max_total=1)
    holding, closing, waiting = world.opens(), world.opens(), world.opens()
    world.sink.holding = True
    world.github.close(REPO, closing)
    world.sink.holding = False
    world.github.close(REPO, holding)
    world.work()

    assert world.held_by(closing) == []
    assert len(world.held_by(waiting)) == 1


# Duplicate, reordered and replayed deliveries


@pytest.mark.parametrize("times", [1, 2])
def test_the_order_of_what_is_told_does_not_matter(world: World, times: int) -> None:
    world.pool(min_available=0, max_total=10)
    world.sink.holding = True
    for order in permutations(range(3)):
        number = world.github.open_pull_request(REPO, "alice").number
        world.github.push(REPO, number)
        world.github.close(REPO, number, merged=True)
        arriving = [world.sink.kept[place] for place in order] * times
        world.sink.kept.clear()
        for delivery in arriving:
            world.sink.post(*delivery)
        world.work()
        assert world.held_by(number) == [], order
        assert "Review environment" not in world.says(number), order
    assert world.failures() == []


def test_closed_and_reopened_in_the_wrong_order_is_open(world: World) -> None:
    world.pool()
    number = world.opens()
    world.sink.holding = True
    world.github.close(REPO, number)
    world.clock.advance(seconds=1)
    world.github.reopen(REPO, number)
    for delivery in reversed(world.sink.kept):
        world.sink.post(*delivery)
        world.work()
    assert len(world.held_by(number)) == 1


def test_an_old_delivery_that_comes_late_changes_nothing(world: World) -> None:
    """GitHub is asked for the present state; where it does not tell, the newest that was told counts."""
    world.pool()
    world.sink.holding = True
    number = world.github.open_pull_request(REPO, "alice").number
    [opened] = world.sink.kept
    world.sink.kept.clear()
    world.clock.advance(minutes=1)
    world.github.close(REPO, number)
    [closed] = world.sink.kept
    world.github.fail("GET", "/pulls/", 404, times=9)
    for delivery in (closed, opened):
        world.sink.post(*delivery)
        world.work()
    assert world.held_by(number) == []


# What GitHub leaves out or gets wrong


USED = [
    "action",
    "pull_request",
    "pull_request.number",
    "pull_request.title",
    "pull_request.state",
    "pull_request.head",
    "pull_request.head.sha",
    "pull_request.head.ref",
    "pull_request.base.repo",
    "pull_request.base.repo.id",
    "pull_request.base.repo.full_name",
    "pull_request.labels",
    "pull_request.html_url",
    "pull_request.updated_at",
    "repository",
    "repository.id",
    "repository.full_name",
    "installation",
    "installation.id",
    "sender",
]


@pytest.mark.parametrize("wrong", [None, ["wrong"], True])
def test_a_payload_without_what_it_promises_is_marked_failed_with_the_reason(world: World, wrong: Any) -> None:
    world.pool()
    world.sink.holding = True
    number = world.github.open_pull_request(REPO, "alice").number
    [(headers, body)] = world.sink.kept
    for path in USED[1:]:
        payload = copy.deepcopy(json.loads(body))
        *way, last = path.split(".")
        node = payload
        for step in way:
            node = node[step]
        node[last] = wrong
        assert world.tells("pull_request", payload, guid=path) == 202, path
        world.work()
        failed = [d for d in world.deliveries() if d.guid == path]
        assert [d.state for d in failed] == [DeliveryState.FAILED], path
        assert failed[0].error is not None
        assert failed[0].error.startswith(f"malformed payload: {path}"), (path, failed[0].error)
    assert world.held_by(number) == []

    world.sink.post(headers, body)
    world.work()
    assert len(world.held_by(number)) == 1


# Bad days at GitHub


@pytest.mark.parametrize("status", [404, 403])
def test_closed_is_believed_where_github_does_not_show_the_pull_request(world: World, status: int) -> None:
    world.pool()
    number = world.opens()
    world.github.fail("GET", "/pulls/", status, times=2)
    world.github.close(REPO, number)
    world.work()
    assert world.held_by(number) == []
    assert world.failures() == []


def test_closed_is_worked_after_a_gateway_error(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.fail("GET", "/pulls/", 502, times=2)
    world.github.close(REPO, number)
    world.work()
    assert len(world.held_by(number)) == 1

    world.later(seconds=3)
    assert world.held_by(number) == []
    assert world.failures() == []


def test_a_token_that_github_forgot_is_renewed_once(world: World) -> None:
    world.pool()
    number = world.opens()
    minted = len(tokens_minted(world))
    world.github.revoke_tokens()
    world.github.close(REPO, number)
    world.work()

    assert world.held_by(number) == []
    assert len(tokens_minted(world)) == minted + 1
    assert world.failures() == []


def tokens_minted(world: World) -> list[Any]:
    return [request for request in world.github.requests if request.path.endswith("/access_tokens")]


def asked(world: World) -> int:
    """How often about the repository; the sweeps ask about the App."""
    return sum(request.path.startswith(f"/repos/{REPO}/") for request in world.github.requests)


@pytest.mark.parametrize("status", [403, 429])
def test_a_rate_limit_is_waited_for_without_using_up_a_try_or_losing_the_order(world: World, status: int) -> None:
    world.pool()
    number = world.opens()
    requests = asked(world)
    world.github.fail("GET", "/pulls/", status, headers={"Retry-After": "120"})
    world.github.push(REPO, number)
    world.github.close(REPO, number)
    world.work()
    assert asked(world) == requests + 1, "nothing is asked while GitHub wants to be left alone"
    push, close = [d for d in world.deliveries() if d.action in ("synchronize", "closed")]
    assert (push.state, push.attempts, push.run_at) == (
        DeliveryState.RECEIVED,
        0,
        world.clock() + timedelta(seconds=120),
    )
    assert (close.state, close.attempts) == (DeliveryState.RECEIVED, 0)

    world.later(seconds=119)
    assert asked(world) == requests + 1
    world.later(seconds=2)
    assert world.held_by(number) == []
    told = [d for d in world.deliveries() if d.event == "pull_request"]  # and not of our comment's edits
    finished = [d.action for d in sorted(told, key=lambda d: (d.finished_at, d.number))]
    assert finished[-2:] == ["synchronize", "closed"]
    assert world.failures() == []


def test_a_delivery_that_always_fails_makes_room_for_the_next(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.fail("GET", "/pulls/", 500, times=DELIVERY_ATTEMPTS)
    world.github.push(REPO, number)
    world.work()
    world.github.close(REPO, number)
    for _ in range(DELIVERY_ATTEMPTS - 1):
        assert len(world.held_by(number)) == 1
        world.clock.advance(minutes=5)
        world.work()

    assert world.held_by(number) == []
    [failed] = [d for d in world.deliveries() if d.state == DeliveryState.FAILED]
    assert failed.action == "synchronize"
    assert failed.attempts == DELIVERY_ATTEMPTS
    assert failed.error == f"GET /repos/{REPO}/pulls/{number}: 500 It is not your fault"
