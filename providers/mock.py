"""A provider that plays a sandbox service, with a state, delays and faults of its own and nothing behind them."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from providers.mock_state import MockState, Record, prepare, reading, writing
from providers.provider import (
    Capability,
    Credentials,
    Instance,
    NameTaken,
    NoCapacity,
    NotReady,
    PoolSettings,
    Provider,
    ProviderError,
    StaleFence,
    State,
    TooYoung,
    UnknownEnvironment,
)

MONTH = 30 * 24 * 3600
LOGIN_LINK_SECONDS = 60


class MockOptions(BaseModel):
    """`additionalConfig.mock` of a pool. Rates are probabilities, drawn so that the same calls meet the same faults."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)

    creation_seconds: float = Field(0, ge=0, le=MONTH)
    refresh_seconds: float = Field(0, ge=0, le=MONTH)
    deletion_seconds: float = Field(0, ge=0, le=MONTH)
    minimum_age_seconds: float = Field(0, ge=0, le=MONTH)
    """Neither refreshed nor deleted for so long after the last creation or refresh (a sandbox: 24 hours)."""
    listing_delay_seconds: float = Field(0, ge=0, le=MONTH)
    """How long a new environment is missing from the inventory."""
    maximum: int | None = Field(None, ge=0)
    """The allowance of the pool: environments that exist, failed and half deleted ones included."""

    failure_rate: float = Field(0, ge=0, le=1)
    """Creations and refreshes that end as failed."""
    vanish_rate: float = Field(0, ge=0, le=1)
    """Environments that disappear by themselves, vanishAfterSeconds after they are ready."""
    vanish_after_seconds: float = Field(0, ge=0, le=MONTH)
    login_failure_rate: float = Field(0, ge=0, le=1)
    """Login checks that fail; the next one may pass."""
    listing_failure_rate: float = Field(0, ge=0, le=1)
    refusal_rate: float = Field(0, ge=0, le=1)
    """Changing calls that do nothing and fail, as with a 503."""
    timeout_after_success_rate: float = Field(0, ge=0, le=1)
    """Changing calls that do their work and lose the answer."""


