"""The doorbell: after a commit, one RQ job wakes a worker of the queue. Losing a ring costs time, never work."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import Any

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

RING = "ring"  # what the RQ job calls itself; nobody runs it (jobs/bell.py)
SECONDS_TO_ANSWER = 2
REST = 0.01  # seconds after a ring: what comes meanwhile is one ring
REST_WITHOUT_REDIS = 1.0
ENOUGH_WAITING = 2  # rings in a queue that nobody has answered yet; a worker that answers finds every row

log = structlog.get_logger(__name__)


def connect(url: str) -> Redis:
    """A connection that fails fast: nobody waits for Redis, since the rows are the truth."""
    options: Mapping[str, Any] = {
        "socket_connect_timeout": SECONDS_TO_ANSWER,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 30,
    }
    return Redis.from_url(url, **options)


def rq_queue(name: str, connection: Redis) -> Queue:
    """RQ's queue of that name; JSON, because unpickling runs code for whoever can write to Redis."""
    return Queue(f"greenroom-{name}", connection=connection, serializer=JSONSerializer)


class Doorbell:
    """Rings from a thread of its own, so that a request never waits for Redis; rings that come together are one."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._pending: set[str] = set()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._process = 0

    def ring(self, queues: frozenset[str]) -> None:
        """Soon a worker of each of these queues looks for due rows. Returns at once."""
        with self._wake:
            self._pending |= queues
            if self._thread is None or self._process != os.getpid():  # a forked child has no threads
                self._process = os.getpid()
                self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                self._thread.start()
            self._wake.notify()

    def _run(self) -> None:
        connection = connect(self._url)
        while True:
            with self._wake:
                while not self._pending:
                    self._wake.wait()
                queues, self._pending = self._pending, set()
            try:
                for name in queues:
                    press(rq_queue(name, connection), name)
                time.sleep(REST)
            except RedisError as error:
                log.warning("not rung", queues=sorted(queues), reason=type(error).__name__)
                self.ring(frozenset(queues))
                time.sleep(REST_WITHOUT_REDIS)


def press(queue: Queue, name: str) -> None:
    """A drain of the queue is waiting to be run, unless enough of them are.

    One that still waits will see what was committed before this call; that is why another adds nothing.
    """
    if queue.count < ENOUGH_WAITING:
        queue.enqueue_call(RING, args=(name,), timeout=-1, result_ttl=0, failure_ttl=0, ttl=60)
