"""Key-value: small values that pipelines share (contract 10.3)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from bot.api.auth import CHANGE, READ
from bot.api.call import Call
from bot.api.fields import Answer, Between, Body, Count, Fields, Matching, Timestamp
from bot.api.router import Routes
from operations.errors import KeyExists, KeyNotFound
from operations.key_values import add_key, put_key, remove_key, replace_key
from storage import key_values
from storage.key_values import KeyValue

LARGEST_VALUE = 64 * 1024
LONGEST_TTL = 10 * 365 * 24 * 3600  # seconds
KEY = r"[A-Za-z0-9_][A-Za-z0-9._:@/-]*"
RESERVED = "upsert"  # POST /key-value/upsert is not about a key of that name

routes = Routes()


def _not_reserved(key: str) -> str:
    if key == RESERVED:
        raise PydanticCustomError("reserved", f"must not be {RESERVED}")
    return key


def _small(value: Any) -> Any:
    if len(json.dumps(value, ensure_ascii=False).encode()) > LARGEST_VALUE:
        raise PydanticCustomError("length", f"must be at most {LARGEST_VALUE} bytes of JSON")
    return value


Key = Annotated[
    str,
    Matching(KEY, "begin with a letter, a digit or _ and go on with those and . : @ / -"),
    AfterValidator(_not_reserved),
]
Value = Annotated[
    Any,
    AfterValidator(_small),
    WithJsonSchema({"allOf": [{"$ref": "#/components/schemas/JsonValue"}], "not": {"type": "null"}}),
]


class ValueBody(Body):
    """`ttl` counts seconds from now; without it the value stays until it is removed."""

    value: Value
    ttl: Annotated[Count, Between(1, LONGEST_TTL)] | None = None


class KeyBody(ValueBody):
    key: Key


class KeyPath(Fields):
    key: str


class KeyValueAnswer(Answer):
    """`ttl` counts seconds from `updatedAt`; null is for good."""

    key: str
    value: Any
    ttl: int | None
    created_at: Timestamp
    updated_at: Timestamp


@routes.add("POST", "/key-value", CHANGE, "Create a key", refuses=(KeyExists,), status=HTTPStatus.CREATED)
def add_key_value(call: Call[None, None, KeyBody]) -> KeyValueAnswer:
    body = call.body
    with call.transaction() as session:
        return _show(add_key(session, body.key, body.value, body.ttl, call.actor, now=call.now))


@routes.add("POST", "/key-value/upsert", CHANGE, "Create or replace a key")
def upsert_key_value(call: Call[None, None, KeyBody]) -> KeyValueAnswer:
    body = call.body
    with call.transaction() as session:
        return _show(put_key(session, body.key, body.value, body.ttl, call.actor, now=call.now))


@routes.add("GET", "/key-value/{key}", READ, "Get a key", refuses=(KeyNotFound,))
def get_key_value(call: Call[KeyPath, None, None]) -> KeyValueAnswer:
    with call.reading() as session:
        found = key_values.find(session, call.path.key, now=call.now)
    if found is None:
        raise KeyNotFound
    return _show(found)


@routes.add("PUT", "/key-value/{key}", CHANGE, "Replace a key", refuses=(KeyNotFound,))
def replace_key_value(call: Call[KeyPath, None, ValueBody]) -> KeyValueAnswer:
    """Without a `ttl` the new value stays until it is removed, whatever the old one had."""
    with call.transaction() as session:
        if key_values.find(session, call.path.key, now=call.now) is None:
            raise KeyNotFound
        body = call.body
        return _show(replace_key(session, call.path.key, body.value, body.ttl, call.actor, now=call.now))


@routes.add("DELETE", "/key-value/{key}", CHANGE, "Delete a key", refuses=(KeyNotFound,), status=HTTPStatus.NO_CONTENT)
def delete_key_value(call: Call[KeyPath, None, None]) -> None:
    with call.transaction() as session:
        remove_key(session, call.path.key, call.actor, now=call.now)


def _show(row: KeyValue) -> KeyValueAnswer:
    return KeyValueAnswer(
        key=row.key, value=row.content, ttl=row.ttl, created_at=row.created_at, updated_at=row.updated_at
    )
