"""/auth: people log in with GitHub; a browser keeps a session, a program gets a token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from http import HTTPStatus
from urllib.parse import quote, urlencode

import structlog
from flask import Blueprint, Response, g, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from bot.api.auth import signed_for, user_caller
from bot.api.errors import TooManyRequests, Unauthenticated
from bot.api.users import issue
from bot.context import Context, GitHubApp
from bot.github.errors import GitHubError
from bot.github.web import LoginRefused, WebGitHub
from bot.manifest import github_site
from bot.passes import LIFE, NotValid, Pass, Purpose
from bot.rates import Turnstile
from storage import audit, users
from storage.audit import Actor
from storage.database import StoreUnavailable
from storage.users import User

SESSION_COOKIE = "greenroom_session"
LOGIN_COOKIE = "greenroom_login"
CALLBACK = "/auth/github/callback"  # as app.yml has it
HOME = "/auth"
OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")  # what no browser takes for another host
POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

log = structlog.get_logger(__name__)


class Problem(Exception):
    """Something that the visitor can do something about; the message says what."""

    def __init__(self, title: str, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.title = title
        self.status = status


class NotLoggedIn(Exception):
    """The visitor goes to GitHub first, and comes back here."""


class Sessions:
    """Who a browser belongs to."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._secure = context.settings.public_url.startswith("https://")

    def visitor(self) -> User:
        """Who visits. Raises NotLoggedIn."""
        issued = self.read(SESSION_COOKIE, Purpose.SESSION)
        if issued is None:
            raise NotLoggedIn
        try:
            with self._context.database.reading() as session:
                return signed_for(session, issued)
        except Unauthenticated as error:
            raise NotLoggedIn from error

    def actor(self, user: User) -> Actor:
        role = user_caller(user, self._context.settings.owners).role
        return Actor(user.name, role, g.request_id, user.id)

    def read(self, cookie: str, purpose: Purpose) -> Pass | None:
        try:
            return self._context.passes.read(purpose, request.cookies.get(cookie, ""))
        except NotValid:
            return None

    def keep(self, response: AnyResponse, cookie: str, purpose: Purpose, subject: str, **claims: str) -> None:
        """Scripts do not see it; other sites' pages send it along with nothing but a link that is followed."""
        value, _ = self._context.passes.issue(purpose, subject, claims=claims)
        life = int(LIFE[purpose].total_seconds())
        response.set_cookie(cookie, value, max_age=life, httponly=True, samesite="Lax", secure=self._secure)

    def drop(self, response: AnyResponse, cookie: str) -> None:
        response.delete_cookie(cookie, httponly=True, samesite="Lax", secure=self._secure)


def blueprint(context: Context, github: WebGitHub, turnstile: Turnstile) -> Blueprint:
    """The pages under /auth."""
    views = _Views(context, github)
    pages = Blueprint("login", __name__, url_prefix="/auth", template_folder="dashboard/templates")
    pages.get("", endpoint="home")(views.home)
    pages.get("/login", endpoint="login")(views.login)
    pages.get("/github/callback", endpoint="callback")(views.callback)
    pages.post("/token", endpoint="token")(views.token)
    pages.post("/logout", endpoint="logout")(views.logout)
    for_people(pages, turnstile)
    return pages


def for_people(pages: Blueprint, turnstile: Turnstile) -> None:
    """What goes wrong on these pages is said on a page; none is cached, framed or followed by its address."""

    @pages.before_request
    def not_too_often() -> None:
        turnstile.pass_address(request.remote_addr)

    @pages.errorhandler(Problem)
    def show(problem: Problem) -> Response:
        return make_response(render_template("login/problem.html", problem=problem), problem.status)

    @pages.errorhandler(TooManyRequests)
    def too_often(refused: TooManyRequests) -> Response:
        response = show(Problem("Too many requests", f"{refused.message}.", HTTPStatus.TOO_MANY_REQUESTS))
        response.headers["Retry-After"] = str(refused.retry_after)
        return response

    @pages.errorhandler(GitHubError)
    def no_answer(error: GitHubError) -> Response:
        log.warning("GitHub did not answer a visitor", reason=str(error), request=g.request_id)
        message = "GitHub did not answer as it should. Load this page again in a minute."
        return show(Problem("GitHub has trouble", message, HTTPStatus.BAD_GATEWAY))

    @pages.errorhandler(StoreUnavailable)
    def away(error: StoreUnavailable) -> Response:
        log.warning("store unavailable", reason=str(error), request=g.request_id)
        message = "Its database did not answer. Load this page again in a minute."
        return show(Problem("Greenroom has trouble", message, HTTPStatus.SERVICE_UNAVAILABLE))

    @pages.errorhandler(NotLoggedIn)
    def log_in_first(_error: NotLoggedIn) -> AnyResponse:
        back = request.full_path.rstrip("?") if request.method == "GET" else HOME
        return redirect(f"{HOME}/login?next={quote(back, safe='')}", HTTPStatus.SEE_OTHER)

    @pages.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        return response


