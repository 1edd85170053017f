"""What requests about outgoing webhooks carry (contract 10.3)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, RootModel, Strict, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError

from bot.api.fields import (
    OF_EVERY_OBJECT,
    Between,
    Body,
    Count,
    Fields,
    Matching,
    Metadata,
    PoolAssignmentId,
    RepositoryIdentifier,
    optional_or_null,
)
from operations.events import EventType
from storage.webhooks import WebhookFormat

MOST_HEADERS = 20
HEADER_NAME, HEADER_VALUE = "[A-Za-z][A-Za-z0-9-]{0,99}", "[!-~]([ -~]{0,2046}[!-~])?"
OURS = ("host", "connection", "expect", "te", "trailer", "transfer-encoding", "upgrade", "cookie")
OUR_PREFIXES = ("content-", "proxy-", "x-greenroom-")
# A name or an address, perhaps a port, and a path; never a user, whose password everybody would log.
URL = r"https?://([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?][!$-~]*)?"


def _some(named: list[Any]) -> list[Any]:
    if not named:
        raise PydanticCustomError("length", "must name at least one")
    return named


def _sendable(headers: dict[str, str]) -> dict[str, str]:
    if len(headers) > MOST_HEADERS:
        raise PydanticCustomError("length", f"must have at most {MOST_HEADERS} headers")
    for name, value in headers.items():
        if name.lower() in OURS or name.lower().startswith(OUR_PREFIXES):
            raise PydanticCustomError("reserved", "must not set what Greenroom or HTTP itself sets")
        if not re.fullmatch(HEADER_NAME, name) or not re.fullmatch(HEADER_VALUE, value):
            raise PydanticCustomError("characters", "must have names and values that HTTP can carry")
    return headers


Events = Annotated[
    list[Annotated[EventType, Strict(False)]],
    AfterValidator(_some),
    Field(json_schema_extra={"minItems": 1}),
]
Headers = Annotated[
    dict[str, str],
    AfterValidator(_sendable),
    WithJsonSchema({
        "type": "object",
        "propertyNames": {"pattern": f"^{HEADER_NAME}$"},
        "additionalProperties": {"type": "string", "pattern": f"^{HEADER_VALUE}$"},
        "maxProperties": MOST_HEADERS,
    }),
]  # fmt: skip


class WebhookBody(Body):
    """Without a `secret` one is made, and shown once. `timeout` and `retryDelay` are milliseconds."""

    url: Annotated[str, Matching(URL, "be an http or https address without a user", longest=2048)]
    events: Events
    name: Annotated[str, Between(1, 100)] | None = None
    secret: Annotated[str, Between(16, 255)] | None = None
    headers: Headers | None = None
    repositories: (
        Annotated[list[RepositoryIdentifier], AfterValidator(_some), Field(json_schema_extra={"minItems": 1})] | None
    ) = None
    format: Annotated[WebhookFormat, Strict(False)] = WebhookFormat.JSON
    timeout: Annotated[Count, Between(1000, 30_000)] = 10_000
    retry_count: Annotated[Count, Between(0, 10)] = 3
    retry_delay: Annotated[Count, Between(1000, 3_600_000)] = 60_000
    status: Literal["active", "inactive"] = "active"


class WebhookChanges(RootModel[dict[str, Any]]):
    """A part of WebhookBody: what is given takes the place of what was, and null clears."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = handler.resolve_ref_schema(handler(WebhookBody.__pydantic_core_schema__))
        fields = optional_or_null({name: value for name, value in described.items() if name != "required"})
        return {**{name: described[name] for name in OF_EVERY_OBJECT}, "properties": fields}


class WebhookPath(Fields):
    id: str


class TriggerBody(Body):
    """Without a `payload` the event says what its example says."""

    event: Annotated[EventType, Strict(False)]
    payload: Metadata | None = None


class DeliverBody(Body):
    """Without an `eventId` it is the last event of the webhook."""

    event_id: PoolAssignmentId | None = None
