"""Which provider a pool runs on in this installation, and whether its options make sense."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from providers.local import LocalOptions, LocalProvider
from providers.mock import MockOptions, MockProvider, hub_host
from providers.org import MockOrg, Org
from providers.provider import PoolSettings, Provider, ProviderError, ProviderUnavailable

NO_SALESFORCE = "this Greenroom cannot reach Salesforce yet; GREENROOM_SANDBOX_MODE=mock plays it"

OPTIONS: dict[str, type[BaseModel]] = {"mock": MockOptions, "local": LocalOptions}


class Providers:
    """Every provider that this installation can reach; what they keep themselves lies below data_dir.

    In mode `mock` the pools of `salesforce` run on the mock service, where every hub is known; in mode `real` they may
    be configured, but nothing of theirs can be reached yet."""

    def __init__(
        self, data_dir: Path, sandbox_mode: Callable[[], Literal["mock", "real"]], clock: Callable[[], datetime]
    ) -> None:
        self._data_dir = data_dir
        self._sandbox_mode = sandbox_mode
        self._clock = clock

    def available(self) -> list[str]:
        """The names that a pool's provider may have."""
        return ["local", "mock", "salesforce"]

    def for_pool(self, provider: str, settings: PoolSettings) -> Provider:
        """The provider, set up for one pool. Raises ProviderUnavailable, or ProviderError for wrong options."""
        if provider not in self.available():
            raise ProviderUnavailable(f"The provider {provider} is not set up; there is {', '.join(self.available())}")
        if provider == "salesforce":
            self._require_mock()
        for path, message in check_options(settings.options):
            raise ProviderError(f"{path} {message}", permanent=True)
        if provider == "local":
            return LocalProvider(self._data_dir / "local", self._data_dir / "templates", settings, self._clock)
        return MockProvider(self._data_dir / "mock-service.sqlite3", settings, self._clock)

    def org(self, username: str, key: str) -> Org:
        """The org behind a dedicated environment; the key tells it from others there. Raises ProviderUnavailable."""
        self._require_mock()
        return MockOrg(username, key, self._clock)

    def reach_hub(self, username: str) -> str:
        """The instance's URL of a hub that has answered a login. Raises ProviderUnavailable."""
        self._require_mock()
        return f"https://{hub_host(username)}"

    def hub_login_link(self, username: str) -> str:
        """A URL that logs one person in to a hub once; as secret as a password. Raises ProviderUnavailable."""
        self._require_mock()
        return f"https://{hub_host(username)}/login?otp={secrets.token_urlsafe(24)}"

    def _require_mock(self) -> None:
        if self._sandbox_mode() == "real":
            raise ProviderUnavailable(NO_SALESFORCE)


def check_options(additional_config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with a pool's additionalConfig, as (path, what it must be); empty when nothing is."""
    problems = []
    for section, options in OPTIONS.items():
        if additional_config.get(section) is None:
            continue
        try:
            options.model_validate(additional_config[section])
        except ValidationError as error:
            for problem in error.errors():
                path = ".".join(str(part) for part in ("additionalConfig", section, *problem["loc"]))
                problems.append((path, _sentence(problem["type"], problem["msg"])))
    return problems


def _sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is not an option"
    if kind == "model_type":
        return "must be an object"
    return message.removeprefix("Value error, ").replace("Input should", "must", 1)
