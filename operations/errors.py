"""Every refusal: a code of the contract's catalogue (section 3) and a sentence a user can act on.

OperationError
├── SameAssignment         ├── PoolNotFound      ├── PoolExists      ├── InvalidRequest
├── AssignmentNotFound     ├── NoPoolMatch       ├── PoolExhausted   ├── NotSandboxOwner
├── AssignmentExpired      ├── InstanceNotFound  ├── RunInProgress   ├── SandboxTooYoung
├── TargetAlreadyAssigned  ├── OrgNotFound       ├── RuleExists      ├── SandboxImmortal
├── AmbiguousAssignment    ├── RuleNotFound      ├── VersionConflict └── ProviderRefused
├── EnvironmentInUse       ├── InvalidPattern    ├── UnsupportedTarget
├── EnvironmentNotFound    ├── EnvironmentExists ├── EnvironmentLocked
├── InvalidEnvironmentNames                      ├── FrontdoorUnavailable
├── TokenNotFound          ├── UsernameRegistered└── ArtifactsUnavailable
├── LockNotFound           ├── LockAlreadyHeld   ├── NotLockHolder   ├── LockWaitTimeout
├── AssignmentLocked
├── KeyNotFound            ├── KeyExists         ├── WebhookNotFound
├── TaskNotFound           ├── TaskNotRecurring  ├── TaskNotCancellable
├── TaskAlreadyStopped     ├── LeftQueue         ├── AliasTaken
└── InstallationNotFound
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, ClassVar

from operations.times import iso, iso_or_none
from storage.assignments import Assignment, Holder
from storage.pools import Counts


class OperationError(Exception):
    """Refused: nothing was changed. `message` is stable text, `details` what a program needs."""

    code: ClassVar[str]

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidRequest(OperationError):
    """A value that breaks a rule; `field` is the API's name of it."""

    code = "VALIDATION_FAILED"

    def __init__(self, field: str, rule: str, message: str) -> None:
        super().__init__(f"{field} {message}", errors=[{"field": field, "rule": rule, "message": message}])


class SameAssignment(OperationError):
    code = "SAME_ASSIGNMENT"

    def __init__(self) -> None:
        super().__init__("Source and target assignment are the same")


class AssignmentNotFound(OperationError):
    code = "ASSIGNMENT_NOT_FOUND"

    def __init__(
        self, holder: Holder, repository: str, last: Assignment | None = None, moved_to: Holder | None = None
    ) -> None:
        super().__init__(
            f"No active assignment for {holder} in {repository}",
            lastStatus=last.status if last else None,
            endedAt=iso_or_none(last.ended_at) if last else None,
            transitionedTo=str(moved_to) if moved_to else None,
        )


class AssignmentExpired(OperationError):
    code = "ASSIGNMENT_EXPIRED"

    def __init__(self, at: datetime) -> None:
        super().__init__(f"The assignment expired at {iso(at)}; assign again", expiredAt=iso(at))


class TargetAlreadyAssigned(OperationError):
    code = "TARGET_ALREADY_ASSIGNED"

    def __init__(self, holder: Holder, environment: str) -> None:
        super().__init__(f"{holder} already has environment {environment}", sandboxName=environment)


class AmbiguousAssignment(OperationError):
    code = "AMBIGUOUS_ASSIGNMENT"

    def __init__(self, holder: Holder, domains: list[str]) -> None:
        super().__init__(f"{holder} has several environments; pass domain", domains=domains)


class EnvironmentInUse(OperationError):
    code = "ENVIRONMENT_IN_USE"

    def __init__(self, used_by: str, until: datetime) -> None:
        super().__init__(
            f"Environment is in use by {used_by} until {iso(until)}", usedBy=used_by, inUseUntil=iso(until)
        )
        self.until = until


class EnvironmentNotFound(OperationError):
    code = "ENVIRONMENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Environment not found")


class EnvironmentExists(OperationError):
    code = "ENVIRONMENT_EXISTS"

    def __init__(self) -> None:
        super().__init__("Environment name already exists")


