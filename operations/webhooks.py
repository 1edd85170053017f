"""Webhooks are made, changed and removed, hear of events once more, and fail when nothing arrives any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from operations.emit import send_soon, tell
from operations.errors import InvalidRequest
from operations.events import EventType
from storage import audit, events, webhooks
from storage.audit import Actor
from storage.events import Dispatch, DispatchState
from storage.webhooks import Listener, Webhook, WebhookStatus

FAILED_AFTER = 10  # deliveries in a row, each after all its retries (contract 10.3)
LONGEST_DELAY = timedelta(hours=24)
SENDER = Actor("greenroom[webhooks]", role="system")


def add_webhook(session: Session, webhook: Webhook, actor: Actor, *, now: datetime) -> None:
    """The webhook hears of what happens from the next transaction on."""
    session.add(webhook)
    session.flush()
    audit.record(session, "webhook.created", webhook.id, actor, now=now, name=webhook.name, events=webhook.events,
                 repositories=webhook.repositories)  # fmt: skip


def update_webhook(
    session: Session, webhook: Webhook, changes: Mapping[str, Any], actor: Actor, *, now: datetime
) -> None:
    """The webhook has these values; one that is active again is sent what it has missed since it failed.

    What happened while it was not active was never meant for it.
    """
    before = webhook.status
    changed = sorted(name for name, value in changes.items() if getattr(webhook, name) != value)
    for name in changed:
        setattr(webhook, name, changes[name])
    webhook.updated_at = now
    if webhook.status == WebhookStatus.ACTIVE != before:
        webhook.failed_in_a_row = 0
        for number in events.pending_of(session, webhook.id):
            send_soon(session, webhook.id, number, now=now)
    session.flush()
    audit.record(session, "webhook.updated", webhook.id, actor, now=now, name=webhook.name, changed=changed)


def remove_webhook(session: Session, webhook: Webhook, actor: Actor, *, now: datetime) -> None:
    """The webhook and whatever was on its way to it are gone."""
    session.delete(webhook)
    session.flush()
    audit.record(session, "webhook.deleted", webhook.id, actor, now=now, name=webhook.name)


def trigger(
    session: Session,
    event: EventType,
    data: Mapping[str, Any],
    hearing: Sequence[Webhook],
    actor: Actor,
    *,
    now: datetime,
) -> str | None:
    """These webhooks hear of an event that did not happen, and that says so; its id, or None if there are none."""
    listening = [Listener(webhook.id, webhook.events, webhook.repositories) for webhook in hearing]
    event_id = tell(session, listening, event, data, now=now, triggered=True)
    audit.record(session, "webhook.triggered", event_id or event, actor, now=now, event=event,
                 webhooks=[webhook.id for webhook in hearing])  # fmt: skip
    return event_id


def deliver(session: Session, webhook: Webhook, event_id: str | None, actor: Actor, *, now: datetime) -> str:
    """The event, or the last one of the webhook, is on its way to it again, under its id; which it was.

    Refuses with InvalidRequest what never was on its way to it, and while the webhook is not active.
    """
    if webhook.status != WebhookStatus.ACTIVE:
        raise InvalidRequest("status", "state", f"is {webhook.status}: make the webhook active first")
    wanted = event_id or events.last_of(session, webhook.id)
    if wanted is None or not events.was_sent_to(session, wanted, webhook.id):
        raise InvalidRequest("eventId", "exists", "must be an event of the last seven days that this webhook heard of")
    send_soon(session, webhook.id, events.dispatch(session, wanted, webhook.id, now=now), now=now)
    audit.record(session, "webhook.delivered_again", webhook.id, actor, now=now, event=wanted)
    return wanted


def begin_attempt(session: Session, number: int) -> tuple[Dispatch, Webhook] | None:
    """The dispatch, one attempt on, with its webhook; None if there is nothing to send, or not now."""
    dispatch = events.get_dispatch(session, number)
    if dispatch is None or dispatch.state != DispatchState.PENDING:
        return None
    webhook = webhooks.get(session, dispatch.webhook_id)
    if webhook is None or webhook.status != WebhookStatus.ACTIVE:
        return None
    dispatch.attempts += 1
    session.flush()
    return dispatch, webhook


def end_attempt(session: Session, number: int, *, arrived: bool, said: str, now: datetime) -> datetime | None:
    """The attempt is on the record; when the next one is due, None if that was the last.

    Each wait is twice as long as the one before. After ten deliveries in a row that never arrived the webhook is
    failed: it hears of nothing until somebody makes it active.
    """
    dispatch = events.get_dispatch(session, number)
    webhook = webhooks.lock(session, dispatch.webhook_id) if dispatch is not None else None
    if dispatch is None or webhook is None:
        return None
    dispatch.outcome = webhook.last_outcome = said
    webhook.last_sent_at = now
    if not arrived and dispatch.attempts <= webhook.retry_count:
        return now + min(timedelta(milliseconds=webhook.retry_delay_ms) * (1 << (dispatch.attempts - 1)), LONGEST_DELAY)
    dispatch.state = DispatchState.SENT if arrived else DispatchState.FAILED
    dispatch.finished_at = now
    webhook.failed_in_a_row = 0 if arrived else webhook.failed_in_a_row + 1
    if webhook.failed_in_a_row >= FAILED_AFTER and webhook.status == WebhookStatus.ACTIVE:
        webhook.status = WebhookStatus.FAILED
        audit.record(session, "webhook.failed", webhook.id, SENDER, now=now, name=webhook.name, reason=said)
    session.flush()
    return None
