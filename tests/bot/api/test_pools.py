"""P1–P6 and P8: pools are made, shown, changed and deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.api.pool_bodies import RESERVED_TAGS
from bot.context import Context
from storage.tasks import Task
from storage.tokens import Role
from tests.bot.api.client import OF_SHOP, POOL, Api, Reply, key
from tests.world import REPO

CONFIGS = "/pools/configs"
CORE = "/pools/configs/core_dev"
STATUS = "/pools/status"

OWNER_AND_NAME = "must be an owner and a name, as in flxbl-io/sf-core"

SHOWN: dict[str, Any] = {
    "accountId": "acme",
    "repositoryIdentifier": REPO,
    "name": "Core",
    "poolTag": "core_dev",
    "poolType": "SANDBOX",
    "provider": "mock",
    "branchPattern": None,
    "domainPatterns": [],
    "hasAssignmentRules": False,
    "devHubUsername": None,
    "sandboxDefinition": {"licenseType": "Developer"},
    "minAvailableInstances": 1,
    "maxTotalInstances": 2,
    "daysToKeepUnassignedAvailable": 30,
    "refreshOrDeleteStrategy": "DELETE_EXPIRED",
    "defaultExpirationHours": 24,
    "extendedExpirationHours": None,
    "averageOrgCreationTime": None,
    "returnToPoolOnUnassign": False,
    "isActive": True,
    "additionalConfig": {},
    "metadata": {},
    "lastMonitoredAt": None,
    "lastProvisionedAt": None,
    "currentProvisionRunId": None,
    "currentMonitorRunId": None,
    "refreshStrategy": "ALWAYS",
    "refreshIntervalHours": 24,
    "minActiveInstances": 1,
    "maxActiveInstances": 2,
    "minRetentionDays": 7,
}


def make(api: Api, **more: Any) -> Reply:
    return api.application.post(CONFIGS, {**POOL, **more})


def change(api: Api, **changes: Any) -> Reply:
    return api.application.patch(CORE, changes, **OF_SHOP)


def problems(reply: Reply) -> list[str]:
    """Everything that is wrong, in the order of the details; the first is the message."""
    assert reply.refused()[:2] == (400, "VALIDATION_FAILED")
    found = [f"{error['field']} {error['message']}" for error in reply.body["details"]["errors"]]
    assert reply.body["message"] == found[0]
    return found


# P2


def test_a_pool_is_made_with_defaults_for_what_is_not_said(api: Api) -> None:
    reply = make(api)

    assert (reply.status, reply.body) == (201, SHOWN)
    assert api.member.get(CORE, **OF_SHOP).body == SHOWN
    assert api.member.get(CONFIGS).body == [SHOWN]


def test_making_a_pool_provisions_nothing(api: Api) -> None:
    make(api)
    assert api.world.rows(Task) == []


def test_everything_that_can_be_said_is_kept(api: Api) -> None:
    said = {
        "devHubUsername": "hub@example.com",
        "provider": "salesforce",
        "poolType": "SANDBOX",
        "branchPattern": "feature/*",
        "domainPatterns": ["sales-*"],
        "sandboxDefinition": {
            "autoActivate": True,
            "licenseType": "Developer_Pro",
            "description": "Dev sandbox",
            "sandboxName": ["DEV", "QA"],
        },
        "defaultExpirationHours": 1.5,
        "extendedExpirationHours": 168,
        "averageOrgCreationTime": 45,
        "returnToPoolOnUnassign": True,
        "isActive": False,
        "additionalConfig": {
            "usersToActivate": ["dev@example.com"],
            "dataSeedPlan": "standard",
            "postCreationScript": "seed.sh",
            "reattachMinutes": 0,
            "trust": "untrusted",
            "mock": {"creationSeconds": 90},
            "anything": [{"else": None}],
        },
        "metadata": {"team": "platform"},
        "refreshStrategy": "NEVER",
        "refreshIntervalHours": 12,
        "minActiveInstances": 9,
        "maxActiveInstances": 90,
        "minRetentionDays": 1,
    }
    reply = make(api, **said)
    assert (reply.status, reply.body) == (201, {**SHOWN, **said, "hasAssignmentRules": True})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"sandboxDefinition": {"licenseType": "dEVELOPER_pRO"}}, {"licenseType": "Developer_Pro"}),
        ({"sandboxDefinition": {"sourceSandboxName": "TEMPLATE"}}, {"sourceSandboxName": "TEMPLATE"}),
        ({"sourceSandboxName": "TEMPLATE"}, {"sourceSandboxName": "TEMPLATE"}),
        (
            {"sourceSandboxName": "OLD", "sandboxDefinition": {"autoActivate": True}},
            {"sourceSandboxName": "OLD", "autoActivate": True},
        ),
        (
            {"sandboxDefinition": {"licenseType": None, "sandboxName": ["QA"]}},
            {"licenseType": "Developer", "sandboxName": ["QA"]},
        ),
    ],
)
def test_an_environment_is_made_from_a_licence_or_from_a_source(
    wire: Api, given: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert make(wire, **given).body["sandboxDefinition"] == kept


def test_null_is_nothing_said(wire: Api) -> None:
    nulls = dict.fromkeys(("branchPattern", "domainPatterns", "metadata", "additionalConfig", "defaultExpirationHours"))
    assert make(wire, **nulls).body == SHOWN


def test_unknown_fields_are_ignored(wire: Api) -> None:
    assert make(wire, colour="green", accountId="elsewhere").body == SHOWN


def test_integers_may_be_written_with_a_fraction_of_zero(wire: Api) -> None:
    assert make(wire, minAvailableInstances=1.0).body["minAvailableInstances"] == 1


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"repositoryIdentifier": None}, "repositoryIdentifier is required"),
        ({"repositoryIdentifier": "shop"}, f"repositoryIdentifier {OWNER_AND_NAME}"),
        ({"repositoryIdentifier": f"{REPO}\n"}, f"repositoryIdentifier {OWNER_AND_NAME}"),
        ({"name": ""}, "name must have between 1 and 100 characters"),
        ({"name": "n" * 101}, "name must have between 1 and 100 characters"),
        ({"name": 7}, "name must be a string"),
        ({"poolTag": "Core"}, "poolTag must consist of lower-case letters, digits and _ -"),
        ({"poolTag": "c" * 64}, "poolTag must have at most 63 characters"),
        ({"poolType": "SCRATCH_ORG"}, "poolType must be one of SANDBOX"),
        ({"minAvailableInstances": None}, "minAvailableInstances is required"),
        ({"minAvailableInstances": 1.5}, "minAvailableInstances must be an integer"),
        ({"minAvailableInstances": True}, "minAvailableInstances must be an integer"),
        ({"minAvailableInstances": "1"}, "minAvailableInstances must be an integer"),
        ({"minAvailableInstances": -1}, "minAvailableInstances must be between 0 and 500"),
        ({"minAvailableInstances": 3}, "minAvailableInstances must not be above maxTotalInstances (2)"),
        ({"maxTotalInstances": 0}, "maxTotalInstances must be between 1 and 500"),
        ({"maxTotalInstances": 501}, "maxTotalInstances must be between 1 and 500"),
        ({"daysToKeepUnassignedAvailable": 366}, "daysToKeepUnassignedAvailable must be between 1 and 365"),
        (
            {"refreshOrDeleteStrategy": "delete_expired"},
            "refreshOrDeleteStrategy must be one of AUTO_REFRESH_EXPIRED, DELETE_EXPIRED, FLAG_EXPIRED or NOTIFY_ONLY",
        ),
        ({"isActive": None}, "isActive is required"),
        ({"isActive": 1}, "isActive must be a boolean"),
        ({"isActive": "true"}, "isActive must be a boolean"),
        ({"sandboxDefinition": []}, "sandboxDefinition must be an object"),
        (
            {"sandboxDefinition": {"licenseType": "Enterprise"}},
            "sandboxDefinition.licenseType must be one of Developer, Developer_Pro, Partial or Full",
        ),
        (
            {"sandboxDefinition": {"licenseType": "Full", "sourceSandboxName": "T"}},
            "sandboxDefinition must have licenseType or sourceSandboxName, not both",
        ),
        (
            {"sourceSandboxName": "T", "sandboxDefinition": {"licenseType": "Full"}},
            "sandboxDefinition must have licenseType or sourceSandboxName, not both",
        ),
        ({"sourceSandboxName": "T", "sandboxDefinition": "x"}, "sandboxDefinition must be an object"),
        ({"sandboxDefinition": {"sandboxName": "DEV"}}, "sandboxDefinition.sandboxName must be an array"),
        ({"domainPatterns": [1]}, "domainPatterns.0 must be a string"),
        ({"defaultExpirationHours": 0.5}, "defaultExpirationHours must be between 1 and 720"),
        ({"defaultExpirationHours": True}, "defaultExpirationHours must be a number"),
        ({"extendedExpirationHours": 721}, "extendedExpirationHours must be between 1 and 720"),
        ({"averageOrgCreationTime": 0}, "averageOrgCreationTime must be between 1 and 525600"),
        ({"metadata": []}, "metadata must be an object"),
        ({"metadata": {"long": "é" * 8200}}, "metadata must be at most 16384 bytes of JSON"),
        ({"additionalConfig": "x"}, "additionalConfig must be an object"),
        ({"additionalConfig": {"usersToActivate": "me"}}, "additionalConfig.usersToActivate must be an array"),
        ({"additionalConfig": {"trust": "maybe"}}, "additionalConfig.trust must be one of trusted or untrusted"),
        ({"additionalConfig": {"reattachMinutes": -1}}, "additionalConfig.reattachMinutes must be between 0 and 10080"),
        ({"additionalConfig": {"mock": {"x": 1}}}, "additionalConfig.mock.x is not an option"),
        ({"provider": "platformsh"}, "provider must be one of local, mock, salesforce, which are set up here"),
        ({"provider": None}, "devHubUsername is required for the provider salesforce"),
        ({"provider": "salesforce"}, "devHubUsername is required for the provider salesforce"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_said_in_a_sentence(wire: Api, given: dict[str, Any], sentence: str) -> None:
    assert problems(make(wire, **given))[0] == sentence
    assert wire.owner.get(CONFIGS).body == []


@pytest.mark.parametrize("tag", RESERVED_TAGS)
def test_reserved_tags_are_no_pools(wire: Api, tag: str) -> None:
    sentence = "poolTag must not be one of all, configs, status, mode, monitoring-jobs, cleanup-zombies"
    assert problems(make(wire, poolTag=tag)) == [sentence]


def test_everything_that_is_wrong_is_said_at_once(wire: Api) -> None:
    assert problems(make(wire, name=None, isActive="yes", provider="nowhere")) == [
        "name is required",
        "isActive must be a boolean",
    ]


def test_in_real_mode_a_hub_is_a_registered_org(wire: Api) -> None:
    world = wire.world
    settings = replace(world.context.settings, sandbox_mode="real")
    api = Api(world, context=Context.of(settings, world.database, world.clock))
    refused = make(api, provider="salesforce", devHubUsername="hub").refused()
    assert refused == (404, "ORG_NOT_FOUND", "Salesforce org hub not found")
    assert api.member.get("/pools/mode").body == {
        "mode": "real",
        "description": "Using the real Salesforce sandbox service",
        "mockModeEnvVar": "GREENROOM_SANDBOX_MODE",
    }


def test_a_tag_is_taken_once_in_a_repository(api: Api) -> None:
    make(api)
    reply = make(api, repositoryIdentifier="ACME/Shop")
    assert reply.refused() == (409, "POOL_EXISTS", f"Pool core_dev already exists in {REPO}")
    assert make(api, repositoryIdentifier="acme/other").status == 201


# P1 and P3


def test_all_pools_or_those_of_a_repository(api: Api) -> None:
    for said in ({}, {"poolTag": "second"}, {"repositoryIdentifier": "acme/other"}):
        make(api, **said)
        api.world.clock.advance(minutes=1)

    every = api.member.get(CONFIGS)
    assert [(pool["repositoryIdentifier"], pool["poolTag"]) for pool in every.body] == [
        (REPO, "core_dev"),
        (REPO, "second"),
        ("acme/other", "core_dev"),
    ]
    assert every.headers["X-Total-Count"] == "3"
    assert [pool["poolTag"] for pool in api.member.get(CONFIGS, repositoryIdentifier="Acme/Other").body] == ["core_dev"]
    assert api.member.get(CONFIGS, repositoryIdentifier="acme/unknown").body == []


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize(("repository", "tag"), [(REPO, "nope"), ("acme/unknown", "core_dev"), (REPO, "Not%20A%20Tag")])
def test_an_unknown_pool_is_not_found(wire: Api, method: str, repository: str, tag: str) -> None:
    make(wire)
    reply = wire.owner.send(method, f"{CONFIGS}/{tag}", query={"repositoryIdentifier": repository})
    assert reply.refused() == (404, "POOL_NOT_FOUND", "Pool not found")


# P5


def test_a_part_of_a_pool_is_changed(api: Api) -> None:
    make(api, branchPattern="main", metadata={"a": 1, "b": 2})

    reply = change(api, name="New", maxTotalInstances=9, metadata={"b": 3})

    assert reply.status == 200
    assert reply.body == {
        **SHOWN,
        "branchPattern": "main",
        "hasAssignmentRules": True,
        "name": "New",
        "maxTotalInstances": 9,
        "maxActiveInstances": 9,
        "metadata": {"b": 3},
    }
    assert api.member.get(CORE, **OF_SHOP).body == reply.body


def test_null_clears(api: Api) -> None:
    make(
        api,
        branchPattern="main",
        domainPatterns=["sales"],
        defaultExpirationHours=48,
        extendedExpirationHours=96,
        averageOrgCreationTime=5,
        returnToPoolOnUnassign=True,
        sandboxDefinition={"sourceSandboxName": "T"},
        additionalConfig={"reattachMinutes": 5},
        metadata={"a": 1},
        minRetentionDays=3,
    )
    cleared = (
        "branchPattern", "domainPatterns", "defaultExpirationHours", "extendedExpirationHours", "metadata",
        "averageOrgCreationTime", "returnToPoolOnUnassign", "sandboxDefinition", "additionalConfig", "minRetentionDays",
    )  # fmt: skip
    assert change(api, **dict.fromkeys(cleared)).body == SHOWN


def test_a_pool_made_from_a_licence_is_made_from_a_source_from_now_on(wire: Api) -> None:
    make(wire, sandboxDefinition={"licenseType": "Full", "autoActivate": True})
    changed = change(wire, sourceSandboxName="TEMPLATE").body
    assert changed["sandboxDefinition"] == {"autoActivate": True, "sourceSandboxName": "TEMPLATE"}


def test_what_never_changes_may_be_said_again(wire: Api) -> None:
    make(wire)
    said = {"poolTag": "core_dev", "repositoryIdentifier": "ACME/shop", "provider": "mock"}
    assert change(wire, **said).body == SHOWN


@pytest.mark.parametrize("name", ["poolTag", "repositoryIdentifier", "provider"])
def test_what_never_changes_cannot_be_changed(wire: Api, name: str) -> None:
    make(wire)
    assert problems(change(wire, **{name: "acme/another"})) == [f"{name} cannot be changed"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": None}, "name is required"),
        ({"minAvailableInstances": 3}, "minAvailableInstances must not be above maxTotalInstances (2)"),
        ({"maxTotalInstances": "9"}, "maxTotalInstances must be an integer"),
        ({"additionalConfig": {"mock": {"x": 1}}}, "additionalConfig.mock.x is not an option"),
        ({"poolTag": ["core_dev"]}, "poolTag cannot be changed"),
    ],
)
def test_a_change_is_held_to_the_rules_of_a_new_pool(wire: Api, given: dict[str, Any], sentence: str) -> None:
    make(wire)
    assert problems(change(wire, **given)) == [sentence]
    assert wire.owner.get(CORE, **OF_SHOP).body == SHOWN


def test_a_salesforce_pool_keeps_a_hub(wire: Api) -> None:
    make(wire, provider="salesforce", devHubUsername="hub")
    assert problems(change(wire, devHubUsername=None)) == ["devHubUsername is required for the provider salesforce"]
    assert change(wire, devHubUsername="another").body["devHubUsername"] == "another"


def test_a_pool_is_looked_for_before_its_changes_are_read(wire: Api) -> None:
    reply = wire.owner.patch(f"{CONFIGS}/nope", {"name": 7}, **OF_SHOP)
    assert reply.refused() == (404, "POOL_NOT_FOUND", "Pool not found")


# P4


def test_a_deleted_pool_is_gone_with_its_environments(api: Api) -> None:
    pool = api.world.pool("core_dev")
    api.assign("123", pool="core_dev")

    reply = api.owner.delete(CORE, **OF_SHOP)
    api.world.work()

    assert reply.status == 200
    assert reply.body == {
        "message": "Pool configuration core_dev deleted successfully",
        "deletedAt": "2026-03-02T12:00:00Z",
    }
    assert api.owner.get(CORE, **OF_SHOP).status == 404
    ended = api.owner.get("/review/environments/pr/123", **OF_SHOP)
    assert (ended.status, ended.body["details"]["lastStatus"]) == (404, "released")
    assert api.world.environments(pool) == []
    assert make(api).status == 201


def test_a_pool_in_use_may_be_kept(api: Api) -> None:
    api.spare("core_dev", free=1)
    api.assign("123", pool="core_dev")

    refused = api.owner.delete(CORE, ifUnused="true", **OF_SHOP)

    sentence = "Environment is in use by pr-123 until 2026-03-04T12:00:00Z"
    assert refused.refused() == (409, "ENVIRONMENT_IN_USE", sentence)
    api.owner.post("/review/environments/unassign", key("123"))
    assert api.owner.delete(CORE, ifUnused="1", **OF_SHOP).status == 200


# P6


def test_the_status_counts_the_pools_environments(api: Api) -> None:
    api.spare("core_dev", free=2, return_on_unassign=False)
    api.assign("1", pool="core_dev")
    api.assign("2", pool="core_dev")
    api.owner.post("/review/environments/unassign", key("2", returnToPool=False))

    reply = api.member.get(STATUS, poolTag="core_dev", **OF_SHOP)

    assert reply.status == 200
    assert reply.body == {
        "poolTag": "core_dev",
        "repositoryIdentifier": REPO,
        "status": "active",
        "instances": {
            "total": 2,
            "available": 0,
            "assigned": 1,
            "provisioning": 0,
            "error": 0,
            "expired": 1,
            "deleting": 0,
            "waiting": 0,
        },
        "config": api.member.get(CORE, **OF_SHOP).body,
    }
    every = api.member.get(STATUS)
    assert (every.body, every.headers["X-Total-Count"]) == ([reply.body], "1")


def test_an_inactive_pool_says_so(api: Api) -> None:
    make(api, isActive=False)
    assert api.member.get(STATUS, poolTag="core_dev").body["status"] == "inactive"


def test_who_waits_is_counted(api: Api) -> None:
    api.world.pool(max_total=1)
    api.world.opens("alice")
    api.world.opens("bob")
    assert api.member.get(STATUS, poolTag="core").body["instances"]["waiting"] == 1


def test_a_filter_adds_the_instances_that_it_names(api: Api) -> None:
    first, second = api.spare("core_dev", free=2)
    assigned = api.assign("1", pool="core_dev").body["assignment"]["poolAssignmentId"]

    def listed(**filters: str) -> list[str]:
        body = api.owner.get(STATUS, poolTag="core_dev", **filters).body
        assert body["instances"]["total"] == 2
        return [instance["sandboxName"] for instance in body["instanceList"]]

    assert listed(instanceStatus="AVAILABLE") == [second]
    assert listed(instanceStatus="ASSIGNED") == [first]
    assert listed(instanceStatus="DELETING") == []
    assert listed(assignmentId=assigned.upper()) == [first]
    assert listed(assignmentId=assigned, instanceStatus="AVAILABLE") == []


def test_an_unknown_tag_has_no_status(api: Api) -> None:
    assert api.member.get(STATUS, poolTag="nope").refused() == (404, "POOL_NOT_FOUND", "Pool not found")
    assert api.member.get(STATUS).body == []


def test_a_tag_of_several_repositories_needs_one_named(api: Api) -> None:
    make(api)
    api.world.clock.advance(minutes=1)
    make(api, repositoryIdentifier="acme/other")

    reply = api.owner.get(STATUS, poolTag="core_dev")

    assert reply.refused() == (400, "MISSING_PARAMETER", "Missing repositoryIdentifier parameter")
    assert reply.body["details"]["repositories"] == [REPO, "acme/other"]
    assert api.owner.get(STATUS, poolTag="core_dev", repositoryIdentifier="acme/other").status == 200
    assert api.token(Role.OWNER, REPO).get(STATUS, poolTag="core_dev").status == 200


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        (
            {"instanceStatus": "assigned"},
            "instanceStatus must be one of PROVISIONING, AVAILABLE, ASSIGNED, EXPIRED, ERROR, REFRESHING or DELETING",
        ),
        ({"instanceStatus": "ARCHIVED"}, None),
        ({"assignmentId": "123"}, "assignmentId must be a UUID"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(wire: Api, filters: dict[str, str], sentence: str | None) -> None:
    refused = problems(wire.owner.get(STATUS, **filters))
    assert sentence is None or refused == [sentence]


# P8


def test_the_mode_names_the_variable_that_sets_it(wire: Api) -> None:
    assert wire.member.get("/pools/mode").body == {
        "mode": "mock",
        "description": "Using the mock sandbox service",
        "mockModeEnvVar": "GREENROOM_SANDBOX_MODE",
    }


def test_every_change_is_audited_with_its_request(api: Api) -> None:
    made = make(api)
    changed = change(api, name="New")
    deleted = api.owner.delete(CORE, **OF_SHOP)

    for action, reply, who in [
        ("pool.created", made, "the application"),
        ("pool.updated", changed, "the application"),
        ("pool.deleted", deleted, "the owner"),
    ]:
        [row] = api.audit(action)
        assert (row.actor, row.request) == (who, reply.headers["X-Request-Id"])
