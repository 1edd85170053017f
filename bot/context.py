"""What a process of ours has at hand: settings, database, keys, providers, the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from bot.passes import Passes
from bot.settings import SandboxMode, Settings
from providers.org import Org
from providers.provider import Capability, PoolSettings, Provider, ProviderError
from providers.registry import Providers
from storage import orgs
from storage.apps import App
from storage.database import Database
from storage.dedicated import DedicatedEnvironment
from storage.pools import Pool
from storage.repositories import Repository
from storage.vault import Vault

REMEMBERED = timedelta(seconds=5)


@dataclass(frozen=True)
class GitHubApp:
    """The App that this installation is, from the environment or as stored by the manifest flow or the demo."""

    app_id: str
    api_url: str
    private_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Context:
    settings: Settings
    database: Database
    vault: Vault
    providers: Providers
    clock: Callable[[], datetime]
    apps: AppReader
    mode: ModeReader
    passes: Passes

    @classmethod
    def of(cls, settings: Settings, database: Database, clock: Callable[[], datetime] | None = None) -> Context:
        """The context of these settings, on this database."""
        clock = clock or (lambda: datetime.now(UTC))
        vault = Vault(settings.secret_keys)
        mode = ModeReader(settings, database, clock)
        providers = Providers(settings.data, mode.read, clock)
        apps = AppReader(settings, database, vault, clock)
        passes = Passes(settings.secret_keys, settings.public_url, clock)
        return cls(settings, database, vault, providers, clock, apps, mode, passes)

    def github_app(self) -> GitHubApp | None:
        """The App's credentials, or None while there is no App."""
        return self.apps.read()

    def provider(self, repository: Repository, pool: Pool) -> Provider:
        """The pool's provider. Raises ProviderError if this installation has none of that name."""
        return self.providers.for_pool(pool.provider, pool_settings(repository, pool))

    def can(self, capability: Capability, repository: Repository, pool: Pool) -> bool:
        """Whether the pool's provider is there, and able to do this."""
        try:
            return capability in self.provider(repository, pool).capabilities
        except ProviderError:
            return False

    def org(self, environment: DedicatedEnvironment) -> Org:
        """The org behind the environment. Raises ProviderError if this installation cannot reach it."""
        return self.providers.org(environment.salesforce_username, environment.id)


def pool_settings(repository: Repository, pool: Pool) -> PoolSettings:
    """The pool as its provider knows it; a tag alone is unique in its repository only."""
    definition = pool.sandbox_definition
    return PoolSettings(
        pool=f"{repository.full_name}/{pool.tag}",
        scope=pool.dev_hub_username or pool.provider,
        license_type=definition.get("licenseType"),
        source=definition.get("sourceSandboxName"),
        options=pool.additional_config,
    )


class AppReader:
    """Reads the App's credentials; what is stored is read again after a few seconds, so that a new App is noticed."""

    def __init__(self, settings: Settings, database: Database, vault: Vault, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._database = database
        self._vault = vault
        self._clock = clock
        self._stored: GitHubApp | None = None
        self._read_at: datetime | None = None

    def read(self) -> GitHubApp | None:
        return self._of_environment() or self._of_database()

    def _of_environment(self) -> GitHubApp | None:
        settings = self._settings
        if settings.github_app_id is None or settings.github_private_key is None:
            return None
        return GitHubApp(
            settings.github_app_id, settings.github_api_url, settings.github_private_key,
            settings.github_webhook_secrets, settings.github_client_id, settings.github_client_secret,
        )  # fmt: skip

    def _of_database(self) -> GitHubApp | None:
        now = self._clock()
        if self._read_at is not None and self._read_at <= now < self._read_at + REMEMBERED:
            return self._stored
        with self._database.reading() as session:
            row = session.scalars(select(App).order_by(App.created_at.desc())).first()
            self._stored = None if row is None else self._opened(row)
        self._read_at = now
        return self._stored

    def _opened(self, row: App) -> GitHubApp:
        key, secret = self._vault.decrypt(row.private_key), self._vault.decrypt(row.webhook_secret)
        client_secret = None if row.client_secret is None else self._vault.decrypt(row.client_secret)
        return GitHubApp(row.id, row.api_url, key, (secret,), row.client_id, client_secret)


class ModeReader:
    """What the pools of `salesforce` run on: as GREENROOM_SANDBOX_MODE says; else `real` once an org is registered.

    A first org turns the mode in every process within seconds, without a restart, and so pools that ran on the mock
    service stop being served by it: whoever wants both says GREENROOM_SANDBOX_MODE=mock.
    """

    def __init__(self, settings: Settings, database: Database, clock: Callable[[], datetime]) -> None:
        self._set = settings.sandbox_mode
        self._database = database
        self._clock = clock
        self._found: SandboxMode = "mock"
        self._read_at: datetime | None = None

    def read(self) -> SandboxMode:
        return self._set or self._of_database()

    def forget(self) -> None:
        """An org came or went: what was read is not true any more."""
        self._read_at = None

    def _of_database(self) -> SandboxMode:
        now = self._clock()
        if self._read_at is None or not self._read_at <= now < self._read_at + REMEMBERED:
            with self._database.reading() as session:
                self._found = "real" if orgs.any_registered(session) else "mock"
            self._read_at = now
        return self._found
