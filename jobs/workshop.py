"""What jobs work with: the context, GitHub, and the transactions of their steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
from sqlalchemy.orm import Session

from bot.context import Context, GitHubApp
from bot.github.calls import AppCredentials, GitHub, Installation, Token
from bot.github.errors import Forbidden, NotConfigured, RateLimited
from bot.look import Permissions
from bot.receivers import Receivers
from jobs.limits import SharedLimits
from jobs.tally import Tally
from storage import installations, tasks
from storage.installations import InstallationStatus
from storage.tasks import Task
from storage.vault import CannotDecrypt

PACE = timedelta(seconds=1)


@dataclass(frozen=True)
class Later:
    """A job's answer when it has to look again: it waited for something, no attempt is used up."""

    at: datetime


class Workshop:
    """One for a worker process. `transport` stands in for the network to GitHub, `receivers` for that to webhooks.

    `pace` is the time between two writes of an installation (jobs/limits.py).
    """

    def __init__(
        self,
        context: Context,
        *,
        transport: httpx.BaseTransport | None = None,
        receivers: Receivers | None = None,
        pace: timedelta = PACE,
    ) -> None:
        self.context = context
        self.receivers = receivers or Receivers(context.settings.webhook_networks)
        self.database = context.database
        self.clock = context.clock
        self.permissions = Permissions(context.clock, self._members_changed_at)
        self.tally = Tally()
        self._limits = SharedLimits(context, pace)
        self._transport = transport
        self._clients: dict[str, GitHub] = {}

    def github(self) -> GitHub:
        """GitHub as the present App sees it. Raises NotConfigured while there is none whose credentials can be read."""
        app = self._app()
        if app is None:
            raise NotConfigured("there is no GitHub App yet")
        if app.api_url not in self._clients:
            tokens = SharedTokens(self.context)
            self._clients[app.api_url] = GitHub(
                app.api_url, self._credentials, tokens, self.clock, limits=self._limits, transport=self._transport
            )
        return self._clients[app.api_url]

    def installation(self, installation_id: int, *, sweeps: bool = False) -> Installation:
        return self.github().installation(installation_id, sweeps=sweeps)

    @contextmanager
    def step(self, task: Task) -> Iterator[Session]:
        """A transaction of the task's job; raises ClaimLost, and keeps nothing, if another worker took over."""
        with self.database.transaction() as session:
            tasks.hold(session, task)
            yield session

    def _members_changed_at(self, installation_id: int) -> datetime | None:
        with self.database.reading() as session:
            row = installations.find(session, installation_id)
        return None if row is None else row.members_changed_at

    def _app(self) -> GitHubApp | None:
        try:
            return self.context.github_app()
        except CannotDecrypt as sealed:
            raise NotConfigured(f"the GitHub App's stored credentials cannot be read: {sealed}") from sealed

    def _credentials(self) -> AppCredentials | None:
        app = self._app()
        return None if app is None else AppCredentials(app.app_id, app.private_key)


class SharedTokens:
    """Installation tokens in the database, encrypted: one for all processes.

    It is asked before every call, and so it is also where a suspended or rate-limited installation is noticed.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def load(self, installation_id: int) -> Token | None:
        with self._context.database.reading() as session:
            row = installations.find(session, installation_id)
        if row is None:
            return None
        if row.status != InstallationStatus.ACTIVE:
            raise Forbidden(f"installation {installation_id} is {row.status}")
        if row.paused_until is not None and row.paused_until > self._context.clock():
            raise RateLimited(f"installation {installation_id} pauses", row.paused_until)
        if row.token is None or row.token_expires_at is None:
            return None
        try:
            return Token(value=self._context.vault.decrypt(row.token), expires_at=row.token_expires_at)
        except CannotDecrypt:  # SECRET_KEY was changed: a token is easily had anew
            return None

    def save(self, installation_id: int, token: Token) -> None:
        sealed = self._context.vault.encrypt(token.value)
        with self._context.database.transaction() as session:
            installations.keep_token(session, installation_id, sealed, token.expires_at)

    def drop(self, installation_id: int) -> None:
        with self._context.database.transaction() as session:
            installations.keep_token(session, installation_id, None, None)

    def begin_fetching(self, installation_id: int) -> bool:
        with self._context.database.transaction() as session:
            return installations.begin_fetching(session, installation_id, now=self._context.clock())

    def end_fetching(self, installation_id: int) -> None:
        with self._context.database.transaction() as session:
            installations.end_fetching(session, installation_id)

    def pause(self, installation_id: int, until: datetime, *, named: bool) -> None:
        """GitHub limits this installation: every process leaves it alone until then."""
        with self._context.database.transaction() as session:
            installations.pause(session, installation_id, until, named=named, now=self._context.clock())
