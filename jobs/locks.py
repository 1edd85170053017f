"""Leases of locks that have run out end, and whoever is next in line has the lock."""

from __future__ import annotations

import structlog

from jobs.workshop import Workshop
from operations.hand_over import end_past_due_leases
from storage.tasks import Task

BATCH = 100

log = structlog.get_logger(__name__)


def end_leases(shop: Workshop, task: Task) -> None:
    """No lease runs past its time; the clock asks for this within a second of the first that would (jobs/cron.py)."""
    while True:
        with shop.step(task) as session:
            ended = end_past_due_leases(session, now=shop.clock(), limit=BATCH)
        if ended:
            log.info("leases ended", locks=ended)
        if ended < BATCH:
            return
