"""The sweeps: look at the rows as they are, and repair whatever was missed."""

from __future__ import annotations

import structlog

from bot.policy.configuration import policy_of
from jobs.locks import end_leases
from jobs.pins import review_pins
from jobs.reclaim import reclaim
from jobs.surfaces import retire_soon
from jobs.workshop import Workshop
from operations import environments as life
from operations import waiting
from operations.end import offer, replenish_soon
from operations.expire import expire_past_due
from operations.redeploy import give_up_redeploying
from operations.targets import turn
from operations.warn import warn
from storage import deliveries, environments, events, key_values, locks, measurements, pools, submissions, tasks
from storage.tasks import KEPT, Task

BATCH = 100

log = structlog.get_logger(__name__)


def sweep(shop: Workshop, task: Task) -> None:
    """What is past due has ended, who waits beside a free environment is served, and nothing stands still."""
    while True:
        with shop.step(task) as session:
            expired = expire_past_due(session, now=shop.clock(), limit=BATCH)
        if expired:
            log.info("expired", assignments=expired)
        if expired < BATCH:
            break
    end_leases(shop, task)
    review_pins(shop, task)
    reclaim(shop, task)
    now = shop.clock()
    with shop.step(task) as session:
        pools.end_stale_runs(session, now=now)
        waiting.give_up_overdue(session, now=now)
        give_up_redeploying(session, now=now)
        warn(session, lambda repository_id: policy_of(session, repository_id).expiry.warn, now=now)
        turn(session, now=now)
        for pool_id in environments.waited_for(session):
            offer(session, pool_id, now=now)
        for environment in environments.in_motion_without_task(session):
            life.drive(session, environment, now=now)
        retire_soon(session, now=now, limit=BATCH)


def monitor(shop: Workshop, task: Task) -> None:
    """Every active pool is replenished, and every deleted one that still has environments."""
    now = shop.clock()
    with shop.step(task) as session:
        for pool_id in pools.to_monitor(session):
            replenish_soon(session, pool_id, now=now)


def clean(shop: Workshop, task: Task) -> None:
    """What ended, or was told, more than seven days ago is gone, and every value that has expired."""
    with shop.step(task) as session:
        measurements.forget_dead(session, now=shop.clock())
    now = shop.clock()
    for remove, before in (
        (tasks.remove_finished, now - KEPT),
        (submissions.remove_finished, now - KEPT),
        (deliveries.remove_finished, now - KEPT),
        (locks.remove_released, now - KEPT),
        (events.remove_old, now - KEPT),
        (key_values.remove_expired, now),
    ):
        while True:
            with shop.step(task) as session:
                removed = remove(session, before=before)
            if removed == 0:
                break
