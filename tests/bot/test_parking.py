"""Requests that wait without a thread: woken, found, timed out, gone, and told to ask again at the end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import pytest

from bot.parking import lot
from bot.parking.lot import ParkingLot, Waiter
from storage.database import StoreUnavailable

PATIENCE = 10.0  # seconds: what is awaited here comes at once, or never


@dataclass
class Lane:
    """A lot, the clients whose connections are parked in it, and what there is to tell them."""

    told: set[int] = field(default_factory=set)
    """The tickets for which there is something to say."""
    away: bool = False
    asked: list[tuple[int, bool]] = field(default_factory=list)
    clients: list[socket.socket] = field(default_factory=list)
    hearing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.lot = ParkingLot(self._answer, self._changed, self._listen)

    def park(self, number: int, seconds: float = 60) -> socket.socket:
        client, server = socket.socketpair()
        client.settimeout(PATIENCE)
        self.clients.append(client)
        self.lot.park(Waiter(server, {}, number, time.monotonic() + seconds))
        return client

    def wake(self, *numbers: int) -> None:
        assert self.hearing.wait(PATIENCE)
        self._hear(set(numbers))

    def _answer(self, waiter: Waiter, may_wait: bool) -> bytes | None:
        self.asked.append((waiter.number, may_wait))
        return b"acquired" if waiter.number in self.told else None if may_wait else b"time is up"

    def _changed(self, numbers: Collection[int]) -> set[int]:
        if self.away:
            raise StoreUnavailable("away")
        return self.told & set(numbers)

    def _listen(self, hear: Callable[[set[int]], None], ended: threading.Event) -> None:
        self._hear = hear
        self.hearing.set()
        ended.wait()


@pytest.fixture
def lane(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lane]:
    """A lot that looks by itself so rarely that only what a test does can happen."""
    monkeypatch.setattr(lot, "LOOK_EVERY", 3600.0)
    lane = Lane()
    yield lane
    lane.lot.close()
    for client in lane.clients:
        client.close()


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        threading.Event().wait(0.005)


def said(client: socket.socket) -> bytes:
    """All that the client hears until the connection ends."""
    heard = b""
    while part := client.recv(4096):
        heard += part
    return heard


def test_who_is_woken_is_told_at_once_and_the_others_wait_on(lane: Lane) -> None:
    first, second = lane.park(1), lane.park(2)
    lane.told |= {1}
    lane.wake(1)
    assert said(first) == b"acquired"
    second.setblocking(False)
    with pytest.raises(BlockingIOError):
        second.recv(1)


def test_several_who_wait_with_one_ticket_are_all_told(lane: Lane) -> None:
    clients = [lane.park(1) for _ in range(3)]
    lane.told |= {1}
    lane.wake(1)
    assert [said(client) for client in clients] == [b"acquired"] * 3


def test_when_its_time_is_up_a_waiter_is_told_so(lane: Lane) -> None:
    assert said(lane.park(1, seconds=0.05)) == b"time is up"
    assert lane.asked == [(1, False)]


def test_who_is_woken_for_nothing_waits_on_for_the_rest_of_its_time(lane: Lane) -> None:
    client = lane.park(1, seconds=0.5)
    lane.wake(1)
    assert said(client) == b"time is up"
    assert lane.asked == [(1, True), (1, False)]


def test_what_has_changed_before_it_was_parked_is_seen_though_nobody_tells_of_it(lane: Lane) -> None:
    lane.told |= {1}
    assert said(lane.park(1)) == b"acquired"


def test_a_lost_wake_up_is_found_by_the_next_look(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lot, "LOOK_EVERY", 0.05)
    client = lane.park(1)
    until(lambda: lane.lot._last_look > 0)
    lane.told |= {1}
    assert said(client) == b"acquired"


def test_when_wake_ups_may_have_been_missed_all_are_looked_at(lane: Lane) -> None:
    client = lane.park(1)
    until(lambda: lane.lot._last_look > 0 and not lane.lot._is_looking)
    lane.told |= {1}
    lane.wake()
    assert said(client) == b"acquired"


def test_while_the_database_is_away_everybody_waits_on(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lot, "LOOK_EVERY", 0.02)
    lane.away = True
    lane.told |= {1}
    client = lane.park(1)
    until(lambda: lane.lot._last_look > 0)
    lane.away = False
    assert said(client) == b"acquired"


def test_a_client_that_goes_away_makes_room(lane: Lane) -> None:
    client = lane.park(1)
    until(lambda: lane.lot._count == 1)
    client.close()
    until(lambda: lane.lot._count == 0)
    assert lane.asked == []


def test_what_a_client_says_while_it_waits_is_not_heard_and_too_much_ends_it(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lot, "MOST_UNREAD", 10)
    patient, noisy = lane.park(1), lane.park(2)
    patient.sendall(b"hello?")
    noisy.sendall(b"hello? hello?")
    assert noisy.recv(1) == b""
    lane.told |= {1}
    lane.wake(1)
    assert said(patient) == b"acquired"


def test_at_the_end_everybody_is_told_and_nobody_is_parked_any_more(lane: Lane) -> None:
    clients = [lane.park(number) for number in range(20)]
    assert lane.lot.has_room()
    lane.lot.close()
    assert [said(client) for client in clients] == [b"time is up"] * 20
    assert not lane.lot.has_room()


def test_a_lot_is_full_at_some_time(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    lane.lot._most = 2
    lane.park(1)
    lane.park(2)
    until(lambda: not lane.lot.has_room())


def test_many_hundreds_wait_in_a_handful_of_threads(lane: Lane) -> None:
    before = threading.active_count()
    clients = [lane.park(number) for number in range(300)]
    until(lambda: lane.lot._count == 300)
    assert threading.active_count() <= before + 2 + lot.ANSWERING_THREADS
    lane.told |= set(range(300))
    lane.wake(*range(300))
    assert {said(client) for client in clients} == {b"acquired"}
