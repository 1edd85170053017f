"""Where a repository's policy is read from, when, and what is told of a mistaken one."""

from __future__ import annotations

import pytest

from bot.policy.checks import NAME
from bot.policy.keys import PATH
from storage.configurations import Configuration
from storage.repositories import Repository
from tests.world import REPO, World


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def in_force(world: World, repo: str = REPO) -> Configuration:
    names = {row.id: row.full_name for row in world.rows(Repository)}
    rows: list[Configuration] = [row for row in world.rows(Configuration) if names[row.repository_id] == repo]
    [row] = rows
    return row


def checks(world: World, sha: str, repo: str = REPO) -> list[dict[str, object]]:
    """What is said of the file."""
    shown = [run.shown for run in world.github.check_runs(repo, sha)]
    return [check for check in shown if check["name"] == NAME]


def test_it_is_read_when_the_app_is_installed(world: World) -> None:
    world.work()
    assert (in_force(world).source, in_force(world).text) == ("defaults", "")


def test_a_push_to_the_default_branch_switches_it(world: World) -> None:
    world.github.push_to_default_branch(REPO, {PATH: "mode: manual"})
    world.work()
    assert in_force(world).text == "mode: manual"
    world.github.push_to_default_branch(REPO, {PATH: None})
    world.work()
    assert (in_force(world).source, in_force(world).text) == ("defaults", "")
    asked = len(world.github.requests)
    world.github.push_to_default_branch(REPO, {"README.md": "x"})
    world.work()
    assert len(world.github.requests) == asked


def test_a_mistaken_one_is_told_on_its_commit_and_the_last_good_one_stays(world: World) -> None:
    world.github.push_to_default_branch(REPO, {PATH: "mode: manual"})
    world.work()
    sha = world.github.push_to_default_branch(REPO, {PATH: "mode: automatic\npin: {quota: x}\n"})
    world.work()
    assert in_force(world).text == "mode: manual"
    [check] = checks(world, sha)
    assert (check["conclusion"], check["name"]) == ("neutral", "Greenroom configuration")
    output = check["output"]
    assert isinstance(output, dict)
    assert output["title"] == f"1 mistake in {PATH}"
    assert "line 2: `pin.quota` must be a whole number" in output["summary"]
    assert [a["start_line"] for a in output["annotations"]] == [2]

    world.pool()
    number = world.opens()
    assert "write `/assign`" in world.says(number)


def test_where_there_was_never_a_good_one_nothing_is_assigned(world: World) -> None:
    world.github.repositories[REPO].files[PATH] = "mode: manul"
    world.work()
    [check] = checks(world, world.github.repositories[REPO].head_sha)
    assert check["conclusion"] == "neutral"
    world.pool()
    number = world.opens()
    assert world.held_by(number) == []
    assert "cannot be followed (line 1: `mode` must be one of" in world.says(number)
    world.github.push_to_default_branch(REPO, {PATH: "mode: automatic"})
    world.work()
    world.github.push(REPO, number)
    world.work()
    assert len(world.held_by(number)) == 1


def test_a_pull_request_cannot_change_the_rules_that_judge_it(world: World) -> None:
    world.github.push_to_default_branch(REPO, {PATH: "forks: never"})
    world.work()
    world.pool()
    number = world.opens("mallory", fork="mallory/shop", files={PATH: "forks: unrestricted"})
    assert world.held_by(number) == []


def test_a_push_that_nobody_told_of_is_noticed_at_the_next_event(world: World) -> None:
    world.work()
    world.pool()
    world.later(minutes=11)
    world.github.repositories[REPO].files[PATH] = "mode: manual"
    number = world.opens()
    assert world.held_by(number) == []


def test_another_default_branch_has_another_policy(world: World) -> None:
    world.work()
    world.github.change_default_branch(REPO, "trunk", {PATH: "mode: off"})
    world.work()
    assert in_force(world).text == "mode: off"


def test_the_organisations_file_counts_where_a_repository_has_none(world: World) -> None:
    world.github.add_repositories(world.installation, "acme/.github")
    world.work()
    world.github.push_to_default_branch("acme/.github", {PATH: "mode: manual"})
    world.work()
    assert (in_force(world).source, in_force(world).text) == ("organization", "mode: manual")
    world.github.push_to_default_branch(REPO, {PATH: "mode: off"})
    world.work()
    assert (in_force(world).source, in_force(world).text) == ("repository", "mode: off")


def test_an_installation_without_the_permission_has_the_defaults(world: World) -> None:
    world.installation.permissions.pop("contents")
    world.github.push_to_default_branch(REPO, {PATH: "mode: off"})
    world.work()
    assert in_force(world).source == "defaults"
    assert world.failures() == []


def test_a_pull_request_that_changes_it_shows_what_that_would_do(world: World) -> None:
    world.work()
    world.pool(max_total=5, min_available=4)
    first, draft = world.opens(), world.opens(draft=True)
    number = world.opens(files={PATH: "drafts: auto\npaths: [src/**]\n"})
    [check] = checks(world, world.github.pull_request(REPO, number).head_sha)
    output = check["output"]
    assert isinstance(output, dict)
    assert (check["conclusion"], output["title"]) == ("success", "Changes 3 open pull requests")
    assert f"- #{first} would not be served: It changes no file that fits `paths` (`src/**`)" in output["summary"]
    assert f"- #{draft} would not be served" in output["summary"]

    pull = world.github.push(REPO, number, files={PATH: "drafts: auto"})
    world.work()
    [check] = checks(world, pull.head_sha)
    output = check["output"]
    assert isinstance(output, dict)
    assert f"- #{draft} would be served" in output["summary"]
    assert in_force(world).text == ""

    pull = world.github.push(REPO, number, files={PATH: "drafts: never"})
    world.work()
    [check] = checks(world, pull.head_sha)
    assert check["conclusion"] == "neutral"
