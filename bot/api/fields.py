"""The kinds of values that requests and answers carry, each with the sentence that says what it must be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    Strict,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from operations.times import iso
from storage.assignments import AssignmentStatus, HolderType

LARGEST_METADATA = 16 * 1024
NO_NUL = r"^[^\u0000]*$"
OF_EVERY_OBJECT = ("type", "propertyNames", "additionalProperties")  # in the JSON schema of what is sent


class Fields(BaseModel):
    """What a request carries: camelCase, nothing taken for what it is not, unknown fields ignored."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True, extra="ignore", frozen=True)


class RoutedFields(Fields):
    """The parameters of a path: where they are not as they must be, it is another path, and nothing is there."""

    @classmethod
    def fits(cls, values: Mapping[str, str]) -> bool:
        try:
            cls.model_validate(dict(values))
        except ValidationError:
            return False
        return True


class Body(Fields):
    """A JSON object; a field that is null is a field that is not there (contract section 1)."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = handler(schema)
        resolved = handler.resolve_ref_schema(described)
        resolved["properties"] = optional_or_null(resolved)
        return described


class Answer(BaseModel):
    """What we say: fields that are not given a value do not appear."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True, frozen=True)


@dataclass(frozen=True)
class Between:
    """A number, or the length of a text, within these bounds; the refusal names both."""

    low: float
    high: float

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = handler(schema)
        low, high = ("minLength", "maxLength") if described.get("type") == "string" else ("minimum", "maximum")
        return {**described, low: self.low, high: self.high}

    def _check(self, value: float | str) -> float | str:
        bounds = f"between {self.low} and {self.high}"
        if isinstance(value, str) and not self.low <= len(value) <= self.high:
            raise PydanticCustomError("length", f"must have {bounds} characters")
        if not isinstance(value, str) and not self.low <= value <= self.high:
            raise PydanticCustomError("range", f"must be {bounds}")
        return value


@dataclass(frozen=True)
class Matching:
    """A text of at most `longest` characters that the pattern fits as a whole; the refusal says it in words."""

    pattern: str
    words: str
    longest: int = 255

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^{self.pattern}$", "maxLength": self.longest}

    def _check(self, value: str) -> str:
        if len(value) > self.longest:
            raise PydanticCustomError("length", f"must have at most {self.longest} characters")
        if not re.fullmatch(self.pattern, value):
            raise PydanticCustomError("pattern", f"must {self.words}")
        return value


def optional_or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The properties of a body's schema, with null for each that may be absent."""
    required = schema.get("required", ())
    fields = schema.get("properties", {}).items()
    return {name: field if name in required else _or_null(field) for name, field in fields}


def having(*names: str) -> dict[str, Any]:
    """The JSON schema of an object that has all of these, and not as null."""
    return {"required": list(names), "properties": {name: {"not": {"type": "null"}} for name in names}}


def _or_null(field: dict[str, Any]) -> dict[str, Any]:
    null = {"type": "null"}
    if null in field.get("anyOf", ()) or field.get("type") == "null":
        return field
    kept = {name: value for name, value in field.items() if name in ("default", "description", "deprecated")}
    return {"anyOf": [{name: value for name, value in field.items() if name not in kept}, null], **kept}


def _whole(value: Any) -> Any:
    """3.0 is an integer, as JSON Schema has it; 3.5 is not, nor is true."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(metadata, ensure_ascii=False).encode()) > LARGEST_METADATA:
        raise PydanticCustomError("length", f"must be at most {LARGEST_METADATA} bytes of JSON")
    return metadata


def _spoken_boolean(value: str) -> bool:
    match value.lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise PydanticCustomError("boolean", "must be true or false")


def _spoken_integer(value: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise PydanticCustomError("type", "must be an integer")
    return int(value)


def _moment(value: Any) -> datetime:
    """A time that says where: without a zone it could be anybody's."""
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise PydanticCustomError("type", "must be a time in ISO 8601 with its zone, as in 2025-01-01T12:00:00Z")


_HEX = "[0-9a-fA-F]"

RepositoryIdentifier = Annotated[
    str,
    Matching(r"[a-zA-Z0-9_.-]+/[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)?", "be an owner and a name, as in flxbl-io/sf-core"),
]
AssignmentId = Annotated[str, Matching(r"[a-zA-Z0-9@._-]+", "consist of letters, digits and @ . _ -")]
Domain = Annotated[str, Matching(r"[a-zA-Z0-9._-]+", "consist of letters, digits and . _ -")]
PoolTag = Annotated[str, Matching(r"[a-z0-9_-]+", "consist of lower-case letters, digits and _ -", longest=63)]
AnyUuid = Annotated[
    str,
    Matching(f"{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}", "be a UUID"),
    AfterValidator(lambda given: str(UUID(given))),
]
PoolAssignmentId = AnyUuid
AssignmentType = Annotated[HolderType, Strict(False)]
Status = Annotated[AssignmentStatus, Strict(False)]
InstanceStatus = Literal["PROVISIONING", "AVAILABLE", "ASSIGNED", "EXPIRED", "ERROR", "REFRESHING", "DELETING"]
Count = Annotated[int, BeforeValidator(_whole)]
Metadata = Annotated[dict[str, Any], AfterValidator(_small)]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
QueryBoolean = Annotated[bool, BeforeValidator(_spoken_boolean)]
QueryInteger = Annotated[int, BeforeValidator(_spoken_integer)]

Timestamp = Annotated[
    datetime, PlainSerializer(iso, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]
Number = Annotated[float, PlainSerializer(_whole), WithJsonSchema({"type": "number"})]
