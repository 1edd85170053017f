"""Examples of requests about dedicated environments and of answers, as the original's published pages print them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.api.examples import REPOSITORY, TICKET

NEW = {
    "repositoryIdentifier": REPOSITORY,
    "name": "prod",
    "description": "Production environment",
    "category": "release",
    "salesforceUsername": "admin@example.com",
    "devHubUsername": None,
    "isActive": True,
    "isDefault": True,
    "metadata": {"region": "us-west", "tier": "enterprise"},
    "tags": ["critical", "monitored"],
    "branch": "main",
    "orchestrationOrder": 1,
}
CHANGES = {
    "description": "Updated production environment",
    "tags": ["production", "critical", "monitored"],
}
UNLOCKED: dict[str, Any] = {
    **NEW,
    "id": "456e7890-e89b-42d3-a456-426614174001",
    "repositoryName": "sf-core",
    "isLocked": False,
    "lockedBy": None,
    "lockExpiresAt": None,
    "lockExpiresInSeconds": None,
    "lockStatus": {"isLocked": False, "currentLock": None, "queuedLocks": []},
    "createdAt": "2024-01-01T00:00:00Z",
    "updatedAt": "2024-01-15T12:00:00Z",
    "createdBy": "user123",
    "updatedBy": "user456",
    "version": 1,
}
LOCKED = {
    **UNLOCKED,
    "isLocked": True,
    "lockedBy": "deploy-bot",
    "lockExpiresAt": "2024-01-15T15:30:00Z",
    "lockExpiresInSeconds": 1800,
    "lockStatus": {
        "isLocked": True,
        "currentLock": {
            "lockedBy": "deploy-bot",
            "lockReason": "Deployment",
            "expiresAt": "2024-01-15T15:30:00Z",
            "expiresInSeconds": 1800,
        },
        "queuedLocks": [
            {
                "position": 1,
                "requestedBy": "ci",
                "ticketId": "1705329000000-7-2b1d0c1e-5a3e-4f6a-9d0f-1d2b3c4d5e6f",
                "estimatedWaitSeconds": 1800,
            }
        ],
    },
}
CHANGED = {**UNLOCKED, **CHANGES, "updatedAt": "2024-01-15T16:00:00Z", "version": 2}
DELETED = {"message": "Environment deleted successfully", "id": UNLOCKED["id"], "name": "prod"}
ACCESS = {
    "id": "audit123",
    "environment_id": UNLOCKED["id"],
    "repository_identifier": REPOSITORY,
    "accessed_by": "user123",
    "accessed_by_application": None,
    "access_type": "lock",
    "access_details": {
        "action": "environment_locked",
        "ticket_id": TICKET,
        "duration_seconds": 3600,
        "reason": "Deployment in progress",
    },
    "ip_address": "192.168.1.100",
    "user_agent": "Mozilla/5.0",
    "accessed_at": "2024-01-15T14:30:00Z",
}
ARTIFACT = {"name": "core", "version": "1.2.0-3", "commitId": "abc123", "installedAt": "2024-01-15T12:00:00Z"}
NEW_RELEASE = {
    "releaseName": "core-2024-01",
    "domain": "core",
    "publishedAt": "2024-01-15T12:00:00Z",
    "repositoryIdentifier": REPOSITORY,
    "metadata": {},
}
RELEASE = {"id": "123e4567-e89b-42d3-a456-426614174002", **NEW_RELEASE}

BODIES: Mapping[str, Any] = {
    "POST /sfp/api/environments": NEW,
    "PUT /sfp/api/environments/orchestration-order": ["dev3", "dev1"],
    "PATCH /sfp/api/environments/orchestration-order": ["dev3", "dev1"],
    "POST /sfp/api/environments/orchestration-order": {"order": ["dev3", "dev1"]},
    "PATCH /sfp/api/environments/by-name/{name}": CHANGES,
    "PATCH /sfp/api/environments/{id}": CHANGES,
    "POST /sfp/api/environments/{id}/releases": NEW_RELEASE,
}

ANSWERS: Mapping[str, Any] = {
    "GET /sfp/api/environments": {"dev": [], "test": [], "snapshot": [], "release": [LOCKED]},
    "POST /sfp/api/environments": UNLOCKED,
    "GET /sfp/api/environments/orchestration-order": ["dev1", "dev2", "dev3"],
    "PUT /sfp/api/environments/orchestration-order": ["dev3", "dev1", "dev2"],
    "PATCH /sfp/api/environments/orchestration-order": ["dev3", "dev1", "dev2"],
    "POST /sfp/api/environments/orchestration-order": ["dev3", "dev1", "dev2"],
    "GET /sfp/api/environments/by-name/{name}": LOCKED,
    "DELETE /sfp/api/environments/by-name/{name}": DELETED,
    "PATCH /sfp/api/environments/by-name/{name}": CHANGED,
    "GET /sfp/api/environments/{id}": LOCKED,
    "DELETE /sfp/api/environments/{id}": DELETED,
    "PATCH /sfp/api/environments/{id}": CHANGED,
    "GET /sfp/api/environments/{id}/audit": [ACCESS],
    "GET /sfp/api/environments/audit": [ACCESS],
    "GET /sfp/api/environments/audit/{repository}": [ACCESS],
    "GET /sfp/api/environments/{id}/frontdoor": {"url": "https://example.my.salesforce.com/…"},
    "GET /sfp/api/environments/{id}/artifacts": [ARTIFACT],
    "GET /sfp/api/environments/by-name/{name}/artifacts": [ARTIFACT],
    "GET /sfp/api/environments/{id}/releases": [RELEASE],
    "POST /sfp/api/environments/{id}/releases": RELEASE,
    "GET /sfp/api/environments/by-name/{name}/releases": [RELEASE],
}
