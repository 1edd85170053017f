"""Texts for people: what the server says without control characters, times and lengths of time in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST_DAYS = 3650
NOTHING = "-"


def clean(text: str) -> str:
    """Without what could move a terminal's cursor or colour it: some of these texts were written by strangers."""
    return "".join(character if character.isprintable() else " " for character in text).strip()


def cell(value: Any) -> str:
    """Never empty, so that columns can be counted."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (clean(str(value)) if value is not None else "") or NOTHING


def length(time: timedelta) -> str:
    """Its two largest units, rounded: `2 d 4 h`, `20 min`, `45 s`."""
    exact = max(0.0, time.total_seconds())
    unit = 3600 if exact >= 86400 else 60 if exact >= 3600 else 1
    seconds = round(exact / unit) * unit
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds % 60, "s")]
    first = next((index for index, (number, _) in enumerate(parts) if number), 3)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number) or "0 s"


def until(at: str | None) -> str:
    """When an API's time will be: `in 23 h 59 min`; `never` for none."""
    if at is None:
        return "never"
    left = datetime.fromisoformat(at) - datetime.now(UTC)
    return f"in {length(left)}" if left > timedelta() else "past"


def moment(at: str | None) -> str:
    """An API's time for people, in UTC."""
    return NOTHING if at is None else f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


class Duration(click.ParamType[timedelta]):
    """`90s`, `20m`, `48h`, `2d`, or several as in `1h30m`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        parts = re.findall(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])", value.lower())
        if not parts or "".join(map("".join, parts)) != value.lower():
            self.fail(f"{value!r} is not a length of time like 90s, 20m, 48h or 1h30m.", param, ctx)
        total = sum(float(number) * timedelta(**{UNITS[unit]: 1}).total_seconds() for number, unit in parts)
        if not 0 < total <= LONGEST_DAYS * 86400:
            self.fail(f"{value!r} is not between 1s and {LONGEST_DAYS}d.", param, ctx)
        return timedelta(seconds=total)


DURATION = Duration()
