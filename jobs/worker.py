"""The drain loop that RQ runs: claims due rows in batches, works them, records how each ended."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from bot.github.errors import Forbidden, GitHubError, Invalid, NotFound, RateLimited
from bot.measured import EVENT_AGE, FAILURES, PUT_BACK
from jobs import (
    comments,
    configure,
    deliveries,
    dispatches,
    locks,
    provision,
    reconcile,
    recover,
    redeploy,
    replenish,
    serve,
    submissions,
    surfaces,
    sweep,
)
from jobs.workshop import Later, Workshop
from operations.errors import OperationError
from providers.provider import ProviderError
from storage import deliveries as inbox
from storage import measurements, tasks
from storage.database import StoreUnavailable
from storage.deliveries import Delivery
from storage.queue import QueueName
from storage.tasks import ClaimLost, Task

Job = Callable[[Workshop, Task], Later | None]

TASKS: Mapping[str, Job] = {
    "refresh": surfaces.refresh,
    "settle": surfaces.settle,
    "retire": surfaces.retire,
    "answer": comments.answer,
    "configure": configure.configure,
    "preview": configure.preview,
    "serve": serve.serve,
    "fulfil": submissions.fulfil,
    "repeat": submissions.repeat,
    "provision": provision.provision,
    "redeploy": redeploy.redeploy,
    "replenish": replenish.replenish,
    "end_leases": locks.end_leases,
    "monitor": sweep.monitor,
    "sweep": sweep.sweep,
    "recover": recover.recover,
    "reconcile_all": reconcile.reconcile_all,
    "reconcile": reconcile.reconcile,
    "clean": sweep.clean,
    "dispatch": dispatches.dispatch,
}

SUBMITTED = ("fulfil", "repeat")  # what a caller follows must be seen to fail
BATCH = 20
RENEW_EVERY = 3.0  # seconds; a claim holds for four of these (storage/tasks.py)
DELIVERY_ATTEMPTS = 10
OUTSIDE = (GitHubError, ProviderError)
FINAL = (Forbidden, NotFound, Invalid)  # GitHub will say the same again

log = structlog.get_logger(__name__)


class Worker:
    """Works one queue. Everything it claims carries its name, which no other process ever has."""

    def __init__(self, shop: Workshop, queue: QueueName) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._shop = shop
        self._queue = queue
        self._without_effect: list[Delivery] = []  # of the batch

    def drain(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Works whatever is due, until nothing is or `stopping`; says how many rows that were."""
        worked = 0
        while not stopping():
            try:
                batch = self._claim()
            except ClaimLost:
                continue  # another worker claims beside this one: what is left is seen at the next look
            if not batch:
                break
            for place, row in enumerate(batch):
                if stopping():
                    self._give_back(batch[place:])
                    break
                self._work(row)
                worked += 1
            self._pass_over()
        return worked

    def renew(self) -> None:
        """The claims of this worker go on; called from beside the work every RENEW_EVERY seconds."""
        now = self._shop.clock()
        with self._shop.database.transaction() as session:
            tasks.renew(session, self.name, now=now)
            inbox.renew(session, self.name, now=now)
            measurements.seen(session, self.name, self._queue, now=now)
        self.add_up()

    def add_up(self) -> None:
        """What this process has counted is in the database's numbers."""
        with self._shop.tally.taken() as counted, self._shop.database.transaction() as session:
            measurements.add(session, counted)

    def _claim(self) -> list[Delivery | Task]:
        now = self._shop.clock()
        with self._shop.database.transaction() as session:
            batch: list[Delivery | Task] = []
            if self._queue is QueueName.CRITICAL:
                batch.extend(inbox.claim_due(session, self.name, now=now, limit=BATCH))
            batch.extend(tasks.claim_due(session, self._queue, self.name, now=now, limit=BATCH))
        return batch

    def _work(self, row: Delivery | Task) -> None:
        try:
            if row.attempts > _most_attempts(row):
                self._give_up(row)
            elif isinstance(row, Delivery):
                self._work_delivery(row)
            else:
                self._run_task(row)
        except ClaimLost:
            log.warning("taken over by another worker", row=_name(row))
        except StoreUnavailable:
            # Its claim runs out and it is taken up again: nothing can be written down now.
            log.warning("the database went away", row=_name(row))

    def _give_back(self, rows: list[Delivery | Task]) -> None:
        """What was taken up and not begun is due again, for others, at once and not when the claim runs out."""
        with suppress(ClaimLost, StoreUnavailable), self._shop.database.transaction() as session:
            for row in rows:
                if isinstance(row, Delivery):
                    inbox.put_back(session, row, row.error, run_at=row.run_at, counted=False)
                else:
                    tasks.put_back(session, row, run_at=row.run_at, counted=False, error=row.error)

    def _give_up(self, row: Delivery | Task) -> None:
        """Its workers never came to an end with it: it may be what kills them."""
        log.error("given up, its workers never finished", row=_name(row), attempts=row.attempts)
        reason = f"taken up {row.attempts - 1} times and never finished"
        if isinstance(row, Task):
            self._fail_task(row, "INTERNAL", reason)
            return
        with self._shop.database.transaction() as session:
            inbox.fail(session, row, reason, now=self._shop.clock())

    def _pass_over(self) -> None:
        """Most deliveries are comments without a command: they end together, at a tenth of the cost."""
        without_effect, self._without_effect = self._without_effect, []
        if without_effect:
            with suppress(StoreUnavailable):  # their claims run out and they are taken up again
                deliveries.pass_over(self._shop, without_effect)

    def _work_delivery(self, delivery: Delivery) -> None:
        try:
            if not deliveries.work_delivery(self._shop, delivery):
                self._without_effect.append(delivery)
            age = (self._shop.clock() - delivery.received_at).total_seconds()
            self._shop.tally.observe(EVENT_AGE, age, event=delivery.event)
        except (ClaimLost, StoreUnavailable):
            raise
        except OUTSIDE as error:
            self._put_delivery_back(delivery, error)
        except Exception as bug:
            log.exception("bug at a delivery", guid=delivery.guid, of=delivery.event)
            self._shop.tally.count(FAILURES, event=delivery.event)
            with self._shop.database.transaction() as session:
                inbox.fail(session, delivery, f"bug: {type(bug).__name__}", now=self._shop.clock())

    def _put_delivery_back(self, delivery: Delivery, error: Exception) -> None:
        log.warning("delivery put back", guid=delivery.guid, attempt=delivery.attempts, reason=str(error))
        now = self._shop.clock()
        counted = not isinstance(error, RateLimited)
        with self._shop.database.transaction() as session:
            if isinstance(error, FINAL) or (counted and delivery.attempts >= _most_attempts(delivery)):
                inbox.fail(session, delivery, str(error), now=now)
                self._shop.tally.count(FAILURES, event=delivery.event)
            else:
                self._shop.tally.count(PUT_BACK, event=delivery.event)
                run_at = _next_try(error, delivery.attempts, now)
                inbox.put_back(session, delivery, str(error), run_at=run_at, counted=counted)

    def _run_task(self, task: Task) -> None:
        try:
            later = TASKS[task.kind](self._shop, task)
            with self._shop.database.transaction() as session:
                if later is None:
                    tasks.complete(session, task, None, now=self._shop.clock())
                else:
                    tasks.put_back(session, task, run_at=later.at, counted=False)
        except (ClaimLost, StoreUnavailable):
            raise
        except OUTSIDE as error:
            self._put_task_back(task, error)
        except OperationError as refused:
            self._fail_task(task, refused.code, refused.message)
        except Exception as bug:
            log.exception("bug at a task", task=task.id, kind=task.kind)
            self._fail_task(task, "INTERNAL", f"bug: {type(bug).__name__}")

    def _put_task_back(self, task: Task, error: Exception) -> None:
        log.warning("task put back", task=task.id, kind=task.kind, attempt=task.attempts, reason=str(error))
        counted = not isinstance(error, RateLimited)
        final = isinstance(error, FINAL) or (isinstance(error, ProviderError) and error.permanent)
        if final or (counted and task.attempts >= _most_attempts(task)):
            self._fail_task(task, "OUTSIDE_FAILED", str(error))
            return
        now = self._shop.clock()
        with self._shop.database.transaction() as session:
            run_at = _next_try(error, task.attempts, now)
            tasks.put_back(session, task, run_at=run_at, counted=counted, error=str(error))

    def _fail_task(self, task: Task, code: str, message: str) -> None:
        with self._shop.database.transaction() as session:
            tasks.fail(session, task, code, message, now=self._shop.clock())
            if task.kind in SUBMITTED:
                submissions.give_up(session, self._shop, task, code, message)


def _next_try(error: Exception, attempts: int, now: datetime) -> datetime:
    """When GitHub allows it, else after 2, 4, 8 … seconds, at most five minutes."""
    if isinstance(error, RateLimited):
        return error.retry_at
    return now + timedelta(seconds=min(2**attempts, 300))


def _most_attempts(row: Delivery | Task) -> int:
    return DELIVERY_ATTEMPTS if isinstance(row, Delivery) else row.max_attempts


def _name(row: Delivery | Task) -> str:
    return f"delivery {row.guid}" if isinstance(row, Delivery) else f"task {row.id} ({row.kind})"


class Renewal(threading.Thread):
    """Renews a worker's claims beside its work, so that only a dead worker's are taken over."""

    def __init__(self, worker: Worker, *, every: float = RENEW_EVERY) -> None:
        super().__init__(name="renewal", daemon=True)
        self._worker = worker
        self._every = every
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self._every):
            try:
                self._worker.renew()
            except StoreUnavailable:
                log.warning("claims not renewed, the database is away")
            except Exception:
                # Ending here would be noticed by nobody, and this worker would lose every longer task from then on.
                log.exception("bug at renewing claims")

    def end(self) -> None:
        self._ended.set()
