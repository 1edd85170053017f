"""What answers the doorbell: a worker process that RQ tells of rings, and that looks by itself while Redis is away."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.worker_registration import clean_worker_registry

from jobs.worker import Renewal, Worker
from jobs.workshop import Workshop
from storage.database import StoreUnavailable
from storage.doorbell import connect, rq_queue
from storage.queue import QueueName

WITHOUT_REDIS = 1.0  # seconds between two looks at the rows while Redis is away

log = structlog.get_logger(__name__)


def listen(shop: Workshop, queue: QueueName, redis_url: str) -> None:
    """Works the queue until SIGTERM or SIGINT: at each ring, and by looking once a second while Redis is away.

    One queue for each process: RQ then moves jobs with BLMOVE, and a ring is not lost with a worker that dies.
    """
    worker, stop = Worker(shop, queue), _Stop()
    renewal = Renewal(worker)
    renewal.start()
    connection = connect(redis_url)

    def look() -> None:
        with stop.postponed():
            try:
                worker.drain(stop.is_told)
            except StoreUnavailable:
                log.warning("not drained, the database is away", queue=queue.value)

    with suppress(StopRequested):
        while not stop.is_told():
            look()
            try:
                _Listener(look, rq_queue(queue.value, connection)).work(logging_level="WARNING")
            except RedisError as error:
                log.warning("without Redis", queue=queue.value, reason=type(error).__name__)
                time.sleep(WITHOUT_REDIS)
    renewal.end()
    with suppress(StoreUnavailable):
        worker.add_up()


class _Stop:
    """SIGTERM or SIGINT: ends a wait at once by StopRequested, but work only after the row that is being worked."""

    def __init__(self) -> None:
        self._is_told = False
        self._is_postponed = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._tell)

    def _tell(self, _signal: int, _frame: FrameType | None) -> None:
        self._is_told = True
        if not self._is_postponed:
            raise StopRequested

    def is_told(self) -> bool:
        return self._is_told

    @contextmanager
    def postponed(self) -> Iterator[None]:
        """Nothing in here is cut off; StopRequested rises at the end of it."""
        self._is_postponed = True
        try:
            yield
        finally:
            self._is_postponed = False
        if self._is_told:
            raise StopRequested


class _Listener(SimpleWorker):
    """RQ's worker, as far as it waits for jobs. What a job says is never looked at: each is a ring, and no more.

    Whoever can write to Redis could else have any function run, as a job or as what follows one.
    """

    max_connection_wait_time = WITHOUT_REDIS

    def __init__(self, look: Callable[[], None], bell: Queue) -> None:
        super().__init__([bell], connection=bell.connection, serializer=bell.serializer)
        self._look = look

    def execute_job(self, job: Job, queue: Queue) -> None:
        queue.intermediate_queue.remove(job.id)
        self.connection.delete(job.key)
        self._look()

    def heartbeat(self, *args: Any, **kwargs: Any) -> None:
        """Called before each wait for a ring, so also at each attempt to reach a Redis that is away."""
        try:
            super().heartbeat(*args, **kwargs)
        except RedisError:
            self._look()
            raise

    def run_maintenance_tasks(self) -> None:
        """Forgets dead workers. RQ would also have failed jobs do what they say; sweeps find rows that were left."""
        for queue in self.queues:
            clean_worker_registry(queue)
        self.last_cleaned_at = datetime.now(UTC)  # type: ignore[assignment]  # RQ says None where it means "not yet"

    def subscribe(self) -> None:
        """Commands over Redis are not listened to: whoever can write there must not be able to stop us."""

    def _install_signal_handlers(self) -> None:
        """Ours stay: RQ's would end a row in the middle while it believes that it waits."""
