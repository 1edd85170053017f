"""One call of an operation: who asks for what, and the transactions in which it is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

import structlog
from sqlalchemy.orm import Session

from bot.api.auth import Caller
from bot.context import Context
from bot.github.web import WebGitHub
from operations.end import replenish_soon
from operations.errors import PoolExhausted
from storage import audit
from storage.audit import Actor
from storage.environments import Environment
from storage.vault import CannotDecrypt, Vault

Path = TypeVar("Path")
Query = TypeVar("Query")
Body = TypeVar("Body")

log = structlog.get_logger(__name__)


class Secrets:
    """Opens credentials for one call, and remembers of which environments."""

    def __init__(self, vault: Vault, *, allowed: bool) -> None:
        self.allowed = allowed
        self.revealed: list[str] = []
        self._vault = vault

    def sfdx_auth_url(self, environment: Environment) -> str | None:
        """The way into the environment, which is audited when the call's transaction ends; None if it has none."""
        assert self.allowed, "a member sees no credentials"
        if environment.credentials is None:
            return None
        try:
            secret: str | None = self._vault.open(environment.credentials).get("sfdxAuthUrl")
        except CannotDecrypt:  # one lost key must not hide the environments beside this one
            log.warning("credentials cannot be opened", environment=environment.name)
            return None
        if secret is not None:
            self.revealed.append(environment.name)
        return secret


@dataclass(frozen=True)
class Call(Generic[Path, Query, Body]):
    """What a view is given: everything that was asked, checked, and the time that it is answered at."""

    context: Context
    github: WebGitHub
    caller: Caller
    operation: str
    request_id: str
    origin: Mapping[str, str | None]
    """`ip_address` and `user_agent`, as the log of accesses has them."""
    now: datetime
    path: Path
    query: Query
    secrets: Secrets
    _body: Callable[[], Body] = field(repr=False)

    @property
    def body(self) -> Body:
        """The checked body. What is wrong with it is raised here: first a view looks up what its path names (13.9)."""
        return self._body()

    @property
    def actor(self) -> Actor:
        details = {**self.origin, "is_application": self.caller.login is None}
        return Actor(self.caller.name, self.caller.role, self.request_id, self.caller.id, details)

    def reading(self) -> AbstractContextManager[Session]:
        """A transaction for a view that changes nothing and reveals nothing."""
        return self.context.database.reading()

    @contextmanager
    def revealing(self) -> Iterator[Session]:
        """A transaction for a view that changes nothing. Credentials that it reveals are on the record before they are
        answered, in a short transaction of its own: to read and open ten thousand of them keeps nobody from writing.
        """
        with self.reading() as session:
            yield session
        if self.secrets.revealed:
            with self.context.database.transaction() as session:
                self._record_reveal(session)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """The call's one transaction; credentials that it reveals leave an audit row in it (contract section 1)."""
        with self.context.database.transaction() as session:
            yield session
            if self.secrets.revealed:
                self._record_reveal(session)

    def _record_reveal(self, session: Session) -> None:
        audit.record(session, "credentials.revealed", self.request_id, self.actor, now=self.now,
                     operation=self.operation, environments=self.secrets.revealed)  # fmt: skip

    @contextmanager
    def asking(self) -> Iterator[Session]:
        """As transaction(), for asking a pool for an environment: one that has none is replenished all the same."""
        try:
            with self.transaction() as session:
                yield session
        except PoolExhausted as refused:
            with self.context.database.transaction() as session:
                replenish_soon(session, refused.pool_id, now=self.now)
            raise


AnyCall: TypeAlias = Call[Any, Any, Any]
