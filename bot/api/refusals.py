"""What each refusal looks like, for the API's description: made as the real ones are, so with their sentences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.api.errors import (
    InvalidFields,
    InvalidJson,
    MissingParameter,
    PayloadTooLarge,
    RepositoryNotFound,
    RoleRequired,
    RouteNotFound,
    TokenExpired,
    TooManyRequests,
    Unauthenticated,
    UnsupportedMediaType,
    envelope,
    headers_of,
)
from bot.api.incoming import LARGEST_BODY
from operations.errors import (
    AliasTaken,
    AmbiguousAssignment,
    ArtifactsUnavailable,
    AssignmentExpired,
    AssignmentNotFound,
    EnvironmentExists,
    EnvironmentInUse,
    EnvironmentLocked,
    EnvironmentNotFound,
    FrontdoorUnavailable,
    InstallationNotFound,
    InstanceNotFound,
    InvalidEnvironmentNames,
    InvalidPattern,
    KeyExists,
    KeyNotFound,
    LockAlreadyHeld,
    LockNotFound,
    LockWaitTimeout,
    NoPoolMatch,
    NotLockHolder,
    NotSandboxOwner,
    OperationError,
    OrgNotFound,
    PoolExhausted,
    PoolExists,
    PoolNotFound,
    ProviderRefused,
    RuleExists,
    RuleNotFound,
    RunInProgress,
    SameAssignment,
    SandboxImmortal,
    SandboxTooYoung,
    TargetAlreadyAssigned,
    TaskAlreadyStopped,
    TaskNotCancellable,
    TaskNotFound,
    TaskNotRecurring,
    TokenNotFound,
    UnsupportedTarget,
    UsernameRegistered,
    VersionConflict,
    WebhookNotFound,
)
from storage.assignments import Holder
from storage.pools import Counts
from storage.tokens import Role

_REPOSITORY = "flxbl-io/sf-core"
_HOLDER = Holder(_REPOSITORY, "pr", "123")
_NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
_LATER = datetime(2025, 1, 3, 12, tzinfo=UTC)

REFUSALS: Mapping[str, OperationError] = {
    refusal.code: refusal
    for refusal in (
        AliasTaken("production"),
        AmbiguousAssignment(_HOLDER, ["sales", "service"]),
        ArtifactsUnavailable("the org did not answer in time"),
        AssignmentExpired(_LATER),
        AssignmentNotFound(_HOLDER, _REPOSITORY),
        EnvironmentExists(),
        EnvironmentInUse("ci-pipeline-123", _LATER),
        EnvironmentLocked(),
        EnvironmentNotFound(),
        FrontdoorUnavailable("the org did not answer in time"),
        InstallationNotFound(),
        InstanceNotFound("dev123456", "core_dev"),
        InvalidEnvironmentNames(["dev9"]),
        InvalidFields.one("expirationHours", "range", "must be between 1 and 720"),
        InvalidJson(),
        InvalidPattern("branchPattern", "must have between 1 and 255 characters"),
        LockAlreadyHeld("1705329000000-42-7f9c0c1e-5a3e-4f6a-9d0f-1d2b3c4d5e6f", "queued"),
        LockNotFound(),
        LockWaitTimeout(42, 2, 2400, 25),
        KeyExists(),
        KeyNotFound(),
        MissingParameter("repositoryIdentifier"),
        NoPoolMatch("feature/ABC-123", ["sales"], []),
        NotLockHolder(),
        NotSandboxOwner(),
        OrgNotFound("devhub@example.com"),
        PayloadTooLarge(LARGEST_BODY),
        PoolExhausted("", "core_dev", Counts(total=5, assigned=4, provisioning=1, waiting=2), 5, 900),
        PoolExists("core_dev", _REPOSITORY),
        PoolNotFound(),
        ProviderRefused("the sandbox was made less than 24 hours ago"),
        RepositoryNotFound(_REPOSITORY),
        RoleRequired((Role.OWNER, Role.APPLICATION)),
        RouteNotFound("GET", "/sfp/api/review"),
        RuleExists(),
        RuleNotFound(),
        RunInProgress("provision", "7f9c0c1e-5a3e-4f6a-9d0f-1d2b3c4d5e6f"),
        SameAssignment(),
        SandboxImmortal("dev123456"),
        SandboxTooYoung("dev123456", _LATER),
        TargetAlreadyAssigned(_HOLDER, "dev123456"),
        TaskAlreadyStopped(),
        TaskNotCancellable(),
        TaskNotFound(),
        TaskNotRecurring(),
        TokenExpired(),
        TokenNotFound(),
        TooManyRequests(30),
        Unauthenticated(),
        UnsupportedMediaType(),
        UnsupportedTarget("environment"),
        UsernameRegistered(),
        VersionConflict(3, 2),
        WebhookNotFound(),
    )
}


def shown() -> dict[str, dict[str, Any]]:
    """The body of an answer with each code, as an example."""
    store = envelope("STORE_UNAVAILABLE", "The state store is unreachable; nothing was changed")
    refused = {code: envelope(code, refusal.message, refusal.details) for code, refusal in REFUSALS.items()}
    return {**refused, "STORE_UNAVAILABLE": store}


def headers_with(code: str) -> list[str]:
    """The headers that answers with this code carry beside the common ones."""
    if code == "STORE_UNAVAILABLE":
        return ["Retry-After"]
    return list(headers_of(REFUSALS[code], now=_NOW)) if code in REFUSALS else []
