"""Recurrence: cron over daylight saving as cron users expect it, intervals, beginnings and ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.recurrence import Recurrence, is_cron, last_cron, next_cron

NEW_YORK = ZoneInfo("America/New_York")  # 2026: 02:00 becomes 03:00 on 8 March, and again 01:00 on 1 November
SUBMITTED = datetime(2026, 3, 2, 12, tzinfo=UTC)


def runs(pattern: str, since: str, number: int, zone: ZoneInfo = NEW_YORK) -> list[str]:
    """The next times on the wall, each with what it is ahead of UTC."""
    at = datetime.fromisoformat(since).replace(tzinfo=zone)
    found = []
    for _ in range(number):
        following = next_cron(pattern, zone, at)
        assert following is not None
        at = following
        found.append(f"{at.astimezone(zone):%d %H:%M %z}")
    return found


# When the clock is put forward


def test_what_would_have_run_in_the_hour_that_is_skipped_runs_at_once_after_it() -> None:
    assert runs("30 2 * * *", "2026-03-06T12:00", 3) == ["07 02:30 -0500", "08 03:00 -0400", "09 02:30 -0400"]


def test_it_runs_once_though_several_of_its_times_are_skipped() -> None:
    assert runs("0,30 2 * * *", "2026-03-08T00:00", 2) == ["08 03:00 -0400", "09 02:00 -0400"]


def test_what_names_an_hour_that_is_there_is_not_moved() -> None:
    assert runs("30 3 * * *", "2026-03-07T12:00", 2) == ["08 03:30 -0400", "09 03:30 -0400"]


def test_what_runs_every_so_often_goes_on_after_the_skipped_hour() -> None:
    half_hours = ["08 01:00 -0500", "08 01:30 -0500", "08 03:00 -0400", "08 03:30 -0400"]
    assert runs("*/30 * * * *", "2026-03-08T00:45", 4) == half_hours
    assert runs("15 * * * *", "2026-03-08T01:00", 2) == ["08 01:15 -0500", "08 03:15 -0400"]


# When the clock is put back


def test_what_names_its_hour_runs_once_though_the_hour_comes_twice() -> None:
    assert runs("30 1 * * *", "2026-10-31T12:00", 2) == ["01 01:30 -0400", "02 01:30 -0500"]


def test_what_runs_every_so_often_runs_in_both_hours() -> None:
    assert runs("*/30 * * * *", "2026-11-01T00:45", 5) == [
        "01 01:00 -0400", "01 01:30 -0400", "01 01:00 -0500", "01 01:30 -0500", "01 02:00 -0500",
    ]  # fmt: skip


def test_every_hour_is_sixty_minutes_on_the_day_of_twenty_five() -> None:
    assert runs("0 * * * *", "2026-11-01T00:30", 3) == ["01 01:00 -0400", "01 01:00 -0500", "01 02:00 -0500"]


@pytest.mark.parametrize(("zone", "change"), [("Australia/Lord_Howe", "2026-10-03T12:00"), ("UTC", "2026-03-08T00:00")])
def test_a_zone_may_change_by_half_an_hour_or_never(zone: str, change: str) -> None:
    expected = {"Australia/Lord_Howe": "04 02:30 +1100", "UTC": "08 02:15 +0000"}
    assert runs("15 2 * * *", change, 1, ZoneInfo(zone)) == [expected[zone]]


@given(
    st.integers(0, 3 * 365 * 24 * 60),
    st.sampled_from(["30 1 * * *", "30 2 * * *", "0 0,12 * * 1-5", "*/20 * * * *", "0 * 1 * *", "5 4 * 3,11 *"]),
    st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC"]),
)
def test_whenever_one_asks_the_next_is_later_and_the_same_until_it_comes(minutes: int, pattern: str, zone: str) -> None:
    after = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    following = next_cron(pattern, ZoneInfo(zone), after)
    assert following is not None
    assert following > after
    assert next_cron(pattern, ZoneInfo(zone), following - timedelta(microseconds=1)) == following
    assert next_cron(pattern, ZoneInfo(zone), after + (following - after) / 2) == following


# Patterns


@given(
    minutes=st.integers(0, 2 * 366 * 24 * 60),
    pattern=st.sampled_from(["*/20 * * * *", "30 1 * * *", "30 2 * * *", "0 3 * * 0"]),
    zone=st.sampled_from(["America/New_York", "Australia/Lord_Howe", "UTC"]),
)
@settings(max_examples=40)
def test_the_last_run_is_the_one_that_was_the_next(minutes: int, pattern: str, zone: str) -> None:
    at = SUBMITTED + timedelta(minutes=minutes)
    following = next_cron(pattern, ZoneInfo(zone), at)
    assert following is not None
    assert last_cron(pattern, ZoneInfo(zone), following) == following
    before = last_cron(pattern, ZoneInfo(zone), following - timedelta(seconds=1))
    assert before is not None
    assert before <= at
    assert next_cron(pattern, ZoneInfo(zone), before) == following


def test_what_never_came_true_never_ran() -> None:
    assert last_cron("0 0 30 2 *", ZoneInfo("UTC"), SUBMITTED) is None


def test_what_never_comes_true_never_runs() -> None:
    assert next_cron("0 0 30 2 *", NEW_YORK, SUBMITTED) is None


def test_a_leap_day_is_waited_for() -> None:
    assert next_cron("0 12 29 2 *", ZoneInfo("UTC"), SUBMITTED) == datetime(2028, 2, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize("pattern", ["*/5 * * * *", "0 9 * * MON-FRI", "0 0 1,15 * *", "0 0 * MAR *", "0 0 * * 7"])
def test_five_fields_are_cron(pattern: str) -> None:
    assert is_cron(pattern)


@pytest.mark.parametrize(
    "pattern", ["", "@daily", "* * * *", "* * * * * *", "61 * * * *", "R * * * *", "R(0-9) * * * *"]
)
def test_anything_else_is_not(pattern: str) -> None:
    assert not is_cron(pattern)


# Beginnings and ends


def test_the_first_run_is_one_interval_after_it_was_submitted() -> None:
    every_hour = Recurrence(interval=timedelta(hours=1))
    assert every_hour.first(submitted_at=SUBMITTED) == SUBMITTED + timedelta(hours=1)


def test_or_at_its_start_and_whole_intervals_from_there() -> None:
    start = SUBMITTED + timedelta(days=3)
    every_hour = Recurrence(interval=timedelta(hours=1), start_at=start)
    assert every_hour.first(submitted_at=SUBMITTED) == start
    late = start + timedelta(hours=5, minutes=20)
    assert every_hour.following(late, submitted_at=SUBMITTED) == start + timedelta(hours=6)


def test_a_start_that_has_passed_still_says_when_the_intervals_begin() -> None:
    start = SUBMITTED - timedelta(minutes=90)
    every_hour = Recurrence(interval=timedelta(hours=1), start_at=start)
    assert every_hour.first(submitted_at=SUBMITTED) == SUBMITTED + timedelta(minutes=30)


def test_cron_waits_for_its_start_which_counts() -> None:
    noon = Recurrence(cron="0 12 * * *", start_at=datetime(2026, 4, 1, 12, tzinfo=UTC))
    assert noon.first(submitted_at=SUBMITTED) == datetime(2026, 4, 1, 12, tzinfo=UTC)


def test_after_the_end_there_is_none_and_the_end_counts() -> None:
    end = SUBMITTED + timedelta(hours=2)
    every_hour = Recurrence(interval=timedelta(hours=1), end_at=end)
    assert every_hour.following(SUBMITTED + timedelta(hours=1), submitted_at=SUBMITTED) == end
    assert every_hour.following(end, submitted_at=SUBMITTED) is None


def test_past_the_last_year_there_is_none() -> None:
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    assert Recurrence(interval=timedelta(days=1), start_at=last).following(last, submitted_at=SUBMITTED) is None
    assert Recurrence(cron="0 0 1 1 *", start_at=last).first(submitted_at=SUBMITTED) is None


def test_it_is_kept_as_json() -> None:
    given = Recurrence(None, timedelta(hours=1), "Europe/Berlin", SUBMITTED, SUBMITTED, 3)
    assert Recurrence.of_json(given.as_json()) == given
