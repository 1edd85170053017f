"""Reads frozen dataclasses out of GitHub's JSON, and names the path of whatever is missing or of the wrong type."""

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Self, TypeVar, get_args, get_origin, get_type_hints

Value = TypeVar("Value")
Reader = Callable[[object, str], Any]  # of a node and its path

TYPE_NAMES = {str: "text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}


class MalformedPayload(Exception):
    """GitHub sent something else than its documentation promises; the message names the path."""


@dataclasses.dataclass(frozen=True)
class At:
    """Annotates a field that is not found under its own name, but at this dotted path."""

    path: str
    each: str = ""
    """The path in each element of a list."""


@dataclasses.dataclass(frozen=True)
class Given:
    """Annotates a field that is True when there is anything but null at this dotted path."""

    path: str


class Readable:
    """A dataclass that is read field by field out of a payload; keys that no field asks for are ignored.

    Missing and null are the same: the field's default, or MalformedPayload where it has none.
    """

    @classmethod
    def read(cls, payload: object, where: str = "") -> Self:
        """The facts in a payload that is found at the path `where`; refuses with MalformedPayload."""
        return cls(**{name: read(payload, where) for name, read in cls._readers().items()})

    @classmethod
    def read_all(cls, payload: object) -> tuple[Self, ...]:
        """The facts in every element of a list; refuses with MalformedPayload."""
        return _elements(cls.read, "", payload, "")

    @classmethod
    @cache
    def _readers(cls) -> Mapping[str, Reader]:
        fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(cls)  # type: ignore[arg-type]
        annotations = get_type_hints(cls, include_extras=True)
        return {field.name: _field_reader(field, annotations[field.name]) for field in fields}


def _field_reader(field: dataclasses.Field[Any], annotation: Any) -> Reader:
    place: At | Given = At(field.name)
    if get_origin(annotation) is Annotated:
        annotation, place = get_args(annotation)
    if isinstance(place, Given):
        return lambda payload, where: _find(payload, place.path, where) is not None
    convert = _converter(annotation, place.each)

    def read(payload: object, where: str) -> Any:
        node, path = _find(payload, place.path, where), _join(where, place.path)
        if node is not None:
            return convert(node, path)
        if field.default is dataclasses.MISSING:
            raise MalformedPayload(f"{path} is missing")
        return field.default

    return read


def _converter(annotation: Any, each: str = "") -> Reader:
    kinds = get_args(annotation)
    if get_origin(annotation) is UnionType and NoneType in kinds:
        return _converter(kinds[0])
    if get_origin(annotation) is tuple:
        return partial(_elements, _converter(kinds[0]), each)
    if get_origin(annotation) is dict:
        return partial(_values, _converter(kinds[1]))
    if annotation is datetime:
        return _time
    if isinstance(annotation, type) and issubclass(annotation, Readable):
        return annotation.read
    return partial(_checked, annotation)


def _find(node: object, path: str, where: str) -> object:
    """What is at the path; None where that, or anything on the way to it, is missing or null."""
    for name in path.split("."):
        if node is None:
            return None
        node = _checked(dict, node, where).get(name)
        where = _join(where, name)
    return node


def _checked(kind: type[Value], node: object, where: str) -> Value:
    # Not isinstance: JSON's true is no number.
    if type(node) is not kind:
        raise MalformedPayload(f"{where or 'the payload'} is not {TYPE_NAMES[kind]}")
    return node


def _time(node: object, where: str) -> datetime:
    try:
        time = datetime.fromisoformat(_checked(str, node, where))
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise MalformedPayload(f"{where} is not a time with its zone")


def _elements(convert: Reader, each: str, node: object, where: str) -> tuple[Any, ...]:
    elements = []
    for index, element in enumerate(_checked(list, node, where)):
        path = f"{where}[{index}]"
        if each:
            element, path = _find(element, each, path), _join(path, each)
        if element is None:
            raise MalformedPayload(f"{path} is missing")
        elements.append(convert(element, path))
    return tuple(elements)


def _values(convert: Reader, node: object, where: str) -> dict[str, Any]:
    return {name: convert(value, _join(where, name)) for name, value in _checked(dict, node, where).items()}


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
