"""A pool is replenished: the run's job."""

from __future__ import annotations

from datetime import timedelta

from bot import replenishing
from jobs.workshop import Later, Workshop
from operations.errors import RunInProgress
from storage.tasks import Task

UNDER_WAY = timedelta(seconds=5)


def replenish(shop: Workshop, task: Task) -> Later | None:
    """A run of the task's own over its pool; it waits for one that is under way, and goes on with one of its own.

    Raises the ProviderError for which the pool was not listed, so that the task is tried again.
    """
    try:
        run = replenishing.replenish(shop.context, task.payload["pool_id"], task.id, lambda: shop.step(task))
    except RunInProgress:
        return Later(shop.clock() + UNDER_WAY)
    if run.unlisted is not None:
        raise run.unlisted
    return None
