"""Which process leads, and when the recurring work last ran."""

from __future__ import annotations

from functools import partial

from storage import schedules
from storage.database import Database
from tests.at_once import at_once
from tests.provider import Clock


def leads(database: Database, clock: Clock, process: str, name: str = "cron") -> bool:
    with database.transaction() as session:
        return schedules.lead(session, name, process, now=clock())


def test_the_first_leads_and_goes_on_leading(database: Database, clock: Clock) -> None:
    assert leads(database, clock, "one")
    assert not leads(database, clock, "two")
    clock.advance(seconds=14)
    assert leads(database, clock, "one")
    clock.advance(seconds=14)
    assert not leads(database, clock, "two")


def test_another_leads_when_the_leader_is_gone(database: Database, clock: Clock) -> None:
    leads(database, clock, "one")
    clock.advance(seconds=15)
    assert not leads(database, clock, "two")
    clock.advance(seconds=1)
    assert leads(database, clock, "two")
    assert not leads(database, clock, "one")


def test_who_resigns_is_followed_at_once(database: Database, clock: Clock) -> None:
    leads(database, clock, "one")
    for process in ("two", "one"):
        with database.transaction() as session:
            schedules.resign(session, "cron", process, now=clock())
        clock.advance(seconds=1)
        assert leads(database, clock, "two") is (process == "one")


def test_each_name_has_its_own_leader(database: Database, clock: Clock) -> None:
    assert leads(database, clock, "one")
    assert leads(database, clock, "two", "other")


def test_of_many_at_once_one_leads(database: Database, clock: Clock) -> None:
    processes = [partial(leads, database, clock, f"process {number}") for number in range(4)]
    assert sorted(at_once(processes)) == [False, False, False, True]
    clock.advance(seconds=16)
    assert sorted(at_once(processes)) == [False, False, False, True]


def test_the_last_run_of_each_is_known(database: Database, clock: Clock) -> None:
    with database.transaction() as session:
        schedules.ran(session, "sweep", at=clock())
        schedules.ran(session, "clean", at=clock())
    clock.advance(minutes=1)
    with database.transaction() as session:
        schedules.ran(session, "sweep", at=clock())
    with database.reading() as session:
        runs = schedules.last_runs(session)
    assert runs["sweep"] == clock()
    assert runs["clean"] < clock()
