"""Rows whose environment is no longer at the provider (contract 11.3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from operations.zombies import suspects
from storage.environments import Environment
from storage.pools import Pool
from tests.provider import Clock

CLOCK = Clock()
MINUTE = timedelta(minutes=1)


def pool(average: float | None = None) -> Pool:
    return Pool(tag="core", average_creation_minutes=average)


def row(state: str, **values: Any) -> Environment:
    return Environment(name="dev1", state=state, **{"created_at": CLOCK(), **values})


def suspected(environment: Environment, average: float | None = None, *, listed: bool = False) -> bool:
    inventory = {"dev1"} if listed else {"dev2"}
    return suspects(pool(average), [environment], inventory, now=CLOCK()) == [environment]


@pytest.mark.parametrize("state", ["AVAILABLE", "ASSIGNED", "EXPIRED", "ERROR", "DELETING"])
def test_what_should_be_there_and_is_not_listed(state: str) -> None:
    assert suspected(row(state))
    assert not suspected(row(state), listed=True)


@pytest.mark.parametrize(("average", "minutes"), [(None, 90), (1, 60), (30, 60), (31, 62)])
def test_what_is_being_made_has_an_hour_or_twice_the_average(average: float | None, minutes: int) -> None:
    made = row("PROVISIONING", created_at=CLOCK() - minutes * MINUTE)
    assert suspected(made, average)
    made.created_at += timedelta(seconds=1)
    assert not suspected(made, average)


def test_a_refresh_counts_from_its_request() -> None:
    old = CLOCK() - timedelta(days=30)
    assert suspected(row("REFRESHING", created_at=old, requested_at=CLOCK() - 90 * MINUTE))
    assert not suspected(row("REFRESHING", created_at=old, requested_at=CLOCK() - 89 * MINUTE))
    assert not suspected(row("REFRESHING", created_at=old))


def test_an_empty_list_makes_all_suspects_and_no_row_none() -> None:
    rows = [row("AVAILABLE"), row("ASSIGNED")]
    assert suspects(pool(), rows, [], now=CLOCK()) == rows
    assert suspects(pool(), [], ["dev1"], now=CLOCK()) == []
