"""The inbox: stored once, worked once, in order within one pull request (storage/deliveries.py)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from storage import deliveries
from storage.database import Database
from storage.deliveries import Delivery
from storage.tasks import CLAIM, ClaimLost
from tests.at_once import at_once, beside
from tests.provider import Clock

SECOND = timedelta(seconds=1)


class Inbox:
    """Deliveries as the door and the workers see them; each call is a transaction of its own."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock

    def row(self, guid: str, key: str = "pr1") -> Delivery:
        now = self.clock()
        return Delivery(
            guid=guid, event="pull_request", action="opened", serial_key=key, body=b"{}", run_at=now, received_at=now
        )

    def receive(self, guid: str, key: str = "pr1") -> None:
        deliveries.receive(self.database, guid, "pull_request", "opened", key, b"{}", now=self.clock())

    def claim(self, worker: str = "w", *, limit: int = 20) -> list[Delivery]:
        with self.database.transaction() as session:
            return list(deliveries.claim_due(session, worker, now=self.clock(), limit=limit))

    def claim_one(self, worker: str = "w") -> Delivery:
        [delivery] = self.claim(worker)
        return delivery

    def do(self, what: Callable[..., object], *given: Any, **more: Any) -> None:
        with self.database.transaction() as session:
            what(session, *given, **more)

    def done(self, delivery: Delivery) -> None:
        self.do(deliveries.done, delivery, now=self.clock())

    def get(self, guid: str) -> Delivery:
        with self.database.reading() as session:
            return session.scalars(select(Delivery).where(Delivery.guid == guid)).one()

    def backlog(self) -> int:
        with self.database.reading() as session:
            return deliveries.backlog(session)


@pytest.fixture
def inbox(database: Database, clock: Clock) -> Inbox:
    return Inbox(database, clock)


def names(found: list[Delivery]) -> list[str]:
    return [delivery.guid for delivery in found]


# Stored


def test_a_delivery_is_stored_once_however_often_it_arrives(inbox: Inbox) -> None:
    at_once([lambda: inbox.receive("a")] * 3)
    assert inbox.backlog() == 1
    claimed = inbox.claim_one()
    inbox.receive("a")
    assert inbox.claim() == []
    inbox.done(claimed)
    inbox.receive("a")
    assert inbox.claim() == []
    assert (inbox.get("a").state, inbox.get("a").attempts) == ("done", 1)


def test_a_redelivery_of_what_failed_or_waits_is_tried_at_once(inbox: Inbox) -> None:
    inbox.receive("failed", "pr1")
    inbox.receive("waits", "pr2")
    failed, waits = inbox.claim()
    inbox.do(deliveries.fail, failed, "malformed", now=inbox.clock())
    inbox.do(deliveries.put_back, waits, "no answer", run_at=inbox.clock() + 60 * SECOND, counted=True)
    assert inbox.claim() == []
    for guid in ("failed", "waits"):
        inbox.receive(guid)
        assert (inbox.get(guid).attempts, inbox.get(guid).error) == (0, None)
    assert sorted(names(inbox.claim())) == ["failed", "waits"]


# Worked


def test_of_one_pull_request_only_the_oldest_is_claimed(inbox: Inbox) -> None:
    for guid, key in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a"), ("b2", "b")):
        inbox.receive(guid, key)
    first = inbox.claim("one")
    assert names(first) == ["a1", "b1"]
    assert inbox.claim("two") == []
    inbox.done(first[0])
    second = inbox.claim_one("two")
    assert second.guid == "a2"
    inbox.do(deliveries.fail, second, "malformed", now=inbox.clock())
    assert inbox.claim_one("two").guid == "a3"


def test_those_behind_wait_for_one_that_is_put_back(inbox: Inbox) -> None:
    inbox.receive("a1")
    inbox.receive("a2")
    later = inbox.clock() + 5 * SECOND
    inbox.do(deliveries.put_back, inbox.claim_one(), "no answer", run_at=later, counted=True)
    back = inbox.get("a1")
    assert (back.state, back.run_at, back.error, back.attempts) == ("received", later, "no answer", 1)
    assert inbox.claim() == []
    inbox.clock.advance(seconds=5)
    assert inbox.claim_one().guid == "a1"


def test_what_only_waited_uses_up_no_attempt(inbox: Inbox) -> None:
    inbox.receive("a")
    inbox.do(deliveries.put_back, inbox.claim_one(), "paused", run_at=inbox.clock(), counted=False)
    assert inbox.get("a").attempts == 0


def test_two_workers_never_claim_the_same(inbox: Inbox) -> None:
    for guid in ("a", "b", "c", "d"):
        inbox.receive(guid, guid)
    with inbox.database.transaction() as session:
        first = list(deliveries.claim_due(session, "one", now=inbox.clock(), limit=2))
        second = beside(inbox.database, lambda: inbox.claim("two"))
        at_once_on_postgresql = second.done()
    assert (names(first), names(second.result(10))) == (["a", "b"], ["c", "d"])
    assert at_once_on_postgresql is not inbox.database.is_sqlite


def test_many_workers_work_each_once_and_in_order(inbox: Inbox) -> None:
    wanted = [(f"{key}{number}", key) for number in range(8) for key in "abcd"]
    for guid, key in wanted:
        inbox.receive(guid, key)
    worked: list[str] = []

    def drain(worker: str) -> None:
        while claimed := inbox.claim(worker, limit=3):
            for delivery in claimed:
                worked.append(delivery.guid)
                inbox.done(delivery)

    at_once([partial(drain, name) for name in ("one", "two", "three")])
    drain("last")
    assert sorted(worked) == sorted(guid for guid, _ in wanted)
    for key in "abcd":
        assert [guid for guid in worked if guid[0] == key] == [f"{key}{number}" for number in range(8)]