class MockProvider(Provider):
    """One pool's view of the service kept in a file, which many processes may use at once."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.LOGIN_LINK, Capability.REDEPLOY, Capability.DIRTY}
    )

    def __init__(self, path: Path, settings: PoolSettings, clock: Callable[[], datetime]) -> None:
        prepare(path)
        self._path = path
        self._settings = settings
        self._options = MockOptions.model_validate(settings.options.get("mock") or {})
        self._clock = clock

    def create(self, name: str, key: str, fence: int) -> None:
        with self._change("create", name, fence) as change:
            record = change.record
            if record is None:
                self._refuse_beyond_maximum(change)
                change.record = self._new(name, key, fence, change.now)
            elif record.key != key or record.deleting_since is not None or not record.exists(change.now):
                raise NameTaken(name)

    def refresh(self, name: str, fence: int) -> None:
        with self._change("refresh", name, fence) as change:
            record = _existing(change.record, name, change.now)
            if record.made_by == fence:
                return
            if change.now < record.ready_at:
                raise NotReady(f"Environment {name} is still being made")
            _refuse_too_young(record, change.now)
            change.state.drop_login_links(record.scope, name)
            change.record = self._remade(record, fence, change.now, self._options.refresh_seconds)

    def delete(self, name: str, fence: int) -> None:
        with self._change("delete", name, fence) as change:
            record = change.record
            if record is None:
                change.record = self._never_made(name, fence, change.now)
            elif record.deleting_since is None and record.exists(change.now):
                _refuse_too_young(record, change.now)
                gone_at = change.now + self._options.deletion_seconds
                change.record = replace(record, deleting_since=change.now, gone_at=gone_at)

    def redeploy(self, name: str, revision: str, fence: int) -> None:
        with self._change("redeploy", name, fence) as change:
            change.record = replace(_ready(change.record, name, change.now), revision=revision)

    def inventory(self) -> dict[str, Instance]:
        if self._strikes(self._options.listing_failure_rate, "inventory"):
            raise ProviderError("The mock service lost the rest of its list", permanent=False)
        now = self._now()
        with reading(self._path) as state:
            records = state.existing(self._settings.scope, now)
        return {record.name: _instance(record, now) for record in records if record.listed_at <= now}

    def inspect(self, name: str) -> Instance | None:
        now = self._now()
        with reading(self._path) as state:
            record = state.find(self._settings.scope, name)
        return _instance(record, now) if record and record.exists(now) else None

    def check_login(self, name: str) -> Credentials:
        with reading(self._path) as state:
            record = _ready(state.find(self._settings.scope, name), name, self._now())
        if self._strikes(self._options.login_failure_rate, "check_login", name):
            raise ProviderError(f"The login check of {name} failed", permanent=False)
        return _credentials(record)

    def login_link(self, name: str) -> str:
        now = self._now()
        token = secrets.token_urlsafe(24)
        with writing(self._path) as state:
            record = _ready(state.find(self._settings.scope, name), name, now)
            state.save_login_link(token, record, now=now, expires_at=now + LOGIN_LINK_SECONDS)
        return f"https://{_host(record)}/login?otp={token}"

    def follow_login_link(self, url: str) -> str:
        """Be the person who opens the link: the name of the environment that it leads to, dirty from now on.

        Refused when the link was used before, is older than LOGIN_LINK_SECONDS or its environment is another now."""
        now = self._now()
        with writing(self._path) as state:
            record = state.take_login_link(url.partition("?otp=")[2], now)
            if record is None or not record.exists(now):
                raise ProviderError("This login link was used before or has lapsed", permanent=True)
            state.save(replace(record, dirty=True))
        return record.name

    def dirty(self, name: str) -> bool:
        with reading(self._path) as state:
            return _ready(state.find(self._settings.scope, name), name, self._now()).dirty

    def _now(self) -> float:
        return self._clock().timestamp()

    @contextmanager
    def _change(self, verb: str, name: str, fence: int) -> Iterator[_Change]:
        """One changing call: refused whole when it comes too late; by chance not done, or done and its answer lost."""
        if self._strikes(self._options.refusal_rate, f"{verb} refused", name):
            raise ProviderError("The mock service is unavailable", permanent=False)
        with writing(self._path) as state:
            change = _Change(state, self._now(), state.find(self._settings.scope, name))
            if change.record and fence < change.record.fence:
                raise StaleFence(name, fence, change.record.fence)
            yield change
            if change.record:
                state.save(replace(change.record, fence=fence))
        if self._strikes(self._options.timeout_after_success_rate, f"{verb} unanswered", name):
            raise ProviderError("The mock service did not answer in time", permanent=False)

    def _strikes(self, rate: float, fault: str, name: str = "") -> bool:
        """Whether this call meets the fault: each call draws again, and a rerun of the same calls draws the same."""
        if rate == 0:
            return False
        with writing(self._path) as state:
            count = state.count_call(self._settings.scope, name, fault)
        return self._draw(fault, name, count) < rate

    def _draw(self, *what: object) -> float:
        digest = hashlib.sha256(repr((self._settings.pool, *what)).encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64

    def _refuse_beyond_maximum(self, change: _Change) -> None:
        maximum = self._options.maximum
        scope, pool = self._settings.scope, self._settings.pool
        if maximum is not None and change.state.count_existing(scope, pool, change.now) >= maximum:
            raise NoCapacity(f"All {maximum} environments that the mock service allows to pool {pool} exist")

    def _new(self, name: str, key: str, fence: int, now: float) -> Record:
        blank = replace(self._never_made(name, fence, now), key=key, provider_id=_salesforce_id("0GQ"))
        made = self._remade(blank, fence, now, self._options.creation_seconds)
        return replace(made, listed_at=now + self._options.listing_delay_seconds)

    def _remade(self, record: Record, fence: int, now: float, seconds: float) -> Record:
        """The record with everything that a creation and a refresh decide: its content, its way in, its fate."""
        ready_at = now + seconds
        fails = self._draw("failure", record.name, fence) < self._options.failure_rate
        vanishes = not fails and self._draw("vanishing", record.name, fence) < self._options.vanish_rate
        return replace(
            record,
            made_by=fence,
            org_id=_salesforce_id("00D"),
            token=secrets.token_hex(16),
            revision=None,
            dirty=False,
            fails=fails,
            started_at=now,
            ready_at=ready_at,
            deletion_eligible_at=now + self._options.minimum_age_seconds,
            gone_at=ready_at + self._options.vanish_after_seconds if vanishes else None,
        )

    def _never_made(self, name: str, fence: int, now: float) -> Record:
        """A name with nothing behind it. Kept, so that a creation that was overtaken by its deletion is refused."""
        return Record(
            scope=self._settings.scope,
            name=name,
            pool=self._settings.pool,
            key="",
            fence=fence,
            made_by=fence,
            provider_id="",
            org_id="",
            token="",
            revision=None,
            dirty=False,
            fails=False,
            created_at=now,
            started_at=now,
            ready_at=now,
            listed_at=now,
            deletion_eligible_at=now,
            deleting_since=None,
            gone_at=now,
        )


@dataclass
class _Change:
    """What a changing call works on: it leaves in `record` what shall be true."""

    state: MockState
    now: float
    record: Record | None


def _existing(record: Record | None, name: str, now: float) -> Record:
    if record is None or record.deleting_since is not None or not record.exists(now):
        raise UnknownEnvironment(name)
    return record


def _ready(record: Record | None, name: str, now: float) -> Record:
    record = _existing(record, name, now)
    state = _state(record, now)
    if state is State.FAILED:
        raise ProviderError(f"Environment {name} could not be made", permanent=True)
    if state is State.CREATING:
        raise NotReady(f"Environment {name} is still being made")
    return record


def _refuse_too_young(record: Record, now: float) -> None:
    if now < record.deletion_eligible_at:
        raise TooYoung(record.name, _datetime(record.deletion_eligible_at))


def _state(record: Record, now: float) -> State:
    if record.deleting_since is not None:
        return State.DELETING
    if now < record.ready_at:
        return State.CREATING
    return State.FAILED if record.fails else State.READY


MESSAGES = {
    State.CREATING: "The mock service is making it",
    State.READY: "The mock service has made it",
    State.FAILED: "The mock service failed to make it",
    State.DELETING: "The mock service is deleting it",
}


def _instance(record: Record, now: float) -> Instance:
    state = _state(record, now)
    return Instance(
        name=record.name,
        key=record.key,
        fence=record.fence,
        state=state,
        progress=_progress(record, now) if state is State.CREATING else None,
        provider_id=record.provider_id,
        instance_url=f"https://{_host(record)}",
        login_url=f"https://{_host(record)}/login",
        org_id=record.org_id,
        created_at=_datetime(record.created_at),
        deletion_eligible_at=_datetime(record.deletion_eligible_at),
        revision=record.revision,
        message=MESSAGES[state],
    )


def _progress(record: Record, now: float) -> int:
    return max(0, int(100 * (now - record.started_at) / (record.ready_at - record.started_at)))


def _credentials(record: Record) -> Credentials:
    """In the form that Salesforce's have (force://client:secret:refresh@host), and plainly not Salesforce's."""
    return Credentials(
        instance_url=f"https://{_host(record)}",
        login_url=f"https://{_host(record)}/login",
        username=f"mock@example.com.{record.name}",
        access_token=f"{record.org_id}!mock.access.{record.token}",
        sfdx_auth_url=f"force://MockCLI::mock.refresh.{record.token}@{_host(record)}",
    )


def _host(record: Record) -> str:
    """A name that leads nowhere (RFC 2606), each label within the 63 characters of DNS."""
    pool = re.sub("[^a-z0-9]+", "-", record.pool.lower())[:40].strip("-") or "pool"
    return f"{pool}--{record.name.lower()}.sandbox.mock.example"


def hub_host(username: str) -> str:
    """A name that leads nowhere, for the hub that a user of that name would log in to."""
    hub = re.sub("[^a-z0-9]+", "-", username.lower())[:40].strip("-") or "hub"
    return f"{hub}.my.mock.example"


def _salesforce_id(prefix: str) -> str:
    return f"{prefix}mock{secrets.token_hex(4)}"


def _datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
