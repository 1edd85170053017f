"""What RQ runs: a ring of the doorbell becomes a drain of the queue, in a worker process that is set up once."""

from __future__ import annotations

import threading
from types import FrameType
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq import SimpleWorker

from jobs.worker import Renewal, Worker
from jobs.workshop import Workshop
from storage.database import StoreUnavailable
from storage.doorbell import connect, rq_queue
from storage.queue import QueueName

WITHOUT_REDIS = 1.0  # seconds between two looks at the rows while Redis is away

log = structlog.get_logger(__name__)
_workers: dict[str, Worker] = {}
_stopping = threading.Event()


def drain(queue: str) -> None:
    """The job behind every ring: works whatever is due in the queue."""
    try:
        _workers[queue].drain(_stopping.is_set)
    except StoreUnavailable:
        log.warning("not drained, the database is away", queue=queue)


def listen(shop: Workshop, queue: QueueName, redis_url: str) -> None:
    """Works the queue until SIGTERM or SIGINT: at each ring, and by looking once a second while Redis is away.

    One queue for each process: RQ then moves jobs with BLMOVE, and a ring is not lost with a worker that dies.
    """
    worker = _workers[queue.value] = Worker(shop, queue)
    renewal = Renewal(worker)
    renewal.start()
    connection = connect(redis_url)
    while not _stopping.is_set():
        drain(queue.value)
        try:
            bell = rq_queue(queue.value, connection)
            _Listener([bell], connection=connection, serializer=bell.serializer).work(logging_level="WARNING")
        except RedisError as error:
            log.warning("without Redis", queue=queue.value, reason=type(error).__name__)
            _stopping.wait(WITHOUT_REDIS)
    renewal.end()


class _Listener(SimpleWorker):
    """RQ's worker without its forks: what it works on are claimed rows, which survive it."""

    max_connection_wait_time = WITHOUT_REDIS

    def heartbeat(self, *args: Any, **kwargs: Any) -> None:
        """Called before each wait for a ring, so also at each attempt to reach a Redis that is away."""
        try:
            super().heartbeat(*args, **kwargs)
        except RedisError:
            for queue in _workers:
                drain(queue)
            raise

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        _stopping.set()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def subscribe(self) -> None:
        """Commands over Redis are not listened to: whoever can write there must not be able to stop us."""
