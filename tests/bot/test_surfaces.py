"""What a pull request shows besides the status comment: check run, deployment, labels, and how seldom it is written."""

from __future__ import annotations

import re
from typing import Any

import pytest

from demo.github_state import CheckRun, Deployment
from storage.surfaces import Surface
from tests.world import REPO, World


def check(world: World, number: int) -> CheckRun:
    [run] = world.github.check_runs(REPO, world.github.pull_request(REPO, number).head_sha)
    return run


def shown(world: World, number: int) -> tuple[str, str | None]:
    run = check(world, number).shown
    return run["status"], run.get("conclusion")


def buttons(world: World, number: int) -> list[str]:
    return [button["identifier"] for button in check(world, number).shown["actions"]]


def deployments(world: World, number: int) -> list[Deployment]:
    return world.github.deployments(REPO, f"greenroom:pr-{number}")


def states(deployment: Deployment) -> list[str]:
    return [status.state for status in deployment.statuses]


def writes(world: World) -> list[str]:
    """Each as its method and the last word of its path."""
    return [f"{w.method} {re.sub(r'/[0-9]+$', '', w.path).rsplit('/', 1)[-1]}" for w in world.github.writes]


# What is written, and how often


def test_a_quiet_life_with_every_surface_costs_eight_writes(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.push(REPO, number)
    world.work()
    world.github.close(REPO, number, merged=True)
    world.work()
    commit = ["POST check-runs", "POST deployments", "POST statuses"]
    assert writes(world) == ["POST comments", *commit, *commit, "PATCH comments"]


def test_deployments_that_are_over_are_ended_by_the_sweep_and_deleted_an_hour_later(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.push(REPO, number)
    world.work()
    world.github.close(REPO, number)
    world.work()
    assert [states(deployment) for deployment in deployments(world, number)] == [["success"], ["success"]]

    world.later(minutes=1)
    assert [states(deployment)[-1] for deployment in deployments(world, number)] == ["inactive", "inactive"]
    before = len(world.github.writes)
    world.later(minutes=30)
    assert len(world.github.writes) == before
    world.later(minutes=31)
    assert deployments(world, number) == []
    assert [row.kind for row in world.rows(Surface) if row.kind == "deployment"] == []


def test_what_is_shown_already_is_not_written(world: World) -> None:
    world.pool()
    number = world.opens()
    before = len(world.github.writes)
    world.github.convert_to_draft(REPO, number)
    world.github.ready(REPO, number)
    world.work()
    world.later(minutes=5)
    assert len(world.github.writes) == before


# The check run


def test_the_check_run_says_that_the_environment_is_ready(world: World) -> None:
    world.pool()
    number = world.opens()
    run = check(world, number).shown
    assert (run["name"], run["external_id"]) == ("Greenroom", "pr-1")
    assert shown(world, number) == ("completed", "success")
    assert buttons(world, number) == ["extend", "release"]


def test_every_head_has_a_check_run_of_its_own(world: World) -> None:
    world.pool()
    number = world.opens()
    first = check(world, number)
    world.github.push(REPO, number)
    world.work()
    assert check(world, number) is not first
    assert shown(world, number) == ("completed", "success")


def test_a_wait_is_shown_on_the_commit_when_it_lasts_for_thirty_seconds(world: World) -> None:
    world.pool(max_total=1)
    world.opens("bob")
    number = world.opens()
    assert "🟡" in world.says(number)
    sha = world.github.pull_request(REPO, number).head_sha
    assert (world.github.check_runs(REPO, sha), deployments(world, number)) == ([], [])

    world.later(seconds=29)
    assert world.github.check_runs(REPO, sha) == []
    world.later(seconds=1)
    assert shown(world, number) == ("queued", None)
    assert [states(deployment) for deployment in deployments(world, number)] == [["queued"]]


def test_a_short_wait_is_not_shown_on_the_commit(world: World) -> None:
    world.pool(max_total=1)
    first, second = world.opens("bob"), world.opens()
    world.comments(first, "bob", "/unassign")
    world.later(seconds=31)
    assert [states(deployment) for deployment in deployments(world, second)] == [["success"]]


def test_it_says_that_an_environment_is_being_made(world: World) -> None:
    world.pool(additional_config={"mock": {"creationSeconds": 60}})
    number = world.opens()
    world.later(seconds=30)
    assert shown(world, number) == ("in_progress", None)
    assert [states(deployment) for deployment in deployments(world, number)] == [["in_progress"]]
    world.later(seconds=60)
    assert shown(world, number) == ("completed", "success")
    assert [states(deployment) for deployment in deployments(world, number)] == [["in_progress", "success"]]


def test_a_push_while_it_waits_leaves_no_check_run_that_never_ends(world: World) -> None:
    world.pool(max_total=1)
    world.opens("bob")
    number = world.opens()
    world.later(seconds=30)
    first = check(world, number)
    world.github.push(REPO, number)
    world.work()
    assert (first.shown["status"], first.shown["conclusion"]) == ("completed", "neutral")
    assert shown(world, number) == ("queued", None)


def test_closed_while_it_waits_the_check_run_is_completed(world: World) -> None:
    world.pool(max_total=1)
    world.opens("bob")
    number = world.opens()
    world.later(seconds=30)
    world.github.close(REPO, number)
    world.work()
    assert shown(world, number) == ("completed", "neutral")
    assert buttons(world, number) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"draft": True}, "It is a draft"),
        ({"author": "dependabot[bot]"}, "A bot opened it"),
        ({"author": "mallory", "fork": "mallory/shop"}, "It comes from a fork"),
    ],
)
def test_it_says_which_requirement_is_missing(world: World, given: dict[str, Any], says: str) -> None:
    world.pool()
    number = world.opens(**given)
    assert shown(world, number) == ("completed", "neutral")
    assert check(world, number).shown["output"]["summary"].startswith(says)
    assert buttons(world, number) == ["retry"]
    assert deployments(world, number) == []


