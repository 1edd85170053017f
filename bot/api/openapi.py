"""The OpenAPI 3.1 document, made from OPERATIONS and the types of their views; nothing in it is said twice."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from types import NoneType
from typing import Any

from pydantic.alias_generators import to_camel

from bot.api import environment_examples, examples, lock_examples
from bot.api.errors import STATUS
from bot.api.examples import PARAMETERS
from bot.api.messages import MODELS, messages
from bot.api.refusals import headers_with, shown
from bot.api.router import PREFIX, Operation
from bot.api.schemas import REF, Schemas
from bot.version import VERSION
from storage.tokens import Role

JSON = "application/json"
EXAMPLES = shown()
BODIES: Mapping[str, Any] = {**examples.BODIES, **environment_examples.BODIES, **lock_examples.BODIES}
ANSWERS: Mapping[str, Any] = {**examples.ANSWERS, **environment_examples.ANSWERS, **lock_examples.ANSWERS}
ABOUT = """\
Review environments, their pools and everything around them: what Greenroom's comments on pull requests do, and the
rest for administrators and pipelines. Compatible with the sfp server.

Times are ISO 8601 in UTC. Unknown fields and query parameters are ignored; `null` for an optional field of a body is
the same as leaving it out. A repository in a path is one URL-encoded segment. What a token does not see is not found.
Every answer carries `X-Request-Id`, which finds it in the log; yours is kept if you send one.\
"""

# The first that an operation's path begins with is what it belongs to.
TAGS = (
    ("/review/environments", "Review environments", "Environments of pull requests, issues and users."),
    ("/review/pools/assign", "Assignment rules", "Which pool serves which branch and domain."),
    ("/pools", "Pools", "Pools of ready environments, and the instances in them."),
    ("/environments", "Environments", "Permanent environments: their locks, audit and artifacts."),
    ("/tasks", "Tasks", "Slow work: submitted, watched, cancelled."),
    ("/locks", "Locks", "Locks on anything that has a name."),
    ("/application-tokens", "Application tokens", "The tokens of pipelines and other programs."),
    ("/users", "Users", "Who is calling."),
    ("/repository", "Repositories", "Access to repositories on GitHub."),
    ("/webhooks", "Outgoing webhooks", "Events for other programs."),
    ("/key-value", "Key-value", "Small values that pipelines share."),
    ("/auth", "Authentication", "Logins, and the Salesforce orgs behind pools and environments."),
    ("", "Health", "Whether the API answers."),
)

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "Names this request in the log.", "required": True, "schema": {"type": "string"},
    },
    "X-Total-Count": {
        "description": "How many the array has.", "required": True, "schema": {"type": "integer", "minimum": 0},
    },
    "Retry-After": {
        "description": "In how many seconds asking again can help.", "schema": {"type": "integer", "minimum": 1},
    },
    "Location": {"description": "The address to go to.", "required": True, "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "Always `Bearer`.", "schema": {"const": "Bearer"}},
}  # fmt: skip

ERROR: dict[str, Any] = {
    "description": "What every answer that is not a success looks like. `code` is stable; `message` is one sentence.",
    "type": "object",
    "properties": {
        "statusCode": {"type": "integer"},
        "error": {"type": "string"},
        "code": {"type": "string"},
        "message": {"type": "string"},
        "details": {"type": "object"},
    },
    "required": ["statusCode", "error", "code", "message", "details"],
    "additionalProperties": False,
}


def document(operations: Sequence[Operation], public_url: str) -> dict[str, Any]:
    """The whole document, for a server at this address."""
    schemas = Schemas(operations, MODELS.values())
    paths: dict[str, dict[str, Any]] = {}
    names = operation_ids(operations)
    for operation in operations:
        path = paths.setdefault(f"{PREFIX}{operation.template}", {})
        path[operation.method.lower()] = {"operationId": names[str(operation)], **_operation(operation, schemas)}
    codes = {code for operation in operations for code in codes_of(operation)}
    used = {tag for path in paths.values() for described in path.values() for tag in described["tags"]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Greenroom", "version": VERSION, "description": ABOUT},
        "servers": [{"url": public_url}],
        "tags": [{"name": name, "description": about} for _, name, about in TAGS if name in used],
        "paths": paths,
        "webhooks": messages(schemas),
        "components": {
            "schemas": {"Error": ERROR, **schemas.components},
            "headers": HEADERS,
            "examples": {code: {"value": example} for code, example in EXAMPLES.items() if code in codes},
            "securitySchemes": {"bearer": _bearer()},
        },
    }


def codes_of(operation: Operation) -> list[str]:
    """Every code that the operation may refuse with: its own, and the common ones of contract section 3."""
    own = [refusal.code for refusal in operation.refuses]
    return sorted({*own, *_common(operation)}, key=lambda code: (STATUS[code], code))


def operation_ids(operations: Sequence[Operation]) -> dict[str, str]:
    """The name of each operation: its view's, and the method where several share one view."""
    shared = Counter(operation.view for operation in operations)
    return {
        str(operation): to_camel(operation.view.__name__)
        + (f"By{operation.method.capitalize()}" if shared[operation.view] > 1 else "")
        for operation in operations
    }


