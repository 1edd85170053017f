"""Many clients at the same moment: what two of them want only one of them gets, and the other is told."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from operations.assign import Wish, assign
from storage.assignments import Assignment, AssignmentStatus
from storage.environments import Environment
from storage.pools import Pool
from storage.repositories import Repository
from storage.tokens import Role
from tests.at_once import PATIENCE, at_once, beside
from tests.bot.api.client import OF_SHOP, POOL, Api, key
from tests.world import REPO, TEST

MINE = "550e8400-e29b-41d4-a716-446655440000"


def test_ten_environments_go_to_ten_of_forty(api: Api) -> None:
    api.spare(free=10)
    clients = [api.token(Role.APPLICATION, name=f"pipeline {number}") for number in range(40)]

    replies = at_once(
        [
            partial(client.post, "/review/environments/assign", key(str(number), poolTag="core"))
            for number, client in enumerate(clients)
        ]
    )

    assert Counter(reply.status for reply in replies) == {200: 10, 409: 30}
    held = [reply.body["assignment"]["sandboxName"] for reply in replies if reply.status == 200]
    assert len(set(held)) == 10
    for reply in replies:
        if reply.status == 409:
            details = reply.body["details"]
            assert reply.refused()[1] == "POOL_EXHAUSTED"
            assert (details["total"], details["maxTotal"]) == (10, 10)
            assert details["available"] + details["assigned"] == 10
            assert reply.headers["Retry-After"] == str(details["retryAfterSeconds"])
    active = [a for a in api.world.rows(Assignment) if a.status == AssignmentStatus.ACTIVE]
    assert len({a.environment_id for a in active}) == len(active) == 10
    assert {e.fence for e in api.world.rows(Environment)} == {2}


@pytest.mark.parametrize("free", [1, 5])
def test_one_key_asked_for_by_many_is_one_assignment(api: Api, free: int) -> None:
    api.spare(free=free)
    clients = [api.token(Role.APPLICATION) for _ in range(8)]

    replies = at_once([partial(client.post, "/review/environments/assign", key(poolTag="core")) for client in clients])

    assert {reply.status for reply in replies} == {200}
    assert len({reply.body["assignment"]["sandboxName"] for reply in replies}) == 1
    assert Counter(reply.body["isReused"] for reply in replies) == {False: 1, True: 7}
    assert api.owner.get("/pools/status", poolTag="core").body["instances"]["available"] == free - 1


def test_who_asks_while_the_last_environment_goes_to_its_own_key_gets_that_one(api: Api) -> None:
    [name] = api.spare(free=1)
    holder = api.world.holder(123)

    with api.database.transaction() as session:
        assign(session, Wish(holder, "core"), TEST, now=api.world.clock())
        asked = beside(api.database, api.assign)
    reply = asked.result(PATIENCE)

    assert reply.status == 200
    assert (reply.body["isReused"], reply.body["assignment"]["sandboxName"]) == (True, name)


def test_who_asks_while_an_environment_is_nearly_taken_gets_it_after_all(api: Api) -> None:
    [name] = api.spare(free=1)
    holder = api.world.holder(1)

    with api.database.transaction() as session:
        assign(session, Wish(holder, "core"), TEST, now=api.world.clock())
        asked = beside(api.database, api.assign)
        session.rollback()
    reply = asked.result(PATIENCE)

    assert reply.status == 200
    assert (reply.body["isReused"], reply.body["assignment"]["sandboxName"]) == (False, name)


def test_one_id_fetched_by_many_is_one_sandbox(api: Api) -> None:
    api.spare(free=5)
    clients = [api.token(Role.APPLICATION) for _ in range(8)]

    replies = at_once(
        [partial(client.post, "/pools/core/fetch", {"assignmentId": MINE}, **OF_SHOP) for client in clients]
    )

    assert {reply.status for reply in replies} == {200}
    assert len({reply.body["details"]["sandboxName"] for reply in replies}) == 1
    assert Counter(reply.body["details"]["isReused"] for reply in replies) == {False: 1, True: 7}


def test_one_lease_wanted_by_many_is_held_by_one(api: Api) -> None:
    api.spare(free=1)
    api.assign("123")
    clients = [api.token(Role.APPLICATION) for _ in range(8)]

    replies = at_once(
        [
            partial(client.post, "/review/environments/acquire", key(duration=5, usedBy=f"job {number}"))
            for number, client in enumerate(clients)
        ]
    )

    assert Counter(reply.status for reply in replies) == {200: 1, 409: 7}
    assert {reply.refused()[1] for reply in replies if reply.status == 409} == {"ENVIRONMENT_IN_USE"}


def test_a_target_wanted_by_two_is_one_sources(api: Api) -> None:
    api.spare(free=2)
    for id in ("1", "2"):
        api.assign(id)
    clients = [api.token(Role.APPLICATION) for _ in range(2)]

    replies = at_once(
        [
            partial(
                client.post,
                "/review/environments/transition",
                {
                    "repositoryIdentifier": REPO,
                    "fromAssignmentType": "pr",
                    "fromAssignmentId": id,
                    "toAssignmentType": "issue",
                    "toAssignmentId": "9",
                },
            )
            for id, client in zip(("1", "2"), clients, strict=True)
        ]
    )

    assert sorted(reply.status for reply in replies) == [200, 409]
    [refused] = [reply for reply in replies if reply.status == 409]
    [moved] = [reply for reply in replies if reply.status == 200]
    name = moved.body["assignment"]["sandboxName"]
    assert refused.refused() == (409, "TARGET_ALREADY_ASSIGNED", f"issue-9 already has environment {name}")
    assert api.owner.get("/review/environments/list").body["totalCount"] == 2


def test_the_same_pool_made_by_many_is_made_once(api: Api) -> None:
    api.owner.post("/pools/configs", {**POOL, "poolTag": "first"})
    clients = [api.token(Role.APPLICATION) for _ in range(6)]

    replies = at_once([partial(client.post, "/pools/configs", POOL) for client in clients])

    assert Counter(reply.status for reply in replies) == {201: 1, 409: 5}
    assert {reply.refused()[1] for reply in replies if reply.status == 409} == {"POOL_EXISTS"}
    assert len(api.world.rows(Pool)) == 2


def test_different_pools_of_a_new_repository_are_all_made(api: Api) -> None:
    clients = [api.token(Role.APPLICATION) for _ in range(6)]

    replies = at_once(
        [
            partial(
                client.post, "/pools/configs", {**POOL, "repositoryIdentifier": "acme/new", "poolTag": f"p{number}"}
            )
            for number, client in enumerate(clients)
        ]
    )

    assert {reply.status for reply in replies} == {201}
    assert len([r for r in api.world.rows(Repository) if r.name_key == "acme/new"]) == 1


def test_two_runs_of_provisioning_stay_below_the_ceiling(api: Api) -> None:
    pool = api.world.pool("core_dev", filled=False, min_available=4, max_total=5)
    clients = [api.token(Role.APPLICATION) for _ in range(4)]

    replies = at_once([partial(client.post, "/pools/core_dev/provision", **OF_SHOP) for client in clients])

    done = [reply for reply in replies if reply.status == 200]
    assert sum(reply.body["details"]["instancesToBeCreated"] for reply in done) == 4
    assert {reply.refused()[1] for reply in replies if reply not in done} <= {"RUN_IN_PROGRESS"}
    assert api.world.counts(pool).total == 4
