"""Requests that wait for a lock: their connections are parked, and have a thread only to ask and to be answered.

A thread for each would mean eight waiters a web process, with nobody else served. gevent would patch what the database
drivers, SQLite's above all, then block anyway; an asynchronous server beside this one would be a second stack for one
endpoint. So a request is answered as ever by Flask, in a thread of gunicorn's; where it finds its ticket still in line,
the door (bot/parking/door.py) takes the connection over, and one thread watches all of those with a selector. A waiter
costs its socket and a few short texts. Its request is asked again, in a small pool, when Redis tells that its ticket
has changed, when one look at the database for all parked tickets together finds so, and when its time is up; what it is
told then, be it 200, 404 or 408, is again Flask's answer. Nothing is promoted or expired here.
"""

from __future__ import annotations

import heapq
import itertools
import resource
import selectors
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import structlog
from prometheus_client import Gauge

from storage.database import StoreUnavailable

MOST_PARKED = 2000
SPARE_FILES = 200  # for everything else that a web process has open
ANSWERING_THREADS = 4
LOOK_EVERY = 2.0  # seconds: how long a lost wake-up goes unnoticed
LOOK_SOONEST = 0.05  # after the look before: those who are parked meanwhile are looked at together
SECONDS_TO_SEND = 5.0  # for a client that does not read its answer
SECONDS_TO_END = 10.0
MOST_UNREAD = 65536  # bytes that a client may send while it waits; they are thrown away

parked = Gauge("greenroom_parked_requests", "Requests that wait for a lock in this web process")
log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Waiter:
    """A request for which nothing can be said yet. `until` is a time of the monotonic clock."""

    connection: socket.socket
    asked: Mapping[str, str]
    number: int  # of its ticket
    until: float
    unread: int = 0


Answer = Callable[[Waiter, bool], bytes | None]
"""What a waiter is told, as bytes of HTTP; None if it may go on waiting (the second argument) and has reason to."""
Listen = Callable[[Callable[[set[int]], None], threading.Event], None]
"""Hands on wake-ups until the event is set (storage/wakeup.py)."""