class EnvironmentLocked(OperationError):
    code = "ENVIRONMENT_LOCKED"

    def __init__(self) -> None:
        super().__init__("Cannot delete locked environment")


class InvalidEnvironmentNames(OperationError):
    code = "INVALID_ENVIRONMENT_NAMES"

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"Unknown or repeated environment names: {', '.join(names)}", names=names)


class FrontdoorUnavailable(OperationError):
    code = "FRONTDOOR_UNAVAILABLE"

    def __init__(self, reason: str) -> None:
        super().__init__("Unable to generate frontdoor URL", reason=reason)


class ArtifactsUnavailable(OperationError):
    code = "ARTIFACTS_UNAVAILABLE"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Unable to retrieve artifacts ({reason})", reason=reason)


class PoolNotFound(OperationError):
    code = "POOL_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Pool not found")


class PoolExists(OperationError):
    code = "POOL_EXISTS"

    def __init__(self, tag: str, repository: str) -> None:
        super().__init__(f"Pool {tag} already exists in {repository}")


class OrgNotFound(OperationError):
    code = "ORG_NOT_FOUND"

    def __init__(self, username: str) -> None:
        super().__init__(f"Salesforce org {username} not found")


class UsernameRegistered(OperationError):
    code = "USERNAME_REGISTERED"

    def __init__(self) -> None:
        super().__init__("Salesforce username already registered")


class KeyNotFound(OperationError):
    code = "KEY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Key not found")


class KeyExists(OperationError):
    code = "KEY_EXISTS"

    def __init__(self) -> None:
        super().__init__("Key already exists")


class WebhookNotFound(OperationError):
    code = "WEBHOOK_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Webhook not found")


class AliasTaken(OperationError):
    """Ours: the contract knows of no aliases."""

    code = "ALIAS_TAKEN"

    def __init__(self, alias: str) -> None:
        super().__init__(f"{alias} is another org's alias or username already", alias=alias)


class InstallationNotFound(OperationError):
    code = "INSTALLATION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Installation not found")


class TokenNotFound(OperationError):
    code = "TOKEN_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Token not found")


class AssignmentLocked(OperationError):
    """Somebody keeps a pull request's environment as it is, for a while."""

    code = "ENVIRONMENT_LOCKED"

    def __init__(self, by: str, reason: str | None, until: datetime) -> None:
        super().__init__(
            f"Environment is locked by {by} until {iso(until)}", lockedBy=by, lockReason=reason, lockedUntil=iso(until)
        )
        self.until = until


class LockNotFound(OperationError):
    """No live ticket; the published pages say it differently where one waits and where one unlocks."""

    code = "LOCK_NOT_FOUND"

    def __init__(self, message: str = "Lock not found") -> None:
        super().__init__(message)


class LockAlreadyHeld(OperationError):
    code = "LOCK_ALREADY_HELD"

    def __init__(self, ticket: str, status: str) -> None:
        super().__init__("You already hold or wait for this lock", ticketId=ticket, status=status)


class NotLockHolder(OperationError):
    code = "NOT_LOCK_HOLDER"

    def __init__(self) -> None:
        super().__init__("Forbidden - This lock ticket belongs to another requester")


class LockWaitTimeout(OperationError):
    """Normal, never logged as an error: the ticket keeps its place, and its owner may go on waiting."""

    code = "LOCK_WAIT_TIMEOUT"

    def __init__(self, number: int, position: int, estimated_wait_seconds: int, patience: float) -> None:
        super().__init__(
            "Timeout waiting for lock acquisition",
            queuePosition=position,
            estimatedWaitSeconds=estimated_wait_seconds,
        )
        self.number = number  # of the ticket that waits
        self.patience = patience  # seconds that its owner would wait before hearing this


class InstanceNotFound(OperationError):
    code = "INSTANCE_NOT_FOUND"

    def __init__(self, name: str, tag: str) -> None:
        super().__init__(f"Sandbox {name} not found in pool {tag}")


