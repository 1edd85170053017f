"""The web application: REST, health and metrics; every answer has a request id, every refusal one shape."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import httpx
import structlog
from flask import Flask, Response, g, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.exceptions import MethodNotAllowed as WrongMethod
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Rule

from bot import decisions_page, help_page, login, login_link, metrics, setup
from bot.api import docs
from bot.api.errors import STATUS, STORE_RETURNS_SECONDS, MethodNotAllowed, RouteNotFound, envelope, headers_of
from bot.api.incoming import raw_path
from bot.api.operations import OPERATIONS
from bot.api.router import PREFIX, Api
from bot.context import Context
from bot.github.web import WebGitHub
from bot.parking.door import PARKING
from bot.policy import schema as policy_schema
from bot.rates import Turnstile
from operations.errors import OperationError
from storage.database import StoreUnavailable

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")

log = structlog.get_logger(__name__)


def create_app(
    context: Context,
    queue_ping: Callable[[], object],
    redis_url: str | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Flask:
    """The application. `queue_ping` returns if Redis answers, and raises RedisError else.

    With a `redis_url` all web processes count requests together, each on its own without. `transport` stands in for
    the network to GitHub.
    """
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    behind = context.settings.trusted_proxies
    if behind:  # their headers are an address's only witness, and anybody else's are a lie
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=behind, x_proto=behind, x_host=behind)  # type: ignore[method-assign]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    _begin_and_end(app)
    _answer_refusals(app, context)
    _serve_health(app, context, queue_ping)
    app.register_blueprint(setup.blueprint(context, transport))
    turnstile, github = Turnstile(context.settings.rates, redis_url), WebGitHub(context, transport)
    app.register_blueprint(login.blueprint(context, github, turnstile))
    app.register_blueprint(decisions_page.blueprint(context, github, turnstile))
    app.register_blueprint(help_page.blueprint(context, github, turnstile))
    app.register_blueprint(login_link.blueprint(context, github, turnstile))
    app.register_blueprint(policy_schema.blueprint())
    app.register_blueprint(docs.blueprint(OPERATIONS, context.settings.public_url))
    api = Api(context, OPERATIONS, turnstile, github)
    for path in (PREFIX, f"{PREFIX}/", f"{PREFIX}/<path:rest>"):  # any method: the router says which is allowed
        app.url_map.add(Rule(path, endpoint="api"))
    app.view_functions["api"] = lambda **_: api.answer(request)
    return app


def _begin_and_end(app: Flask) -> None:
    """Each request has an id, taken from the client if it is sane, and leaves one line and its measurements."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if SANE_REQUEST_ID.fullmatch(given) else str(uuid4())
        g.operation = g.caller = None
        g.started = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        if g.operation is not None and PARKING not in request.environ:  # else it is answered later
            took = time.perf_counter() - g.started
            metrics.requests.labels(g.operation, str(response.status_code)).inc()
            metrics.seconds.labels(g.operation).observe(took)
            tell = log.debug if request.method in ("GET", "HEAD") else log.info
            tell("answered", operation=g.operation, status=response.status_code, ms=int(took * 1000), by=g.caller,
                 request=g.request_id)  # fmt: skip
        return response


def _answer_refusals(app: Flask, context: Context) -> None:
    @app.errorhandler(OperationError)
    def refused(error: OperationError) -> Response:
        return _refusal(error.code, error.message, error.details, headers_of(error, now=context.clock()))

    @app.errorhandler(StoreUnavailable)
    def away(error: StoreUnavailable) -> Response:
        log.warning("store unavailable", request=g.request_id, reason=str(error))
        message = "The state store is unreachable; nothing was changed"
        return _refusal("STORE_UNAVAILABLE", message, {}, {"Retry-After": str(STORE_RETURNS_SECONDS)})

    @app.errorhandler(HTTPException)
    def not_served(error: HTTPException) -> Response:
        path = raw_path(request)
        if isinstance(error, NotFound):
            return refused(RouteNotFound(request.method, path))
        if isinstance(error, WrongMethod):
            return refused(MethodNotAllowed(request.method, path, sorted(error.valid_methods or ())))
        return _refusal("BAD_REQUEST", "The request cannot be read", {}, {})

    @app.errorhandler(Exception)
    def broken(error: Exception) -> Response:
        log.error("request failed", operation=g.operation, request=g.request_id, exc_info=error)
        return _refusal("INTERNAL_ERROR", "Something went wrong here; the log has it under the request id", {}, {})


def _serve_health(app: Flask, context: Context, queue_ping: Callable[[], object]) -> None:
    @app.get("/healthz")
    def alive() -> Response:
        return jsonify(status="ok")

    @app.get("/readyz")
    def ready() -> tuple[Response, HTTPStatus]:
        """503 names what is away."""
        found = {"database": _answers(context.database.ping), "queue": _answers(queue_ping)}
        fit = all(state == "ok" for state in found.values())
        status = HTTPStatus.OK if fit else HTTPStatus.SERVICE_UNAVAILABLE
        return jsonify(status="ok" if fit else "unavailable", **found), status

    @app.get("/metrics")
    def scrape() -> Response:
        return Response(metrics.exposition(context.database, context.clock), content_type=CONTENT_TYPE_LATEST)


def _answers(ping: Callable[[], object]) -> str:
    try:
        ping()
    except (StoreUnavailable, RedisError):
        return "unreachable"
    return "ok"


def _refusal(code: str, message: str, details: dict[str, Any], headers: dict[str, str]) -> Response:
    response = jsonify(envelope(code, message, details))
    response.status_code = STATUS[code]
    response.headers.update(headers)
    return response