def test_who_finds_a_pull_request_taken_at_this_very_moment_gets_nothing(inbox: Inbox) -> None:
    """Numbers are given before the commit: the younger may be claimed while the older is not there yet."""
    if inbox.database.is_sqlite:
        return  # one writer at a time gives numbers in the order of commits
    with ExitStack() as first_claim:
        with inbox.database.transaction() as uncommitted:
            uncommitted.add(inbox.row("a1"))
            uncommitted.flush()
            inbox.receive("a2")
            session = first_claim.enter_context(inbox.database.transaction())
            claimed = list(deliveries.claim_due(session, "one", now=inbox.clock(), limit=9))
        second = beside(inbox.database, lambda: inbox.claim("two"))
        assert not second.done()
    with pytest.raises(ClaimLost):
        second.result(10)
    assert names(claimed) == ["a2"]
    inbox.done(claimed[0])
    assert inbox.claim_one().guid == "a1"


# Taken over


def test_one_whose_worker_is_gone_is_taken_over_and_the_late_worker_changes_nothing(inbox: Inbox) -> None:
    inbox.receive("a1")
    inbox.receive("a2")
    lost = inbox.claim_one("dead")
    inbox.clock.advance(seconds=CLAIM.total_seconds())
    assert inbox.claim("living") == []
    inbox.clock.advance(seconds=1)
    taken = inbox.claim_one("living")
    assert (taken.guid, taken.fence, taken.attempts, taken.claimed_by) == ("a1", 2, 2, "living")
    now = inbox.clock()
    with pytest.raises(ClaimLost):
        inbox.do(deliveries.hold, lost)
    with pytest.raises(ClaimLost):
        inbox.do(deliveries.done, lost, now=now)
    with pytest.raises(ClaimLost):
        inbox.do(deliveries.fail, lost, "x", now=now)
    with pytest.raises(ClaimLost):
        inbox.do(deliveries.put_back, lost, "x", run_at=now, counted=True)
    inbox.do(deliveries.hold, taken)
    inbox.done(taken)
    assert inbox.get("a1").state == "done"


def test_what_has_no_effect_is_done_together_but_for_what_was_taken_over(inbox: Inbox) -> None:
    inbox.receive("taken", "a")
    inbox.receive("mine", "b")
    claimed = inbox.claim("late")
    inbox.clock.advance(seconds=CLAIM.total_seconds() + 1)
    [taken] = inbox.claim("other", limit=1)
    inbox.do(deliveries.all_done, claimed, now=inbox.clock())
    assert (inbox.get("mine").state, inbox.get("mine").finished_at) == ("done", inbox.clock())
    assert (inbox.get("taken").state, inbox.get("taken").claimed_by) == ("active", "other")
    inbox.done(taken)


def test_the_same_worker_taking_over_from_itself_loses_its_former_claim(inbox: Inbox) -> None:
    inbox.receive("a")
    stopped = inbox.claim_one("w")
    inbox.clock.advance(seconds=13)
    inbox.claim_one("w")
    with pytest.raises(ClaimLost):
        inbox.do(deliveries.hold, stopped)


def test_a_renewed_claim_goes_on(inbox: Inbox) -> None:
    inbox.receive("mine", "a")
    mine = inbox.claim_one("mine")
    inbox.receive("theirs", "b")
    inbox.claim_one("theirs")
    inbox.clock.advance(seconds=10)
    inbox.do(deliveries.renew, "mine", now=inbox.clock())
    inbox.clock.advance(seconds=10)
    assert inbox.claim_one("other").guid == "theirs"
    inbox.done(mine)


def test_a_held_one_is_not_taken_over_until_its_step_ends(inbox: Inbox) -> None:
    inbox.receive("a")
    mine = inbox.claim_one("mine")
    inbox.clock.advance(seconds=13)
    with inbox.database.transaction() as session:
        deliveries.hold(session, mine)
        other = beside(inbox.database, lambda: inbox.claim("other"))
        deliveries.done(session, mine, now=inbox.clock())
    assert other.result(10) == []
    assert inbox.get("a").state == "done"


# Looked after


def any_due(inbox: Inbox) -> bool:
    with inbox.database.reading() as session:
        return deliveries.any_due(session, now=inbox.clock())


def test_what_is_due_or_orphaned_is_found(inbox: Inbox) -> None:
    assert not any_due(inbox)
    inbox.receive("a")
    assert any_due(inbox)
    claimed = inbox.claim_one()
    assert (any_due(inbox), inbox.backlog()) == (False, 1)
    inbox.clock.advance(seconds=13)
    assert any_due(inbox)
    inbox.do(deliveries.put_back, claimed, "no answer", run_at=inbox.clock() + SECOND, counted=True)
    assert not any_due(inbox)
    inbox.clock.advance(seconds=1)
    assert any_due(inbox)


def test_what_ended_long_ago_is_removed_in_batches(inbox: Inbox) -> None:
    for number in range(4):
        inbox.receive(f"a{number}", f"key{number}")
    done, failed, young, _active = inbox.claim()
    inbox.done(done)
    inbox.do(deliveries.fail, failed, "malformed", now=inbox.clock())
    inbox.clock.advance(days=7)
    inbox.done(young)
    inbox.receive("waits")

    def remove() -> int:
        with inbox.database.transaction() as session:
            return deliveries.remove_finished(session, before=inbox.clock(), limit=1)

    assert [remove() for _ in range(3)] == [1, 1, 0]
    with inbox.database.reading() as session:
        left = session.scalars(select(Delivery.guid).order_by(Delivery.guid)).all()
    assert left == ["a2", "a3", "waits"]
