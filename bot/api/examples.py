"""Examples of requests and answers, as the original's published pages print them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from operations.events import EventType

REPOSITORY = "flxbl-io/sf-core"
NOON = "2025-01-01T12:00:00Z"
POOL_ASSIGNMENT = "550e8400-e29b-41d4-a716-446655440000"
KEY = {"assignmentType": "pr", "assignmentId": "123", "repositoryIdentifier": REPOSITORY}
INSTANCE_URL, LOGIN_URL = "https://test-sandbox.sandbox.my.salesforce.com", "https://test.salesforce.com"
AUTH_URL = "force://PlatformCLI::…@test-sandbox.sandbox.my.salesforce.com"
IDLE = {"state": "idle", "usedBy": None, "acquiredAt": None, "inUseUntil": None}
METADATA = {
    "prTitle": "Feature: Add dark mode",
    "labels": ["enhancement", "ui"],
    "description": "Testing environment for dark mode feature",
}
ASSIGNMENT = {
    **KEY,
    "domain": None,
    "poolTag": "core_dev",
    "sandboxName": "dev123456",
    "poolAssignmentId": POOL_ASSIGNMENT,
    "status": "active",
    "assignedBy": "dev@example.com",
    "assignedAt": NOON,
    "expiresAt": "2025-01-03T12:00:00Z",
    "isImmortal": False,
    "metadata": {"prNumber": 123, **METADATA},
    "environmentDetails": {"instanceUrl": INSTANCE_URL, "loginUrl": LOGIN_URL, "sfdxAuthUrl": AUTH_URL},
    "usage": IDLE,
    "version": 1,
}
TRANSITIONED = {
    **ASSIGNMENT,
    "assignmentType": "issue",
    "assignmentId": "456",
    "metadata": {
        "issueNumber": 456,
        "previousAssignment": {"type": "pr", "id": "123"},
        "reason": "PR merged, moving to issue for tracking",
        "transitionedBy": "automation",
    },
    "version": 2,
}
IN_USE = {
    "state": "in_use",
    "usedBy": "ci-pipeline-123",
    "acquiredAt": NOON,
    "inUseUntil": "2025-01-01T12:30:00Z",
}
SETTINGS = {
    "name": "Development Pool",
    "branchPattern": "feature/*",
    "devHubUsername": "devhub@example.com",
    "minAvailableInstances": 3,
    "maxTotalInstances": 10,
    "daysToKeepUnassignedAvailable": 30,
    "refreshOrDeleteStrategy": "DELETE_EXPIRED",
    "isActive": True,
    "defaultExpirationHours": 24,
    "extendedExpirationHours": 168,
    "averageOrgCreationTime": 45,
    "returnToPoolOnUnassign": False,
    "metadata": {"environment": "dev", "team": "platform", "region": "us-west"},
}
DEFINITION = {
    "autoActivate": True,
    "licenseType": "Developer",
    "description": "Dev sandbox for feature development",
    "sandboxName": ["DEV", "QA"],
}
NEW_POOL = {
    **SETTINGS,
    "repositoryIdentifier": REPOSITORY,
    "poolTag": "dev-pool",
    "sandboxDefinition": DEFINITION,
    "additionalConfig": {},
}
POOL = {
    **NEW_POOL,
    "accountId": "flxbl-io",
    "poolType": "SANDBOX",
    "provider": "salesforce",
    "domainPatterns": [],
    "hasAssignmentRules": True,
    "lastMonitoredAt": NOON,
    "lastProvisionedAt": NOON,
    "currentProvisionRunId": None,
    "currentMonitorRunId": None,
    "refreshStrategy": "ALWAYS",
    "refreshIntervalHours": 24,
    "minActiveInstances": 3,
    "maxActiveInstances": 10,
    "minRetentionDays": 7,
}
COUNTS = {
    "total": 5, "available": 3, "assigned": 1, "provisioning": 1, "error": 0, "expired": 0, "deleting": 0, "waiting": 0,
}  # fmt: skip
SANDBOX = {"sandboxId": "sb-core-dev-dev123456", "sandboxName": "dev123456"}
INSTANCE = {
    **SANDBOX,
    "poolTag": "core_dev",
    "repositoryIdentifier": REPOSITORY,
    "status": "ASSIGNED",
    "assignmentId": POOL_ASSIGNMENT,
    "assignedToUserEmail": None,
    "isImmortal": False,
    "flagged": False,
    "expiresAt": "2025-01-03T12:00:00Z",
    "instanceUrl": INSTANCE_URL,
    "loginUrl": LOGIN_URL,
    "salesforceOrgId": "00D5g000004XYZAEA4",
    "createdAt": "2025-01-01T09:00:00Z",
    "lastError": None,
    "deletionEligibleAt": "2025-01-02T09:00:00Z",
    "sfdxAuthUrl": AUTH_URL,
}
RULE = {
    "id": "rpa_4f1c",
    "repositoryIdentifier": REPOSITORY,
    "targetType": "pool",
    "poolTag": "core_dev",
    "poolType": "SANDBOX",
    "environmentName": None,
    "branchPattern": "feature/*",
    "domainPattern": None,
    "domainPatterns": ["sales-*"],
    "priority": 100,
    "description": None,
    "isActive": True,
    "createdAt": NOON,
    "updatedAt": NOON,
    "createdBy": "dev@example.com",
    "updatedBy": "dev@example.com",
    "version": 1,
}
TOKEN = {
    "id": "123e4567-e89b-42d3-a456-426614174000",
    "name": "nightly pipeline",
    "role": "application",
    "repositories": [REPOSITORY],
    "expiresAt": "2025-01-31T12:00:00Z",
    "createdAt": NOON,
}

ORG = {
    "id": "123e4567-e89b-42d3-a456-426614174001",
    "username": "devhub@example.com",
    "alias": "devhub",
    "loginUrl": "https://login.salesforce.com",
    "instanceUrl": None,
    "createdBy": "dev@example.com",
    "createdAt": NOON,
}

TICKET = "1705329000000-42-7f9c0c1e-5a3e-4f6a-9d0f-1d2b3c4d5e6f"
NAMED_LOCK = {
    "id": "3b6f1f0a-7c1d-4a52-9a67-3a1a5c0f8e21",
    "resource": "deploy",
    "ticketId": TICKET,
    "status": "queued",
    "queuePosition": 1,
    "leaseStart": None,
    "leaseDurationSeconds": 600,
    "createdAt": NOON,
    "updatedAt": NOON,
    "leaseEnd": None,
    "fence": None,
    "reasonCode": None,
}
ACQUIRED_LOCK = {
    **NAMED_LOCK,
    "status": "acquired",
    "queuePosition": 0,
    "leaseStart": NOON,
    "leaseEnd": "2025-01-01T12:10:00Z",
    "fence": 7,
}

KEY_VALUE = {
    "key": "nightly/last-green",
    "value": {"build": 4711, "commit": "abc123"},
    "ttl": 86400,
    "createdAt": NOON,
    "updatedAt": NOON,
}
TASK = "123e4567-e89b-12d3-a456-426614174000"
FETCHED = {
    "status": "environment_assigned",
    "message": "Review environment successfully assigned from pool core",
    "timestamp": NOON,
    "isReused": False,
    "assignment": {
        **ASSIGNMENT,
        "assignmentType": "issue",
        "assignmentId": "ISSUE-123",
        "poolTag": "core",
        "environmentDetails": {"instanceUrl": INSTANCE_URL, "loginUrl": LOGIN_URL},
        "metadata": {},
    },
}
PROGRESS = {"status": "active", "progress": 40}

WEBHOOK = {
    "id": "123e4567-e89b-42d3-a456-426614174002",
    "name": "chat",
    "url": "https://hooks.example.com/greenroom",
    "events": ["assignment.created", "pool.exhausted"],
    "repositories": None,
    "headers": ["X-Team"],
    "format": "json",
    "timeout": 10000,
    "retryCount": 3,
    "retryDelay": 60000,
    "status": "active",
    "failedInARow": 0,
    "lastSentAt": None,
    "lastOutcome": None,
    "createdBy": "dev@example.com",
    "createdAt": NOON,
    "updatedAt": NOON,
}
EVENT_ID = "123e4567-e89b-42d3-a456-426614174003"

_TOLD_ASSIGNMENT = {
    **KEY,
    "domain": None,
    "poolTag": "core_dev",
    "sandboxName": "dev123456",
    "status": "active",
    "assignedBy": "dev@example.com",
    "assignedAt": NOON,
    "expiresAt": "2025-01-03T12:00:00Z",
    "previousExpiresAt": None,
    "previousAssignment": None,
    "reason": None,
}
_TOLD_INSTANCE = {
    "repositoryIdentifier": REPOSITORY,
    "poolTag": "core_dev",
    "sandboxName": "dev123456",
    "status": "AVAILABLE",
    "reason": None,
}
_TOLD_LOCK = {
    "repositoryIdentifier": REPOSITORY,
    "kind": "environment",
    "resource": "prod",
    "lockedBy": "ci-pipeline-123",
    "reason": "Deployment in progress",
    "expiresAt": "2025-01-01T12:30:00Z",
    "endReason": None,
}
_TOLD_TASK = {
    "operationId": "123e4567-e89b-42d3-a456-426614174004",
    "type": "fetchReviewEnvironment",
    "status": "completed",
    "submittedBy": "nightly pipeline",
    "errorCode": None,
    "errorMessage": None,
    "repositoryIdentifier": REPOSITORY,
}

# What each event says (operations/events.py).
EVENTS: Mapping[EventType, Mapping[str, Any]] = {
    EventType.ASSIGNMENT_CREATED: _TOLD_ASSIGNMENT,
    EventType.ASSIGNMENT_QUEUED: {
        **KEY, "domain": None, "poolTag": "core_dev", "position": 1, "requestedBy": "dev@example.com",
    },
    EventType.ASSIGNMENT_EXTENDED: {
        **_TOLD_ASSIGNMENT, "previousExpiresAt": "2025-01-03T12:00:00Z", "expiresAt": "2025-01-04T12:00:00Z",
    },
    EventType.ASSIGNMENT_EXPIRING: _TOLD_ASSIGNMENT,
    EventType.ASSIGNMENT_RELEASED: {**_TOLD_ASSIGNMENT, "status": "released", "reason": "unassigned"},
    EventType.ASSIGNMENT_EXPIRED: {**_TOLD_ASSIGNMENT, "status": "expired", "reason": "expired"},
    EventType.ASSIGNMENT_TRANSITIONED: {
        **_TOLD_ASSIGNMENT, "assignmentType": "issue", "assignmentId": "456", "previousAssignment": "pr-123",
    },
    EventType.INSTANCE_AVAILABLE: _TOLD_INSTANCE,
    EventType.INSTANCE_ERROR: {**_TOLD_INSTANCE, "status": "ERROR", "reason": "Not found at the provider"},
    EventType.INSTANCE_FLAGGED: {**_TOLD_INSTANCE, "status": "EXPIRED"},
    EventType.INSTANCE_DELETED: {**_TOLD_INSTANCE, "status": "ARCHIVED"},
    EventType.POOL_EXHAUSTED: {
        "repositoryIdentifier": REPOSITORY, "poolTag": "core_dev", "total": 5, "maxTotal": 5, "assigned": 4,
        "provisioning": 1, "waiting": 1,
    },
    EventType.LOCK_ACQUIRED: _TOLD_LOCK,
    EventType.LOCK_RELEASED: {**_TOLD_LOCK, "endReason": "unlocked"},
    EventType.LOCK_FORCED: {**_TOLD_LOCK, "endReason": "forced"},
    EventType.TASK_COMPLETED: _TOLD_TASK,
    EventType.TASK_FAILED: {
        **_TOLD_TASK, "status": "failed", "errorCode": "POOL_EXHAUSTED",
        "errorMessage": "No environment is available in pool core_dev",
    },
}  # fmt: skip

PARAMETERS: Mapping[str, Any] = {
    "repository": REPOSITORY,
    "resource": "deploy",
    "ticketId": TICKET,
    "operationId": TASK,
    "username": ORG["username"],
    "key": KEY_VALUE["key"],
    "repositoryIdentifier": REPOSITORY,
    "poolTag": "core_dev",
    "sandboxName": "dev123456",
    "assignmentType": "pr",
    "assignmentId": "123",
    "name": "prod",
    "category": "release",
}

BODIES: Mapping[str, Mapping[str, Any]] = {
    "POST /sfp/api/webhooks": {
        "url": WEBHOOK["url"],
        "events": WEBHOOK["events"],
        "name": "chat",
        "secret": "a secret of 16 or more characters",
        "headers": {"X-Team": "platform"},
    },
    "PATCH /sfp/api/webhooks/{id}": {"status": "active", "timeout": 5000},
    "POST /sfp/api/webhooks/trigger": {"event": "pool.exhausted", "payload": EVENTS[EventType.POOL_EXHAUSTED]},
    "POST /sfp/api/webhooks/{id}/deliver": {"eventId": EVENT_ID},
    "POST /sfp/api/review/environments/assign": {
        **KEY,
        "poolTag": "core_dev",
        "branch": "feature/ABC-123",
        "domains": ["sales", "service"],
        "expirationHours": 48,
        "isImmortal": False,
        "metadata": METADATA,
        "override": False,
    },
    "POST /sfp/api/review/environments/extend": {**KEY, "extensionHours": 24, "isImmortal": False},
    "POST /sfp/api/review/environments/unassign": {**KEY, "returnToPool": True},
    "POST /sfp/api/review/environments/transition": {
        "repositoryIdentifier": REPOSITORY,
        "fromAssignmentType": "pr",
        "fromAssignmentId": "123",
        "toAssignmentType": "issue",
        "toAssignmentId": "456",
        "metadata": {"reason": "PR merged, moving to issue for tracking", "transitionedBy": "automation"},
    },
    "POST /sfp/api/review/environments/acquire": {**KEY, "duration": 30, "usedBy": "ci-pipeline-123"},
    "POST /sfp/api/review/environments/release": KEY,
    "POST /sfp/api/locks": {"repository": REPOSITORY, "resource": "deploy", "leaseDurationSeconds": 600},
    "POST /sfp/api/locks/{repository}/{resource}/{ticketId}/wait": {"timeoutSeconds": 25},
    "POST /sfp/api/locks/{repository}/{resource}/{ticketId}/renew": {"leaseDurationSeconds": 600},
    "POST /sfp/api/pools/configs": NEW_POOL,
    "PATCH /sfp/api/pools/configs/{poolTag}": {**SETTINGS, "sandboxDefinition": {}, "additionalConfig": {}},
    "POST /sfp/api/pools/cleanup-zombies": {"devHubUsername": "devhub_main_org", "dryRun": True},
    "POST /sfp/api/pools/{poolTag}/fetch": {"assignmentId": POOL_ASSIGNMENT, "isImmortal": False},
    "POST /sfp/api/pools/{poolTag}/unassign": {"assignmentId": POOL_ASSIGNMENT},
    "POST /sfp/api/pools/{poolTag}/extend": {
        "assignmentId": POOL_ASSIGNMENT,
        "extensionHours": 24,
        "isImmortal": True,
    },
    "POST /sfp/api/review/pools/assign": {
        "repositoryIdentifier": REPOSITORY,
        "poolTag": "core_dev",
        "branchPattern": "feature/*",
        "domainPatterns": ["sales-*"],
        "priority": 100,
    },
    "PATCH /sfp/api/review/pools/assign/{id}": {"priority": 200, "version": 1},
    "PUT /sfp/api/review/pools/assign/{id}": {"priority": 200, "version": 1},
    "POST /sfp/api/review/pools/assign/match": {
        "repositoryIdentifier": REPOSITORY,
        "branch": "feature/ABC-123",
        "domains": ["sales-emea"],
    },
    "POST /sfp/api/key-value": {"key": KEY_VALUE["key"], "value": KEY_VALUE["value"], "ttl": 86400},
    "POST /sfp/api/key-value/upsert": {"key": KEY_VALUE["key"], "value": KEY_VALUE["value"], "ttl": 86400},
    "PUT /sfp/api/key-value/{key}": {"value": KEY_VALUE["value"], "ttl": 86400},
    "POST /sfp/api/tasks": {
        "type": "fetchReviewEnvironment",
        "data": {
            "repositoryIdentifier": REPOSITORY,
            "poolTag": "core",
            "branch": "feature/123",
            "assignmentType": "issue",
            "assignmentId": "ISSUE-123",
            "wait": 300,
            "leasefor": 3600,
        },
        "priority": "normal",
        "retryConfig": {"maxAttempts": 3, "backoff": {"type": "exponential", "delay": 60000}},
    },
    "POST /sfp/api/application-tokens": {
        "name": "nightly pipeline",
        "expiresIn": 30,
        "repositories": [REPOSITORY],
    },
    "POST /sfp/api/auth/refresh": {"refreshToken": "eyJhbGciOiJIUzI1NiJ9.…"},
    "POST /sfp/api/auth/salesforce/register": {
        "username": "devhub@example.com",
        "alias": "devhub",
        "sfdxAuthUrl": "force://PlatformCLI::5Aep861@example.my.salesforce.com",
    },
    "POST /sfp/api/auth/salesforce/test-connection": {"username": "devhub"},
}

ANSWERS: Mapping[str, Any] = {
    "GET /sfp/api/webhooks": [WEBHOOK],
    "POST /sfp/api/webhooks": WEBHOOK,
    "GET /sfp/api/webhooks/{id}": WEBHOOK,
    "PATCH /sfp/api/webhooks/{id}": {**WEBHOOK, "timeout": 5000},
    "DELETE /sfp/api/webhooks/{id}": {"message": "Webhook deleted successfully", "id": WEBHOOK["id"]},
    "POST /sfp/api/webhooks/trigger": {
        "message": "Event pool.exhausted is on its way to 1 webhooks",
        "eventId": EVENT_ID,
        "webhooks": 1,
    },
    "POST /sfp/api/webhooks/{id}/deliver": {
        "message": f"Event {EVENT_ID} is on its way again",
        "eventId": EVENT_ID,
    },
    "POST /sfp/api/key-value": KEY_VALUE,
    "POST /sfp/api/key-value/upsert": KEY_VALUE,
    "GET /sfp/api/key-value/{key}": KEY_VALUE,
    "PUT /sfp/api/key-value/{key}": KEY_VALUE,
    "GET /sfp/api": {"status": "ok", "version": "0.1.0", "timestamp": NOON},
    "GET /sfp/api/ping": {"status": "ok", "message": "pong"},
    "POST /sfp/api/locks": NAMED_LOCK,
    "GET /sfp/api/locks/{repository}/{resource}": [ACQUIRED_LOCK],
    "GET /sfp/api/locks/{repository}/{resource}/{ticketId}": NAMED_LOCK,
    "POST /sfp/api/locks/{repository}/{resource}/{ticketId}/acquire": ACQUIRED_LOCK,
    "POST /sfp/api/locks/{repository}/{resource}/{ticketId}/wait": ACQUIRED_LOCK,
    "POST /sfp/api/locks/{repository}/{resource}/{ticketId}/renew": ACQUIRED_LOCK,
    "DELETE /sfp/api/locks/{repository}/{resource}/{ticketId}": {"message": "Lock released successfully"},
    "POST /sfp/api/review/environments/assign": {
        "status": "environment_assigned",
        "message": "Review environment successfully assigned from pool core_dev",
        "timestamp": NOON,
        "isReused": False,
        "assignment": ASSIGNMENT,
    },
    "GET /sfp/api/review/environments/{assignmentType}/{assignmentId}": ASSIGNMENT,
    "POST /sfp/api/review/environments/extend": {
        "status": "environment_extended",
        "message": "Review environment expiration extended by 24 hours",
        "timestamp": NOON,
        "assignment": {
            **KEY,
            "sandboxName": "dev123456",
            "previousExpiresAt": "2025-01-03T12:00:00Z",
            "newExpiresAt": "2025-01-04T12:00:00Z",
            "extensionHours": 24,
            "isImmortal": False,
            "version": 3,
        },
    },
    "POST /sfp/api/review/environments/unassign": {
        "status": "environment_unassigned",
        "message": "Review environment successfully unassigned and returned to pool",
        "timestamp": NOON,
        "details": {
            **KEY,
            "poolTag": "core_dev",
            "sandboxName": "dev123456",
            "returnedToPool": True,
            "finalStatus": "released",
        },
    },
    "POST /sfp/api/review/environments/transition": {
        "status": "environment_transitioned",
        "message": "Review environment successfully transitioned from pr-123 to issue-456",
        "timestamp": NOON,
        "assignment": TRANSITIONED,
    },
    "POST /sfp/api/review/environments/acquire": {
        "status": "environment_acquired",
        "message": "Environment successfully acquired for 30 minutes",
        "timestamp": NOON,
        "assignment": {**ASSIGNMENT, "usage": IN_USE, "version": 2},
    },
    "POST /sfp/api/review/environments/release": {
        "status": "environment_released",
        "message": "Environment successfully released",
        "timestamp": NOON,
        "assignment": {**ASSIGNMENT, "version": 3},
    },
    "GET /sfp/api/review/environments/list": {"assignments": [ASSIGNMENT], "totalCount": 1, "timestamp": NOON},
    "POST /sfp/api/tasks": {"operationId": TASK, "type": "fetchReviewEnvironment"},
    "GET /sfp/api/tasks": [
        {
            **PROGRESS,
            "operationId": TASK,
            "type": "fetchReviewEnvironment",
            "repositoryIdentifier": REPOSITORY,
            "recurring": False,
            "parentId": None,
            "submittedBy": "nightly pipeline",
            "runAt": NOON,
            "createdAt": NOON,
            "startedAt": NOON,
            "finishedAt": None,
        }
    ],
    "GET /sfp/api/tasks/{operationId}/status": PROGRESS,
    "GET /sfp/api/tasks/{operationId}/result": {"status": "completed", "progress": 100, "result": FETCHED},
    "DELETE /sfp/api/tasks/{operationId}": {"message": "Task cancelled successfully"},
    "POST /sfp/api/tasks/{operationId}/stop-recurring": {
        "message": "Recurring task stopped successfully",
        "operationId": TASK,
        "stoppedAt": "2024-10-26T21:43:47Z",
        "totalExecutions": 10,
        "lastExecutionAt": "2024-10-26T21:43:47Z",
        "originalEndDate": "2024-12-31T23:59:59Z",
    },
    "GET /sfp/api/tasks/{operationId}/recurring-instances": [
        {"status": "completed", "progress": 100, "result": FETCHED, "operationId": TASK, "startedAt": NOON}
    ],
    "GET /sfp/api/pools/configs": [POOL],
    "POST /sfp/api/pools/configs": POOL,
    "GET /sfp/api/pools/configs/{poolTag}": POOL,
    "PATCH /sfp/api/pools/configs/{poolTag}": POOL,
    "DELETE /sfp/api/pools/configs/{poolTag}": {
        "message": "Pool configuration core_dev deleted successfully",
        "deletedAt": NOON,
    },
    "GET /sfp/api/pools/status": {
        "poolTag": "dev-pool",
        "repositoryIdentifier": REPOSITORY,
        "status": "active",
        "instances": COUNTS,
        "config": POOL,
    },
    "POST /sfp/api/pools/cleanup-zombies": {
        "message": "Found 1 orphaned instances. Run with dryRun=false to delete them.",
        "orphanedInstances": [
            {
                "sandboxName": "DEV123",
                "poolTag": "core_dev",
                "status": "AVAILABLE",
                "reason": "Not found in Salesforce",
            }
        ],
        "dryRun": True,
    },
    "GET /sfp/api/pools/mode": {
        "mode": "mock",
        "description": "Using the mock sandbox service",
        "mockModeEnvVar": "GREENROOM_SANDBOX_MODE",
    },
    "GET /sfp/api/pools/monitoring-jobs": {
        "totalJobs": 1,
        "jobs": [
            {
                "jobName": "global-pool-monitor",
                "description": "Global pool monitoring job that monitors all active pools",
                "pattern": "*/30 * * * *",
                "nextRun": "2025-01-01T12:30:00Z",
                "lastRun": NOON,
                "running": False,
            }
        ],
    },
    "GET /sfp/api/pools/{poolTag}/instances": [INSTANCE],
    "POST /sfp/api/pools/{poolTag}/provision": {
        "status": "provisioning_started",
        "message": "Provisioning 2 new instances for pool core_dev",
        "timestamp": NOON,
        "details": {
            "poolCapacity": 5,
            "availableInstances": 1,
            "provisioningInstances": 2,
            "instancesToBeCreated": 2,
        },
    },
    "POST /sfp/api/pools/{poolTag}/fetch": {
        "status": "sandbox_assigned",
        "message": "Sandbox successfully assigned",
        "timestamp": NOON,
        "details": {
            **SANDBOX,
            "instanceUrl": INSTANCE_URL,
            "loginUrl": LOGIN_URL,
            "expiresAt": "2025-01-03T12:00:00Z",
            "isReused": False,
            "sfdxAuthUrl": AUTH_URL,
        },
    },
    "POST /sfp/api/pools/{poolTag}/unassign": {
        "status": "unassigned",
        "message": "Sandbox successfully unassigned and returned to pool",
        "timestamp": NOON,
        "details": {**SANDBOX, "poolTag": "core_dev"},
    },
    "POST /sfp/api/pools/{poolTag}/extend": {
        "status": "expiry_extended",
        "message": "Sandbox expiry extended successfully",
        "timestamp": NOON,
        "details": {**SANDBOX, "newExpiresAt": "2025-01-05T12:00:00Z", "extensionHours": 48},
    },
    "POST /sfp/api/pools/{poolTag}/replenish": {
        "poolTag": "core_dev",
        "steps": {
            "reconciliation": {
                "success": True,
                "message": "State reconciliation completed successfully",
                "duration": 245,
            },
            "lifecycleProcessing": {
                "success": True,
                "message": "Lifecycle processing completed successfully",
                "duration": 1523,
            },
            "quotaMaintenance": {
                "success": True,
                "message": "Quota maintenance completed. 2 instances will be created.",
                "availableInstances": 1,
                "errorInstances": 0,
                "instancesToBeCreated": 2,
                "duration": 342,
            },
        },
        "summary": "Replenishment completed successfully. Reconciliation: ✓, Lifecycle: ✓, Quota: ✓ (2 new instances)",
        "totalDuration": 2110,
    },
    "DELETE /sfp/api/pools/{poolTag}/instances/{sandboxName}": {
        "status": "sandbox_deleted",
        "message": "Sandbox dev123456 deleted",
        "timestamp": NOON,
        "details": {
            "sandboxName": "dev123456",
            "previousStatus": "ERROR",
            "isImmortal": False,
            "createdAt": "2025-01-01T09:00:00Z",
            "deletionType": "immediate",
        },
    },
    "GET /sfp/api/review/pools/assign": [RULE],
    "POST /sfp/api/review/pools/assign": RULE,
    "PATCH /sfp/api/review/pools/assign/{id}": {**RULE, "priority": 200, "version": 2},
    "PUT /sfp/api/review/pools/assign/{id}": {**RULE, "priority": 200, "version": 2},
    "DELETE /sfp/api/review/pools/assign/{id}": {"message": "Rule deleted successfully"},
    "POST /sfp/api/review/pools/assign/match": {
        "matched": True,
        "poolTag": "core_dev",
        "assignment": {"poolType": "SANDBOX", "ruleId": "rpa_4f1c", "source": "rule", "priority": 100},
        "evaluated": [
            {"ruleId": "rpa_9a00", "matched": False, "why": "branch feature/ABC-123 does not match release/*"},
            {"ruleId": "rpa_4f1c", "matched": True, "why": "branch and domains match"},
        ],
    },
    "GET /sfp/api/application-tokens": [TOKEN],
    "POST /sfp/api/application-tokens": {**TOKEN, "token": "sfp_app_…"},
    "DELETE /sfp/api/application-tokens/{token}": {
        "message": "Application token deleted successfully",
        "id": TOKEN["id"],
    },
    "GET /sfp/api/users/me": {
        "id": TOKEN["id"],
        "name": TOKEN["name"],
        "email": None,
        "role": "application",
    },
    "GET /sfp/api/repository/auth-token": {
        "token": "ghs_…",
        "expiresAt": "2025-01-01T13:00:00Z",
        "type": "installation",
        "provider": "github",
        "scope": "contents:read,pull_requests:write",
    },
    "POST /sfp/api/auth/refresh": {
        "token": "eyJhbGciOiJIUzI1NiJ9.…",
        "type": "bearer",
        "expiresAt": "2025-01-01T13:00:00Z",
        "refreshToken": "eyJhbGciOiJIUzI1NiJ9.…",
        "refreshExpiresAt": "2025-01-31T12:00:00Z",
    },
    "POST /sfp/api/auth/salesforce/register": ORG,
    "GET /sfp/api/auth/salesforce/orgs": [ORG],
    "GET /sfp/api/auth/salesforce/org": ORG,
    "DELETE /sfp/api/auth/salesforce/org": {
        "message": "Salesforce org deleted successfully",
        "username": "devhub@example.com",
    },
    "POST /sfp/api/auth/salesforce/test-connection": {
        "status": "connected",
        "message": "devhub@example.com answers at https://example.my.salesforce.com",
        "username": "devhub@example.com",
        "instanceUrl": "https://example.my.salesforce.com",
        "timestamp": NOON,
    },
    "GET /sfp/api/auth/salesforce/frontdoor": {"url": "https://example.my.salesforce.com/…"},
}
