"""When asking an exhausted pool again makes sense (contract section 7, semantics 4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from operations.errors import PoolExhausted
from tests.operations.rows import Rows


def retry_after(rows: Rows) -> int:
    with pytest.raises(PoolExhausted) as refused:
        rows.assign(rows.holder("asks", "custom"))
    assert refused.value.details["retryAfterSeconds"] == refused.value.retry_after
    return refused.value.retry_after


@pytest.mark.parametrize("state", ["PROVISIONING", "REFRESHING"])
@pytest.mark.parametrize(("minutes", "seconds"), [(4, 360), (0, 600), (9.9, 30), (20, 30)])
def test_while_one_is_made_it_is_what_is_left_of_the_creation(
    rows: Rows, state: str, minutes: float, seconds: int
) -> None:
    pool = rows.pool(average_creation_minutes=10)
    rows.environment(pool, "older", state, created_at=rows.clock() - timedelta(minutes=minutes))
    rows.environment(pool, "newer", state)
    assert retry_after(rows) == seconds


@pytest.mark.parametrize(("values", "seconds"), [
    ({"average_creation_minutes": 10}, 600), ({}, 45 * 60), ({"average_creation_minutes": 100}, 3600),
])  # fmt: skip
def test_while_there_is_room_it_is_a_whole_creation(rows: Rows, values: dict[str, Any], seconds: int) -> None:
    rows.pool(max_total=1, **values)
    assert retry_after(rows) == seconds


@pytest.mark.parametrize(("hours", "seconds"), [(0.5, 1800), (2, 3600), (0.001, 30)])
def test_at_the_maximum_it_is_the_soonest_end(rows: Rows, hours: float, seconds: int) -> None:
    rows.pool(free=3, max_total=3, average_creation_minutes=10)
    rows.assign(rows.holder(1), hours=5)
    rows.assign(rows.holder(2), hours=hours)
    rows.assign(rows.holder(3), is_immortal=True)
    assert retry_after(rows) == seconds


def test_at_the_maximum_with_no_end_in_sight_it_is_a_creation(rows: Rows) -> None:
    rows.pool(free=1, max_total=1, average_creation_minutes=10)
    rows.assign(rows.holder(1), is_immortal=True)
    assert retry_after(rows) == 600
