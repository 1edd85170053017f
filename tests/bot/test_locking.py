"""/lock, /lock info and /unlock on pull requests (bot-behaviour 6.5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from operations.dedicated import create_environment
from operations.lock import Wanted
from operations.lock import lock as lock_resource
from storage import repositories
from storage.audit import Audit
from storage.dedicated import DedicatedEnvironment
from storage.environments import Environment
from storage.locks import Lock
from tests.bot.test_answers import answer, held_name, said
from tests.world import REPO, TEST, World


def staging(world: World, name: str = "staging") -> DedicatedEnvironment:
    values: dict[str, Any] = {
        "name": name, "category": "test", "branch": "main", "description": "Where all meets",
        "salesforce_username": f"{name}@example.com", "dev_hub_username": None, "is_active": True, "is_default": False,
        "extra": {}, "tags": [], "orchestration_order": None,
    }  # fmt: skip
    with world.database.transaction() as session:
        repository = repositories.register(session, REPO, now=world.clock())
        return create_environment(session, repository, values, TEST, now=world.clock())


def locked_by_pipeline(world: World, environment: DedicatedEnvironment, minutes: int = 30) -> Lock:
    wanted = Wanted(environment.resource, timedelta(minutes=minutes), "deploy-bot", reason="Release 7")
    with world.database.transaction() as session:
        return lock_resource(session, wanted, TEST, now=world.clock())


def reasons(world: World) -> list[str | None]:
    return [lock.end_reason for lock in world.rows(Lock)]


# The pull request's own environment


def test_a_lock_is_shown_with_its_reason_and_needs_no_words(world: World) -> None:
    world.pool()
    number = world.opens()
    comment = world.comments(number, "wendy", "/lock 2h load test")
    assert said(world, comment) == ["rocket"]
    assert world.replies(number) == []
    assert "🔒 Locked until **2026-03-02 14:00 UTC**, by wendy: `load test`" in world.says(number)


def test_nobody_else_gives_back_or_hands_over_what_is_locked(world: World) -> None:
    world.pool()
    number = world.opens()
    world.comments(number, "wendy", "/lock load test")
    locked = "It is locked by `wendy` until 2026-03-02 13:00 UTC: `load test`."
    assert locked in answer(world, number, "mona", "/unassign")
    assert locked in answer(world, number, "mona", "/transition user:bob@example.com")
    assert len(world.held_by(number)) == 1
    world.comments(number, "wendy", "/unassign")
    assert world.held_by(number) == []
    assert reasons(world) == ["resource_gone"]


def test_a_lock_ends_at_its_time_and_the_comment_shows_it(world: World) -> None:
    world.pool()
    number = world.opens()
    world.comments(number, "wendy", "/lock 30m load test")
    world.later(minutes=31)
    assert reasons(world) == ["lease_ended"]
    assert "🔒" not in world.says(number)


def test_a_lock_does_not_outlive_what_it_locks_and_that_is_told(world: World) -> None:
    world.pool(default_expiration_hours=1)
    number = world.opens()
    assert "until 2026-03-02 13:00 UTC, when it expires" in answer(world, number, "wendy", "/lock 3h load test")
    world.later(hours=2)
    assert world.held_by(number) == []
    assert [lock.status for lock in world.rows(Lock)] == ["released"]


def test_a_thread_has_one_lock_whoever_asks(world: World) -> None:
    world.pool()
    number = world.opens()
    world.comments(number, "wendy", "/lock load test")
    assert "is locked by `wendy` on #1 since" in answer(world, number, "mona", "/lock 5h mine")
    assert len(world.rows(Lock)) == 1


def test_who_has_set_it_may_unlock_and_others_need_force_and_maintain(world: World) -> None:
    world.pool()
    number = world.opens("alice")
    world.comments(number, "wendy", "/lock load test")
    assert "is for who has set it, maintain or above here" in answer(world, number, "alice", "/unlock --force")
    assert "`/unlock --force` ends that" in answer(world, number, "mona", "/unlock")
    assert "by `wendy` on #1 is ended" in answer(world, number, "mona", "/unlock --force")
    assert reasons(world) == ["forced"]
    world.comments(number, "wendy", "/lock again")
    assert said(world, world.comments(number, "wendy", "/unlock")) == ["rocket"]
    assert "is not locked" in answer(world, number, "wendy", "/unlock")


def test_whose_lock_was_ended_by_force_is_told_where_it_was_set(world: World) -> None:
    staging(world)
    world.pool(min_available=2)
    locked, other = world.opens("alice"), world.opens("bob")
    world.comments(locked, "wendy", "/lock env=staging load test")
    assert "is ended" in answer(world, other, "mona", "/unlock env=staging --force")
    told = [comment.body for comment in world.written(locked) if "Your lock of" in comment.body]
    assert len(told) == 1
    assert "@wendy" in told[0]
    assert "`staging` was ended by `mona`" in told[0]


def test_a_lock_has_a_reason_and_a_bound(world: World) -> None:
    world.pool()
    number = world.opens()
    assert "reason is missing" in answer(world, number, "wendy", "/lock 2h")
    assert "One `/lock` holds at most 1 d" in answer(world, number, "wendy", "/lock 25h load test")
    assert "`/lock` is for write or above" in answer(world, number, "trish", "/lock load test")
    assert world.rows(Lock) == []


def test_without_an_environment_there_is_nothing_to_lock(world: World) -> None:
    world.pool(max_total=1)
    world.opens()
    waiting = world.opens("bob")
    assert "There is no review environment here" in answer(world, waiting, "wendy", "/lock load test")


@pytest.mark.parametrize("ends", ["closed", "transitioned"])
def test_a_lock_ends_with_its_pull_request(world: World, ends: str) -> None:
    world.pool()
    number = world.opens()
    world.comments(number, "mona", "/lock load test")
    if ends == "closed":
        world.github.close(REPO, number)
        world.work()
    else:
        world.comments(number, "mona", "/transition user:bob@example.com")
    assert [lock.status for lock in world.rows(Lock)] == ["released"]


# Dedicated environments


def test_a_dedicated_environment_is_locked_for_a_pull_request(world: World) -> None:
    world.pool()
    staging(world)
    number = world.opens()
    assert answer(world, number, "wendy", "/lock env=staging 1h hotfix") == (
        "@wendy `staging` is locked for this until 2026-03-02 13:00 UTC."
    )
    assert "🔒 Has the lock of `staging` until **2026-03-02 13:00 UTC**, by wendy: `hotfix`" in world.says(number)


def test_what_is_locked_is_waited_for_in_line_and_comes_to_whoever_is_next(world: World) -> None:
    world.pool(max_total=2, min_available=2)
    locked_by_pipeline(world, staging(world))
    first, second = world.opens(), world.opens("bob")
    assert "at position 1. `staging` is locked by `deploy-bot`" in answer(
        world, first, "wendy", "/lock env=staging hotfix"
    )
    world.comments(second, "wendy", "/lock env=staging another")
    assert "⏳ Waits for the lock of `staging`: position 2" in world.says(second)
    world.later(minutes=31)
    assert "🔒 Has the lock of `staging`" in world.says(first)
    assert "⏳ Waits for the lock of `staging`: position 1" in world.says(second)
    info = answer(world, second, "rita", "/lock info env=staging")
    assert "is locked by `wendy` on #1" in info
    assert "Waiting: 1. `wendy` on #2." in info


def test_closing_a_pull_request_passes_its_lock_on(world: World) -> None:
    world.pool(max_total=2, min_available=2)
    staging(world)
    first, second = world.opens(), world.opens("bob")
    world.comments(first, "wendy", "/lock env=staging hotfix")
    world.comments(second, "wendy", "/lock env=staging another")
    world.github.close(REPO, first)
    world.work()
    assert "🔒 Has the lock of `staging`" in world.says(second)
    assert reasons(world) == ["closed", None]


def test_unlock_leaves_the_line_and_works_where_the_pull_request_is_closed(world: World) -> None:
    world.pool()
    held = locked_by_pipeline(world, staging(world))
    number = world.opens()
    world.comments(number, "wendy", "/lock env=staging hotfix")
    world.comments(number, "wendy", "/unlock env=staging")
    assert reasons(world) == [None, "cancelled"]
    world.github.close(REPO, number)
    world.work()
    assert "does nothing here any more" in answer(world, number, "wendy", "/lock env=staging hotfix")
    assert "by `deploy-bot` is ended" in answer(world, number, "mona", "/unlock env=staging --force")
    assert reasons(world) == ["forced", "cancelled"]
    assert [row.actor for row in world.rows(Audit) if row.action == "lock.released"] == ["wendy", "mona"]
    assert held.fence == 1


def test_an_own_environment_may_be_named_and_what_is_unknown_is_not_guessed(world: World) -> None:
    world.pool()
    number = world.opens()
    name = held_name(world, number)
    world.comments(number, "wendy", f"/lock env={name} load test")
    assert "🔒 Locked until" in world.says(number)
    assert "There is no environment `production`" in answer(world, number, "wendy", "/lock env=production hotfix")
    assert len(world.rows(Environment)) >= 1


def test_when_a_repository_leaves_its_pull_requests_have_no_locks(world: World) -> None:
    world.pool()
    environment = staging(world)
    number = world.opens()
    world.comments(number, "wendy", "/lock env=staging hotfix")
    pipeline = locked_by_pipeline(world, environment)
    world.github.uninstall(world.installation)
    world.work()
    assert [lock.status for lock in world.rows(Lock)] == ["released", "acquired"]
    assert pipeline.holder_id is None
