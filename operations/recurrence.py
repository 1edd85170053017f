"""When recurring tasks run: by cron in a timezone, as cron does over daylight saving, or every so often."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from croniter import croniter

AN_INSTANT = timedelta(microseconds=1)
A_MINUTE = timedelta(minutes=1)
LARGEST_CHANGE = timedelta(hours=3)  # of a clock, that cron evens out (cron(8))


@dataclass(frozen=True)
class Recurrence:
    """Either `cron` (five fields, in `timezone`) or `interval`; `first_at` is the interval's first run or None.

    Nothing runs before `start_at` or after `end_at`, nor more than `max_executions` times.
    """

    cron: str | None = None
    interval: timedelta | None = None
    timezone: str = "UTC"
    start_at: datetime | None = None
    end_at: datetime | None = None
    max_executions: int | None = None

    def first(self, *, submitted_at: datetime) -> datetime | None:
        """One interval or the next cron time after it was submitted, or from its start on (contract 13.14)."""
        if self.start_at is None:
            return self.following(submitted_at, submitted_at=submitted_at)
        return self.following(max(self.start_at, submitted_at) - AN_INSTANT, submitted_at=submitted_at)

    def following(self, after: datetime, *, submitted_at: datetime) -> datetime | None:
        """The first run later than `after`; None when there is none any more."""
        try:
            if self.cron is not None:
                due = next_cron(self.cron, ZoneInfo(self.timezone), after)
            else:
                due = self._next_interval(after, submitted_at)
        except OverflowError:  # past the last year
            return None
        return None if due is None or (self.end_at is not None and due > self.end_at) else due

    def _next_interval(self, after: datetime, submitted_at: datetime) -> datetime:
        """Runs are whole intervals apart, however late one of them was."""
        assert self.interval is not None
        first = self.start_at or submitted_at + self.interval
        return first if after < first else first + ((after - first) // self.interval + 1) * self.interval

    def as_json(self) -> dict[str, Any]:
        return {
            "cron": self.cron,
            "intervalSeconds": None if self.interval is None else self.interval.total_seconds(),
            "timezone": self.timezone,
            "startAt": _written(self.start_at),
            "endAt": _written(self.end_at),
            "maxExecutions": self.max_executions,
        }

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> Recurrence:
        seconds = kept["intervalSeconds"]
        return cls(
            cron=kept["cron"],
            interval=None if seconds is None else timedelta(seconds=seconds),
            timezone=kept["timezone"],
            start_at=_read(kept["startAt"]),
            end_at=_read(kept["endAt"]),
            max_executions=kept["maxExecutions"],
        )


@cache
def timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def is_cron(pattern: str) -> bool:
    """Whether it has the five fields of cron, whenever they may come true; croniter's random R is none of cron's."""
    if len(pattern.split()) != 5 or re.search(r"\b[rR]\b", pattern):
        return False
    return bool(croniter.is_valid(pattern))


def next_cron(pattern: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The first instant later than `after` at which cron would run this in the zone; None: never again.

    As cron(8) has it: what names its hour and minute runs once a day on the days when the clock changes, at once
    when its time was skipped and the first time when its time comes twice; what runs every so often goes by the
    clock on the wall.
    """
    goes_by_the_wall = any(field.startswith("*") for field in pattern.split()[:2])
    local = after.astimezone(zone).replace(tzinfo=None)
    found: datetime | None = None
    for wall in _walls(pattern, local - LARGEST_CHANGE):
        later = [at for at in _instants(wall, zone, goes_by_the_wall) if at > after]
        found = min([*later, *([] if found is None else [found])], default=None)
        if found is not None and wall >= found.astimezone(zone).replace(tzinfo=None) + LARGEST_CHANGE:
            break  # those after it come later, whatever the clock does
    return found


def last_cron(pattern: str, zone: ZoneInfo, before: datetime) -> datetime | None:
    """The last instant at which cron would have run this in the zone, `before` itself included; None: there is none."""
    goes_by_the_wall = any(field.startswith("*") for field in pattern.split()[:2])
    local = before.astimezone(zone).replace(tzinfo=None)
    found: datetime | None = None
    for wall in _walls(pattern, local + LARGEST_CHANGE, backwards=True):
        earlier = [at for at in _instants(wall, zone, goes_by_the_wall) if at <= before]
        found = max([*earlier, *([] if found is None else [found])], default=None)
        if found is not None and wall <= found.astimezone(zone).replace(tzinfo=None) - LARGEST_CHANGE:
            break  # those before it came earlier, whatever the clock did
    return found


def _walls(pattern: str, since: datetime, *, backwards: bool = False) -> Iterator[datetime]:
    """What the clock on the wall shows whenever the pattern is true, as if it never were changed."""
    times = croniter(pattern, since)
    step = times.get_prev if backwards else times.get_next
    try:
        while True:
            yield step(datetime)
    except ValueError:  # croniter finds none any more, or leaves the last year
        return


def _instants(wall: datetime, zone: ZoneInfo, goes_by_the_wall: bool) -> list[datetime]:
    """When the pattern's task runs for this time on the wall, which may not come, or come twice."""
    first, second = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return [first.astimezone(UTC)]
    if first.astimezone(UTC) < second.astimezone(UTC):  # it comes twice
        return [at.astimezone(UTC) for at in ((first, second) if goes_by_the_wall else (first,))]
    return [] if goes_by_the_wall else [_end_of_gap(second.astimezone(UTC), zone)]


def _end_of_gap(before: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the clock was put forward, the next after this one."""
    offset = before.astimezone(zone).utcoffset()
    at = before.replace(second=0, microsecond=0)
    while at.astimezone(zone).utcoffset() == offset:
        at += A_MINUTE
    return at


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def _read(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written)
