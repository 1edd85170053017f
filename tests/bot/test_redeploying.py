"""/env redeploy: the head that people saw is deployed once more, or they are told why not."""

from __future__ import annotations

import pytest

from operations.redeploy import PATIENCE
from storage.audit import Audit
from storage.environments import Environment
from storage.pools import Pool
from storage.redeployments import Redeployment
from storage.repositories import Repository
from tests.bot.test_answers import answer, said
from tests.bot.test_controls import ticks, told
from tests.bot.test_surfaces import deployments, states
from tests.world import REPO, World


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


@pytest.fixture
def number(world: World) -> int:
    """Alice's pull request, which has an environment."""
    world.pool()
    number = world.opens()
    world.clock.advance(minutes=1)
    return number


def head(world: World, number: int) -> str:
    return world.github.pull_request(REPO, number).head_sha


def revision(world: World, number: int) -> str | None:
    """What the provider has in the environment."""
    [held] = world.held_by(number)
    [environment] = [row for row in world.rows(Environment) if row.id == held.environment_id]
    [repository] = [row for row in world.rows(Repository) if row.id == held.repository_id]
    [pool] = [row for row in world.rows(Pool) if row.id == held.pool_id]
    seen = world.context.provider(repository, pool).inspect(environment.name)
    return seen.revision if seen is not None else None


def fails(world: World, **faults: float) -> None:
    """From now on the provider of every pool is like this."""
    with world.database.transaction() as session:
        for pool in session.query(Pool):
            pool.additional_config = {"mock": faults}


def test_the_author_has_the_head_deployed_once_more(world: World, number: int) -> None:
    comment = world.comments(number, "alice", "/env redeploy")
    assert (said(world, comment), world.replies(number)) == (["rocket"], [])
    assert revision(world, number) == head(world, number)
    recorded = [row.action for row in world.rows(Audit) if "redeploy" in row.action]
    assert recorded == ["environment.redeploy_requested", "environment.redeployed"]


def test_a_tick_does_it_too(world: World, number: int) -> None:
    ticks(world, number, "Redeploy", "trish")
    assert revision(world, number) == head(world, number)
    assert "[x]" not in world.says(number)


def test_who_may_only_read_is_refused(world: World, number: int) -> None:
    assert "is for the author, triage or above" in answer(world, number, "rita", "/env redeploy")
    assert revision(world, number) is None


def test_a_push_while_it_was_written_has_it_asked_for_again(world: World, number: int) -> None:
    world.sink.holding = True
    world.github.comment(REPO, number, "alice", "/env redeploy")
    world.sink.holding = False
    world.clock.advance(seconds=5)
    world.github.push(REPO, number)
    world.work()
    world.sink.post(*world.sink.kept[0])
    world.work()
    pushed = head(world, number)[:7]
    assert world.replies(number)[-1].endswith(f"Look at {pushed}, and write `/env redeploy` again.")
    assert revision(world, number) is None


def test_a_push_before_the_provider_was_asked_has_it_asked_for_again(world: World, number: int) -> None:
    fails(world, refusalRate=1)
    old = head(world, number)
    world.comments(number, "trish", "/env redeploy")
    assert f"⏳ {old[:7]} is being deployed, for trish" in world.says(number)
    fails(world)
    world.github.push(REPO, number)
    world.later(minutes=1)
    assert revision(world, number) is None
    assert told(world, number) == [
        f"@trish `{old[:7]}` was not deployed once more, as it was pushed to before. Write `/env redeploy` again."
    ]


def test_a_provider_that_is_away_is_asked_until_it_has_done_it(world: World, number: int) -> None:
    fails(world, refusalRate=1)
    world.comments(number, "alice", "/env redeploy")
    [deployment] = deployments(world, number)
    assert states(deployment) == ["success", "in_progress"]
    fails(world)
    world.later(minutes=1)
    assert states(deployment) == ["success", "in_progress", "success"]
    assert world.failures() == []


def test_a_call_whose_answer_is_lost_is_made_again_and_done_once(world: World, number: int) -> None:
    fails(world, timeoutAfterSuccessRate=1)
    world.comments(number, "alice", "/env redeploy")
    [wanted] = world.rows(Redeployment)
    assert (wanted.requested_at, wanted.finished_at) == (None, None)
    fails(world)
    world.later(minutes=1)
    [wanted] = world.rows(Redeployment)
    assert (wanted.error, wanted.finished_at) == (None, world.clock())


def test_what_takes_too_long_has_failed_and_can_be_asked_for_again(world: World, number: int) -> None:
    fails(world, refusalRate=1)
    world.comments(number, "alice", "/env redeploy")
    world.later(seconds=PATIENCE.total_seconds())
    [deployment] = deployments(world, number)
    assert states(deployment)[-1] == "failure"
    sha = head(world, number)[:7]
    says = f"⚠️ {sha} could not be deployed: it took longer than an hour. `/env redeploy` tries again"
    assert says in world.says(number)
    fails(world)
    world.comments(number, "alice", "/env redeploy")
    world.later(minutes=1)
    assert states(deployment)[-1] == "success"


def test_asked_twice_while_it_is_under_way_it_is_done_once(world: World, number: int) -> None:
    fails(world, refusalRate=1)
    world.comments(number, "alice", "/env redeploy\n/env redeploy")
    assert len(world.rows(Redeployment)) == 1


def test_given_back_meanwhile_nothing_is_deployed_into_it(world: World, number: int) -> None:
    fails(world, refusalRate=1)
    world.comments(number, "alice", "/env redeploy")
    fails(world)
    world.comments(number, "alice", "/unassign")
    world.later(minutes=1)
    [wanted] = world.rows(Redeployment)
    assert wanted.error == "it was given back before that"


def test_every_redeployment_has_a_higher_fence(world: World, number: int) -> None:
    world.comments(number, "alice", "/env redeploy")
    world.comments(number, "alice", "/env redeploy")
    first, second = sorted(world.rows(Redeployment), key=lambda row: row.fence)
    assert first.fence < second.fence


def test_where_the_provider_cannot_it_is_not_offered_and_refused(world: World) -> None:
    world.pool(provider="local")
    number = world.opens()
    world.clock.advance(minutes=1)
    assert "Redeploy" not in world.says(number)
    assert "Environments of `local` deploy nothing" in answer(world, number, "alice", "/env redeploy")


def test_an_issue_has_nothing_to_deploy(world: World) -> None:
    world.pool()
    issue = world.github.open_issue(REPO, "alice").number
    world.github.label(REPO, issue, "env:deploy", by="wendy")
    world.work()
    assert "Redeploy" not in world.says(issue)
    assert "An issue has no commit" in answer(world, issue, "alice", "/env redeploy")


def test_of_a_fork_only_an_approved_commit_is_deployed(world: World) -> None:
    world.pool()
    number = world.opens("mallory", fork="mallory/shop")
    world.clock.advance(minutes=1)
    world.comments(number, "mona", "/env approve")
    world.github.push(REPO, number)
    world.work()
    world.clock.advance(minutes=1)
    assert "pushed to after it was approved" in answer(world, number, "mallory", "/env redeploy")
    assert world.rows(Redeployment) == []


def test_nobody_else_deploys_into_what_is_locked(world: World, number: int) -> None:
    world.comments(number, "wendy", "/lock load test")
    assert "It is locked by `wendy`" in answer(world, number, "alice", "/env redeploy")
    assert world.rows(Redeployment) == []


def test_on_a_closed_pull_request_it_does_nothing(world: World, number: int) -> None:
    world.github.close(REPO, number)
    world.work()
    assert "this is closed" in answer(world, number, "alice", "/env redeploy")
