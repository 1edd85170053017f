"""Outgoing webhooks: made, changed, tried and deleted by owners, without showing what is secret (contract 10.3)."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from bot.api.auth import OWN
from bot.api.call import AnyCall, Call
from bot.api.errors import InvalidFields, RepositoryNotFound
from bot.api.examples import EVENTS
from bot.api.fields import Answer, Timestamp
from bot.api.router import Routes
from bot.api.validation import checked
from bot.api.webhook_bodies import DeliverBody, TriggerBody, WebhookBody, WebhookChanges, WebhookPath
from bot.receivers import NotAllowed, Receivers
from operations.errors import WebhookNotFound
from operations.events import EventType
from operations.webhooks import add_webhook, deliver, remove_webhook, trigger, update_webhook
from storage import webhooks
from storage.vault import CannotDecrypt
from storage.webhooks import Webhook, WebhookFormat, WebhookStatus

routes = Routes()

log = structlog.get_logger(__name__)


class WebhookAnswer(Answer):
    """`headers` are the names alone. `repositories` null is every repository, `url` null one whose key is lost."""

    id: str
    name: str | None
    url: str | None
    events: list[EventType]
    repositories: list[str] | None
    headers: list[str]
    format: WebhookFormat
    timeout: int
    retry_count: int
    retry_delay: int
    status: WebhookStatus
    failed_in_a_row: int
    last_sent_at: Timestamp | None
    last_outcome: str | None
    created_by: str
    created_at: Timestamp
    updated_at: Timestamp
    secret: str | None = None


class WebhookDeleted(Answer):
    message: str
    id: str


class Triggered(Answer):
    """`eventId` is null if no webhook listens."""

    message: str
    event_id: str | None
    webhooks: int


class Delivering(Answer):
    message: str
    event_id: str


@routes.add("GET", "/webhooks", OWN, "List webhooks")
def list_webhooks(call: Call[None, None, None]) -> list[WebhookAnswer]:
    with call.reading() as session:
        return [_show(call, webhook) for webhook in _governed(session, call)]


@routes.add("POST", "/webhooks", OWN, "Create a webhook", refuses=(RepositoryNotFound,), status=HTTPStatus.CREATED)
def create_webhook(call: Call[None, None, WebhookBody]) -> WebhookAnswer:
    """Every message is signed: `X-Greenroom-Signature-256` is the HMAC-SHA256 of its body under the secret."""
    body = call.body
    webhook = Webhook(created_by=call.caller.name, created_at=call.now, updated_at=call.now, **_columns(call, body, {}))
    with call.transaction() as session:
        add_webhook(session, webhook, call.actor, now=call.now)
    return _show(call, webhook, reveal=body.secret is None)


@routes.add("GET", "/webhooks/{id}", OWN, "Get a webhook", refuses=(WebhookNotFound,))
def get_webhook(call: Call[WebhookPath, None, None]) -> WebhookAnswer:
    with call.reading() as session:
        return _show(call, _find(session, call))


@routes.add("PATCH", "/webhooks/{id}", OWN, "Update a webhook", refuses=(WebhookNotFound, RepositoryNotFound))
def change_webhook(call: Call[WebhookPath, None, WebhookChanges]) -> WebhookAnswer:
    """Active again, it is sent what it had not got when it failed. A cleared `secret` is made anew and shown."""
    with call.transaction() as session:
        webhook = _find(session, call)
        present, given = _opened(call, webhook), call.body.root
        body = checked(WebhookBody, {**_present(webhook, present), **given})
        columns = _columns(call, body, present)
        if given.get("status") is None:
            del columns["status"]
        update_webhook(session, webhook, columns, call.actor, now=call.now)
    return _show(call, webhook, reveal=body.secret is None)


@routes.add("DELETE", "/webhooks/{id}", OWN, "Delete a webhook", refuses=(WebhookNotFound,))
def delete_webhook(call: Call[WebhookPath, None, None]) -> WebhookDeleted:
    with call.transaction() as session:
        webhook = _find(session, call)
        remove_webhook(session, webhook, call.actor, now=call.now)
    return WebhookDeleted(message="Webhook deleted successfully", id=webhook.id)


@routes.add("POST", "/webhooks/trigger", OWN, "Trigger an event")
def trigger_event(call: Call[None, None, TriggerBody]) -> Triggered:
    """To try receivers: all active webhooks of the event hear of it, as one with `triggered` true."""
    event = call.body.event
    data = EVENTS[event] if call.body.payload is None else call.body.payload
    with call.transaction() as session:
        hearing = [
            webhook
            for webhook in _governed(session, call)
            if webhook.status == WebhookStatus.ACTIVE and event in webhook.events
        ]
        event_id = trigger(session, event, data, hearing, call.actor, now=call.now)
    message = f"Event {event} is on its way to {len(hearing)} webhooks"
    return Triggered(message=message, event_id=event_id, webhooks=len(hearing))


@routes.add("POST", "/webhooks/{id}/deliver", OWN, "Deliver an event again", refuses=(WebhookNotFound,))
def deliver_again(call: Call[WebhookPath, None, DeliverBody]) -> Delivering:
    """Under the same event id, so that a receiver knows it if it has it."""
    with call.transaction() as session:
        webhook = _find(session, call)
        event_id = deliver(session, webhook, call.body.event_id, call.actor, now=call.now)
    return Delivering(message=f"Event {event_id} is on its way again", event_id=event_id)


def _columns(call: AnyCall, body: WebhookBody, present: dict[str, Any]) -> dict[str, Any]:
    """The webhook as it is kept; what was not given stays secret as it is, so that it is not encrypted anew."""
    _check_address(call, body.url)
    target = {"url": body.url, "secret": body.secret or secrets.token_urlsafe(32), "headers": body.headers or {}}
    return {
        **({} if target == present else {"target": call.context.vault.seal(target)}),
        "name": body.name,
        "events": [event.value for event in dict.fromkeys(body.events)],
        "repositories": _scope(call, body.repositories),
        "format": body.format,
        "timeout_ms": body.timeout,
        "retry_count": body.retry_count,
        "retry_delay_ms": body.retry_delay,
        "status": body.status,
    }


def _present(webhook: Webhook, target: dict[str, Any]) -> dict[str, Any]:
    """The webhook as a request would give it, but for its status, which changes only if one is given."""
    return {
        **target,
        "name": webhook.name,
        "events": webhook.events,
        "repositories": webhook.repositories,
        "format": webhook.format,
        "timeout": webhook.timeout_ms,
        "retryCount": webhook.retry_count,
        "retryDelay": webhook.retry_delay_ms,
    }


def _opened(call: AnyCall, webhook: Webhook) -> dict[str, Any]:
    """Its url, secret and headers; nothing if the key is lost, which must not hide the webhooks beside this one."""
    try:
        return call.context.vault.open(webhook.target)
    except CannotDecrypt:
        log.warning("webhook cannot be opened", webhook=webhook.id)
        return {}


def _check_address(call: AnyCall, url: str) -> None:
    try:
        Receivers(call.context.settings.webhook_networks).check(url)
    except NotAllowed as error:
        message = "must not lead to a private, loopback or link-local address"
        raise InvalidFields.one("url", "address", message) from error
    except ValueError as error:
        raise InvalidFields.one("url", "pattern", "must be an http or https address without a user") from error


def _scope(call: AnyCall, wanted: list[str] | None) -> list[str] | None:
    """The repositories that it hears of: never more than its maker sees. A person who owns is not limited."""
    caller = call.caller
    for repository in wanted or ():
        if not caller.sees(repository):
            raise RepositoryNotFound(repository)
    if wanted:
        return sorted({repository.lower() for repository in wanted})
    return None if caller.repositories is None or caller.login else sorted(caller.repositories)


def _governed(session: Session, call: AnyCall) -> list[Webhook]:
    return [webhook for webhook in webhooks.listed(session) if call.caller.governs(webhook.repositories)]


def _find(session: Session, call: AnyCall) -> Webhook:
    try:
        webhook = webhooks.lock(session, str(UUID(call.path.id)))
    except ValueError:
        webhook = None
    if webhook is None or not call.caller.governs(webhook.repositories):
        raise WebhookNotFound
    return webhook


def _show(call: AnyCall, webhook: Webhook, *, reveal: bool = False) -> WebhookAnswer:
    target = _opened(call, webhook)
    same = {"id", "name", "events", "repositories", "format", "status", "failed_in_a_row", "last_sent_at",
            "last_outcome", "created_by", "created_at", "updated_at"}  # fmt: skip
    return WebhookAnswer(
        **{name: getattr(webhook, name) for name in same},
        url=target.get("url"),
        headers=sorted(target.get("headers", ())),
        timeout=webhook.timeout_ms,
        retry_count=webhook.retry_count,
        retry_delay=webhook.retry_delay_ms,
        **({"secret": target["secret"]} if reveal else {}),
    )
