"""Whoever waits for a pool gets what is free, in order."""

from __future__ import annotations

import structlog

from jobs.workshop import Workshop
from operations import waiting
from storage.tasks import Task

log = structlog.get_logger(__name__)


def serve(shop: Workshop, task: Task) -> None:
    """Tickets are served, the first first, until nobody waits or nothing is free."""
    pool_id = task.payload["pool_id"]
    while True:
        with shop.step(task) as session:
            ticket = waiting.next_in_line(session, pool_id)
            if ticket is None:
                return
            served = waiting.serve(session, ticket.id, request=f"task:{task.id}", now=shop.clock())
        if served is None:
            return
        log.info("served", ticket=ticket.id, holder=str(ticket.holder), environment=served.environment.name)
