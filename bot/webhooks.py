"""POST /github/webhook: verify, store, 202. No network, no typed parse."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import structlog
from prometheus_client import Counter
from pydantic import BaseModel, Field, StrictInt, StrictStr, ValidationError

from bot.context import Context
from bot.handlers import EVENTS, HANDLERS
from storage import deliveries
from storage.database import StoreUnavailable
from storage.vault import CannotDecrypt

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/github/webhook"
LARGEST_BODY = 25 * 1024 * 1024  # GitHub sends no larger ones

log = structlog.get_logger(__name__)

received = Counter("greenroom_webhooks_total", "Webhooks by event and what became of them", ["event", "outcome"])


class Identified(BaseModel):
    id: StrictInt


class Numbered(BaseModel):
    number: StrictInt


LENIENT = Field(union_mode="left_to_right")  # what is not as GitHub promises is left for the worker to complain of


class Envelope(BaseModel):
    """What the door has to know of a payload. All the rest is passed over: no objects are made of it."""

    action: Annotated[StrictStr | Any, LENIENT] = None
    repository: Annotated[Identified | Any, LENIENT] = None
    pull_request: Annotated[Numbered | Any, LENIENT] = None
    issue: Annotated[Numbered | Any, LENIENT] = None
    installation: Annotated[Identified | Any, LENIENT] = None

    @property
    def serial_key(self) -> str:
        """What deliveries must be worked in order for: the pull request or issue, else the repository or account."""
        if not isinstance(self.repository, Identified):
            return f"installation:{self.installation.id if isinstance(self.installation, Identified) else ''}"
        for thread in (self.pull_request, self.issue):
            if isinstance(thread, Numbered):
                return f"{self.repository.id}#{thread.number}"
        return str(self.repository.id)


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
        except CannotDecrypt as sealed:
            # What is refused here GitHub keeps for three days, so that putting the key back loses nothing.
            log.error("webhook refused, the GitHub App's stored credentials cannot be read", reason=str(sealed))
            status, message = HTTPStatus.SERVICE_UNAVAILABLE, "SECRET_KEY does not open this App's stored credentials"
        received.labels(event if event in EVENTS else "other", str(status.value)).inc()
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
        envelope = _envelope(environ, body)
        action = envelope.action
        if not isinstance(action, str | None) or (event, action) not in HANDLERS:
            return HTTPStatus.OK, f"Nothing to do for {event}"
        context = self._context
        deliveries.receive(context.database, guid, event, action, envelope.serial_key, body, now=context.clock())
        return HTTPStatus.ACCEPTED, "Accepted"


def signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether the signature is the body's HMAC-SHA256 under the secret, compared in constant time.

    https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    """
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))


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


def _envelope(environ: WSGIEnvironment, body: bytes) -> Envelope:
    if environ.get("CONTENT_TYPE", "").split(";")[0].strip().lower() != "application/json":
        raise Refused(HTTPStatus.BAD_REQUEST, "Set the webhook's content type to application/json")
    try:
        return Envelope.model_validate_json(body)
    except ValidationError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "The body is not a payload of GitHub's in JSON") from error
