"""A merge hands the environment over to the one issue that it closes, where the policy says so (bot-behaviour 6.6)."""

from __future__ import annotations

import pytest

from demo.github_state import Issue
from storage.audit import Audit
from storage.decisions import Decision
from tests.world import REPO, World


@pytest.fixture
def world(sqlite_world: World) -> World:
    """The policy hands over, and merges do not close issues; the operation is tested on both databases."""
    sqlite_world.configure("on_merge: transition")
    sqlite_world.pool(max_total=2, min_available=2)
    sqlite_world.github.repositories[REPO].closes_linked = False
    return sqlite_world


def merges(world: World, number: int) -> None:
    world.github.close(REPO, number, merged=True)
    world.work()


def closing(world: World, *issues: Issue) -> int:
    said = ", ".join(f"closes #{issue.number}" for issue in issues)
    return world.opens(body=f"A cart; {said}")


def asked_for_closing_issues(world: World) -> int:
    return len([request for request in world.github.requests if request.path == "/graphql"])


def test_the_one_issue_that_a_merge_closes_has_the_environment(world: World) -> None:
    issue = world.github.open_issue(REPO, "bob")
    number = closing(world, issue)
    [before] = world.held_by(number)
    world.clock.advance(hours=2)
    merges(world, number)

    [held] = world.held_by(issue.number, "issue")
    assert (held.id, held.environment_id, held.expires_at) == (before.id, before.environment_id, before.expires_at)
    assert world.held_by(number) == []
    assert f"It was handed over to #{issue.number}" in world.says(number)
    assert "auth/continue" not in world.says(number)
    assert f"handed over from #{number}" in world.says(issue.number)
    assert len(world.written(number)) == len(world.written(issue.number)) == 1
    chain = [row.action for row in world.rows(Audit) if row.subject_id == held.id]
    assert chain == ["assignment.created", "assignment.transitioned"]
    assert world.failures() == []

    world.comments(number, "rita", "/why")
    assert f"handed over to #{issue.number} by the merge (`ok` by `on_merge: transition`" in world.replies(number)[0]
    world.github.close(REPO, issue.number)
    world.work()
    assert world.held_by(issue.number, "issue") == []


def test_an_issue_that_was_linked_by_hand_counts_also_off_the_default_branch(world: World) -> None:
    issue = world.github.open_issue(REPO, "bob")
    number = world.opens(base="develop")
    world.github.link(REPO, number, issue)
    merges(world, number)
    assert len(world.held_by(issue.number, "issue")) == 1


@pytest.mark.parametrize("which", ["none", "several", "elsewhere", "closed with it"])
def test_where_it_is_not_one_open_issue_it_is_taken_back_and_told(world: World, which: str) -> None:
    issues = [world.github.open_issue(REPO, "bob") for _ in range({"none": 0, "several": 2}.get(which, 1))]
    world.github.repositories[REPO].closes_linked = which == "closed with it"
    if which == "elsewhere":
        world.github.add_repositories(world.installation, "acme/docs")
        number = world.opens()
        world.github.link(REPO, number, world.github.open_issue("acme/docs", "bob"))
    else:
        number = closing(world, *issues)
    merges(world, number)
    assert world.held_by(number) == []
    assert [world.held_by(issue.number, "issue") for issue in issues] == [[] for _ in issues]
    why = {"several": "the merge closes several, #1, #2"}.get(which, "none that the merge closes is open here")
    assert f"It went to no issue: {why}." in world.says(number)
    last = [row for row in world.rows(Decision) if row.holder_id == str(number)][-1]
    assert (last.reason, last.operation, last.rule) == ("refused", "transition", "on_merge: transition")
    assert world.failures() == []


def test_an_issue_that_has_one_already_keeps_it(world: World) -> None:
    issue = world.github.open_issue(REPO, "bob")
    world.comments(issue.number, "wendy", "/assign")
    [before] = world.held_by(issue.number, "issue")
    number = closing(world, issue)
    merges(world, number)
    assert [held.id for held in world.held_by(issue.number, "issue")] == [before.id]
    assert world.held_by(number) == []
    assert f"It did not go to #{issue.number}, which has one already." in world.says(number)


