"""P7 and P15: pools are compared with their provider, and brought to what they should be, in the request."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.context import Context
from storage import pools
from storage.database import new_id
from storage.environments import Environment, EnvironmentState
from storage.pools import Pool
from storage.tokens import Role
from tests.bot.api.client import OF_SHOP, Api, Reply, Rest
from tests.provider import vanish
from tests.world import REPO

CLEANUP, REPLENISH = "/pools/cleanup-zombies", "/pools/core/replenish"
HUB = "hub@example.com"
UNAVAILABLE = "The mock service lost the rest of its list"


def made(api: Api, tag: str = "core", *, repo: str = REPO, free: int = 2, **mock: Any) -> Pool:
    """A pool of the hub with this many available environments."""
    return api.world.pool(
        tag, repo=repo, provider="salesforce", dev_hub_username=HUB, min_available=free, max_total=free,
        additional_config={"mock": mock},
    )  # fmt: skip


def names(api: Api, pool: Pool) -> list[str]:
    return [environment.name for environment in api.world.environments(pool)]


def gone(api: Api, *names: str) -> None:
    """The environments disappear at the provider, and nobody tells us."""
    for name in names:
        vanish(api.world.context.settings.data / "mock-service.sqlite3", name)


def reconfigure(api: Api, pool: Pool, **mock: Any) -> None:
    with api.database.transaction() as session:
        session.get_one(Pool, pool.id).additional_config = {"mock": mock}


def clean(who: Rest, **body: Any) -> Reply:
    return who.post(CLEANUP, {"devHubUsername": HUB, **body})


def replenish(api: Api) -> Reply:
    return api.application.post(REPLENISH, **OF_SHOP)


def busy(api: Api, pool: Pool) -> str:
    """Another run is at work in the pool; its id."""
    run_id = new_id()
    with api.database.transaction() as session:
        assert pools.begin_monitor_run(session, pool.id, run_id, now=api.world.clock())
    return run_id


def age(api: Api, name: str, state: EnvironmentState, by: timedelta) -> None:
    """The environment has been in this state for so long."""
    began = api.world.clock() - by
    with api.database.transaction() as session:
        row = session.get_one(Environment, api.environment(name).id)
        row.state, row.created_at, row.requested_at = state, began, began


# P7


def test_a_dry_run_tells_what_is_missing_and_changes_nothing(api: Api) -> None:
    pool = made(api)
    lost, _ = names(api, pool)
    gone(api, lost)
    reply = clean(api.application)
    assert reply.status == 200
    assert reply.body == {
        "message": "Found 1 orphaned instances. Run with dryRun=false to delete them.",
        "orphanedInstances": [
            {"sandboxName": lost, "poolTag": "core", "status": "AVAILABLE", "reason": "Not found in Salesforce"}
        ],
        "dryRun": True,
    }
    assert api.world.counts(pool).available == 2


def test_a_real_run_removes_them_and_the_quota_refills(api: Api) -> None:
    pool = made(api)
    lost, kept = names(api, pool)
    gone(api, lost)
    reply = clean(api.owner, dryRun=False)
    assert (reply.body["message"], reply.body["dryRun"]) == ("Deleted 1 orphaned instances.", False)
    assert [orphan["sandboxName"] for orphan in reply.body["orphanedInstances"]] == [lost]
    assert names(api, pool) == [kept]
    assert api.environment(lost).state == "ARCHIVED"
    api.world.work()
    assert api.world.counts(pool).available == 2


def test_nothing_found_is_said_the_same_way_in_both_runs(api: Api) -> None:
    made(api)
    for dry in (True, False):
        body = clean(api.owner, dryRun=dry).body
        assert body == {"message": "Found 0 orphaned instances.", "orphanedInstances": [], "dryRun": dry}


def test_the_holder_of_a_lost_sandbox_is_told(api: Api) -> None:
    pool = made(api, free=1)
    [lost] = names(api, pool)
    number = api.world.opens()
    gone(api, lost)
    assert clean(api.owner, dryRun=False).body["orphanedInstances"][0]["status"] == "ASSIGNED"
    reply = api.member.get(f"/review/environments/pr/{number}", **OF_SHOP)
    assert (reply.status, reply.body["details"]["lastStatus"]) == (404, "released")
    api.world.work()
    assert f"{lost} was lost" in api.world.says(number)


def test_only_the_hubs_pools_are_looked_at(api: Api) -> None:
    mine, other = made(api), api.world.pool("other", provider="salesforce", dev_hub_username="other@example.com")
    gone(api, *names(api, mine), *names(api, other))
    assert {orphan["poolTag"] for orphan in clean(api.owner).body["orphanedInstances"]} == {"core"}


def test_only_the_repositories_that_the_token_sees_are_looked_at(api: Api) -> None:
    mine, other = made(api), made(api, repo="acme/other")
    theirs = names(api, other)
    gone(api, *names(api, mine), *theirs)
    found = clean(api.token(Role.OWNER, "acme/other"), dryRun=False).body["orphanedInstances"]
    assert [orphan["sandboxName"] for orphan in found] == theirs
    assert api.world.counts(mine).available == 2


@pytest.mark.parametrize("state", [EnvironmentState.PROVISIONING, EnvironmentState.REFRESHING])
@pytest.mark.parametrize(("average", "minutes"), [(None, 90), (10, 60), (45, 90)])
def test_what_is_being_made_has_time(api: Api, state: EnvironmentState, average: float | None, minutes: int) -> None:
    """An hour, or twice the average creation (contract 11.3)."""
    pool = made(api, free=1)
    [lost] = names(api, pool)
    gone(api, lost)
    with api.database.transaction() as session:
        session.get_one(Pool, pool.id).average_creation_minutes = average
    age(api, lost, state, timedelta(minutes=minutes, seconds=-1))
    assert clean(api.owner).body["orphanedInstances"] == []
    age(api, lost, state, timedelta(minutes=minutes))
    assert [orphan["status"] for orphan in clean(api.owner).body["orphanedInstances"]] == [state]


def test_what_is_not_listed_yet_is_asked_for_by_name(api: Api) -> None:
    pool = made(api, listingDelaySeconds=600)
    assert api.world.counts(pool).available == 2
    assert clean(api.owner, dryRun=False).body["message"] == "Found 0 orphaned instances."


@pytest.mark.parametrize("dry", [True, False])
def test_an_incomplete_list_proves_nothing(api: Api, dry: bool) -> None:
    pool = made(api)
    gone(api, *names(api, pool))
    reconfigure(api, pool, listingFailureRate=1)
    assert clean(api.owner, dryRun=dry).refused() == (502, "PROVIDER_ERROR", f"The provider refused: {UNAVAILABLE}")
    assert api.world.counts(pool).available == 2
    reconfigure(api, pool)
    assert clean(api.owner, dryRun=False).status == 200


def test_no_sandbox_is_removed_while_a_run_is_at_work(api: Api) -> None:
    pool, other = made(api), made(api, "other")
    gone(api, *names(api, pool))
    run_id = busy(api, pool)
    reply = clean(api.owner, dryRun=False)
    assert reply.refused() == (409, "RUN_IN_PROGRESS", f"A monitor run is already in progress ({run_id})")
    assert api.owner.get("/pools/configs/other", **OF_SHOP).body["currentMonitorRunId"] is None
    assert clean(api.owner).status == 200
    assert api.world.counts(other).available == 2


def test_a_creation_that_comes_late_is_refused(api: Api) -> None:
    """The row of a creation that was never heard of goes; the name is used no more at the provider either."""
    pool = made(api, free=1, creationSeconds=1)
    [name] = names(api, pool)
    gone(api, name)
    age(api, name, EnvironmentState.PROVISIONING, timedelta(hours=2))
    clean(api.owner, dryRun=False)
    api.world.work()
    assert api.environment(name).state == "ARCHIVED"


def test_an_unknown_hub_is_refused_in_real_mode_only(api: Api) -> None:
    assert clean(api.owner).body["message"] == "Found 0 orphaned instances."
    world = api.world
    settings = replace(world.context.settings, sandbox_mode="real")
    real = Api(world, context=Context.of(settings, world.database, world.clock))
    assert clean(real.owner).refused() == (404, "ORG_NOT_FOUND", f"Salesforce org {HUB} not found")


def test_looking_is_for_applications_and_removing_for_owners(wire: Api) -> None:
    assert clean(wire.member).refused()[1] == "ROLE_REQUIRED"
    assert clean(wire.application).status == 200
    refused = (403, "ROLE_REQUIRED", "Forbidden - Requires role: owner")
    assert clean(wire.application, dryRun=False).refused() == refused
    assert clean(wire.owner, dryRun=False).status == 200


@pytest.mark.parametrize("body", [{"devHubUsername": None}, {"devHubUsername": 7}, {"dryRun": "no"}])
def test_a_cleanup_names_its_hub(wire: Api, body: dict[str, Any]) -> None:
    assert clean(wire.owner, **body).refused()[:2] == (400, "VALIDATION_FAILED")


# P15


def test_replenishing_tells_of_its_three_steps(api: Api) -> None:
    pool = api.world.pool(filled=False, min_available=2)
    reply = replenish(api)
    assert reply.status == 200
    assert reply.body == {
        "poolTag": "core",
        "steps": {
            "reconciliation": {
                "success": True,
                "message": "State reconciliation completed successfully",
                "duration": 0,
            },
            "lifecycleProcessing": {
                "success": True,
                "message": "Lifecycle processing completed successfully",
                "duration": 0,
            },
            "quotaMaintenance": {
                "success": True,
                "message": "Quota maintenance completed. 2 instances will be created.",
                "availableInstances": 0,
                "errorInstances": 0,
                "instancesToBeCreated": 2,
                "duration": 0,
            },
        },
        "summary": "Replenishment completed successfully. Reconciliation: ✓, Lifecycle: ✓, Quota: ✓ (2 new instances)",
        "totalDuration": 0,
    }
    assert api.world.counts(pool).provisioning == 2
    config = api.owner.get("/pools/configs/core", **OF_SHOP).body
    assert (config["lastMonitoredAt"], config["currentMonitorRunId"]) == ("2026-03-02T12:00:00Z", None)
    [row] = api.audit("pool.replenished")
    assert (row.actor, sorted(row.details["environments"])) == ("the application", sorted(names(api, pool)))
    api.world.work()
    assert api.world.counts(pool).available == 2


def test_reconciliation_finds_what_is_gone(api: Api) -> None:
    pool = made(api)
    api.world.clock.advance(minutes=6)
    gone(api, *names(api, pool))
    step = replenish(api).body["steps"]["quotaMaintenance"]
    assert (step["availableInstances"], step["errorInstances"]) == (0, 2)


def test_what_is_too_old_goes(api: Api) -> None:
    pool = api.world.pool(days_to_keep_available=1)
    api.world.clock.advance(hours=25)
    replenish(api)
    assert (api.world.counts(pool).expired, api.world.counts(pool).provisioning) == (1, 1)


def test_without_reconciliation_nothing_is_created(api: Api) -> None:
    pool = api.world.pool(filled=False, min_available=2, additional_config={"mock": {"listingFailureRate": 1}})
    reply = replenish(api)
    assert reply.status == 200
    steps = reply.body["steps"]
    assert steps["reconciliation"]["success"] is False
    assert steps["reconciliation"]["message"] == f"State reconciliation failed: {UNAVAILABLE}"
    assert steps["lifecycleProcessing"]["success"] is True
    assert steps["quotaMaintenance"] == {
        "success": False,
        "message": "Quota maintenance skipped: without reconciliation it could create too many.",
        "availableInstances": 0,
        "errorInstances": 0,
        "instancesToBeCreated": 0,
        "duration": 0,
    }
    assert reply.body["summary"] == (
        "Replenishment completed with errors. Reconciliation: ✗, Lifecycle: ✓, Quota: ✗ (skipped)"
    )
    assert api.world.counts(pool).total == 0
    assert api.owner.get("/pools/configs/core", **OF_SHOP).body["currentMonitorRunId"] is None


def test_one_run_of_a_pool_at_a_time(api: Api) -> None:
    pool = api.world.pool()
    run_id = busy(api, pool)
    reply = replenish(api)
    assert reply.refused() == (409, "RUN_IN_PROGRESS", f"A monitor run is already in progress ({run_id})")
    assert int(reply.headers["Retry-After"]) > 0
    api.world.clock.advance(minutes=30, seconds=1)
    assert replenish(api).status == 200


def test_an_inactive_pool_is_looked_after_and_not_filled(api: Api) -> None:
    api.world.pool(filled=False, is_active=False)
    assert replenish(api).body["steps"]["quotaMaintenance"]["instancesToBeCreated"] == 0


def test_who_may_replenish(wire: Api) -> None:
    refused = (403, "ROLE_REQUIRED", "Forbidden - Requires role: owner, application")
    assert wire.member.post(REPLENISH, **OF_SHOP).refused() == refused
    assert wire.owner.post(REPLENISH, **OF_SHOP).refused() == (404, "POOL_NOT_FOUND", "Pool not found")
    assert wire.owner.post(REPLENISH).refused()[1] == "MISSING_PARAMETER"
