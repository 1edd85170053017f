"""POST /github/webhook: verify, store, 202. No network, no typed parse."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter

from bot.context import Context
from bot.handlers import HANDLERS
from storage import deliveries
from storage.database import StoreUnavailable
from storage.deliveries import DeliveryState
from storage.queue import QueueName, ring

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/github/webhook"
LARGEST_BODY = 25 * 1024 * 1024  # GitHub sends no larger ones

received = Counter("greenroom_webhooks_total", "Webhooks by event and what became of them", ["event", "outcome"])


class Refused(Exception):
    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class WebhookDoor:
    """Stands in front of the Flask application, because its routing costs more than all of this together."""

    def __init__(self, context: Context, application: WSGIApplication) -> None:
        self._context = context
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            return self._application(environ, start_response)
        event = environ.get("HTTP_X_GITHUB_EVENT", "")
        try:
            status, message = self._receive(environ, event)
        except Refused as refused:
            status, message = refused.status, str(refused)
        except StoreUnavailable:
            status, message = HTTPStatus.SERVICE_UNAVAILABLE, "The state store is unreachable; nothing was changed"
        known = event if any(event == name for name, _ in HANDLERS) else "other"
        received.labels(known, str(status.value)).inc()
        body = json.dumps({"message": message}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("Allow", "POST"))
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _receive(self, environ: WSGIEnvironment, event: str) -> tuple[HTTPStatus, str]:
        """What to answer; the delivery is stored when it is 202. Raises Refused."""
        if environ["REQUEST_METHOD"] != "POST":
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "Webhooks are sent with POST")
        body = _body(environ)
        app = self._context.github_app()
        secrets = app.webhook_secrets if app else self._context.settings.github_webhook_secrets
        if not secrets:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "No GitHub App is set up here yet")
        if not any(signed(body, environ.get("HTTP_X_HUB_SIGNATURE_256", ""), secret) for secret in secrets):
            raise Refused(HTTPStatus.FORBIDDEN, "The signature does not fit the body and this App's webhook secret")
        guid = environ.get("HTTP_X_GITHUB_DELIVERY", "")
        if not event or not 0 < len(guid) <= 100:
            raise Refused(HTTPStatus.BAD_REQUEST, "X-GitHub-Event and X-GitHub-Delivery are required")
        payload = _payload(environ, body)
        action = payload.get("action")
        if (event, action) not in HANDLERS:
            return HTTPStatus.OK, f"Nothing to do for {event}"
        self._store(guid, event, str(action), payload, body)
        return HTTPStatus.ACCEPTED, "Accepted"

    def _store(self, guid: str, event: str, action: str, payload: dict[str, Any], body: bytes) -> None:
        now = self._context.clock()
        row = {
            "guid": guid,
            "event": event,
            "action": action,
            "serial_key": serial_key(payload),
            "body": body,
            "state": DeliveryState.RECEIVED,
            "attempts": 0,
            "fence": 0,
            "run_at": now,
            "received_at": now,
        }
        with self._context.database.transaction() as session:
            deliveries.receive(session, row)
            ring(session, QueueName.CRITICAL)


def signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether the signature is the body's HMAC-SHA256 under the secret, compared in constant time.

    https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    """
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))


def serial_key(payload: dict[str, Any]) -> str:
    """What deliveries must be worked in order for: the pull request or issue, else the repository or account."""
    repository = _identifier(payload, "repository")
    number = _identifier(payload, "pull_request", "number") or _identifier(payload, "issue", "number")
    if repository and number:
        return f"{repository}#{number}"
    return repository or f"installation:{_identifier(payload, 'installation')}"


def _identifier(payload: dict[str, Any], key: str, field: str = "id") -> str:
    found = payload.get(key)
    value = found.get(field) if isinstance(found, dict) else None
    return str(value) if isinstance(value, int) else ""


def _body(environ: WSGIEnvironment) -> bytes:
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdecimal():
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length is required")
    if int(length) > LARGEST_BODY:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "A webhook is at most 25 MB")
    read: Callable[[int], bytes] = environ["wsgi.input"].read
    body = read(int(length))
    if len(body) != int(length):
        raise Refused(HTTPStatus.BAD_REQUEST, "The body is shorter than its Content-Length")
    return body


def _payload(environ: WSGIEnvironment, body: bytes) -> dict[str, Any]:
    if environ.get("CONTENT_TYPE", "").split(";")[0].strip().lower() != "application/json":
        raise Refused(HTTPStatus.BAD_REQUEST, "Set the webhook's content type to application/json")
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "The body is not JSON") from error
    if not isinstance(payload, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "The body is not a JSON object")
    return payload
