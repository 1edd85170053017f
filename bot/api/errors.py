"""Refusals on the wire: STATUS says which HTTP status each code has, and the envelope is the same for all.

What only HTTP can refuse:

OperationError
├── Unauthenticated      ├── RouteNotFound        ├── InvalidFields
│   └── TokenExpired     ├── MethodNotAllowed     ├── MissingParameter
├── RoleRequired         ├── PayloadTooLarge      ├── InvalidJson
├── RepositoryNotFound   └── UnsupportedMediaType
└── TooManyRequests
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from math import ceil
from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

from operations.errors import (
    AssignmentLocked,
    EnvironmentInUse,
    LockWaitTimeout,
    OperationError,
    PoolExhausted,
    RunInProgress,
)
from storage.tokens import Role

RUN_TAKES_SECONDS = 30
WAIT_AGAIN_SECONDS = 1
STORE_RETURNS_SECONDS = 5

STATUS: Mapping[str, HTTPStatus] = {
    "ARTIFACTS_UNAVAILABLE": HTTPStatus.BAD_REQUEST,
    "BAD_REQUEST": HTTPStatus.BAD_REQUEST,
    "FRONTDOOR_UNAVAILABLE": HTTPStatus.BAD_REQUEST,
    "INVALID_ENVIRONMENT_NAMES": HTTPStatus.BAD_REQUEST,
    "INVALID_JSON": HTTPStatus.BAD_REQUEST,
    "INVALID_PATTERN": HTTPStatus.BAD_REQUEST,
    "MISSING_PARAMETER": HTTPStatus.BAD_REQUEST,
    "SAME_ASSIGNMENT": HTTPStatus.BAD_REQUEST,
    "TASK_ALREADY_STOPPED": HTTPStatus.BAD_REQUEST,
    "UNSUPPORTED_TARGET": HTTPStatus.BAD_REQUEST,
    "VALIDATION_FAILED": HTTPStatus.BAD_REQUEST,
    "TOKEN_EXPIRED": HTTPStatus.UNAUTHORIZED,
    "UNAUTHENTICATED": HTTPStatus.UNAUTHORIZED,
    "NOT_LOCK_HOLDER": HTTPStatus.FORBIDDEN,
    "NOT_SANDBOX_OWNER": HTTPStatus.FORBIDDEN,
    "ROLE_REQUIRED": HTTPStatus.FORBIDDEN,
    "ASSIGNMENT_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "ENVIRONMENT_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "INSTALLATION_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "INSTANCE_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "KEY_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "LOCK_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "NO_POOL_MATCH": HTTPStatus.NOT_FOUND,
    "ORG_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "POOL_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "REPOSITORY_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "ROUTE_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "TASK_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "TASK_NOT_RECURRING": HTTPStatus.NOT_FOUND,
    "TOKEN_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "RULE_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "WEBHOOK_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "LOCK_WAIT_TIMEOUT": HTTPStatus.REQUEST_TIMEOUT,
    "METHOD_NOT_ALLOWED": HTTPStatus.METHOD_NOT_ALLOWED,
    "ALIAS_TAKEN": HTTPStatus.CONFLICT,
    "AMBIGUOUS_ASSIGNMENT": HTTPStatus.CONFLICT,
    "ASSIGNMENT_EXPIRED": HTTPStatus.CONFLICT,
    "ENVIRONMENT_EXISTS": HTTPStatus.CONFLICT,
    "ENVIRONMENT_IN_USE": HTTPStatus.CONFLICT,
    "KEY_EXISTS": HTTPStatus.CONFLICT,
    "ENVIRONMENT_LOCKED": HTTPStatus.CONFLICT,
    "LOCK_ALREADY_HELD": HTTPStatus.CONFLICT,
    "POOL_EXHAUSTED": HTTPStatus.CONFLICT,
    "POOL_EXISTS": HTTPStatus.CONFLICT,
    "RULE_EXISTS": HTTPStatus.CONFLICT,
    "RUN_IN_PROGRESS": HTTPStatus.CONFLICT,
    "SANDBOX_IMMORTAL": HTTPStatus.CONFLICT,
    "SANDBOX_TOO_YOUNG": HTTPStatus.CONFLICT,
    "TARGET_ALREADY_ASSIGNED": HTTPStatus.CONFLICT,
    "TASK_NOT_CANCELLABLE": HTTPStatus.CONFLICT,
    "USERNAME_REGISTERED": HTTPStatus.CONFLICT,
    "VERSION_CONFLICT": HTTPStatus.CONFLICT,
    "PAYLOAD_TOO_LARGE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "UNSUPPORTED_MEDIA_TYPE": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "RATE_LIMITED": HTTPStatus.TOO_MANY_REQUESTS,
    "INTERNAL_ERROR": HTTPStatus.INTERNAL_SERVER_ERROR,
    "PROVIDER_ERROR": HTTPStatus.BAD_GATEWAY,
    "STORE_UNAVAILABLE": HTTPStatus.SERVICE_UNAVAILABLE,
}

Problem = dict[str, str]  # field, rule, message


class InvalidFields(OperationError):
    """Values that break rules: all of them in the details, the first as the message."""

    code = "VALIDATION_FAILED"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{problems[0]['field']} {problems[0]['message']}", errors=list(problems))

    @classmethod
    def one(cls, field: str, rule: str, message: str) -> InvalidFields:
        return cls([{"field": field, "rule": rule, "message": message}])


class MissingParameter(OperationError):
    code = "MISSING_PARAMETER"

    def __init__(self, name: str, **details: Any) -> None:
        super().__init__(f"Missing {name} parameter", parameter=name, **details)


class InvalidJson(OperationError):
    code = "INVALID_JSON"

    def __init__(self) -> None:
        super().__init__("Request body is not valid JSON")


class Unauthenticated(OperationError):
    code = "UNAUTHENTICATED"

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class TokenExpired(Unauthenticated):
    code = "TOKEN_EXPIRED"


class RoleRequired(OperationError):
    code = "ROLE_REQUIRED"

    def __init__(self, roles: Sequence[Role]) -> None:
        super().__init__(f"Forbidden - Requires role: {', '.join(roles)}", roles=list(roles))


class RepositoryNotFound(OperationError):
    """Only where a repository itself is asked for; a missing pool of a missing repository is a missing pool."""

    code = "REPOSITORY_NOT_FOUND"

    def __init__(self, repository: str) -> None:
        super().__init__(f"Repository {repository} not found")


class RouteNotFound(OperationError):
    code = "ROUTE_NOT_FOUND"

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"Cannot {method} {path}")


class MethodNotAllowed(OperationError):
    code = "METHOD_NOT_ALLOWED"

    def __init__(self, method: str, path: str, allowed: Sequence[str]) -> None:
        super().__init__(f"Cannot {method} {path}", allowed=list(allowed))
        self.allowed = allowed


class PayloadTooLarge(OperationError):
    code = "PAYLOAD_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(f"Request body is larger than {limit} bytes", limit=limit)


class UnsupportedMediaType(OperationError):
    code = "UNSUPPORTED_MEDIA_TYPE"

    def __init__(self) -> None:
        super().__init__("Request body must have the content type application/json")


class TooManyRequests(OperationError):
    code = "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many requests, retry in {retry_after} seconds", retryAfterSeconds=retry_after)
        self.retry_after = retry_after


def envelope(code: str, message: str, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The body of every answer that is not a success (contract section 1)."""
    status = STATUS[code]
    return {
        "statusCode": status.value,
        "error": HTTP_STATUS_CODES[status],
        "code": code,
        "message": message,
        "details": dict(details or {}),
    }


def headers_of(refused: OperationError, *, now: datetime) -> dict[str, str]:
    """What a client may act on without reading the body; Retry-After only where asking again can help."""
    match refused:
        case Unauthenticated():
            return {"WWW-Authenticate": "Bearer"}
        case MethodNotAllowed():
            return {"Allow": ", ".join(refused.allowed)}
        case PoolExhausted() | TooManyRequests():
            return {"Retry-After": str(refused.retry_after)}
        case EnvironmentInUse() | AssignmentLocked():
            return {"Retry-After": str(max(1, ceil((refused.until - now).total_seconds())))}
        case LockWaitTimeout():
            return {"Retry-After": str(WAIT_AGAIN_SECONDS)}
        case RunInProgress():
            return {"Retry-After": str(RUN_TAKES_SECONDS)}
    return {}
