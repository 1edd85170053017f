"""Wake-ups: after a commit, whoever waits with a lock ticket hears that it has changed. Losing one costs time only."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection

import structlog
from redis import Redis
from redis.exceptions import RedisError

from storage.doorbell import connect

CHANNEL = "greenroom-locks"  # the tickets' numbers: a ticket itself is a capability
LOOK_UP_SECONDS = 1.0  # from listening, to see whether to go on
REST_WITHOUT_REDIS = 1.0

log = structlog.get_logger(__name__)


class Wakeup:
    """Publishes from a thread of its own, so that no request waits for Redis."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._pending: set[int] = set()
        self._filled = threading.Condition()
        self._process = 0

    def tell(self, numbers: Collection[int]) -> None:
        """Soon every web process knows that these tickets have changed, if Redis is there. Returns at once."""
        with self._filled:
            self._pending |= set(numbers)
            if self._process != os.getpid():  # a forked child has no threads
                self._process = os.getpid()
                threading.Thread(target=self._run, name="wakeup", daemon=True).start()
            self._filled.notify()

    def _run(self) -> None:
        connection = connect(self._url)
        while True:
            with self._filled:
                while not self._pending:
                    self._filled.wait()
                numbers, self._pending = self._pending, set()
            try:
                connection.publish(CHANNEL, " ".join(map(str, numbers)))
            except RedisError as error:  # those who wait look by themselves
                log.warning("nobody woken", reason=type(error).__name__)


def listen(redis_url: str, hear: Callable[[set[int]], object], ended: threading.Event) -> None:
    """Hands on every wake-up until `ended`; one without numbers whenever some may have been missed."""
    connection = connect(redis_url)
    while not ended.is_set():
        try:
            _listen(connection, hear, ended)
        except RedisError as error:
            log.warning("wake-ups not heard", reason=type(error).__name__)
            ended.wait(REST_WITHOUT_REDIS)


def _listen(connection: Redis, hear: Callable[[set[int]], object], ended: threading.Event) -> None:
    with connection.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
        channel.subscribe(CHANNEL)
        hear(set())
        while not ended.is_set():
            message = channel.get_message(timeout=LOOK_UP_SECONDS)
            if message is not None:
                hear({int(number) for number in message["data"].split() if number.isdigit()})
