"""JSON schemas of what operations take and give, made by pydantic; each model stands in the document once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import NoneType
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from bot.api.fields import NO_NUL
from bot.api.router import Operation

REF = "#/components/schemas/"
Part = Literal["path", "query", "body", "answer"]

# What fields that we do not know may be (strict_json): no database can store U+0000.
ANY_FIELDS: dict[str, Any] = {
    "propertyNames": {"pattern": NO_NUL},
    "additionalProperties": {"$ref": f"{REF}JsonValue"},
}
JSON_VALUE: dict[str, Any] = {
    "description": "Any JSON, to a depth of 64, without U+0000.",
    "type": ["null", "boolean", "number", "string", "array", "object"],
    "pattern": NO_NUL,
    "items": {"$ref": f"{REF}JsonValue"},
    **ANY_FIELDS,
}


class Schemas:
    """`components` has the models that several places share; `of` says what stands in one place."""

    def __init__(self, operations: Sequence[Operation], others: Iterable[type[Any]] = ()) -> None:
        named: list[Any] = [
            ((str(operation), part), mode, adapter)
            for operation in operations
            for part, mode, adapter in _parts(operation)
        ]
        named += [((model.__name__, "answer"), "serialization", TypeAdapter(model)) for model in others]
        self._found, described = TypeAdapter.json_schemas(
            named, ref_template=REF + "{model}", schema_generator=_Describer
        )
        models: dict[str, Any] = described["$defs"]
        for model in models.values():
            model.pop("title", None)  # it repeats the name
        self.components = {**models, "JsonValue": JSON_VALUE}
        self._unfold_parameters()

    def of(self, operation: Operation, part: Part) -> dict[str, Any]:
        mode: Literal["validation", "serialization"] = "serialization" if part == "answer" else "validation"
        return self._found[(str(operation), part), mode]

    def _unfold_parameters(self) -> None:
        """Parameters are described where they stand: their models are no components."""
        named = {
            key: schema["$ref"].removeprefix(REF)
            for key, schema in self._found.items()
            if key[0][1] in ("path", "query") and "$ref" in schema
        }
        self._found |= {key: self.components[name] for key, name in named.items()}
        for name in set(named.values()):
            del self.components[name]


def _parts(operation: Operation) -> list[tuple[Part, Literal["validation", "serialization"], TypeAdapter[Any]]]:
    taken: list[tuple[Part, type[Any]]] = [
        ("path", operation.path), ("query", operation.query), ("body", operation.body),
    ]  # fmt: skip
    return [
        *((part, "validation", TypeAdapter(model)) for part, model in taken if model is not NoneType),
        ("answer", "serialization", operation.answer),
    ]


class _Describer(GenerateJsonSchema):
    """Says what every text and every free-form value that is sent must be, and no more than that."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        described = super().model_schema(schema)
        return described if self.mode == "serialization" else {**described, **ANY_FIELDS}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        if isinstance(described.get("default"), bool | int | float | str):
            return described
        return {name: value for name, value in described.items() if name != "default"}

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        described = super().str_schema(schema)
        return described if self.mode == "serialization" else {**described, "pattern": NO_NUL}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        return super().dict_schema(schema) if self.mode == "serialization" else {"type": "object", **ANY_FIELDS}