def test_it_can_be_required_and_then_fails_where_an_environment_is_missing(world: World) -> None:
    world.configure("surfaces: {check_required: true}\npaths: [src/**]")
    world.pool()
    number = world.opens(files={"src/a.py": "1"})
    assert shown(world, number) == ("completed", "success")
    world.comments(number, "alice", "/unassign")
    assert shown(world, number) == ("completed", "failure")
    assert shown(world, world.opens(draft=True, files={"src/a.py": "1"})) == ("completed", "failure")

    not_concerned = world.opens(files={"README.md": "1"})
    assert shown(world, not_concerned) == ("completed", "neutral"), "or it could not be merged"
    assert "It changes no file that fits" in check(world, not_concerned).shown["output"]["summary"]


def test_where_nobody_has_asked_for_us_no_check_is_shown_however_required(world: World) -> None:
    world.configure("surfaces: {check_required: true}")
    world.opens()
    assert world.github.writes == []


def test_it_calls_the_commands_as_the_repository_does(world: World) -> None:
    world.configure("commands: {namespace: stage, aliases: [extend]}")
    world.pool()
    number = world.opens(draft=True)
    says = check(world, number).shown["output"]["summary"]
    assert says == "It is a draft: mark it ready for review, or write `/stage assign`."
    served = world.opens()
    assert "commands: `/stage help`</sub>" in world.says(served)
    world.later(hours=49)
    [told] = [c.body for c in world.written(served) if c.body.startswith("<!-- greenroom:notice")]
    assert "`/stage assign` within 30 minutes" in told


def test_where_no_pool_is_meant_for_it_nothing_is_shown(world: World) -> None:
    world.opens()
    world.pool(branch_pattern="release/.*")
    number = world.opens()
    assert world.github.writes == []
    world.github.close(REPO, number)
    world.work()
    assert world.github.writes == []


def test_given_back_it_is_neutral_and_the_deployment_ends(world: World) -> None:
    world.pool()
    number = world.opens()
    world.comments(number, "alice", "/unassign")
    assert shown(world, number) == ("completed", "neutral")
    world.later(minutes=1)
    assert [states(deployment) for deployment in deployments(world, number)] == [["success", "inactive"]]


