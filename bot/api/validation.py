"""What is wrong with a request's values, in the contract's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.api.errors import InvalidFields, MissingParameter, Problem

Model = TypeVar("Model", bound=BaseModel)

# The kinds of pydantic's errors that our fields can meet, as (rule, sentence).
WORDING: Mapping[str, tuple[str, str]] = {
    "missing": ("required", "is required"),
    "string_type": ("type", "must be a string"),
    "float_type": ("type", "must be a number"),
    "int_type": ("type", "must be an integer"),
    "bool_type": ("type", "must be a boolean"),
    "dict_type": ("type", "must be an object"),
    "model_type": ("type", "must be an object"),
    "list_type": ("type", "must be an array"),
}


def checked(model: type[Model], given: Any) -> Model:
    """The model of what was given. Raises InvalidFields with everything that is wrong with it."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidFields([_problem(details) for details in error.errors(include_url=False)]) from error


def checked_query(model: type[Model], given: Mapping[str, Sequence[str]]) -> Model:
    """The model of a query. Raises MissingParameter before InvalidFields; an empty required one is missing."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for name, field in fields.items():
        if field.is_required() and not given.get(name, [""])[0]:
            raise MissingParameter(name)
    for name, values in given.items():
        if any("\0" in value for value in values):
            raise InvalidFields.one(name, "characters", "must not contain U+0000")
    repeatable = {name for name, field in fields.items() if get_origin(field.annotation) is list}
    return checked(model, {name: values if name in repeatable else values[0] for name, values in given.items()})


def _problem(details: ErrorDetails) -> Problem:
    field = ".".join(str(part) for part in details["loc"]) or "body"
    kind = details["type"]
    if kind in ("enum", "literal_error"):
        return {"field": field, "rule": "enum", "message": f"must be one of {_choices(details)}"}
    rule, message = WORDING.get(kind, (kind, details["msg"]))
    return {"field": field, "rule": rule, "message": message}


def _choices(details: ErrorDetails) -> str:
    expected: str = details["ctx"]["expected"]
    return expected.replace("'", "")
