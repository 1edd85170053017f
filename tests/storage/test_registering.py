"""Repositories and installations are known once, however many are first to tell of them."""

from __future__ import annotations

from storage import installations, repositories
from storage.database import Database
from storage.installations import Installation
from storage.repositories import Repository
from tests.at_once import beside
from tests.provider import Clock


def repository_id(database: Database, clock: Clock, name: str) -> str:
    with database.transaction() as session:
        return repositories.register(session, name, now=clock()).id


def installation_account(database: Database, clock: Clock, account: str) -> str:
    with database.transaction() as session:
        return installations.register(session, 7, account, now=clock()).account


def test_a_repository_is_known_by_its_name_in_any_case(database: Database, clock: Clock) -> None:
    first = repository_id(database, clock, "Acme/Shop")
    assert repository_id(database, clock, "acme/SHOP") == first
    with database.reading() as session:
        found = repositories.find(session, "ACME/shop")
        assert found is not None
        assert (found.id, found.full_name, found.name) == (first, "Acme/Shop", "Shop")
        assert repositories.find(session, "acme/other") is None


def test_two_that_are_first_to_tell_of_a_repository_mean_the_same(database: Database, clock: Clock) -> None:
    with database.transaction() as session:
        first = repositories.register(session, "acme/shop", now=clock())
        second = beside(database, lambda: repository_id(database, clock, "acme/shop"))
    assert second.result(10) == first.id


def test_two_that_are_first_to_tell_of_an_installation_mean_the_same(database: Database, clock: Clock) -> None:
    with database.transaction() as session:
        installations.register(session, 7, "acme", 1, now=clock())
        second = beside(database, lambda: installation_account(database, clock, "acme"))
    assert second.result(10) == "acme"
    with database.reading() as session:
        assert session.query(Installation).count() == 1


def test_a_repository_takes_over_the_name_of_a_former_one(database: Database, clock: Clock) -> None:
    former, renamed = (repository_id(database, clock, name) for name in ("acme/shop", "acme/old"))
    with database.transaction() as session:
        repositories.rename(session, session.get_one(Repository, renamed), "acme/Shop")
    with database.reading() as session:
        found = repositories.find(session, "acme/shop")
        assert found is not None
        assert (found.id, found.full_name) == (renamed, "acme/Shop")
        assert session.get_one(Repository, former).full_name == f"acme/shop.former-{former[:8]}"


def test_a_repository_may_change_the_case_of_its_name(database: Database, clock: Clock) -> None:
    id = repository_id(database, clock, "acme/shop")
    with database.transaction() as session:
        repositories.rename(session, session.get_one(Repository, id), "acme/Shop")
    assert repository_id(database, clock, "ACME/SHOP") == id
