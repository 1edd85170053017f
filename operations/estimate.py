"""When a ticket's turn will come: from what is known of its pool, and from how long things took there before."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heapreplace
from random import Random

FEWEST_SAMPLES = 10  # with less history than this nothing is said (bot-behaviour 6.1)
DRAWS = 200
FEWEST_DRAWS = 50
WORK = 40_000  # environments and tickets looked at in all draws together: some 50 ms
NEVER = math.inf


@dataclass(frozen=True)
class Holding:
    """An environment that somebody holds, `until` at the latest; None for ever, as far as is known."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class History:
    """How long holders kept environments of this pool, and how long making one took; in seconds, sorted."""

    holds: Sequence[float]
    makings: Sequence[float]


@dataclass(frozen=True)
class Outlook:
    """What bears on when a pool's environments are free. `making` has the times at which creations began.

    `room` is how many more the pool may have and will make for those who wait. One that is given back is free at
    once if the pool takes `returned` ones, else it is made anew; so is one that expired, if the pool has `renewed`.
    """

    held: Sequence[Holding]
    making: Sequence[datetime]
    room: int
    ahead: int  # tickets that are served before
    returned: bool
    renewed: bool


@dataclass(frozen=True)
class Estimate:
    """One in two is served by `likely`, nine in ten by `late`."""

    likely: datetime
    late: datetime


def estimate(outlook: Outlook, history: History, *, now: datetime) -> Estimate | None:
    """When the ticket behind `ahead` others is served; None where there is too little history, or no end in sight.

    The pool's future is drawn many times: each holder keeps what it has as long as some earlier one did who had kept
    it for as long already, but not past its expiry; each creation takes as long as some earlier one. Whoever is
    served first holds an environment in turn. The same question has the same answer.
    """
    if not _is_enough(outlook, history):
        return None
    environments = len(outlook.held) + len(outlook.making) + outlook.room
    if not environments:
        return None
    draws = max(FEWEST_DRAWS, min(DRAWS, WORK // (environments + outlook.ahead)))
    future = _Future(history, Random(draws), outlook)
    waits = sorted(future.wait(now) for _ in range(draws))
    likely, late = waits[draws // 2], waits[draws * 9 // 10]
    if late == NEVER:
        return None
    return Estimate(now + timedelta(seconds=likely), now + timedelta(seconds=late))


def _is_enough(outlook: Outlook, history: History) -> bool:
    """Making alone decides when as many are being made as tickets are served before and with this one."""
    made = len(outlook.making) + outlook.room
    by_making = made > outlook.ahead or not outlook.returned
    by_holding = made <= outlook.ahead
    return (not by_making or len(history.makings) >= FEWEST_SAMPLES) and (
        not by_holding or len(history.holds) >= FEWEST_SAMPLES
    )


class _Future:
    """What may come, drawn with `chance`; times are in seconds from now."""

    def __init__(self, history: History, chance: Random, outlook: Outlook) -> None:
        self._history = history
        self._chance = chance
        self._outlook = outlook

    def wait(self, now: datetime) -> float:
        free = [self._back(holding, now) for holding in self._outlook.held]
        free += [self._made((now - began).total_seconds()) for began in self._outlook.making]
        free += [self._made(0.0) for _ in range(self._outlook.room)]
        heapify(free)
        for _ in range(self._outlook.ahead):
            served = free[0]
            heapreplace(free, served + self._kept() + (0.0 if self._outlook.returned else self._made(0.0)))
        return heappop(free)

    def _back(self, holding: Holding, now: datetime) -> float:
        kept = (now - holding.since).total_seconds()
        left = NEVER if holding.until is None else max((holding.until - now).total_seconds(), 0.0)
        longer = self._longer(self._history.holds, kept)
        leaves = longer - kept if longer is not None else left
        if leaves >= left:  # it expires
            return left + self._made(0.0) if self._outlook.renewed else NEVER
        return leaves + (0.0 if self._outlook.returned else self._made(0.0))

    def _kept(self) -> float:
        return self._chance.choice(self._history.holds) if self._history.holds else NEVER

    def _made(self, already: float) -> float:
        """Seconds until a creation that has taken so long already is over; a late one may take as long again."""
        if not self._history.makings:
            return NEVER
        longer = self._longer(self._history.makings, already)
        return longer - already if longer is not None else self._chance.random() * already

    def _longer(self, sample: Sequence[float], than: float) -> float | None:
        """One of the sample's values that are greater."""
        first = bisect_right(sample, than)
        return sample[self._chance.randrange(first, len(sample))] if first < len(sample) else None
