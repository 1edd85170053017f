"""The few calls to GitHub that a web process makes itself: over httpx, as githubkit would cost it 1 s and 40 MB."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import httpx
import structlog

from bot.context import Context, GitHubApp
from bot.github.app_jwt import app_jwt
from bot.github.errors import GitHubError, NotConfigured, NotFound, Unauthorized, refused, unanswered, unreadable
from bot.levels import LEVELS, Level
from bot.manifest import github_site
from bot.payload import At, MalformedPayload, Readable
from storage import installations

TIMEOUT_SECONDS = 10
AT_ONCE = 8  # calls, when many repositories are asked about
REMEMBERED = timedelta(seconds=60)
TOKEN_MARGIN = timedelta(minutes=5)
MOST_REMEMBERED = 10_000
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
REPOSITORY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*/(?!\.{1,2}$)[A-Za-z0-9_.-]+")
STRENGTH = {"read": 1, "write": 2, "admin": 3}

Facts = TypeVar("Facts")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class InstallationFacts(Readable):
    """An installation of the App, and what its account granted."""

    id: int
    permissions: dict[str, str]


@dataclass(frozen=True)
class InstallationToken(Readable):
    value: Annotated[str, At("token")] = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class Person(Readable):
    id: int
    login: str
    email: str | None = None


@dataclass(frozen=True)
class _Permission(Readable):
    permission: str
    role_name: str = ""


class LoginRefused(Exception):
    """GitHub does not take its own code: it is good once, and for ten minutes."""


class WebGitHub:
    """GitHub as the App sees it, for all threads of a web process. Errors are drawn in bot/github/errors.py."""

    def __init__(self, context: Context, transport: httpx.BaseTransport | None = None) -> None:
        self._context = context
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS, transport=transport, follow_redirects=True)
        self._levels: dict[tuple[str, str], tuple[datetime, Level]] = {}
        self._readers: dict[str, InstallationToken] = {}
        self._asking: dict[tuple[str, str], threading.Lock] = {}

    def token(self, repo: str, wanted: Mapping[str, str]) -> tuple[InstallationToken, dict[str, str]]:
        """A fresh token for this repository alone, with of the wanted permissions what was granted, and those.

        Raises NotFound where the App is not installed.
        """
        installation = self._ask("GET", f"{_path(repo)}/installation", InstallationFacts.read, self._proof())
        permissions = _within(wanted, installation.permissions)
        path = f"/app/installations/{installation.id}/access_tokens"
        narrowed = {"repositories": [repo.split("/", 1)[1]], "permissions": permissions}
        return self._ask("POST", path, InstallationToken.read, self._proof(), json=narrowed), permissions

    def level(self, repo: str, login: str) -> Level:
        """What someone may do there, as GitHub told within the last 60 seconds, and since its last word on members and
        teams. Of those who want to know it at once, as a page's requests do, one asks. Raises GitHubError if GitHub
        does not tell.
        """
        key = (repo.lower(), login.lower())
        with self._asking.setdefault(key, threading.Lock()):
            now, told, changed_at = self._context.clock(), self._levels.get(key), self._members_changed_at()
            is_void = told is not None and changed_at is not None and told[0] <= changed_at
            if told is None or is_void or not told[0] <= now < told[0] + REMEMBERED:
                if len(self._levels) > MOST_REMEMBERED:
                    self._levels.clear()
                    self._asking.clear()
                told = self._levels[key] = (now, self._ask_level(repo, login))
            return told[1]

    def readable(self, login: str, repos: Iterable[str]) -> frozenset[str]:
        """Those of the repositories, in lower case, that someone can read; what GitHub does not tell cannot be."""
        names = sorted({repo.lower() for repo in repos})
        if len(names) < 2:  # threads would only cost
            return frozenset(repo for repo in names if self._may_read(login, repo))
        with ThreadPoolExecutor(AT_ONCE) as threads:
            told = threads.map(lambda repo: self._may_read(login, repo), names)
            return frozenset(repo for repo, may in zip(names, told, strict=True) if may)

    def person(self, code: str, verifier: str, redirect_uri: str) -> Person:
        """Who has just agreed on GitHub's page; the token that tells is not kept. Raises LoginRefused, GitHubError.

        https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app
        """
        app = self._app()
        sent = {
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        address = f"{github_site(app.api_url)}/login/oauth/access_token"
        answer = self._send("POST", address, {"Accept": "application/json"}, data=sent)
        token = self._read(answer, dict).get("access_token")
        if not isinstance(token, str):
            raise LoginRefused(str(self._read(answer, dict).get("error")))
        return self._ask("GET", "/user", Person.read, token)

    def _members_changed_at(self) -> datetime | None:
        with self._context.database.reading() as session:
            return installations.members_last_changed_at(session)

    def _may_read(self, login: str, repo: str) -> bool:
        try:
            return self.level(repo, login) >= Level.READ
        except NotFound:
            return False
        except GitHubError as error:
            log.warning("taken as not readable", repository=repo, user=login, reason=str(error))
            return False

    def _ask_level(self, repo: str, login: str) -> Level:
        try:
            path = f"{_path(repo)}/collaborators/{quote(login, safe='')}/permission"
            told = self._ask("GET", path, _Permission.read, self._reader(repo))
        except NotFound:
            return Level.NONE
        except Unauthorized:  # the App was installed anew, say, which ends every token of before
            self._readers.pop(repo.lower(), None)
            raise
        return LEVELS.get(told.role_name) or LEVELS.get(told.permission, Level.NONE)

    def _reader(self, repo: str) -> str:
        """A token that reads the metadata of this repository, and no more."""
        with self._asking.setdefault((repo.lower(), ""), threading.Lock()):
            token = self._readers.get(repo.lower())
            if token is None or token.expires_at - TOKEN_MARGIN <= self._context.clock():
                token, _ = self.token(repo, {"metadata": "read"})
                self._readers[repo.lower()] = token
        return token.value

    def _proof(self) -> str:
        app = self._app()
        return app_jwt(app.app_id, app.private_key, now=self._context.clock())

    def _app(self) -> GitHubApp:
        app = self._context.github_app()
        if app is None:
            raise NotConfigured("there is no GitHub App yet")
        return app

    def _ask(
        self, method: str, path: str, read: Callable[[Any], Facts], bearer: str, json: Mapping[str, Any] | None = None
    ) -> Facts:
        headers = {**HEADERS, "Authorization": f"Bearer {bearer}"}
        return self._read(self._send(method, f"{self._app().api_url}{path}", headers, json=json), read)

    def _send(self, method: str, address: str, headers: Mapping[str, str], **content: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, address, headers=headers, **content)
        except httpx.RequestError as error:
            raise unanswered(error, repeatable=True) from None
        if not answer.is_success:
            raise refused(answer, repeatable=True, now=self._context.clock())
        return answer

    def _read(self, answer: httpx.Response, read: Callable[[Any], Facts]) -> Facts:
        try:
            return read(answer.json())
        except (TypeError, ValueError, MalformedPayload) as error:
            raise unreadable(answer, error, repeatable=True) from None


def _path(repo: str) -> str:
    """Where GitHub has the repository. Raises NotFound for what can be none: `..` would lead to another place."""
    if not REPOSITORY.fullmatch(repo):
        raise NotFound(f"{repo!r} is no repository's name")
    return f"/repos/{repo}"


def _within(wanted: Mapping[str, str], granted: Mapping[str, str]) -> dict[str, str]:
    """Of each permission the weaker of what is wanted and what was granted; metadata may always be read."""
    both = {name: min(level, granted[name], key=_strength) for name, level in wanted.items() if name in granted}
    return both or {"metadata": "read"}


def _strength(level: str) -> int:
    return STRENGTH.get(level, 0)
