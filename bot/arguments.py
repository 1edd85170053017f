"""Reads what follows a command's name into typed values: durations, targets, names, flags and a reason."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from bot import mistakes

HOUR = timedelta(hours=1)
LONGEST = timedelta(weeks=52)
"""More is a slip of the pen; what a pool allows is much less and not decided here."""
REASON_LIMIT = 500
"""Characters, as the API's lock takes them (contract E11)."""

_UNITS = {"m": timedelta(minutes=1), "h": HOUR, "d": timedelta(days=1), "w": timedelta(weeks=1)}
_DURATION = re.compile(r"(?:[1-9][0-9]*+[mhdw])++")
_DURATION_PART = re.compile(r"([0-9]+)([mhdw])")
_NUMERIC = re.compile(r"[-+]?[0-9]")

_WORD = re.compile(r'(?:[^\s"]++|"[^"]*+")++')
_OPTION = re.compile(r"(?P<dashes>-{0,2})(?P<key>\w[\w-]*+)(?:=(?P<value>.*))?", re.ASCII)
_NAME = re.compile(r"\w[\w .:/+-]{0,99}")
_TARGET = re.compile(
    r"(?:#|(?P<numbered>pr|issue):)(?P<number>[1-9][0-9]{0,17})"
    r"|user:(?P<user>[\w.+'-]{1,64}@[\w.-]{1,190})"
    r"|custom:(?P<custom>\w[\w .:/+-]{0,99})"
)


class Misread(Exception):
    """What was typed cannot be followed; the message says what would be right."""


class Kind(StrEnum):
    """What a value is, and so how it is read."""

    NAME = "name"
    DURATION = "duration"
    TARGET = "target"
    REASON = "reason"
    FLAG = "flag"
    WORD = "word"


@dataclass(frozen=True, slots=True)
class Target:
    """Who gets an environment: `type` is pr, issue, user or custom, and None for a plain #456, which may be either."""

    type: str | None
    id: str


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command.

    `name` is the field of the command that it sets, `key` what one types: for=24h, --discard, or the word cancel.
    A positional one may also be typed without its key.
    """

    name: str
    kind: Kind
    key: str
    shown: str
    positional: bool = False
    required: bool = False
    least: timedelta = timedelta(minutes=1)

    @property
    def usage(self) -> str:
        return self.shown if self.required else f"[{self.shown}]"

    @property
    def typed(self) -> str:
        """What a did-you-mean offers."""
        return {Kind.FLAG: f"--{self.key}", Kind.WORD: self.key}.get(self.kind, f"{self.key}=")


Value = str | timedelta | Target | bool


def read(text: str, arguments: tuple[Argument, ...], usage: str) -> Mapping[str, Any]:
    """The values (Value) in a command's text by their names; those not given are absent. Refuses with Misread."""
    if text.count('"') % 2:
        raise Misread(mistakes.unclosed_quote())
    reading = _Reading(text, arguments, usage)
    reading.run()
    return reading.values


def duration(text: str, least: timedelta = _UNITS["m"]) -> timedelta:
    """The time that 90m, 24h, 2d, 1d12h or 1w says. Refuses with Misread what is shorter, or longer than LONGEST."""
    if not _DURATION.fullmatch(text):
        raise Misread(_why_no_duration(text))
    total = timedelta()
    for number, unit in _DURATION_PART.findall(text):
        # The digits first: Python refuses to read some thousands of them as a number.
        if len(number) > 6 or (total := total + int(number) * _UNITS[unit]) > LONGEST:
            raise Misread(mistakes.too_long(text, spelled(LONGEST)))
    if total < least:
        raise Misread(mistakes.too_short(text, spelled(least)))
    return total