def test_taken_up_again_the_deployment_is_active_again(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.close(REPO, number)
    world.work()
    world.later(minutes=1)
    world.github.reopen(REPO, number)
    world.work()
    assert [states(deployment) for deployment in deployments(world, number)] == [["success", "inactive", "success"]]
    world.later(hours=2)
    assert [states(deployment)[-1] for deployment in deployments(world, number)] == ["success"]


# The deployment


def test_the_deployment_leads_to_the_page_that_asks_who_comes(world: World) -> None:
    world.pool()
    number = world.opens()
    [deployment] = deployments(world, number)
    [status] = deployment.statuses
    name = status.description.removesuffix(" is ready")
    where = f"action=frontdoorUrl&params=targetOrg:{name},repository:{REPO}"
    assert status.environment_url == f"http://127.0.0.1:8000/sfp/api/auth/continue?{where}"
    assert status.environment_url in world.says(number)
    assert (deployment.asked["environment"], deployment.asked["task"]) == ("review", "greenroom:pr-1")
    assert deployment.asked["transient_environment"] is True
    assert deployment.sha == world.github.pull_request(REPO, number).head_sha


def test_it_shows_that_the_commit_is_deployed_once_more(world: World) -> None:
    world.pool()
    number = world.opens()
    world.clock.advance(minutes=1)
    world.comments(number, "alice", "/env redeploy")
    [deployment] = deployments(world, number)
    assert states(deployment) == ["success", "in_progress", "success"]
    assert f"Deployed: {deployment.sha[:7]}, 2026-03-02 12:01 UTC" in world.says(number)


def test_two_pull_requests_share_the_environment_and_leave_each_other_alone(world: World) -> None:
    world.pool(min_available=2)
    numbers = world.opens(), world.opens()
    assert [states(d) for number in numbers for d in deployments(world, number)] == [["success"], ["success"]]


# What goes wrong


@pytest.mark.parametrize("path", ["/check-runs", "/deployments", "/statuses"])
@pytest.mark.parametrize("lost", ["the connection", "a bad gateway", "the work"])
def test_when_an_answer_is_lost_nothing_is_there_twice(world: World, path: str, lost: str) -> None:
    world.pool()
    status = None if lost == "the connection" else 502
    world.github.fail("POST", f"{path}$", status, after=lost != "the work")
    number = world.opens()
    world.later(seconds=3)
    assert shown(world, number) == ("completed", "success")
    [deployment] = deployments(world, number)
    assert deployment.state == "success"
    assert world.failures() == []


def test_deleted_by_somebody_they_come_back_when_they_change(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.repositories[REPO].check_runs.clear()
    world.github.repositories[REPO].deployments.clear()
    world.comments(number, "rita", "/status")
    assert shown(world, number) == ("completed", "success")
    assert [states(deployment) for deployment in deployments(world, number)] == [["success"]]


def test_without_the_permissions_the_comment_works_on(world: World) -> None:
    granted = {"metadata": "read", "issues": "write", "pull_requests": "write"}
    world.github.uninstall(world.installation)
    old = world.github.install("acme", REPO, permissions=granted)
    world.pool()
    number = world.opens()
    assert "🟢" in world.says(number)
    assert writes(world) == ["POST comments"]
    assert not [r for r in world.github.requests if r.path.endswith(("check-runs", "deployments"))]

    world.github.accept_permissions(old)
    world.work()
    assert shown(world, number) == ("completed", "success")
    assert [states(deployment) for deployment in deployments(world, number)] == [["success"]]


def test_what_github_refuses_is_noted_and_asked_for_again_after_an_hour(world: World) -> None:
    world.pool()
    world.github.fail("POST", "/deployments$", 403, body='{"message": "Resource not accessible by integration"}')
    number = world.opens()
    [refused] = [row for row in world.rows(Surface) if row.refusal]
    assert refused.kind == "deployment"
    assert "Resource not accessible" in refused.refusal
    world.comments(number, "alice", "/extend 1h")
    assert deployments(world, number) == []
    world.later(hours=1)
    world.comments(number, "alice", "/extend 1h")
    assert [states(deployment) for deployment in deployments(world, number)] == [["success"]]
    assert world.failures() == []


def test_on_a_locked_conversation_the_check_run_says_it_all(world: World) -> None:
    world.pool()
    world.sink.holding = True
    number = world.github.open_pull_request(REPO, "alice").number
    world.thread(number).locked = True
    world.sink.holding = False
    world.sink.post(*world.sink.kept[0])
    world.work()
    assert world.written(number) == []
    assert not [r for r in world.github.requests if r.method == "POST" and r.path.endswith("/comments")]
    assert "### 🟢 Review environment" in check(world, number).shown["output"]["text"]


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        ("surfaces: {check_run: false}", {"comments", "deployments", "statuses"}),
        ("surfaces: {deployments: false}", {"comments", "check-runs"}),
        ("surfaces: {sticky: false}", {"check-runs", "deployments", "statuses"}),
    ],
)
def test_each_surface_can_be_switched_off(world: World, policy: str, left: set[str]) -> None:
    world.configure(policy)
    world.pool()
    number = world.opens()
    world.github.push(REPO, number)
    world.work()
    assert {write.split()[1] for write in writes(world)} == left


