"""What outgoing webhooks are sent, described: one message for each event, made from the types of what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

from bot.api.examples import EVENT_ID, EVENTS, NOON
from bot.api.schemas import REF, Schemas
from operations.events import DATA, EventType

MODELS: Mapping[type[Any], type[Any]] = {
    plain: dataclass(plain, frozen=True, config=ConfigDict(alias_generator=to_camel))
    for plain in dict.fromkeys(DATA.values())
}
SIGNATURE = (
    "The HMAC-SHA256 of the body, as it came, under the webhook's secret: `sha256=` and 64 hexadecimal digits. "
    "Compare it in constant time before you believe anything."
)
HEADERS = (
    ("X-Greenroom-Event", "The event.", {"type": "string"}),
    ("X-Greenroom-Event-Id", "The `id` of the body.", {"type": "string", "format": "uuid"}),
    ("X-Greenroom-Signature-256", SIGNATURE, {"type": "string", "pattern": "^sha256=[0-9a-f]{64}$"}),
)
ABOUT = (
    "It is sent at least once, to each webhook in the order in which things happened: `id` is the same for every "
    "repetition. Answer 2xx within the webhook's `timeout`; anything else, a redirect too, is tried again. `triggered` "
    "is true if somebody only tries the webhook out."
)


def messages(schemas: Schemas) -> dict[str, Any]:
    """The document's webhooks: what each event's message is."""
    return {event.value: {"post": _message(event, schemas)} for event in EventType}


def example(event: EventType) -> dict[str, Any]:
    """A message as it is sent."""
    return {"id": EVENT_ID, "event": event.value, "createdAt": NOON, "triggered": False, "data": dict(EVENTS[event])}


def _message(event: EventType, schemas: Schemas) -> dict[str, Any]:
    model = MODELS[DATA[event]].__name__
    properties: dict[str, Any] = {
        "id": {"type": "string", "format": "uuid"},
        "event": {"const": event.value},
        "createdAt": {"type": "string", "format": "date-time"},
        "triggered": {"type": "boolean"},
        "data": {"$ref": f"{REF}{model}"},
    }
    assert model in schemas.components, f"{model} is not described"
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "tags": ["Outgoing webhooks"],
        "summary": event.value,
        "description": ABOUT,
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": about, "schema": kind}
            for name, about, kind in HEADERS
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example(event)}},
        },
        "responses": {"2XX": {"description": "It has arrived."}},
    }
