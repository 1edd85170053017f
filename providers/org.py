"""Orgs that Greenroom did not make: what can be asked of the one behind a dedicated environment."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from providers.mock import hub_host
from providers.provider import Credentials

MOCK_PACKAGES = ("core", "sales", "service")
MOCK_RELEASE_SECONDS = 3600


@dataclass(frozen=True)
class Artifact:
    """A package as it is installed in an org."""

    name: str
    version: str
    commit_id: str | None
    installed_at: datetime


class Org(Protocol):
    """One org. Each call answers or raises ProviderError within CALL_SECONDS; none changes anything in the org."""

    def check_login(self) -> Credentials:
        """Log in, and only then hand out the credentials."""
        ...

    def login_link(self) -> str:
        """A URL that logs one person in once and soon lapses; as secret as a password while it lasts."""
        ...

    def artifacts(self) -> list[Artifact]:
        """What is installed, by name."""
        ...


class MockOrg(Org):
    """Plays an org into which a new version of each package goes every hour. Its key tells it from all others."""

    def __init__(self, username: str, key: str, clock: Callable[[], datetime]) -> None:
        self._username = username
        self._digest = hashlib.sha256(f"{username.lower()} {key}".encode()).hexdigest()
        self._clock = clock

    def check_login(self) -> Credentials:
        return Credentials(
            instance_url=f"https://{self._host}",
            login_url=f"https://{self._host}/login",
            username=self._username,
            access_token=f"00Dmock{self._digest[:8]}!mock.access.{self._digest[:32]}",
            sfdx_auth_url=f"force://MockCLI::mock.refresh.{self._digest[:32]}@{self._host}",
        )

    def login_link(self) -> str:
        return f"https://{self._host}/login?otp={secrets.token_urlsafe(24)}"

    def artifacts(self) -> list[Artifact]:
        number = int(self._clock().timestamp()) // MOCK_RELEASE_SECONDS
        installed_at = datetime.fromtimestamp(number * MOCK_RELEASE_SECONDS, UTC)
        return [Artifact(name, f"1.2.0-{number}", self._commit(name, number), installed_at) for name in MOCK_PACKAGES]

    @property
    def _host(self) -> str:
        return f"{self._digest[:8]}.{hub_host(self._username)}"

    def _commit(self, name: str, number: int) -> str:
        return hashlib.sha1(f"{self._digest} {name} {number}".encode(), usedforsecurity=False).hexdigest()
