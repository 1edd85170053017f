"""Reads the text of a `greenroom.yml` into a Policy, or says by line and key what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import yaml  # type: ignore[import-untyped]
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bot.mistakes import code, did_you_mean
from bot.policy.keys import Policy

LONGEST_FILE = 32 * 1024  # bytes
DEEPEST = 8
MOST_PROBLEMS = 20
MOST_SHOWN = 30

Path = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong on a line of the file, counted from 1; the key is empty where it is not about one."""

    line: int
    key: str
    sentence: str

    def __str__(self) -> str:
        about = f"{code(self.key)} " if self.key else ""
        return f"line {self.line}: {about}{self.sentence}"


class InvalidPolicy(Exception):
    """The file cannot be followed; `problems` are the first of them, in the order of the lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        problems = sorted(problems)[:MOST_PROBLEMS]
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def policy_text(raw: bytes) -> str:
    """The text of a file; what is no UTF-8 stays visible, so that its line can be named."""
    return raw.decode("utf-8-sig", errors="replace")


@lru_cache(maxsize=256)
def parse(text: str) -> Policy:
    """The policy that this text says; an empty one says the defaults. Refuses with InvalidPolicy."""
    given, lines = _load(text)
    try:
        return Policy.model_validate(given)
    except ValidationError as error:
        raise InvalidPolicy(_problems(error.errors(include_url=False), lines)) from None


class _Composer(yaml.SafeLoader):  # type: ignore[misc]
    """YAML's nodes with their lines; of a text without aliases, and not nested deeply, which could grow in memory."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node:
        event = self.peek_event()
        if getattr(event, "anchor", None) is not None:
            raise _refused("anchors and aliases cannot be used here: write it out", event.start_mark)
        if self.depth == DEEPEST:
            raise _refused("this is nested too deeply", event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _refused(sentence: str, mark: yaml.Mark) -> InvalidPolicy:
    return InvalidPolicy([Problem(mark.line + 1, "", sentence)])


def _load(text: str) -> tuple[Any, Mapping[Path, int]]:
    """What the text says, and the line of everything in it."""
    if len(text.encode()) > LONGEST_FILE:
        raise InvalidPolicy([Problem(1, "", f"the file is larger than {LONGEST_FILE // 1024} KiB")])
    try:
        root = _Composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InvalidPolicy([Problem(mark.line + 1 if mark else 1, "", f"this is not YAML: {error.problem}")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InvalidPolicy([Problem(line, "", "this has a character that YAML does not allow")]) from None
    reading = _Reading()
    given = {} if root is None else reading.value(root, ())
    if reading.problems:
        raise InvalidPolicy(reading.problems)
    return given, reading.lines


# Of YAML's second version: `mode: off` is the word off, and not false.
_WORDS = {"true": True, "false": False}
_NUMBER = re.compile(r"-?[0-9]{1,9}")
_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "map", "seq")
}


class _Reading:
    """One pass over the nodes."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if node.tag not in _TAGS:
            self._wrong(path, "has a tag, which cannot be used here")
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, place)) for place, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(Problem(line, _dotted(path), "has a key that is not a word"))
                continue
            if key.value in found:
                self.problems.append(Problem(line, _dotted((*path, key.value)), "is there twice"))
            self.lines[*path, key.value] = line
            found[key.value] = self.value(value, (*path, key.value))
        return found

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text: str = node.value
        if node.style is not None:
            return text
        if text in ("", "~", "null"):
            if path:
                self._wrong(path, "has no value: give one, or remove the key")
            return {}
        if text in _WORDS:
            return _WORDS[text]
        return int(text) if _NUMBER.fullmatch(text) else text

    def _wrong(self, path: Path, sentence: str) -> None:
        self.problems.append(Problem(self.lines[path], _dotted(path), sentence))


def _dotted(path: Path) -> str:
    """labels.deploy, or paths[2], counted from 1."""
    parts = (f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def _problems(errors: Iterable[ErrorDetails], lines: Mapping[Path, int]) -> list[Problem]:
    """The first of them; the sentences of thousands would take their time."""
    placed = [(_place(details["loc"], lines), details) for details in errors]
    placed.sort(key=lambda found: lines[found[0]])
    return [Problem(lines[path], _dotted(path), _sentence(details, path)) for path, details in placed[:MOST_PROBLEMS]]


def _place(path: Path, lines: Mapping[Path, int]) -> Path:
    """Where it is in the file: pydantic names what it tried there, too."""
    while path not in lines:
        path = path[:-1]
    return path


def _sentence(details: ErrorDetails, path: Path) -> str:
    kind, context = details["type"], details.get("ctx", {})
    match kind:
        case "extra_forbidden":
            known = _keys(path[:-1])
            return f"is not a key here.{did_you_mean(str(path[-1]), known)} Known: {_listed(known)}"
        case "unknown":
            given, known = context["given"], context["known"]
            meant = did_you_mean(given, known)
            return f"names {code(given)}, which is not {context['what']}.{meant or f' Known: {_listed(known)}'}"
        case "literal_error":
            choices = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
            return f"must be one of {_listed(choices)}.{did_you_mean(str(details['input']), choices)}"
        case "missing":
            return f"has no {code(str(details['loc'][-1]))}"
    return WORDING[kind].format(**context) if kind in WORDING else details["msg"]


def _listed(known: list[str]) -> str:
    return ", ".join(map(code, known[:MOST_SHOWN])) + (" …" if len(known) > MOST_SHOWN else "")


# The other kinds of pydantic's errors that our types can meet.
WORDING = {
    "wrong": "{sentence}",
    "bool_type": "must be `true` or `false`",
    "int_type": "must be a whole number",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "mapping_type": "must have keys and values",
    "dict_type": "must have keys and values",
    "model_type": "must have keys and values",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "is too long: at most {max_length} characters",
    "too_long": "has too many entries: at most {max_length}",
    "string_pattern_mismatch": "has characters that cannot be used here",
}


def _keys(path: Path) -> list[str]:
    """The keys that there are at a place in the file."""
    schema = _schema()
    node = schema
    for part in path:
        node = _resolved(schema, node)
        others = [*node.get("patternProperties", {}).values(), node.get("items"), node.get("additionalProperties")]
        node = node.get("properties", {}).get(part) or next(filter(None, others), {})
    return list(_resolved(schema, node).get("properties", ()))


@cache
def _schema() -> dict[str, Any]:
    return Policy.model_json_schema()


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """What a part of the schema refers to; of two forms the one with keys."""
    for form in node.get("anyOf", ()):
        if "$ref" in form or "properties" in form:
            node = form
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        return _resolved(schema, node) if "$ref" in node or "anyOf" in node else node
    return node