def test_the_environment_has_the_name_that_the_policy_gives(world: World) -> None:
    world.configure("surfaces: {environment_name: preview}")
    world.pool()
    [deployment] = deployments(world, world.opens())
    assert deployment.asked["environment"] == "preview"


# Labels


@pytest.fixture
def labelled(world: World) -> World:
    world.configure("labels: {outputs: true}")
    return world


def test_labels_are_not_set_unless_wanted(world: World) -> None:
    world.pool()
    assert world.thread(world.opens()).labels == []


def test_labels_show_the_state(labelled: World) -> None:
    world = labelled
    world.pool(max_total=1)
    first, second = world.opens("bob"), world.opens(labels=("bug",))
    world.later(seconds=30)
    assert (world.thread(first).labels, world.thread(second).labels) == (["env:active"], ["bug", "env:queued"])

    world.github.close(REPO, first)
    world.work()
    assert (world.thread(first).labels, world.thread(second).labels) == ([], ["bug", "env:active"])


def test_what_somebody_does_to_them_is_reset_at_once(labelled: World) -> None:
    world = labelled
    world.pool()
    number, draft = world.opens(), world.opens(draft=True)
    world.github.unlabel(REPO, number, "env:active", by="wendy")
    world.github.label(REPO, number, "env:queued", by="wendy")
    world.github.label(REPO, number, "env:mine", by="wendy")
    world.github.label(REPO, draft, "env:active", by="somebots[bot]")
    world.work()
    assert sorted(world.thread(number).labels) == ["env:active", "env:mine"]
    assert world.thread(draft).labels == []
    asked = len(world.github.requests)
    world.work()
    assert len(world.github.requests) == asked, "our own labels are no news"


def test_on_an_issue_they_are_reset_too(labelled: World) -> None:
    world = labelled
    world.pool()
    issue = world.github.open_issue(REPO, "alice").number
    world.github.label(REPO, issue, "env:deploy", by="wendy")
    world.work()
    world.github.unlabel(REPO, issue, "env:active", by="wendy")
    world.work()
    assert world.thread(issue).labels == ["env:deploy", "env:active"]


def test_a_fork_that_waits_for_approval_is_labelled(labelled: World) -> None:
    world = labelled
    world.pool()
    number = world.opens("mallory", fork="mallory/shop")
    assert world.thread(number).labels == ["env:needs-approval"]
    world.clock.advance(minutes=1)
    world.comments(number, "mona", "/env approve")
    assert world.thread(number).labels == ["env:active"]
    world.github.push(REPO, number)
    world.work()
    assert sorted(world.thread(number).labels) == ["env:active", "env:needs-approval"]
    assert "⚠️ It was pushed to after it was approved" in world.says(number)
    world.github.close(REPO, number)
    world.work()
    assert world.thread(number).labels == []


def test_time_alone_makes_it_expiring(labelled: World) -> None:
    world = labelled
    world.pool()
    number = world.opens()
    world.later(hours=23)
    assert world.thread(number).labels == ["env:active"]
    world.later(hours=1)
    assert world.thread(number).labels == ["env:expiring"]
    world.comments(number, "alice", "/extend 24h")
    assert world.thread(number).labels == ["env:active"]