def test_while_github_does_not_say_what_is_closed_nothing_is_done_by_halves(world: World) -> None:
    issue = world.github.open_issue(REPO, "bob")
    number = closing(world, issue)
    world.github.fail("POST", "/graphql", 502, times=2)
    merges(world, number)
    assert len(world.held_by(number)) == 1
    world.later(minutes=1)
    assert (world.held_by(number), len(world.held_by(issue.number, "issue"))) == ([], 1)
    assert world.failures() == []


def test_an_answer_that_cannot_be_read_is_asked_for_again(world: World) -> None:
    issue = world.github.open_issue(REPO, "bob")
    number = closing(world, issue)
    world.github.fail("POST", "/graphql", 200, body='{"data": {"repository": {"pullRequest": null}}}')
    merges(world, number)
    world.later(minutes=1)
    assert len(world.held_by(issue.number, "issue")) == 1


def test_what_github_does_not_show_closes_nothing(world: World) -> None:
    number = closing(world, world.github.open_issue(REPO, "bob"))
    refused = '{"errors": [{"type": "FORBIDDEN", "message": "Resource not accessible by integration"}]}'
    world.github.fail("POST", "/graphql", 200, body=refused)
    merges(world, number)
    assert world.held_by(number) == []
    assert "none that the merge closes is open here" in world.says(number)


def test_a_merge_that_was_not_told_ends_in_the_same_state(world: World) -> None:
    issue = world.github.open_issue(REPO, "bob")
    number = closing(world, issue)
    world.sink.cut_off = True
    world.github.webhooks.attempts.clear()
    world.github.webhooks.remembers = False
    merges(world, number)
    world.later(minutes=5, seconds=1)
    assert (world.held_by(number), len(world.held_by(issue.number, "issue"))) == ([], 1)
    assert f"It was handed over to #{issue.number}" in world.says(number)


def test_a_button_pressed_before_the_merge_was_told_takes_nothing_away(world: World) -> None:
    issue = world.github.open_issue(REPO, "bob")
    number = closing(world, issue)
    run = world.github.check_runs(REPO, world.github.pull_request(REPO, number).head_sha)[-1]
    world.sink.cut_off = True
    world.github.close(REPO, number, merged=True)
    world.sink.cut_off = False
    world.github.press(run, "retry", "trish")
    world.work()
    assert len(world.held_by(issue.number, "issue")) == 1


def test_who_only_waited_leaves_the_line_without_a_word(world: World) -> None:
    world.opens("bob")
    world.opens("bob")
    number = closing(world, world.github.open_issue(REPO, "bob"))
    merges(world, number)
    assert "This was merged" in world.says(number)
    assert "It went to no issue" not in world.says(number)


def test_every_domain_goes_with_it(world: World) -> None:
    issue = world.github.open_issue(REPO, "bob")
    number = world.opens(draft=True, body=f"fixes #{issue.number}")
    world.comments(number, "wendy", "/assign domain=sales\n/assign domain=service")
    merges(world, number)
    assert sorted(held.domain for held in world.held_by(issue.number, "issue")) == ["sales", "service"]


def test_by_default_a_merge_hands_nothing_over_and_asks_for_nothing(world: World) -> None:
    world.configure("")
    issue = world.github.open_issue(REPO, "bob")
    number = closing(world, issue)
    merges(world, number)
    assert (world.held_by(number), world.held_by(issue.number, "issue")) == ([], [])
    assert asked_for_closing_issues(world) == 0


def test_who_closes_without_a_merge_hands_nothing_over(world: World) -> None:
    issue = world.github.open_issue(REPO, "bob")
    number = closing(world, issue)
    world.github.close(REPO, number)
    world.work()
    assert (world.held_by(number), world.held_by(issue.number, "issue")) == ([], [])
    assert asked_for_closing_issues(world) == 0
