"""P10–P12: a pool's instances are listed, provisioned and fetched."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from bot.replenishing import provision_runs
from storage.assignments import Assignment
from storage.pools import Pool
from storage.tasks import Task
from tests.bot.api.client import OF_SHOP, Api, Reply, key, secret_of, without
from tests.world import REPO

FETCH = "/pools/core_dev/fetch"
INSTANCES = "/pools/core_dev/instances"
PROVISION = "/pools/core_dev/provision"
MINE = "550e8400-e29b-41d4-a716-446655440000"


def fetch(api: Api, **body: Any) -> Reply:
    return api.application.post(FETCH, body, **OF_SHOP)


# P10


def test_an_assigned_instance_is_shown_with_its_assignment(api: Api) -> None:
    [name] = api.spare("core_dev", free=1)
    assigned = api.assign("dev@example.com", pool="core_dev", assignmentType="user").body["assignment"]

    reply = api.application.get(INSTANCES, **OF_SHOP)

    assert reply.status == 200
    assert reply.headers["X-Total-Count"] == "1"
    assert reply.body == [
        {
            "sandboxId": f"sb-core-dev-{name}",
            "sandboxName": name,
            "poolTag": "core_dev",
            "repositoryIdentifier": REPO,
            "status": "ASSIGNED",
            "assignmentId": assigned["poolAssignmentId"],
            "assignedToUserEmail": "dev@example.com",
            "isImmortal": False,
            "flagged": False,
            "expiresAt": "2026-03-04T12:00:00Z",
            "instanceUrl": f"https://{name}.example",
            "loginUrl": f"https://{name}.example/login",
            "salesforceOrgId": f"00D{name}",
            "createdAt": "2026-03-02T12:00:00Z",
            "lastError": None,
            "deletionEligibleAt": "2026-03-03T12:00:00Z",
            "sfdxAuthUrl": secret_of(name),
        }
    ]


def test_an_available_instance_has_no_credentials_to_show(api: Api) -> None:
    [name] = api.spare("core_dev", free=1)
    [instance] = api.owner.get(INSTANCES, **OF_SHOP).body
    assert "sfdxAuthUrl" not in instance
    assert instance["sandboxName"] == name
    assert (instance["status"], instance["assignmentId"], instance["expiresAt"]) == ("AVAILABLE", None, None)


def test_a_holder_that_is_no_user_has_no_email(api: Api) -> None:
    api.spare("core_dev", free=1)
    api.assign("123", pool="core_dev", isImmortal=True)
    [instance] = api.owner.get(INSTANCES, **OF_SHOP).body
    assert (instance["assignedToUserEmail"], instance["isImmortal"], instance["expiresAt"]) == (None, True, None)


def test_what_is_gone_is_not_listed(api: Api) -> None:
    pool = api.world.pool("core_dev")
    api.owner.delete("/pools/configs/core_dev", **OF_SHOP)
    api.world.work()
    api.world.pool("core_dev", filled=False)
    assert api.world.environments(pool) == []
    assert api.owner.get(INSTANCES, **OF_SHOP).body == []


@pytest.mark.parametrize(("method", "path"), [("GET", "instances"), ("POST", "provision"), ("POST", "fetch")])
def test_an_unknown_pool_has_no_instances(wire: Api, method: str, path: str) -> None:
    reply = wire.owner.send(method, f"/pools/nope/{path}", query=OF_SHOP)
    assert reply.refused() == (404, "POOL_NOT_FOUND", "Pool not found")


# P11


def test_provisioning_tells_the_counts_before_the_run(api: Api) -> None:
    pool = api.world.pool("core_dev", filled=False, min_available=3, max_total=5)

    reply = api.application.post(PROVISION, **OF_SHOP)
    again = api.application.post(PROVISION, **OF_SHOP)

    assert reply.status == 200
    assert reply.body == {
        "status": "provisioning_started",
        "message": "Provisioning 3 new instances for pool core_dev",
        "timestamp": "2026-03-02T12:00:00Z",
        "details": {
            "poolCapacity": 3,
            "availableInstances": 0,
            "provisioningInstances": 0,
            "instancesToBeCreated": 3,
        },
    }
    assert again.body["message"] == "Provisioning 0 new instances for pool core_dev"
    assert again.body["details"]["provisioningInstances"] == 3
    assert api.world.counts(pool).provisioning == 3
    assert {row.actor for row in api.audit("pool.provisioned")} == {"the application"}


def test_what_was_provisioned_becomes_available_by_itself(api: Api) -> None:
    pool = api.world.pool("core_dev", filled=False, min_available=2)
    api.application.post(PROVISION, **OF_SHOP)
    api.world.work()
    assert api.world.counts(pool).available == 2


def test_provisioning_stays_below_the_ceiling(api: Api) -> None:
    api.spare("core_dev", free=2)
    api.assign("1", pool="core_dev")
    assert api.owner.post(PROVISION, **OF_SHOP).body["details"]["instancesToBeCreated"] == 0


def test_all_is_every_active_pool_of_the_repository(api: Api) -> None:
    api.world.pool("first", filled=False, min_available=1)
    api.world.clock.advance(minutes=1)
    api.world.pool("second", filled=False, min_available=2)
    api.world.pool("asleep", filled=False, is_active=False)
    api.world.pool("elsewhere", filled=False, repo="acme/other")

    reply = api.owner.post("/pools/all/provision", **OF_SHOP)

    first = {"poolCapacity": 1, "availableInstances": 0, "provisioningInstances": 0, "instancesToBeCreated": 1}
    second = {"poolCapacity": 2, "availableInstances": 0, "provisioningInstances": 0, "instancesToBeCreated": 2}
    assert reply.body["message"] == "Provisioning 3 new instances for all pools"
    assert reply.body["details"] == {
        "poolCapacity": 3,
        "availableInstances": 0,
        "provisioningInstances": 0,
        "instancesToBeCreated": 3,
        "pools": [{**first, "poolTag": "first"}, {**second, "poolTag": "second"}],
    }


def test_where_there_are_no_pools_nothing_is_provisioned(api: Api) -> None:
    reply = api.owner.post("/pools/all/provision", repositoryIdentifier="acme/unknown")
    assert reply.status == 200
    assert reply.body["details"]["instancesToBeCreated"] == 0
    assert reply.body["details"]["pools"] == []


def test_an_inactive_pool_is_not_provisioned(api: Api) -> None:
    api.world.pool("core_dev", filled=False, is_active=False)
    assert api.owner.post(PROVISION, **OF_SHOP).body["details"]["instancesToBeCreated"] == 0


def test_a_run_shows_in_the_pool_until_it_ends(api: Api) -> None:
    pool = api.world.pool("core_dev", filled=False)
    context = api.world.context
    with provision_runs(api.database.transaction, context.clock, MINE, [pool.id]):
        assert api.owner.get("/pools/configs/core_dev", **OF_SHOP).body["currentProvisionRunId"] == MINE
        assert api.owner.post("/pools/core_dev/provision", **OF_SHOP).refused()[1] == "RUN_IN_PROGRESS"
    assert api.owner.get("/pools/configs/core_dev", **OF_SHOP).body["currentProvisionRunId"] is None
    assert api.owner.post("/pools/core_dev/provision", **OF_SHOP).status == 200
    assert api.owner.get("/pools/configs/core_dev", **OF_SHOP).body["currentProvisionRunId"] is None


def test_a_run_that_fails_ends(api: Api) -> None:
    pool = api.world.pool("core_dev", filled=False)
    with (
        pytest.raises(ZeroDivisionError),
        provision_runs(api.database.transaction, api.world.clock, MINE, [pool.id]),
    ):
        raise ZeroDivisionError
    assert api.owner.get("/pools/configs/core_dev", **OF_SHOP).body["currentProvisionRunId"] is None


@pytest.mark.parametrize("tag", ["core_dev", "all"])
def test_a_run_that_holds_the_pool_is_waited_for_until_it_is_stale(api: Api, tag: str) -> None:
    pool = api.world.pool("core_dev", filled=False)
    with api.database.transaction() as session:
        held = session.get_one(Pool, pool.id)
        held.provision_run_id, held.provision_started_at = MINE, api.world.clock()

    refused = api.owner.post(f"/pools/{tag}/provision", **OF_SHOP)
    api.world.clock.advance(minutes=30, seconds=1)

    sentence = f"A provision run is already in progress ({MINE})"
    assert refused.refused() == (409, "RUN_IN_PROGRESS", sentence)
    assert refused.headers["Retry-After"] == "30"
    assert api.owner.post(f"/pools/{tag}/provision", **OF_SHOP).status == 200


# P12


def test_fetching_answers_with_the_sandbox(api: Api) -> None:
    [name] = api.spare("core_dev", free=1)

    reply = fetch(api, assignmentId=MINE)

    assert reply.status == 200
    assert reply.body == {
        "status": "sandbox_assigned",
        "message": "Sandbox successfully assigned",
        "timestamp": "2026-03-02T12:00:00Z",
        "details": {
            "sandboxId": f"sb-core-dev-{name}",
            "sandboxName": name,
            "instanceUrl": f"https://{name}.example",
            "loginUrl": f"https://{name}.example/login",
            "expiresAt": "2026-03-04T12:00:00Z",
            "isReused": False,
            "sfdxAuthUrl": secret_of(name),
        },
    }
    [assignment] = api.world.rows(Assignment)
    assert (assignment.pool_assignment_id, assignment.taken_by) == (MINE, api.application.token_id)


def test_the_same_id_gives_the_same_sandbox(api: Api) -> None:
    api.spare("core_dev")
    first = fetch(api, assignmentId=MINE).body["details"]
    again = fetch(api, assignmentId=MINE.upper(), isImmortal=True).body["details"]
    assert again == {**first, "isReused": True}


def test_the_same_id_gives_the_same_sandbox_wherever_it_has_gone(api: Api) -> None:
    api.spare("core_dev")
    first = fetch(api, assignmentId=MINE).body["details"]
    moved = api.owner.post(
        "/review/environments/transition",
        {
            "repositoryIdentifier": REPO,
            "fromAssignmentType": "custom",
            "fromAssignmentId": MINE,
            "toAssignmentType": "pr",
            "toAssignmentId": "123",
        },
    )
    assert moved.body["assignment"]["poolAssignmentId"] == MINE
    assert fetch(api, assignmentId=MINE).body["details"] == {**first, "isReused": True}


def test_an_assignment_of_a_pull_request_is_known_by_its_pool_assignment_id(api: Api) -> None:
    api.spare("core_dev")
    assigned = api.assign("123", pool="core_dev").body["assignment"]
    details = fetch(api, assignmentId=assigned["poolAssignmentId"]).body["details"]
    assert (details["isReused"], details["sandboxName"]) == (True, assigned["sandboxName"])


def test_an_id_may_be_used_again_when_its_sandbox_was_given_back(api: Api) -> None:
    api.spare("core_dev", free=1)
    fetch(api, assignmentId=MINE)
    api.owner.post("/review/environments/unassign", key(MINE, "custom"))
    assert fetch(api, assignmentId=MINE).body["details"]["isReused"] is False


@pytest.mark.parametrize("body", [None, {}, {"assignmentId": None}])
def test_without_an_id_there_is_a_new_one(api: Api, body: dict[str, Any] | None) -> None:
    api.spare("core_dev")
    assert api.owner.post(FETCH, body, **OF_SHOP).body["details"]["isReused"] is False
    [instance] = [one for one in api.owner.get(INSTANCES, **OF_SHOP).body if one["status"] == "ASSIGNED"]
    assert UUID(instance["assignmentId"]).version == 4


def test_an_immortal_sandbox_never_expires(api: Api) -> None:
    api.spare("core_dev")
    assert fetch(api, isImmortal=True).body["details"]["expiresAt"] is None


def test_a_fetched_sandbox_is_a_review_environment_too(api: Api) -> None:
    api.spare("core_dev")
    fetch(api, assignmentId=MINE)
    shown = api.owner.get(f"/review/environments/custom/{MINE}", **OF_SHOP).body
    assert shown["poolAssignmentId"] == MINE


def test_an_inactive_pool_still_hands_out_what_it_has(api: Api) -> None:
    api.spare("core_dev", is_active=False)
    assert fetch(api).status == 200


def test_a_fetch_from_an_exhausted_pool_has_it_replenished(api: Api) -> None:
    api.world.pool("core_dev", filled=False, min_available=0, max_total=2)

    reply = fetch(api, assignmentId=MINE)

    assert reply.refused() == (
        409,
        "POOL_EXHAUSTED",
        "No environment is available in pool core_dev (0 available, 0 assigned, 0 provisioning, 0 of 2 used)",
    )
    assert reply.headers["Retry-After"] == "2700"
    assert [task.kind for task in api.world.rows(Task) if task.state == "pending"] == ["replenish"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"assignmentId": "123"}, "assignmentId must be a UUID"),
        ({"assignmentId": 123}, "assignmentId must be a string"),
        ({"isImmortal": "yes"}, "isImmortal must be a boolean"),
        ([], "body must be an object"),
    ],
)
def test_what_cannot_be_fetched_is_said(wire: Api, body: Any, sentence: str) -> None:
    wire.spare("core_dev")
    assert wire.owner.post(FETCH, body, **OF_SHOP).refused() == (400, "VALIDATION_FAILED", sentence)
    assert wire.owner.post("/pools/nope/fetch", body, **OF_SHOP).refused()[:2] == (404, "POOL_NOT_FOUND")


def test_who_fetched_is_who_is_named(api: Api) -> None:
    api.spare("core_dev")
    fetch(api, assignmentId=MINE)
    shown = api.owner.get(f"/review/environments/custom/{MINE}", **OF_SHOP).body
    assert shown["assignedBy"] == "the application"
    assert without(shown, "environmentDetails")["metadata"] == {}