class NoPoolMatch(OperationError):
    """`out_of_use` is the tag of the pool that would match if it were active, or were still there."""

    code = "NO_POOL_MATCH"

    def __init__(
        self, branch: str | None, domains: list[str], evaluated: list[dict[str, Any]], out_of_use: str | None = None
    ) -> None:
        named = ", ".join(domains) or "(none)"
        super().__init__(f"No pool matches branch {branch or '(none)'} and domains {named}", evaluated=evaluated)
        self.out_of_use = out_of_use


class RuleNotFound(OperationError):
    code = "RULE_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Rule not found")


class RuleExists(OperationError):
    code = "RULE_EXISTS"

    def __init__(self) -> None:
        super().__init__("Duplicate rule exists")


class InvalidPattern(OperationError):
    """The sentence is the published one; which field and what it must be is in the details."""

    code = "INVALID_PATTERN"

    def __init__(self, field: str, message: str) -> None:
        problem = {"field": field, "rule": "pattern", "message": message}
        super().__init__("Invalid pattern or request data", errors=[problem])


class UnsupportedTarget(OperationError):
    code = "UNSUPPORTED_TARGET"

    def __init__(self, target_type: str) -> None:
        super().__init__(f"targetType {target_type} is not supported yet", targetType=target_type)


class VersionConflict(OperationError):
    code = "VERSION_CONFLICT"

    def __init__(self, have: int, sent: int) -> None:
        super().__init__(f"The record changed (version {have}, expected {sent})", version=have, expected=sent)


class NotSandboxOwner(OperationError):
    code = "NOT_SANDBOX_OWNER"

    def __init__(self) -> None:
        super().__init__("Forbidden - You must own the sandbox or have the owner role")


class SandboxTooYoung(OperationError):
    code = "SANDBOX_TOO_YOUNG"

    def __init__(self, name: str, eligible_at: datetime) -> None:
        super().__init__(
            f"Sandbox {name} cannot be deleted before {iso(eligible_at)}", sandboxName=name, eligibleAt=iso(eligible_at)
        )
        self.eligible_at = eligible_at


class SandboxImmortal(OperationError):
    code = "SANDBOX_IMMORTAL"

    def __init__(self, name: str) -> None:
        super().__init__(f"Sandbox {name} never expires; use force", sandboxName=name)


class ProviderRefused(OperationError):
    """What the outside of environments answered instead of doing it; `reason` is stable text."""

    code = "PROVIDER_ERROR"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The provider refused: {reason}", reason=reason)


class RunInProgress(OperationError):
    code = "RUN_IN_PROGRESS"

    def __init__(self, kind: str, run_id: str) -> None:
        super().__init__(f"A {kind} run is already in progress ({run_id})", runId=run_id)


class PoolExhausted(OperationError):
    """Normal, never logged as an error: the caller may wait for a turn (operations/waiting.py)."""

    code = "POOL_EXHAUSTED"

    def __init__(self, pool_id: str, tag: str, counts: Counts, max_total: int, retry_after: int) -> None:
        numbers = asdict(counts)
        super().__init__(
            f"No environment is available in pool {tag} ({counts.available} available, {counts.assigned} assigned, "
            f"{counts.provisioning} provisioning, {counts.total} of {max_total} used)",
            poolTag=tag,
            **numbers,
            maxTotal=max_total,
            retryAfterSeconds=retry_after,
        )
        self.pool_id = pool_id
        self.retry_after = retry_after


class LeftQueue(OperationError):
    """Somebody else ended the wait, as by closing the pull request: to wait again would not help."""

    code = "POOL_EXHAUSTED"

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(f"The place in the queue of pool {tag} was given up: {reason}", poolTag=tag)


class TaskNotFound(OperationError):
    code = "TASK_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Task not found")


class TaskNotRecurring(OperationError):
    code = "TASK_NOT_RECURRING"

    def __init__(self) -> None:
        super().__init__("Task not found or is not a recurring task")


class TaskNotCancellable(OperationError):
    code = "TASK_NOT_CANCELLABLE"

    def __init__(self) -> None:
        super().__init__("Completed tasks cannot be cancelled")


class TaskAlreadyStopped(OperationError):
    code = "TASK_ALREADY_STOPPED"

    def __init__(self) -> None:
        super().__init__("Task is already stopped or completed")
