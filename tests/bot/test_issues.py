"""An issue has an environment for as long as it is open and carries the deploy label."""

from __future__ import annotations

import pytest

from bot.policy.keys import DEFAULTS
from tests.world import REPO, World


def labelled(world: World, label: str = DEFAULTS.labels.deploy) -> int:
    number = world.github.open_issue(REPO, "alice").number
    world.clock.advance(seconds=1)
    world.github.label(REPO, number, label, by="trish")
    world.work()
    return number


def goes_away(world: World, number: int, how: str) -> None:
    """GitHub tells that it was transferred or deleted, and shows it no longer."""
    issue = world.github.repositories[REPO].threads.pop(number)
    world.github.webhooks.of_thread(issue, how, world.github.admin)


def test_the_label_brings_an_environment_and_its_removal_takes_it_back(world: World) -> None:
    pool = world.pool()
    number = labelled(world)
    [assignment] = world.held_by(number, "issue")
    assert assignment.extra["issueTitle"] == "Something is wrong"
    assert "🟢 Review environment" in world.says(number)

    world.github.unlabel(REPO, number, DEFAULTS.labels.deploy)
    world.work()
    assert world.held_by(number, "issue") == []
    assert "was given back" in world.says(number)
    assert world.counts(pool).available == 1
    assert world.failures() == []


def test_opened_or_with_other_labels_it_asks_for_nothing(world: World) -> None:
    world.pool()
    number = labelled(world, "bug")
    assert world.held_by(number, "issue") == []
    assert world.written(number) == []

    world.comments(number, "wendy", "/assign")
    world.github.unlabel(REPO, number, "bug")
    world.work()
    assert len(world.held_by(number, "issue")) == 1, "no other label takes away what a command brought"


def test_what_a_command_took_away_no_other_label_brings_back(world: World) -> None:
    world.pool()
    number = labelled(world)
    world.comments(number, "wendy", "/unassign")
    world.github.label(REPO, number, "bug")
    world.work()
    assert world.held_by(number, "issue") == []


def test_it_gives_back_what_it_holds_when_closed_and_gets_it_again_when_reopened(world: World) -> None:
    world.pool()
    number = labelled(world)
    [before] = world.held_by(number, "issue")
    world.github.close(REPO, number)
    world.work()
    assert world.held_by(number, "issue") == []
    assert "was taken back when this was closed" in world.says(number)

    world.github.reopen(REPO, number)
    world.work()
    [after] = world.held_by(number, "issue")
    assert after.environment_id == before.environment_id


@pytest.mark.parametrize("how", ["transferred", "deleted"])
def test_gone_from_its_repository_it_holds_nothing(world: World, how: str) -> None:
    world.pool()
    number = labelled(world)
    goes_away(world, number, how)
    world.work()
    assert world.held_by(number, "issue") == []
    assert world.failures() == []


def test_a_label_told_late_brings_nothing_to_an_issue_that_is_gone(world: World) -> None:
    world.pool()
    number = world.github.open_issue(REPO, "alice").number
    world.sink.holding = True
    world.github.label(REPO, number, DEFAULTS.labels.deploy)
    goes_away(world, number, "deleted")
    for told in reversed(world.sink.kept):
        world.sink.post(*told)
        world.work()
    assert world.held_by(number, "issue") == []
    assert world.failures() == []


def test_labelled_and_unlabelled_in_one_second_and_told_in_the_wrong_order_it_holds_nothing(world: World) -> None:
    world.pool()
    number = world.github.open_issue(REPO, "alice").number
    world.sink.holding = True
    world.github.label(REPO, number, DEFAULTS.labels.deploy)
    world.github.unlabel(REPO, number, DEFAULTS.labels.deploy)
    for told in reversed(world.sink.kept):
        world.sink.post(*told)
        world.work()
    assert world.held_by(number, "issue") == []


def test_where_there_is_no_pool_the_label_means_nothing(world: World) -> None:
    number = labelled(world)
    assert world.written(number) == []
    assert world.failures() == []


def test_where_no_pool_serves_the_default_branch_why_says_so(world: World) -> None:
    world.pool(branch_pattern="release/*")
    number = labelled(world)
    assert world.failures() == []
    world.comments(number, "rita", "/why")
    assert "No pool matches branch main" in world.replies(number)[0]


def test_it_waits_its_turn_like_a_pull_request(world: World) -> None:
    world.pool(max_total=1)
    holding, waiting = world.opens(), labelled(world)
    assert "Position 1 of 1" in world.says(waiting)
    world.github.close(REPO, holding)
    world.work()
    assert len(world.held_by(waiting, "issue")) == 1
