"""The requests that the published API pages print are accepted as they are printed.

https://docs.flxbl.io/flxbl/sfp-server/api-reference/review-environments and …/pools,
https://docs.flxbl.io/flxbl/sfp/api-reference/tasks
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.bot.api.client import Api

OF_CORE = {"repositoryIdentifier": "flxbl-io/sf-core"}

POOL: dict[str, Any] = {
    "repositoryIdentifier": "flxbl-io/sf-core",
    "name": "Development Pool",
    "poolTag": "dev-pool",
    "branchPattern": "feature/*",
    "devHubUsername": "[email protected]",
    "sandboxDefinition": {
        "autoActivate": True,
        "licenseType": "Developer",
        "description": "Dev sandbox for feature development",
        "sandboxName": ["DEV", "QA"],
    },
    "minAvailableInstances": 3,
    "maxTotalInstances": 10,
    "daysToKeepUnassignedAvailable": 30,
    "refreshOrDeleteStrategy": "DELETE_EXPIRED",
    "isActive": True,
    "additionalConfig": {},
    "defaultExpirationHours": 24,
    "extendedExpirationHours": 168,
    "averageOrgCreationTime": 45,
    "returnToPoolOnUnassign": False,
    "metadata": {"environment": "dev", "team": "platform", "region": "us-west"},
}

CHANGES: dict[str, Any] = {
    "name": "Development Pool",
    "branchPattern": "feature/*",
    "devHubUsername": "[email protected]",
    "sandboxDefinition": {},
    "minAvailableInstances": 3,
    "maxTotalInstances": 10,
    "daysToKeepUnassignedAvailable": 30,
    "refreshOrDeleteStrategy": "DELETE_EXPIRED",
    "isActive": True,
    "additionalConfig": {},
    "defaultExpirationHours": 24,
    "extendedExpirationHours": 168,
    "averageOrgCreationTime": 45,
    "returnToPoolOnUnassign": False,
    "metadata": {"environment": "dev", "team": "platform", "region": "us-west"},
}

ASSIGN: dict[str, Any] = {
    "assignmentType": "pr",
    "assignmentId": "123",
    "repositoryIdentifier": "flxbl-io/sf-core",
    "poolTag": "core_dev",
    "branch": "feature/ABC-123",
    "domains": ["sales", "service"],
    "expirationHours": 48,
    "isImmortal": False,
    "metadata": {
        "prTitle": "Feature: Add dark mode",
        "labels": ["enhancement", "ui"],
        "description": "Testing environment for dark mode feature",
    },
    "override": False,
}

# After ASSIGN, in this order.
REVIEW: list[tuple[str, dict[str, Any]]] = [
    (
        "extend",
        {
            "assignmentType": "pr",
            "assignmentId": "123",
            "repositoryIdentifier": "flxbl-io/sf-core",
            "extensionHours": 24,
            "isImmortal": False,
        },
    ),
    (
        "acquire",
        {
            "assignmentType": "pr",
            "assignmentId": "123",
            "repositoryIdentifier": "flxbl-io/sf-core",
            "duration": 30,
            "usedBy": "ci-pipeline-123 or [email protected]",
        },
    ),
    ("release", {"assignmentType": "pr", "assignmentId": "123", "repositoryIdentifier": "flxbl-io/sf-core"}),
    (
        "unassign",
        {
            "assignmentType": "pr",
            "assignmentId": "123",
            "repositoryIdentifier": "flxbl-io/sf-core",
            "returnToPool": True,
        },
    ),
]

TRANSITION = {
    "repositoryIdentifier": "flxbl-io/sf-core",
    "fromAssignmentType": "pr",
    "fromAssignmentId": "123",
    "toAssignmentType": "issue",
    "toAssignmentId": "456",
    "metadata": {"reason": "PR merged, moving to issue for tracking", "transitionedBy": "automation"},
}

TASK: dict[str, Any] = {
    "type": "fetchReviewEnvironment",
    "data": {
        "repoId": "repo123",
        "directory": "/path/to/dir",
        "username": "user@devhub.com",
        "pool": "core",
        "pooltype": "sandbox",
        "branch": "feature/123",
        "issue": "ISSUE-123",
        "wait": 300,
        "leasefor": 3600,
    },
}
WRAPPED = {"value": {**TASK["data"], "username": "user@devhub.ocom"}, "description": "Fetch a review environment"}

FETCH = {"assignmentId": "550e8400-e29b-41d4-a716-446655440000", "isImmortal": False}


@pytest.fixture
def core(wire: Api) -> Api:
    wire.spare("core_dev", repo="flxbl-io/sf-core")
    return wire


def test_a_pool_is_made_and_changed(wire: Api) -> None:
    made = wire.application.post("/pools/configs", POOL)
    assert made.status == 201
    assert {name: made.body[name] for name in POOL} == POOL

    changed = wire.application.patch("/pools/configs/dev-pool?repositoryIdentifier=flxbl-io%2Fsf-core", CHANGES)
    assert changed.status == 200
    assert changed.body == {**made.body, "sandboxDefinition": {"licenseType": "Developer"}}


def test_an_environment_is_assigned_used_and_given_back(core: Api) -> None:
    assert core.application.post("/review/environments/assign", ASSIGN).status == 200
    shown = core.member.get("/review/environments/pr/123?repositoryIdentifier=flxbl-io%2Fsf-core")
    assert shown.body["metadata"] == {**ASSIGN["metadata"], "prNumber": 123}
    for operation, body in REVIEW:
        assert core.application.post(f"/review/environments/{operation}", body).status == 200, operation


def test_an_environment_is_handed_on(core: Api) -> None:
    core.application.post("/review/environments/assign", ASSIGN)
    moved = core.application.post("/review/environments/transition", TRANSITION)
    assert moved.body["assignment"]["metadata"] == {
        "issueNumber": 456,
        "previousAssignment": {"type": "pr", "id": "123"},
        "reason": "PR merged, moving to issue for tracking",
        "transitionedBy": "automation",
    }


def test_a_sandbox_is_fetched(core: Api) -> None:
    for _ in range(2):
        fetched = core.application.post("/pools/core_dev/fetch?repositoryIdentifier=flxbl-io%2Fsf-core", FETCH)
        assert fetched.status == 200


@pytest.mark.parametrize(
    "task",
    [
        TASK,
        {**TASK, "data": WRAPPED, "lockDuration": 300000},
        {**TASK, "priority": "low", "scheduleType": "immediate"},
        {**TASK, "scheduleType": "scheduled", "scheduledFor": "2024-10-27T10:00:00Z"},
    ],
)
def test_a_task_is_submitted(core: Api, task: dict[str, Any]) -> None:
    submitted = core.application.post("/tasks", task)
    assert (submitted.status, submitted.body["type"]) == (201, "fetchReviewEnvironment")
    core.world.work()
    status = core.member.get(f"/tasks/{submitted.body['operationId']}/status").body
    assert status["error"] == {"message": "Repository repo123 not found", "code": "REPOSITORY_NOT_FOUND"}


@pytest.mark.parametrize("path", ["/pools/core_dev/instances", "/pools/configs/core_dev", "/pools/status"])
def test_what_is_read_is_read(core: Api, path: str) -> None:
    assert core.member.get(f"{path}?repositoryIdentifier=flxbl-io%2Fsf-core").status == 200
