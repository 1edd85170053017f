"""Lends a running Greenroom without a GitHub App to the demo: an App and a token, and nothing of either afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import httpx
import structlog
from sqlalchemy import delete
from sqlalchemy.orm import Session

from bot.context import Context
from bot.settings import Settings
from operations.pools import delete_pool
from storage import apps, erase, pools, repositories, tokens
from storage.audit import Actor
from storage.tokens import Role, Token

NAME = "greenroom-demo"  # of the token, and of the App's row: a demo that was killed is known by it
TOKEN_LIFE = timedelta(minutes=10)
LOOK_SECONDS = 2.0
CLEARING_SECONDS = 15.0
FORGOTTEN_SECONDS = 6.0  # after which every process has forgotten the App of a demo just before (bot/context.py)

log = structlog.get_logger(__name__)


def answers(settings: Settings) -> bool:
    """Whether a Greenroom, or something like it, listens where these settings say."""
    return _answers(f"{address(settings)}/healthz")


def address(settings: Settings) -> str:
    """Where the web process of these settings is reached from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def why_not(context: Context, repo: str, *, patience: float = FORGOTTEN_SECONDS) -> str | None:
    """Why the Greenroom that answers here cannot be lent, as a clause; None if it can.

    What a killed demo left behind is cleared away first. `patience`: how many seconds an App may take to be forgotten.
    """
    with context.database.reading() as session:
        left = apps.find_by_slug(session, NAME)
    if left is not None and _answers(left.api_url):
        return "another demo plays on it"
    if left is not None:
        _clear(context, repo)
    if context.github_app() is not None:
        return "it has a GitHub App"
    with context.database.reading() as session:
        if repositories.find(session, repo) is not None:
            return f"it knows a repository {repo} already"
    with token(context, repo) as secret:
        if not _accepts(context.settings, secret):
            return "it does not use this GREENROOM_DATA"
    return None if _wait(lambda: _has_no_app(context.settings), patience) else "it has a GitHub App"


@contextmanager
def token(context: Context, repo: str) -> Iterator[str]:
    """A token for this repository alone, until the end."""
    now = context.clock()
    with context.database.transaction() as session:
        _, secret = tokens.create(
            session, name=NAME, role=Role.OWNER, repositories=[repo], expires_at=now + TOKEN_LIFE, now=now
        )
    try:
        yield secret
    finally:
        with context.database.transaction() as session:
            _remove_tokens(session)


@contextmanager
def lent(context: Context, app: Mapping[str, str], repo: str) -> Iterator[str]:
    """This App (as environment variables name it) is Greenroom's; gives a token. Afterwards the repository is gone."""
    with context.database.transaction() as session:
        apps.store(
            session,
            context.vault,
            app["GITHUB_APP_ID"],
            slug=NAME,
            api_url=app["GITHUB_API_URL"],
            private_key=app["GITHUB_PRIVATE_KEY"],
            webhook_secret=app["GITHUB_WEBHOOK_SECRET"],
            now=context.clock(),
        )
    try:
        with token(context, repo) as secret:
            yield secret
    finally:
        _clear(context, repo)


def _clear(context: Context, repo: str) -> None:
    """Neither App nor token nor repository is left. What Greenroom does not let go of in time stays, and is told."""
    with context.database.transaction() as session:
        repository = repositories.find(session, repo)
        for pool in pools.of_repository(session, repository.id) if repository else []:
            delete_pool(session, pool, Actor(NAME), now=context.clock())
    is_erased = _wait(lambda: _erase(context, repo), CLEARING_SECONDS)
    with context.database.transaction() as session:
        apps.remove(session, NAME)
        _remove_tokens(session)
    if not is_erased:
        log.warning("the demo's environments are still being deleted; its repository stays known", repository=repo)


def _remove_tokens(session: Session) -> None:
    session.execute(delete(Token).where(Token.name == NAME))


def _erase(context: Context, repo: str) -> bool:
    """Whether nothing is left of the repository; nothing is erased under a worker's hands."""
    with context.database.transaction() as session:
        repository = repositories.find(session, repo)
        if repository is None:
            return True
        if not erase.is_quiet(session, repository):
            return False
        erase.erase(session, repository)
    return True


def _wait(look: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not look():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=LOOK_SECONDS, trust_env=False).status_code < 500
    except httpx.TransportError:
        return False


def _has_no_app(settings: Settings) -> bool:
    """What the webhook door answers before it looks at the signature; the App may be in its environment only."""
    try:
        answer = httpx.post(f"{address(settings)}/github/webhook", timeout=LOOK_SECONDS, trust_env=False, content=b"")
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE


def _accepts(settings: Settings, secret: str) -> bool:
    """Whether the Greenroom that listens here knows a token of this database."""
    url = f"{address(settings)}/sfp/api/review/environments/list"
    headers = {"Authorization": f"Bearer {secret}"}
    try:
        return httpx.get(url, headers=headers, timeout=LOOK_SECONDS, trust_env=False).is_success
    except httpx.TransportError:
        return False
