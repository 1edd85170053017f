"""Settings, from the environment alone; the variables' names are fixed (README, Settings)."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal, TypeVar, get_args
from urllib.parse import urlsplit

SECRETS = (
    "SECRET_KEY", "GITHUB_PRIVATE_KEY", "GITHUB_WEBHOOK_SECRET", "GITHUB_CLIENT_SECRET", "DATABASE_URL", "REDIS_URL",
)  # fmt: skip
SandboxMode = Literal["mock", "real"]
Network = IPv4Network | IPv6Network
Choice = TypeVar("Choice", bound=str)
LAST_PORT = 65535
LONGEST_CHAIN = 9  # of proxies
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class BadSettings(Exception):
    """A variable that cannot be used; the message names it and says what would be right, never its value."""


@dataclass(frozen=True)
class Rates:
    """Requests a minute: for each token, and for each address that shows none."""

    token: int = 600
    address: int = 120


@dataclass(frozen=True)
class Settings:
    """What the environment says; `database_url` and `redis_url` None mean the embedded ones in `data`."""

    data: Path
    database_url: str | None = None
    redis_url: str | None = None
    secret_keys: tuple[str, ...] = ()
    github_api_url: str = "https://api.github.com"
    github_app_id: str | None = None
    github_private_key: str | None = None
    github_webhook_secrets: tuple[str, ...] = ()
    github_client_id: str | None = None
    github_client_secret: str | None = None
    owners: frozenset[str] = frozenset()
    public_url: str = "http://127.0.0.1:8000"
    host: str = "127.0.0.1"
    port: int = 8000
    sandbox_mode: SandboxMode | None = None
    rates: Rates | None = None
    trusted_proxies: int = 0
    webhook_networks: tuple[Network, ...] = ()
    log_format: str | None = None
    log_level: str = "INFO"

    def __repr__(self) -> str:
        return f"Settings(data={self.data})"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """The settings; makes GREENROOM_DATA and a SECRET_KEY in it where none is given. Raises BadSettings."""
        given = _Given(os.environ if environ is None else environ)
        data = Path(given.text("GREENROOM_DATA") or ".greenroom").absolute()
        host, port = given.text("HOST") or "127.0.0.1", given.port("PORT", 8000)
        return cls(
            data=data,
            database_url=given.text("DATABASE_URL"),
            redis_url=given.text("REDIS_URL"),
            secret_keys=given.several("SECRET_KEY") or (_generated_key(data),),
            github_api_url=given.url("GITHUB_API_URL", "https://api.github.com"),
            github_app_id=given.text("GITHUB_APP_ID"),
            github_private_key=given.pem("GITHUB_PRIVATE_KEY"),
            github_webhook_secrets=given.several("GITHUB_WEBHOOK_SECRET"),
            github_client_id=given.text("GITHUB_CLIENT_ID"),
            github_client_secret=given.text("GITHUB_CLIENT_SECRET"),
            owners=frozenset(login.lower() for login in given.several("GREENROOM_OWNERS")),
            public_url=given.url("PUBLIC_URL", f"http://{_reached_at(host)}:{port}"),
            host=host,
            port=port,
            sandbox_mode=given.choice("GREENROOM_SANDBOX_MODE", get_args(SandboxMode)),
            rates=given.rates("RATE_LIMIT", Rates()),
            trusted_proxies=given.number("TRUSTED_PROXIES", 0, LONGEST_CHAIN),
            webhook_networks=given.networks("GREENROOM_WEBHOOK_NETWORKS"),
            log_format=given.choice("LOG_FORMAT", ("text", "json")),
            log_level=given.choice("LOG_LEVEL", LOG_LEVELS) or "INFO",
        )

    @property
    def sqlite_path(self) -> Path:
        return self.data / "greenroom.db"

    @property
    def effective_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.sqlite_path}"


class _Given:
    """Reads variables, or the files that NAME_FILE points to for secrets."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        value = self._environ.get(name, "").strip()
        path = self._environ.get(f"{name}_FILE", "").strip() if name in SECRETS else ""
        if value and path:
            raise BadSettings(f"{name} and {name}_FILE are both set; keep one of them")
        if not path:
            return value or None
        try:
            return Path(path).read_text().strip() or None
        except (OSError, UnicodeDecodeError) as error:
            raise BadSettings(f"{name}_FILE must be the path of a file that can be read") from error

    def several(self, name: str) -> tuple[str, ...]:
        """Values separated by blanks, the newest first: two are valid while one is being rotated out."""
        return tuple((self.text(name) or "").split())

    def pem(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and "PRIVATE KEY-----" not in value:
            raise BadSettings(f"{name} must be the key itself as PEM text; for a path use {name}_FILE")
        return None if value is None else value.replace("\\n", "\n")

    def url(self, name: str, default: str) -> str:
        value = (self.text(name) or default).rstrip("/")
        try:
            address = urlsplit(value)
        except ValueError:
            address = urlsplit("")
        if address.scheme not in ("http", "https") or not address.netloc:
            raise BadSettings(f"{name} must be an address like {default}") from None
        return value

    def number(self, name: str, default: int, limit: int, *, kind: str = "number") -> int:
        value = self.text(name) or str(default)
        if not value.isdecimal() or len(value) > len(str(limit)) or int(value) > limit:
            raise BadSettings(f"{name} must be a {kind} from 0 to {limit}")
        return int(value)

    def port(self, name: str, default: int) -> int:
        return self.number(name, default, LAST_PORT, kind="port number")

    def rates(self, name: str, default: Rates) -> Rates | None:
        value = self.text(name)
        if value is None or value.lower() == "off":
            return default if value is None else None
        numbers = value.split()
        if len(numbers) != 2 or not all(number.isdecimal() and int(number) > 0 for number in numbers):
            raise BadSettings(
                f"{name} must be off, or requests a minute for a token and for an address: {default.token} "
                f"{default.address}"
            )
        return Rates(*map(int, numbers))

    def networks(self, name: str) -> tuple[Network, ...]:
        try:
            return tuple(ip_network(network) for network in self.several(name))
        except ValueError:
            raise BadSettings(f"{name} must be networks like 10.1.0.0/16 or fd00:1::/64, separated by blanks") from None

    def choice(self, name: str, choices: tuple[Choice, ...]) -> Choice | None:
        value = self.text(name)
        if value is None:
            return None
        for choice in choices:
            if value.lower() == choice.lower():
                return choice
        raise BadSettings(f"{name} must be one of {', '.join(choices)}")


def _reached_at(host: str) -> str:
    """The host of an address that leads to what listens there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _generated_key(data: Path) -> str:
    """The key kept in `data`, made on first use; two processes that start at once agree on one."""
    path = data / "secret-key"
    try:
        data.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            fresh = data / f"secret-key.{secrets.token_hex(8)}"
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_urlsafe(48))
            try:
                path.hardlink_to(fresh)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise BadSettings("GREENROOM_DATA must be a folder that can be written to") from error
