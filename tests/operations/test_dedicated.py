"""The registry of dedicated environments under pressure: whoever comes at once, and whoever waits for a lock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from operations.dedicated import create_environment, delete_environment, update_environment
from operations.errors import (
    EnvironmentExists,
    EnvironmentLocked,
    EnvironmentNotFound,
    OperationError,
    UsernameRegistered,
)
from operations.lock import Wanted, lock
from storage import dedicated, repositories
from storage.audit import Audit
from storage.dedicated import DedicatedEnvironment
from storage.locks import Lock, LockStatus
from storage.repositories import Repository
from tests.at_once import at_once
from tests.operations.rows import ACTOR, Rows

PROD = {
    "name": "prod",
    "category": "release",
    "branch": "main",
    "description": "Production",
    "salesforce_username": "admin@acme.example",
    "is_default": False,
}


def make(rows: Rows, repository: Repository | None = None, **values: Any) -> DedicatedEnvironment:
    with rows.transaction() as session:
        home = repository or rows.repository
        return create_environment(session, home, {**PROD, **values}, ACTOR, now=rows.clock())


def outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except OperationError as refused:
        return refused.code
    return "done"


def everything(rows: Rows) -> list[DedicatedEnvironment]:
    with rows.database.reading() as session:
        return dedicated.of_category(session, rows.repository.id, "release")


def test_of_two_that_come_at_once_with_one_name_one_gets_it(rows: Rows) -> None:
    def come(username: str) -> Callable[[], str]:
        return lambda: outcome(lambda: make(rows, salesforce_username=username))

    assert sorted(at_once([come("a@acme.example"), come("b@acme.example")])) == ["ENVIRONMENT_EXISTS", "done"]


def test_of_two_that_come_at_once_with_one_username_one_gets_it(rows: Rows) -> None:
    with rows.transaction() as session:
        other = repositories.register(session, "acme/other", now=rows.clock())

    def come(repository: Repository) -> Callable[[], str]:
        return lambda: outcome(lambda: make(rows, repository))

    assert sorted(at_once([come(rows.repository), come(other)])) == ["USERNAME_REGISTERED", "done"]


def test_of_many_that_would_be_the_default_one_is(rows: Rows) -> None:
    def come(number: int) -> Callable[[], str]:
        values: dict[str, Any] = {
            "name": f"p{number}",
            "salesforce_username": f"p{number}@acme.example",
            "is_default": True,
        }
        return lambda: outcome(lambda: make(rows, **values))

    assert at_once([come(number) for number in range(4)]) == ["done"] * 4
    assert [one.is_default for one in everything(rows)].count(True) == 1


def test_nothing_of_a_refused_change_is_kept(rows: Rows) -> None:
    make(rows, is_default=True)
    other = make(rows, name="next", salesforce_username="next@acme.example")
    for changes, refusal in (
        ({"is_default": True, "name": "prod"}, EnvironmentExists),
        ({"is_default": True, "salesforce_username": "ADMIN@acme.example"}, UsernameRegistered),
    ):
        with pytest.raises(refusal), rows.transaction() as session:
            update_environment(session, other, rows.repository, changes, ACTOR, now=rows.clock())
    assert [(one.name, one.is_default, one.version) for one in everything(rows)] == [
        ("next", False, 1), ("prod", True, 1),
    ]  # fmt: skip


def test_what_is_gone_meanwhile_is_neither_changed_nor_deleted(rows: Rows) -> None:
    made = make(rows)
    with rows.transaction() as session:
        delete_environment(session, made, ACTOR, now=rows.clock())
    with pytest.raises(EnvironmentNotFound), rows.transaction() as session:
        delete_environment(session, made, ACTOR, now=rows.clock())
    with pytest.raises(EnvironmentNotFound), rows.transaction() as session:
        update_environment(session, made, rows.repository, {"branch": "x"}, ACTOR, now=rows.clock())


def test_a_default_that_lost_its_place_is_named_in_the_record(rows: Rows) -> None:
    make(rows, is_default=True)
    make(rows, name="next", salesforce_username="next@acme.example", is_default=True)
    with rows.database.reading() as session:
        details = [row.details["details"] for row in session.query(Audit).order_by(Audit.id)]
    assert details == [{"name": "prod"}, {"name": "next", "former_default": "prod"}]


def test_only_who_holds_the_lock_keeps_an_environment_from_being_deleted(rows: Rows) -> None:
    made = make(rows)
    for name in ("deploy-bot", "ci"):
        with rows.transaction() as session:
            lock(session, Wanted(made.resource, timedelta(hours=1), name), ACTOR, now=rows.clock())
    with pytest.raises(EnvironmentLocked), rows.transaction() as session:
        delete_environment(session, made, ACTOR, now=rows.clock())
    rows.clock.advance(hours=1)  # and nobody has looked yet whose turn it is
    with rows.transaction() as session:
        delete_environment(session, made, ACTOR, now=rows.clock())
    with rows.database.reading() as session:
        assert {row.status for row in session.query(Lock)} == {LockStatus.RELEASED}
