"""Estimates are honest: they come true as often as they say, and what nobody knows is not said."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.estimate import FEWEST_SAMPLES, Estimate, History, Holding, Outlook, estimate

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = 3600.0
HISTORY = History(holds=[HOUR * hours for hours in range(1, 21)], makings=[2700.0 + 30 * n for n in range(20)])


def at(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


def outlook(**given: object) -> Outlook:
    nothing = Outlook(held=[], making=[], room=0, ahead=0, returned=True, renewed=True)
    return replace(nothing, **given)  # type: ignore[arg-type]


# What is known


def test_nobody_can_wait_longer_than_until_the_first_expiry_and_a_creation() -> None:
    found = estimate(outlook(held=[Holding(at(-1), at(2)), Holding(at(-1), at(9))]), HISTORY, now=NOON)
    assert found is not None
    assert NOON < found.likely <= found.late <= at(2) + timedelta(seconds=max(HISTORY.makings))


def test_what_is_being_made_is_there_when_making_has_taken_as_long_as_it_does() -> None:
    found = estimate(outlook(making=[at(-0.5)]), HISTORY, now=NOON)
    assert found == estimate(outlook(making=[at(-0.5)], room=0), HISTORY, now=NOON)
    assert found is not None
    assert at(0.25) <= found.likely <= found.late <= at(0.25) + timedelta(minutes=10)


def test_who_is_late_already_may_take_as_long_again() -> None:
    found = estimate(outlook(making=[at(-2)]), HISTORY, now=NOON)
    assert found is not None
    assert at(0.5) < found.likely < found.late < at(2)


def test_each_ahead_makes_it_later() -> None:
    held = [Holding(at(-hours), at(48)) for hours in range(3)]
    found = [estimate(outlook(held=held, ahead=ahead), HISTORY, now=NOON) for ahead in range(6)]
    likely = [e.likely for e in found if e is not None]
    assert len(likely) == 6
    assert likely == sorted(likely)


def test_what_is_not_taken_back_is_made_anew_first() -> None:
    held = [Holding(at(-1), at(48))]
    back = estimate(outlook(held=held), HISTORY, now=NOON)
    anew = estimate(outlook(held=held, returned=False), HISTORY, now=NOON)
    assert back is not None
    assert anew is not None
    assert anew.likely - back.likely >= timedelta(seconds=min(HISTORY.makings)) / 2


# What is not


@pytest.mark.parametrize(
    "unknown",
    [
        outlook(),
        outlook(held=[Holding(at(-30), None)]),  # longer than anybody before, and it never expires
        outlook(held=[Holding(at(-30), at(5))], renewed=False),  # it will expire, and stay so
    ],
    ids=["nothing is held or made", "held for ever", "never made anew"],
)
def test_no_end_in_sight_is_no_estimate(unknown: Outlook) -> None:
    assert estimate(unknown, HISTORY, now=NOON) is None


def test_too_little_history_is_no_estimate() -> None:
    held, made = outlook(held=[Holding(at(-1), at(5))]), outlook(making=[at(-0.1)])
    few = History(HISTORY.holds[: FEWEST_SAMPLES - 1], HISTORY.makings[: FEWEST_SAMPLES - 1])
    assert estimate(held, few, now=NOON) is None
    assert estimate(made, few, now=NOON) is None
    assert estimate(made, replace(few, makings=HISTORY.makings), now=NOON) is not None
    assert estimate(held, replace(few, holds=HISTORY.holds), now=NOON) is not None


seconds = st.lists(st.floats(0, 1e6), min_size=FEWEST_SAMPLES, max_size=30).map(sorted)
hours = st.floats(0, 100)


@given(
    st.lists(st.tuples(hours, hours | st.none()), max_size=20),
    st.lists(hours, max_size=5),
    st.integers(0, 3),
    st.integers(0, 40),
    st.booleans(),
    st.booleans(),
    seconds,
    seconds,
)
def test_whatever_is_known_the_answer_is_no_sooner_than_now_in_order_and_the_same_again(
    held: list[tuple[float, float | None]], making: list[float], room: int, ahead: int, returned: bool, renewed: bool,
    holds: list[float], makings: list[float],
) -> None:  # fmt: skip
    seen = Outlook(
        [Holding(at(-since), None if until is None else at(until)) for since, until in held],
        [at(-began) for began in making], room, ahead, returned, renewed,
    )  # fmt: skip
    found = estimate(seen, History(holds, makings), now=NOON)
    assert found is None or NOON <= found.likely <= found.late
    assert found == estimate(seen, History(holds, makings), now=NOON)


# Whether it comes true


@dataclass
class Pool:
    """A pool of five, for which one more asks than it can serve at once; what happens is known to nobody before."""

    chance: Random
    returned: bool
    free: int = 5
    ends: list[tuple[float, float | None]] = field(default_factory=list)  # when, and since when; None: being made
    holds: list[float] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    served: dict[int, float] = field(default_factory=dict)
    promised: dict[int, Estimate] = field(default_factory=dict)

    def serve(self, number: int, time: float) -> None:
        self.free -= 1
        self.served[number] = time
        heappush(self.ends, (time + min(self.chance.lognormvariate(9.2, 0.8), 48 * HOUR), time))

    def until(self, time: float) -> None:
        while self.ends and self.ends[0][0] <= time:
            end, since = heappop(self.ends)
            if since is not None:
                self.holds.append(end - since)
            if since is None or self.returned:
                self.free += 1
            else:
                heappush(self.ends, (end + self.chance.uniform(1900, 3800), None))
            while self.line and self.free:
                self.serve(self.line.pop(0), end)

    def arrives(self, number: int, time: float) -> None:
        self.until(time)
        if self.free and not self.line:
            self.serve(number, time)
            return
        held = [Holding(at(since / HOUR), at(since / HOUR + 48)) for _, since in self.ends if since is not None]
        made = [at(max(end - 2850, 0) / HOUR) for end, since in self.ends if since is None]
        seen = Outlook(held, made, 0, len(self.line), self.returned, renewed=True)
        makings = [1900 + 76.0 * n for n in range(25)]
        found = estimate(seen, History(sorted(self.holds[-200:]), makings), now=at(time / HOUR))
        if found is not None:
            self.promised[number] = found
        self.line.append(number)


@pytest.mark.parametrize("returned", [True, False], ids=["given back", "made anew"])
def test_of_500_arrivals_eight_or_nine_in_ten_are_served_by_late(returned: bool) -> None:
    pool, time = Pool(Random(1), returned), 0.0
    for number in range(500):
        time += pool.chance.expovariate(5 / (14_500 if returned else 18_000))
        pool.arrives(number, time)
    pool.until(math.inf)
    assert sorted(pool.served, key=pool.served.__getitem__) == list(range(500)), "first come, first served"
    late = [at(pool.served[number] / HOUR) <= found.late for number, found in pool.promised.items()]
    likely = [at(pool.served[number] / HOUR) <= found.likely for number, found in pool.promised.items()]
    assert len(late) > 150
    assert 0.8 <= sum(late) / len(late) <= 0.97
    assert 0.3 <= sum(likely) / len(likely) <= 0.7