def _common(operation: Operation) -> Iterator[str]:
    query, body = operation.query, operation.body
    if not {operation.path, query, body} <= {NoneType}:
        yield "VALIDATION_FAILED"
    if query is not NoneType and any(field.is_required() for field in query.model_fields.values()):
        yield "MISSING_PARAMETER"
    if body is not NoneType:
        yield from ("INVALID_JSON", "PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE")
    if operation.path is not NoneType:
        yield "ROUTE_NOT_FOUND"
    yield "RATE_LIMITED"
    if operation.roles:
        yield from ("UNAUTHENTICATED", "TOKEN_EXPIRED", "STORE_UNAVAILABLE")
    if operation.roles and set(operation.roles) != set(Role):
        yield "ROLE_REQUIRED"


def _bearer() -> dict[str, Any]:
    about = (
        f"A program's token, made by `greenroom token create` or by an owner at `POST {PREFIX}/application-tokens`, or "
        "a person's, from the login with GitHub. It has one of three roles: a member reads, an application also "
        "changes, an owner does everything."
    )
    return {"type": "http", "scheme": "bearer", "description": about}


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    tag = next(name for prefix, name, _ in TAGS if operation.template.startswith(prefix))
    described: dict[str, Any] = {
        "tags": [tag],
        "summary": operation.summary,
        "description": _description(operation),
        "x-roles": list(operation.roles),
        "security": [{"bearer": []}] if operation.roles else [],
        "parameters": [*_parameters(operation, schemas, "path"), *_parameters(operation, schemas, "query")],
        "responses": {**_successes(operation, schemas), **_refusals(operation)},
    }
    if operation.body is not NoneType:
        described["requestBody"] = _body(operation, schemas)
    return described


def _description(operation: Operation) -> str:
    who = f"For: {', '.join(operation.roles)}." if operation.roles else "Public: no token is needed."
    about = inspect.getdoc(operation.view)
    return f"{about}\n\n{who}" if about else who


def _parameters(operation: Operation, schemas: Schemas, place: Any) -> Iterator[dict[str, Any]]:
    if getattr(operation, place) is NoneType:
        return
    described = schemas.of(operation, place)
    for name, field in described["properties"].items():
        schema = dict(_present(field))
        required = name in described.get("required", ())
        if required and schema.get("type") == "string":
            schema = {"minLength": 1, **schema}
        examples = schema.pop("examples", [PARAMETERS[name]] if required and name in PARAMETERS else [])
        example = {"example": examples[0]} if examples else {}
        yield {"name": name, "in": place, "required": required, "schema": schema, **example}


def _present(field: dict[str, Any]) -> dict[str, Any]:
    """The schema without null: a parameter is there or is not."""
    choices = field.get("anyOf", [])
    if {"type": "null"} not in choices:
        return field
    left = [choice for choice in choices if choice != {"type": "null"}]
    about = {name: value for name, value in field.items() if name != "anyOf"}
    return {**left[0], **about} if len(left) == 1 else {"anyOf": left, **about}


def _body(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    schema = schemas.of(operation, "body")
    described = schemas.components[schema["$ref"].removeprefix(REF)]
    required = described.get("type") != "object" or bool(described.get("required"))
    return {"required": required, "content": {JSON: _content(schema, BODIES.get(str(operation)))}}


def _successes(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    answers = {str(operation.status.value): _success(operation, schemas)}
    if operation.redirects:
        described = {"description": "Elsewhere.", "headers": _headers(["X-Request-Id", "Location"])}
        answers[str(HTTPStatus.FOUND.value)] = described
    return answers


def _success(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    if operation.status == HTTPStatus.NO_CONTENT:
        return {"description": operation.summary, "headers": _headers(["X-Request-Id"])}
    schema = schemas.of(operation, "answer")
    headers = ["X-Request-Id", *(["X-Total-Count"] if schema.get("type") == "array" else [])]
    return {
        "description": operation.summary,
        "headers": _headers(headers),
        "content": {JSON: _content(schema, ANSWERS.get(str(operation)))},
    }


def _refusals(operation: Operation) -> dict[str, Any]:
    codes = codes_of(operation)
    statuses = sorted({STATUS[code] for code in codes})
    return {str(status.value): _refusal(status, [c for c in codes if STATUS[c] == status]) for status in statuses}


def _refusal(status: HTTPStatus, codes: list[str]) -> dict[str, Any]:
    """The codes with which an operation refuses with one status."""
    narrowed = {"properties": {"statusCode": {"const": status.value}, "code": {"enum": codes}}}
    return {
        "description": f"{status.phrase}: {', '.join(f'`{code}`' for code in codes)}",
        "headers": _headers(["X-Request-Id", *sorted({name for code in codes for name in headers_with(code)})]),
        "content": {
            JSON: {
                "schema": {"allOf": [{"$ref": f"{REF}Error"}, narrowed]},
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes if code in EXAMPLES},
            }
        },
    }


def _headers(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _content(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {"schema": schema} if example is None else {"schema": schema, "example": example}