class _Views:
    def __init__(self, context: Context, github: WebGitHub) -> None:
        self._context = context
        self._github = github
        self._sessions = Sessions(context)
        self._callback = f"{context.settings.public_url}{CALLBACK}"

    def home(self) -> str:
        """Who is logged in, and what they can do about it."""
        user = self._sessions.visitor()
        role = user_caller(user, self._context.settings.owners).role
        return render_template("login/home.html", user=user, role=role)

    def login(self) -> AnyResponse:
        """Off to GitHub, which sends the visitor back to the callback."""
        app = self._app()
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        asked = {
            "client_id": app.client_id,
            "redirect_uri": self._callback,
            "state": state,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        address = f"{github_site(app.api_url)}/login/oauth/authorize?{urlencode(asked)}"
        response = redirect(address, HTTPStatus.SEE_OTHER)
        wanted = request.args.get("next", HOME)
        back = wanted if OWN_PATH.fullmatch(wanted) else HOME
        self._sessions.keep(response, LOGIN_COOKIE, Purpose.LOGIN, state, verifier=verifier, next=back)
        return response

    def callback(self) -> AnyResponse:
        """Where GitHub sends whoever has agreed: they are logged in here."""
        self._app()
        begun = self._sessions.read(LOGIN_COOKIE, Purpose.LOGIN)
        state = request.args.get("state", "")
        if begun is None or not hmac.compare_digest(begun.subject.encode(), state.encode()):
            raise Problem("This login did not begin here", "It was begun elsewhere, or more than ten minutes ago.")
        try:
            person = self._github.person(request.args.get("code", ""), begun.claims["verifier"], self._callback)
        except LoginRefused as refused:
            log.warning("GitHub refused a login", reason=str(refused), request=g.request_id)
            raise Problem("GitHub did not confirm the login", "You said no there, or its answer is too old.") from None
        now = self._context.clock()
        with self._context.database.transaction() as session:
            user = users.log_in(session, person.id, person.login, person.email, now=now)
            audit.record(session, "user.logged_in", user.id, self._sessions.actor(user), now=now, login=user.login)
        response = redirect(begun.claims["next"], HTTPStatus.SEE_OTHER)
        self._sessions.keep(response, SESSION_COOKIE, Purpose.SESSION, user.id)
        self._sessions.drop(response, LOGIN_COOKIE)
        return response

    def token(self) -> Response:
        """A bearer token for the REST API, with what renews it."""
        user = self._sessions.visitor()
        with self._context.database.transaction() as session:
            issued = issue(session, self._context, user, g.request_id, now=self._context.clock())
        return Response(issued.model_dump_json(by_alias=True), mimetype="application/json")

    def logout(self) -> str:
        """The session and every token of this user are void, in every browser and program."""
        user = self._sessions.visitor()
        now = self._context.clock()
        with self._context.database.transaction() as session:
            session.get_one(User, user.id).logged_out_at = now
            audit.record(session, "user.logged_out", user.id, self._sessions.actor(user), now=now)
        return render_template("login/ended.html")

    def _app(self) -> GitHubApp:
        app = self._context.github_app()
        if app is None or app.client_id is None or app.client_secret is None:
            raise Problem(
                "Login is not set up",
                "This Greenroom's GitHub App has no client id and secret: its operator sets GITHUB_CLIENT_ID and "
                "GITHUB_CLIENT_SECRET, or makes the App on the setup page.",
                HTTPStatus.SERVICE_UNAVAILABLE,
            )
        return app


def _challenge(verifier: str) -> str:
    """https://www.rfc-editor.org/rfc/rfc7636#section-4.2"""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
