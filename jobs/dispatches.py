"""An event on its way to one webhook: signed, sent, and sent again until it arrives or enough is enough."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field

import structlog

from bot.receivers import Outcome
from bot.slack import slack_message
from bot.version import VERSION
from jobs.workshop import Later, Workshop
from operations.webhooks import begin_attempt, end_attempt
from storage.events import Dispatch, Event
from storage.tasks import Task
from storage.vault import CannotDecrypt
from storage.webhooks import Webhook, WebhookFormat

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Message:
    """One request as it is sent. The same at each attempt, so that a receiver knows it again."""

    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    seconds: float


def dispatch(shop: Workshop, task: Task) -> Later | None:
    """The event has arrived, or is tried again later, or never will.

    The attempt is counted before the call and its outcome recorded after it: whoever dies in between has it sent
    once more, under the same id (at least once).
    """
    number = task.payload["dispatch"]
    with shop.step(task) as session:
        begun = begin_attempt(session, number)
        if begun is None:
            return None
        row, webhook = begun
        event = session.get_one(Event, row.event_id)
    outcome = _send(shop, webhook, event)
    now = shop.clock()
    with shop.step(task) as session:
        again_at = end_attempt(session, number, arrived=outcome.arrived, said=outcome.said, now=now)
    _tell(row, webhook, event, outcome)
    return None if again_at is None else Later(again_at)


def _send(shop: Workshop, webhook: Webhook, event: Event) -> Outcome:
    try:
        message = message_of(shop, webhook, event)
    except CannotDecrypt:
        return Outcome(False, "its secret cannot be decrypted")
    return shop.receivers.post(message.url, message.headers, message.body, seconds=message.seconds)


def message_of(shop: Workshop, webhook: Webhook, event: Event) -> Message:
    """What the webhook is sent of the event. Raises CannotDecrypt."""
    target = shop.context.vault.open(webhook.target)
    body = event.body.encode()
    if webhook.format == WebhookFormat.SLACK:
        body = json.dumps(slack_message(json.loads(event.body)), ensure_ascii=False).encode()
    signature = hmac.new(target["secret"].encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "User-Agent": f"Greenroom/{VERSION}",
        **target["headers"],
        "Content-Type": "application/json; charset=utf-8",
        "X-Greenroom-Event": event.kind,
        "X-Greenroom-Event-Id": event.id,
        "X-Greenroom-Signature-256": f"sha256={signature}",
    }
    return Message(target["url"], headers, body, webhook.timeout_ms / 1000)


def _tell(row: Dispatch, webhook: Webhook, event: Event, outcome: Outcome) -> None:
    tell = log.info if outcome.arrived else log.warning
    tell("webhook sent" if outcome.arrived else "webhook not sent", webhook=webhook.id, of=event.kind, id=event.id,
         attempt=row.attempts, outcome=outcome.said)  # fmt: skip