class ParkingLot:
    """Where waiters stand. A thread of its own owns everything in it; all others put messages into its box.

    `changed` says which of these tickets wait no longer; it may raise StoreUnavailable. It and `answer` are called in
    threads of the pool, `listen` in one of its own.
    """

    def __init__(self, answer: Answer, changed: Callable[[Collection[int]], set[int]], listen: Listen) -> None:
        self._answer = answer
        self._changed = changed
        self._listen = listen
        self._most = min(MOST_PARKED, max(0, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES))
        self._waiters: defaultdict[int, set[Waiter]] = defaultdict(set)
        self._count = 0
        self._deadlines: list[tuple[float, int, Waiter]] = []
        self._order = itertools.count()
        self._is_looking = False
        self._last_look = self._next_look = 0.0
        self._box: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._ended = threading.Event()
        self._beginning = threading.Lock()
        self._thread: threading.Thread | None = None

    def has_room(self) -> bool:
        return self._count < self._most and not self._ended.is_set()

    def park(self, waiter: Waiter) -> None:
        """The waiter is answered as soon as there is something to say, at the latest when its time is up."""
        self._begin()
        self._post(lambda: self._add(waiter))

    def wake(self, numbers: set[int]) -> None:
        """These tickets have changed. None at all: some may have, unheard, so that all are looked at soon."""
        self._post(lambda: self._wake(numbers) if numbers else self._look_soon())

    def close(self) -> None:
        """Everybody who waited has been told to ask again, if that takes no longer than SECONDS_TO_END."""
        self._ended.set()
        if self._thread is not None:
            self._ring()
            self._thread.join(SECONDS_TO_END)

    def _begin(self) -> None:
        """With the first waiter, for gunicorn may fork after it has loaded the application."""
        with self._beginning:
            if self._thread is not None:
                return
            self._bell, self._ringer = socket.socketpair()
            self._ringer.setblocking(False)
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._bell, selectors.EVENT_READ)
            self._pool = ThreadPoolExecutor(ANSWERING_THREADS, thread_name_prefix="answering")
            self._thread = threading.Thread(target=self._run, name="parking", daemon=True)
            self._thread.start()
            threading.Thread(target=self._listen, args=(self.wake, self._ended), name="wake-ups", daemon=True).start()

    def _post(self, message: Callable[[], None]) -> None:
        self._box.put(message)
        self._ring()

    def _ring(self) -> None:
        with suppress(OSError):  # a full pipe rings already
            self._ringer.send(b"\0")

    # In the lot's own thread

    def _run(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(self._seconds_to_rest()):
                if key.data is None:
                    self._bell.recv(4096)
                else:
                    self._hear(key.data)
            self._empty_box()
            self._end_waits()
            self._look()
        self._empty_box()
        self._wake(list(self._waiters))
        self._pool.shutdown(wait=True)
        for open_one in (self._selector, self._bell, self._ringer):
            open_one.close()

    def _seconds_to_rest(self) -> float | None:
        """Until the first deadline or the next look, which does not begin before the one that is under way ends."""
        moments = [self._deadlines[0][0]] if self._deadlines else []
        moments += [self._next_look] if self._count and not self._is_looking else []
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _empty_box(self) -> None:
        with suppress(Empty):
            while True:
                self._box.get_nowait()()

    def _add(self, waiter: Waiter) -> None:
        self._waiters[waiter.number].add(waiter)
        heapq.heappush(self._deadlines, (waiter.until, next(self._order), waiter))
        self._selector.register(waiter.connection, selectors.EVENT_READ, waiter)
        self._recount(+1)
        self._look_soon()  # its ticket may have changed since it was asked for

    def _remove(self, waiter: Waiter) -> bool:
        """Whether it was still there."""
        same_ticket = self._waiters.get(waiter.number, set())
        if waiter not in same_ticket:
            return False
        same_ticket.remove(waiter)
        if not same_ticket:
            del self._waiters[waiter.number]
        self._selector.unregister(waiter.connection)
        self._recount(-1)
        return True

    def _recount(self, by: int) -> None:
        self._count += by
        parked.inc(by)

    def _hear(self, waiter: Waiter) -> None:
        """A client that goes away makes room; its ticket stays in line. What it says while it waits is not heard."""
        try:
            said = waiter.connection.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        waiter.unread += len(said)
        if (not said or waiter.unread > MOST_UNREAD) and self._remove(waiter):
            waiter.connection.close()

    def _wake(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            for waiter in list(self._waiters.get(number, ())):
                self._let_go(waiter)

    def _end_waits(self) -> None:
        now = time.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            self._let_go(heapq.heappop(self._deadlines)[2])

    def _let_go(self, waiter: Waiter) -> None:
        if self._remove(waiter):
            self._pool.submit(self._tell, waiter)

    def _look_soon(self) -> None:
        self._next_look = min(self._next_look, self._last_look + LOOK_SOONEST)

    def _look(self) -> None:
        now = time.monotonic()
        if self._count and not self._is_looking and now >= self._next_look:
            self._is_looking = True
            self._last_look, self._next_look = now, now + LOOK_EVERY
            self._pool.submit(self._look_at, list(self._waiters))

    def _looked(self, changed: set[int]) -> None:
        self._is_looking = False
        self._wake(changed)

    # In threads of the pool

    def _look_at(self, numbers: list[int]) -> None:
        """One query for everybody."""
        changed: set[int] = set()
        try:
            changed = self._changed(numbers)
        except StoreUnavailable:
            log.warning("parked tickets not looked at, the database is away")
        finally:
            self._post(lambda: self._looked(changed))

    def _tell(self, waiter: Waiter) -> None:
        may_wait = waiter.until > time.monotonic() and not self._ended.is_set()
        try:
            told = self._answer(waiter, may_wait)
            if told is None and not self._ended.is_set():
                self._post(lambda: self._add(waiter))
                return
            waiter.connection.settimeout(SECONDS_TO_SEND)
            waiter.connection.sendall(told or b"")
            waiter.connection.shutdown(socket.SHUT_WR)
        except OSError as error:
            log.info("a waiter went away", reason=type(error).__name__)
        except Exception:
            log.exception("bug at answering a waiter")
        waiter.connection.close()
