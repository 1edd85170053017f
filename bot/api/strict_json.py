"""JSON as the contract takes it: no NaN, no duplicate keys, not too deep (13.15)."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, NoReturn

from bot.api.errors import InvalidFields, InvalidJson

DEEPEST = 64


def loads(body: bytes) -> Any:
    """The value that the body holds. Raises InvalidJson; InvalidFields for text that no database can store."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise InvalidJson from error
    _check(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError("a number beyond every float")
    return number


def _check(value: Any) -> None:
    below = [(value, 1)]
    while below:
        value, depth = below.pop()
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, dict | list):
            if depth > DEEPEST:
                raise InvalidJson
            for key in value if isinstance(value, dict) else ():
                _check_text(key)
            below += [(child, depth + 1) for child in (value.values() if isinstance(value, dict) else value)]


def _check_text(text: str) -> None:
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InvalidFields.one("body", "characters", "must not contain U+0000 or half a surrogate pair")
