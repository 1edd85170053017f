"""/setup: has GitHub make our App and keeps its credentials; only while there is no App."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog
from flask import Blueprint, Response, abort, make_response, render_template, request

from bot.context import Context
from bot.manifest import CodeRefused, GitHubUnavailable, NewApp, convert, github_site, manifest, new_app_address
from bot.settings import Settings
from storage import apps

ORGANIZATION = re.compile(r"(?:[A-Za-z0-9](?:-(?=[A-Za-z0-9]))?){1,39}")
STATE_LIFE = timedelta(hours=1)  # as long as GitHub's code

log = structlog.get_logger(__name__)


class Problem(Exception):
    """Something that the operator can mend; the message says how."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


def address(settings: Settings) -> str:
    """The address of the setup page, with the key that opens it."""
    return f"{settings.public_url}/setup?key={_keys(settings)[0]}"


def blueprint(context: Context, transport: httpx.BaseTransport | None = None) -> Blueprint:
    """The pages under /setup. `transport` stands in for the network to GitHub."""
    views = _Views(context, transport)
    pages = Blueprint(
        "setup", __name__, url_prefix="/setup", template_folder="dashboard/templates", static_folder="dashboard/static"
    )
    pages.get("", endpoint="start")(views.start)
    pages.get("/callback", endpoint="callback")(views.callback)
    pages.get("/installed", endpoint="installed")(views.installed)
    pages.errorhandler(Problem)(_show_problem)
    pages.errorhandler(HTTPStatus.NOT_FOUND)(_show_not_found)
    pages.after_request(views.protect)
    return pages


class _Views:
    def __init__(self, context: Context, transport: httpx.BaseTransport | None) -> None:
        self._context = context
        self._settings = context.settings
        self._transport = transport

    def start(self) -> str:
        """What the App will be, and the button that has GitHub make it."""
        self._require_no_app()
        key = request.args.get("key", "")
        if not _fits(key, _keys(self._settings)):
            abort(HTTPStatus.NOT_FOUND)
        organization = request.args.get("organization", "").strip()
        if organization and not ORGANIZATION.fullmatch(organization):
            raise Problem(f"“{organization}” is no organisation's name: it is what stands in its address on GitHub.")
        described = manifest(self._settings.public_url)
        return render_template(
            "setup/start.html",
            key=key,
            organization=organization,
            action=new_app_address(self._settings.github_api_url, organization, self._state()),
            manifest=json.dumps(described),
            described=described,
            public_url=self._settings.public_url,
            is_loopback=is_loopback(self._settings.public_url),
        )

    def callback(self) -> str:
        """Where GitHub sends whoever has pressed its button: the App exists, and we fetch its credentials."""
        self._require_no_app()
        self._check_state(request.args.get("state", ""))
        app = self._convert(request.args.get("code", ""))
        self._keep(app)
        log.info("GitHub App connected", app=app.id, slug=app.slug)
        return render_template("setup/connected.html", app=app)

    def installed(self) -> str:
        """Where GitHub sends whoever has installed the App."""
        return render_template("setup/installed.html")

    def protect(self, response: Response) -> Response:
        site = github_site(self._settings.github_api_url)
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'self'; form-action 'self' {site}; base-uri 'none'; frame-ancestors 'none'"
        )
        # GitHub gets our origin, as with any form, but not the key that stands in our address.
        response.headers["Referrer-Policy"] = "strict-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        if request.endpoint != "setup.static":
            response.headers["Cache-Control"] = "no-store"
        return response

    def _require_no_app(self) -> None:
        with self._context.database.reading() as session:
            stored = apps.is_any_stored(session)
        if stored or self._context.github_app() is not None:
            abort(HTTPStatus.NOT_FOUND)

    def _convert(self, code: str) -> NewApp:
        site = github_site(self._settings.github_api_url)
        if not code:
            raise Problem("GitHub sent no code, so it made no App: open the setup page again and begin anew.")
        try:
            return convert(self._settings.github_api_url, code, self._transport)
        except GitHubUnavailable as trouble:
            raise Problem(f"{site} {trouble}. Load this page again.", HTTPStatus.BAD_GATEWAY) from trouble
        except CodeRefused as refused:
            raise Problem(
                "GitHub does not take its own code any more: it is good once, and for an hour. "
                f"If it made an App, delete that at {site}/settings/apps; then open the setup page again."
            ) from refused

    def _keep(self, app: NewApp) -> None:
        with self._context.database.transaction() as session:
            if apps.is_any_stored(session):
                abort(HTTPStatus.NOT_FOUND)
            apps.store(
                session,
                self._context.vault,
                str(app.id),
                slug=app.slug,
                api_url=self._settings.github_api_url,
                private_key=app.pem,
                webhook_secret=app.webhook_secret,
                client_id=app.client_id,
                client_secret=app.client_secret,
                now=self._context.clock(),
            )

    def _state(self) -> str:
        """Shows that a callback belongs to a setup page of ours, and when that was opened."""
        since = str(int(self._context.clock().timestamp()))
        return f"{since}.{_mac(self._settings.secret_keys[0], f'setup state {since}')}"

    def _check_state(self, state: str) -> None:
        since, _, mac = state.partition(".")
        if not _fits(mac, [_mac(secret, f"setup state {since}") for secret in self._settings.secret_keys]):
            raise Problem("This address does not come from our setup page: open that, and begin there.")
        if int(since) + STATE_LIFE.total_seconds() <= self._context.clock().timestamp():
            raise Problem("The setup page was opened more than an hour ago: open it again, and begin anew.")


def is_loopback(public_url: str) -> bool:
    """Whether nobody but this machine can reach the address, and so GitHub cannot."""
    host = urlsplit(public_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _show_problem(problem: Problem) -> Response:
    return make_response(render_template("setup/problem.html", problem=problem), problem.status)


def _show_not_found(_error: Any) -> Response:
    return make_response(render_template("setup/not_found.html"), HTTPStatus.NOT_FOUND)


def _keys(settings: Settings) -> list[str]:
    """The setup key by each SECRET_KEY, the newest first."""
    return [_mac(secret, "setup key")[:32] for secret in settings.secret_keys]


def _mac(secret: str, what: str) -> str:
    return hmac.new(secret.encode(), f"greenroom {what}".encode(), hashlib.sha256).hexdigest()


def _fits(given: str, wanted: list[str]) -> bool:
    return any(hmac.compare_digest(given.encode(), one.encode()) for one in wanted)
