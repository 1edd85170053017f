"""A stored webhook becomes its effects: read first, then one transaction that also marks it done."""

from __future__ import annotations

import json

import structlog

from bot.handlers import EVENTS, HANDLERS
from bot.look import Look, nothing
from bot.payload import MalformedPayload
from jobs.workshop import Workshop
from storage import deliveries
from storage.deliveries import Delivery

LOOKS = 4  # at GitHub, 2, 4 and 8 seconds apart, until its answer is not older than what it told

log = structlog.get_logger(__name__)


def work_delivery(shop: Workshop, delivery: Delivery) -> bool:
    """The delivery's effects and its being done are committed together, so that they happen once (rule I3).

    False: it has no effect, and is not marked done yet. A payload without what its event promises is marked
    failed with the reason. Raises GitHubError, StoreUnavailable and ClaimLost; nothing is kept then.
    """
    try:
        event = EVENTS[delivery.event].read(json.loads(delivery.body))
    except MalformedPayload as malformed:
        with shop.database.transaction() as session:
            deliveries.fail(session, delivery, f"malformed payload: {malformed}", now=shop.clock())
        log.warning("delivery failed", guid=delivery.guid, of=delivery.event, reason=str(malformed))
        return True
    look = Look(shop.context, shop.installation, shop.permissions, f"delivery:{delivery.guid}", delivery.received_at,
                may_look_again=delivery.attempts < LOOKS)  # fmt: skip
    effect = HANDLERS[delivery.event, delivery.action](look, event)
    if effect is nothing:
        return False
    now = shop.clock()
    with shop.database.transaction() as session:
        deliveries.hold(session, delivery)
        effect(session, now)
        deliveries.done(session, delivery, now=now)
    log.info("delivery done", guid=delivery.guid, of=delivery.event, action=delivery.action)
    return True


def pass_over(shop: Workshop, without_effect: list[Delivery]) -> None:
    """All of them are done, in one transaction. Raises StoreUnavailable."""
    with shop.database.transaction() as session:
        deliveries.all_done(session, without_effect, now=shop.clock())
    for delivery in without_effect:
        log.info("delivery without effect", guid=delivery.guid, of=delivery.event, action=delivery.action)
