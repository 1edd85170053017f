"""The requests that the published API pages print are accepted as they are printed.

https://docs.flxbl.io/flxbl/sfp-server/api-reference/review-environments, …/pools, …/environments,
https://docs.flxbl.io/flxbl/sfp/api-reference/tasks
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.bot.api.client import Api, without

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

# Environments as answers print them, before and after a change; where they are locked, by deploy-bot.
PROD: dict[str, Any] = {
    "id": "456e7890-e89b-12d3-a456-426614174001",
    "repositoryIdentifier": "myorg/my-salesforce-project",
    "repositoryName": "my-salesforce-project",
    "name": "prod",
    "description": "Production environment",
    "category": "release",
    "salesforceUsername": "[email protected]",
    "isActive": True,
    "isDefault": True,
    "isLocked": False,
    "lockedBy": None,
    "metadata": {"region": "us-west", "tier": "enterprise"},
    "tags": ["critical", "monitored"],
    "branch": "main",
    "createdAt": "2024-01-01T00:00:00Z",
    "updatedAt": "2024-01-15T12:00:00Z",
    "createdBy": "user123",
    "updatedBy": "user456",
}
CHANGED_PROD: dict[str, Any] = {
    **PROD,
    "description": "Updated production environment",
    "devHubUsername": None,
    "lockExpiresAt": None,
    "lockExpiresInSeconds": None,
    "lockStatus": {"isLocked": False, "currentLock": None, "queuedLocks": []},
    "tags": ["production", "critical", "monitored"],
    "orchestrationOrder": 1,
}
WRITTEN_BY_US = ("id", "createdAt", "updatedAt", "createdBy", "updatedBy")
ACCESS = {
    "id": "audit123",
    "environment_id": "456e7890-e89b-12d3-a456-426614174001",
    "repository_identifier": "myorg/myrepo",
    "accessed_by": "user123",
    "accessed_by_application": None,
    "access_type": "lock",
    "access_details": {
        "action": "environment_locked",
        "ticket_id": "ticket_789abc",
        "duration_seconds": 3600,
        "reason": "Deployment in progress",
    },
    "ip_address": "192.168.1.100",
    "user_agent": "Mozilla/5.0...",
    "accessed_at": "2024-01-15T14:30:00Z",
}

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


@pytest.fixture
def project(wire: Api) -> Api:
    """What is printed as an answer is accepted as a new environment: what the server decides is ignored."""
    wire.known("myorg/my-salesforce-project")
    made = wire.application.post("/environments", PROD)
    assert made.status == 201, made.text
    assert {name: made.body[name] for name in PROD if name not in WRITTEN_BY_US} == without(PROD, *WRITTEN_BY_US)
    return wire


def test_an_environment_is_changed(project: Api) -> None:
    path = "/environments/by-name/prod?repositoryIdentifier=myorg/my-salesforce-project"
    changed = project.application.patch(path, CHANGED_PROD)
    assert changed.status == 200
    assert set(CHANGED_PROD) <= set(changed.body)
    assert without(CHANGED_PROD, *WRITTEN_BY_US).items() <= changed.body.items()
    assert set(PROD) <= set(project.member.get(f"/environments/{changed.body['id']}").body)


def test_environments_are_ordered(wire: Api) -> None:
    for name in ("dev1", "dev2", "dev3"):
        wire.dedicated(name, repo="myorg/myrepo", category="dev")
    path = "/environments/orchestration-order?repositoryIdentifier=myorg/myrepo&category=dev"
    assert wire.member.get(path).body == ["dev1", "dev2", "dev3"]
    assert wire.application.send("PUT", path, ["dev3", "dev1", "dev2"]).body == ["dev3", "dev1", "dev2"]
    listed = wire.member.get("/environments?repositoryIdentifier=myorg/myrepo&category=dev&isActive=true&branch=main")
    assert [one["name"] for one in listed.body] == ["dev3", "dev1", "dev2"]


def test_an_access_has_what_is_printed(project: Api) -> None:
    query = {"repositoryIdentifier": "myorg/my-salesforce-project"}
    [row] = project.owner.get("/environments/audit", limit=50, **query).body
    assert set(row) == set(ACCESS)
