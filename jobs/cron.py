"""What happens by the clock: one process leads, rings for what is due and enqueues the sweeps."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from contextlib import suppress
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from bot.context import Context
from storage import assignments, deliveries, environments, locks, schedules, tasks
from storage.database import StoreUnavailable
from storage.queue import QueueName, enqueue, ring
from storage.schedules import SCHEDULE

TICK_SECONDS = 1.0
LEADER = "cron"

log = structlog.get_logger(__name__)


def tick(context: Context, process: str) -> bool:
    """If this process leads: what is due is rung for or enqueued. Says whether it leads. Cheap, once a second."""
    now = context.clock()
    with context.database.transaction() as session:
        if not schedules.lead(session, LEADER, process, now=now):
            return False
        _ring_for_due_rows(session, now)
        _enqueue_recurring(session, now)
        if assignments.any_past_due(session, now=now) or environments.waited_for(session):
            _enqueue(session, "sweep", now)
        if locks.any_past_due(session, now=now):
            _enqueue(session, "end_leases", now, queue=QueueName.CRITICAL)  # somebody may wait for it with a request
    return True


def catch_up(context: Context) -> None:
    """What is due when a process begins to lead is enqueued: GitHub's world went on while none did."""
    with context.database.transaction() as session:
        for recurring in SCHEDULE.values():
            if recurring.at_start:
                _enqueue(session, recurring.kind, context.clock())


def _ring_for_due_rows(session: Session, now: datetime) -> None:
    """Delayed tasks, rings that Redis lost, and rows of workers that died."""
    for queue in tasks.queues_with_due_work(session, now=now):
        ring(session, QueueName(queue))
    if deliveries.any_due(session, now=now):
        ring(session, QueueName.CRITICAL)


def _enqueue_recurring(session: Session, now: datetime) -> None:
    last = schedules.last_runs(session)
    for name, recurring in SCHEDULE.items():
        if name not in last or last[name] < recurring.last_due(now):
            schedules.ran(session, name, at=now)
            _enqueue(session, recurring.kind, now)


def _enqueue(session: Session, kind: str, now: datetime, *, queue: QueueName = QueueName.BATCH) -> None:
    enqueue(session, kind, queue=queue, now=now, serial_key=kind, once_key=kind)


def keep_time(context: Context) -> None:
    """Ticks once a second until SIGTERM or SIGINT; a database that is away is tried again."""
    process = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    told_to_end: list[int] = []
    leads = False
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: told_to_end.append(number))
    while not told_to_end:
        time.sleep(TICK_SECONDS)
        try:
            led, leads = leads, tick(context, process)
            if leads and not led:
                catch_up(context)
        except StoreUnavailable:
            log.warning("no tick, the database is away")
    with suppress(StoreUnavailable), context.database.transaction() as session:
        schedules.resign(session, LEADER, process, now=context.clock())