def spelled(time: timedelta) -> str:
    """A duration as one would type it: 1d12h; seconds are dropped."""
    parts = []
    for unit, length in reversed(_UNITS.items()):
        count, time = divmod(time, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0m"


def _why_no_duration(text: str) -> str:
    if re.fullmatch(r"[1-9][0-9]*", text):
        return mistakes.no_unit(text)
    if re.match(r"[-+]+[0-9]", text):
        return mistakes.not_positive(text)
    lower = text.lower()
    return mistakes.not_a_duration(text, lower if _DURATION.fullmatch(lower) else "")


def _target(text: str) -> Target:
    found = _TARGET.fullmatch(text)
    if not found:
        raise Misread(mistakes.not_a_target(text))
    if found["number"]:
        return Target(found["numbered"], found["number"])
    return Target("user", found["user"]) if found["user"] else Target("custom", found["custom"])


def _name(text: str, what: str) -> str:
    if not _NAME.fullmatch(text):
        raise Misread(mistakes.not_a_name(text, what))
    return text


def _reason(text: str) -> str:
    if len(text) > REASON_LIMIT:
        raise Misread(mistakes.long_reason(REASON_LIMIT))
    return text


def _option(word: str) -> re.Match[str] | None:
    """The parts of key=value, --key=value or --flag; -5h is none of them."""
    found = _OPTION.fullmatch(word)
    if found and (found["value"] is not None or (found["dashes"] and not found["key"][0].isdigit())):
        return found
    return None


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' and text.count('"') == 2 else text


class _Reading:
    """One pass over the words of one command."""

    def __init__(self, text: str, arguments: tuple[Argument, ...], usage: str) -> None:
        self.text = text
        self.words = list(_WORD.finditer(text))
        self.arguments = arguments
        self.usage = usage
        self.values: dict[str, Value] = {}
        self.placed: set[str] = set()

    def run(self) -> None:
        for at, word in enumerate(self.words):
            if option := _option(word[0]):
                self._keyed(word[0], option)
            elif self._positional(at, word[0]) is Kind.REASON:
                break
        for argument in self.arguments:
            if argument.required and argument.name not in self.values:
                raise Misread(mistakes.missing(argument.name, self.usage))

    def _keyed(self, typed: str, option: re.Match[str]) -> None:
        argument = self._named(option["key"])
        if argument is None or argument.kind is Kind.WORD or option["dashes"] == "-":
            raise self._unknown(typed)
        value = option["value"]
        if argument.kind is not Kind.FLAG:
            self._set(argument, self._value(argument, _unquoted(value or "")))
        elif value is not None:
            raise Misread(mistakes.flag_with_value(argument.key))
        else:
            self._set(argument, True)

    def _positional(self, at: int, typed: str) -> Kind:
        """Sets the argument whose turn it is, and says of which kind it was."""
        argument = next((a for a in self.arguments if a.positional and self._awaits(a, typed)), None)
        if argument is None or self._named(typed, Kind.FLAG):
            raise self._unknown(typed)
        if argument.kind is Kind.REASON:
            self._set(argument, self._value(argument, self._rest(at)))
        elif argument.kind is Kind.WORD:
            self._set(argument, True)
        else:
            self._set(argument, self._value(argument, _unquoted(typed)))
        self.placed.add(argument.name)
        return argument.kind

    def _awaits(self, argument: Argument, typed: str) -> bool:
        """Whether a word stands where this argument goes; one that was given by its key still has its place."""
        if argument.kind is Kind.WORD:
            return typed.lower() == argument.key and argument.name not in self.placed
        if argument.kind is not Kind.DURATION:
            return argument.name not in self.placed
        if argument.name in self.values:
            # A reason may begin with a number, but not with what would be a second duration.
            return _DURATION.fullmatch(typed) is not None
        reason_follows = any(a.kind is Kind.REASON and a.required for a in self.arguments)
        return not reason_follows or _NUMERIC.match(typed) is not None

    def _value(self, argument: Argument, text: str) -> Value:
        words = " ".join(text.split())
        if not words:
            raise Misread(mistakes.missing(argument.name, self.usage))
        if argument.kind is Kind.REASON:
            return _reason(words)
        if "`" in words:
            raise Misread(mistakes.backticks_around(words))
        if argument.kind is Kind.DURATION:
            return duration(words, argument.least)
        return _target(words) if argument.kind is Kind.TARGET else _name(words, argument.name)

    def _rest(self, at: int) -> str:
        """The line from this word on, which may be set off by a dash."""
        if len(self.words) - at > REASON_LIMIT:
            raise Misread(mistakes.long_reason(REASON_LIMIT))
        for word in self.words[at + 1 :]:
            option = _option(word[0])
            if option and self._named(option["key"]):
                raise Misread(mistakes.option_in_reason(word[0], self.usage))
        return _unquoted(re.sub(r"^-+(?!\S)\s*", "", self.text[self.words[at].start() :]))

    def _set(self, argument: Argument, value: Value) -> None:
        if argument.name in self.values:
            raise Misread(mistakes.given_twice(argument.name, self.usage))
        self.values[argument.name] = value

    def _named(self, key: str, kind: Kind | None = None) -> Argument | None:
        return next((a for a in self.arguments if a.key == key.lower() and kind in (None, a.kind)), None)

    def _unknown(self, typed: str) -> Misread:
        return Misread(mistakes.unknown_argument(typed, self.usage, [argument.typed for argument in self.arguments]))
