"""The statements that hand out environments: with two workers at once, never the same one twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from operations.environments import drive
from storage import environments
from storage.database import Database
from storage.environments import EnvironmentState
from storage.queue import QueueName
from storage.tasks import claim_due
from tests.at_once import at_once, beside
from tests.operations.rows import Rows
from tests.provider import Clock

LATER = timedelta(minutes=10)


@pytest.fixture
def rows(database: Database, clock: Clock) -> Rows:
    return Rows(database, clock)


def claim(rows: Rows, pool_id: str) -> str | None:
    with rows.transaction() as session:
        claimed = environments.claim_available(session, pool_id, now=rows.clock())
        return claimed.name if claimed else None


def claim_again(rows: Rows, pool_id: str) -> str | None:
    with rows.transaction() as session:
        claimed = environments.claim_again(session, pool_id, rows.holder(1), now=rows.clock())
        return claimed.name if claimed else None


def test_the_longest_available_is_claimed_first_and_the_name_breaks_ties(rows: Rows) -> None:
    pool = rows.pool()
    for name in ("b", "a"):
        rows.environment(pool, name)
    rows.environment(pool, "z", available_at=rows.clock() - timedelta(hours=1))
    assert [claim(rows, pool.id) for _ in range(4)] == ["z", "a", "b", None]


def test_a_claim_counts_the_fence_and_forgets_what_was_before(rows: Rows) -> None:
    pool = rows.pool()
    rows.environment(pool, "a", fence=7, version=3, flagged=True, last_holder_type="pr", last_holder_id="1",
                     last_holder_domain="", reattach_until=rows.clock())  # fmt: skip
    assert claim(rows, pool.id) == "a"
    claimed = rows.named("a")
    assert (claimed.state, claimed.fence, claimed.version, claimed.flagged) == ("ASSIGNED", 8, 4, False)
    assert claimed.last_holder_type is claimed.last_holder_id is claimed.last_holder_domain is None
    assert claimed.reattach_until is None


def test_only_available_ones_are_claimed(rows: Rows) -> None:
    pool = rows.pool()
    for state in set(EnvironmentState) - {EnvironmentState.AVAILABLE}:
        rows.environment(pool, state, state)
    assert claim(rows, pool.id) is None


def test_another_pools_are_not_claimed(rows: Rows) -> None:
    rows.pool("other", free=1)
    assert claim(rows, rows.pool().id) is None


def test_one_that_another_may_take_back_is_claimed_last(rows: Rows) -> None:
    pool = rows.pool()
    early = rows.clock() - timedelta(hours=1)
    rows.environment(pool, "reserved", available_at=early, reattach_until=rows.clock() + LATER)
    rows.environment(pool, "lapsed", reattach_until=rows.clock())
    assert [claim(rows, pool.id) for _ in range(3)] == ["lapsed", "reserved", None]


def test_who_claims_beside_an_unfinished_claim_gets_another_one(rows: Rows) -> None:
    pool = rows.pool(free=2)
    with rows.transaction() as session:
        first = environments.claim_available(session, pool.id, now=rows.clock())
        second = beside(rows.database, lambda: claim(rows, pool.id))
        at_once_on_postgresql = second.done()
    assert first is not None
    assert [first.name, second.result(10)] == ["core0", "core1"]
    assert at_once_on_postgresql is not rows.database.is_sqlite


def test_who_finds_only_what_another_is_claiming_gets_nothing(rows: Rows) -> None:
    pool = rows.pool(free=1)
    with rows.transaction() as session:
        environments.claim_available(session, pool.id, now=rows.clock())
        second = beside(rows.database, lambda: claim(rows, pool.id))
    assert second.result(10) is None


def test_many_workers_never_get_the_same_one(rows: Rows) -> None:
    pool = rows.pool(free=30)

    def claim_all() -> list[str]:
        got = []
        while (name := claim(rows, pool.id)) is not None:
            got.append(name)
        return got

    by_worker = at_once([claim_all] * 4)
    got = [name for names in by_worker for name in names]
    # On PostgreSQL a claimer may find all that is left locked; it then leaves them to those who hold the locks.
    assert sorted(got) == sorted(set(got)) == sorted(f"core{n}" for n in range(30))


def test_a_holder_claims_again_what_it_gave_up(rows: Rows) -> None:
    pool = rows.pool(free=1)
    mine = {"last_holder_type": "pr", "last_holder_id": "1", "last_holder_domain": ""}
    rows.environment(pool, "older", reattach_until=rows.clock() + LATER, **mine)
    rows.environment(pool, "newer", EnvironmentState.EXPIRED, fence=4, reattach_until=rows.clock() + 2 * LATER, **mine)
    assert [claim_again(rows, pool.id) for _ in range(3)] == ["newer", "older", None]
    assert (rows.named("newer").state, rows.named("newer").fence) == ("ASSIGNED", 5)


@pytest.mark.parametrize("state", [EnvironmentState.AVAILABLE, EnvironmentState.EXPIRED])
def test_nobody_else_claims_it_again(rows: Rows, state: EnvironmentState) -> None:
    different: dict[str, dict[str, Any]] = {
        "number": {"last_holder_id": "2"},
        "type": {"last_holder_type": "issue"},
        "domain": {"last_holder_domain": "sales"},
        "blank": {"credentials": None},
        "never": {"reattach_until": None},
        "lapsed": {"reattach_until": rows.clock()},
    }
    mine = {"last_holder_type": "pr", "last_holder_id": "1", "last_holder_domain": ""}
    pool = rows.pool()
    for name, values in different.items():
        rows.environment(pool, name, state, **{"reattach_until": rows.clock() + LATER, **mine, **values})
    assert claim_again(rows, pool.id) is None


def test_what_is_neither_available_nor_expired_is_not_claimed_again(rows: Rows) -> None:
    pool = rows.pool()
    for state in set(EnvironmentState) - {EnvironmentState.AVAILABLE, EnvironmentState.EXPIRED}:
        rows.environment(pool, state, state, reattach_until=rows.clock() + LATER, last_holder_type="pr",
                         last_holder_id="1", last_holder_domain="")  # fmt: skip
    assert claim_again(rows, pool.id) is None


def test_a_name_is_never_used_twice(rows: Rows) -> None:
    rows.environment(rows.pool(), "dev1", EnvironmentState.ARCHIVED)
    with pytest.raises(IntegrityError):
        rows.environment(rows.pool("other"), "dev1")


@pytest.mark.parametrize(("prefix", "start"), [("Development", "dev"), ("QA", "qa"), ("", "")])
def test_a_new_name_has_at_most_ten_letters_and_digits(prefix: str, start: str) -> None:
    name = environments.new_name(prefix)
    assert name.startswith(start)
    assert len(name) == len(start) + 7
    assert name.isalnum()
    assert name == name.lower()
    assert name != environments.new_name(prefix)


def test_what_the_provider_works_on_has_a_task_or_is_found_by_the_sweep(rows: Rows) -> None:
    pool = rows.pool(free=1)
    for state in environments.IN_MOTION:
        driven = rows.environment(pool, f"driven {state}", state)
        worked_on = rows.environment(pool, f"worked on {state}", state)
        rows.environment(pool, f"forgotten {state}", state)
        with rows.transaction() as session:
            drive(session, worked_on, now=rows.clock())
            claim_due(session, QueueName.NORMAL, "worker", now=rows.clock(), limit=9)
            drive(session, driven, now=rows.clock())
    with rows.database.reading() as session:
        found = {environment.name for environment in environments.in_motion_without_task(session)}
    assert found == {f"forgotten {state}" for state in environments.IN_MOTION}
