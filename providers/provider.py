"""What every provider can do, what it tells, and how it refuses.

The refusals:

    ProviderError                what the outside answered instead of doing it
    ├── StaleFence               permanent: a newer intent has already reached this environment
    ├── NameTaken                permanent: the name is, or once was, somebody else's
    ├── UnknownEnvironment       permanent: there is nothing of that name, or it is on its way out
    ├── Unsupported              permanent: the provider has no such capability
    ├── ProviderUnavailable      permanent: this installation cannot reach that provider at all
    ├── NotReady                 transient: still being made, or made and not yet usable
    ├── TooYoung                 transient: allowed from `eligible_at` on
    └── NoCapacity               transient: the provider's own allowance is used up
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol

CALL_SECONDS = 30


class State(StrEnum):
    CREATING = "creating"  # being made or made anew; a refresh counts
    READY = "ready"  # the provider is done; only a login check tells whether it can be used
    FAILED = "failed"  # it exists, uses up the allowance and will never be ready
    DELETING = "deleting"


class Capability(StrEnum):
    """What a caller asks for, instead of asking which provider it is."""

    LOGIN_LINK = "login_link"
    REDEPLOY = "redeploy"
    DIRTY = "dirty"


@dataclass(frozen=True)
class PoolSettings:
    """The plain facts of a pool that a provider needs."""

    pool: str
    """Names the pool towards the provider; it shows in URLs."""
    scope: str
    """The account (a Dev Hub, a project): names are unique in it and an inventory is complete for it."""
    license_type: str | None = None
    source: str | None = None
    """The environment to clone, instead of a licence type."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The pool's additionalConfig; each provider reads the key of its own name."""


@dataclass(frozen=True)
class Instance:
    """An environment as the provider tells it; nothing in here is secret."""

    name: str
    key: str | None
    """The key that it was created with; None for one that Greenroom did not make."""
    fence: int
    """The newest intent that has reached it: READY counts for a refresh only from the refresh's own fence on."""
    state: State
    progress: int | None
    """Percent, while it is being made and the provider tells."""
    provider_id: str
    instance_url: str
    login_url: str
    org_id: str | None
    """Changes with a refresh, which also ends every credential handed out before."""
    created_at: datetime
    deletion_eligible_at: datetime
    """Before this the provider refuses to refresh or delete it."""
    revision: str | None
    """What was last deployed into it by `redeploy`."""
    message: str
    """A sentence about the state, for people."""


@dataclass(frozen=True)
class Credentials:
    """The way in. Its repr shows no secret, so that no log and no traceback can."""

    instance_url: str
    login_url: str
    username: str | None
    access_token: str | None = field(repr=False)
    sfdx_auth_url: str | None = field(repr=False)


class ProviderError(Exception):
    """The provider did not do it; when not permanent, the same call may succeed later."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent


class StaleFence(ProviderError):
    def __init__(self, name: str, fence: int, newest: int) -> None:
        super().__init__(f"Environment {name} has seen fence {newest}; {fence} comes too late", permanent=True)


class NameTaken(ProviderError):
    def __init__(self, name: str) -> None:
        super().__init__(f"The name {name} is taken; names are never used twice", permanent=True)


class UnknownEnvironment(ProviderError):
    def __init__(self, name: str) -> None:
        super().__init__(f"There is no environment {name}, or it is being deleted", permanent=True)


class Unsupported(ProviderError):
    def __init__(self, capability: Capability) -> None:
        super().__init__(f"This provider does not support {capability}", permanent=True)


class ProviderUnavailable(ProviderError):
    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True)


class NotReady(ProviderError):
    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=False)


class TooYoung(ProviderError):
    def __init__(self, name: str, eligible_at: datetime) -> None:
        when = eligible_at.isoformat(timespec="seconds")
        super().__init__(f"Environment {name} cannot be refreshed or deleted before {when}", permanent=False)
        self.eligible_at = eligible_at


class NoCapacity(ProviderError):
    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=False)


class Provider(Protocol):
    """The environments of one pool, by name.

    A name is chosen and stored by the caller before `create` and is never used again. A fence is a number that grows
    with the intents for that name: a call that changes something is refused (StaleFence) when a newer fence has been
    seen. Repeating a call changes nothing more, so a call whose answer was lost is simply made again.

    Calls only start work: none sleeps, none waits for an environment, each answers or raises within CALL_SECONDS.
    What was started is confirmed by `inspect` or `inventory`, never by the answer to the call.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset()

    def create(self, name: str, key: str, fence: int) -> None:
        """Start to make an environment. The key marks it as ours: a name that exists with another one is refused
        (NameTaken). Refuses with NoCapacity when the provider's allowance is used up."""
        ...

    def refresh(self, name: str, fence: int) -> None:
        """Start to make it anew under its name, with nothing left of what was in it and every credential void.

        Each refresh takes a fence of its own: the same fence is the same refresh. Refuses with NotReady while it is
        being made, with TooYoung."""
        ...

    def delete(self, name: str, fence: int) -> None:
        """Start to delete it. Success when it is already gone or never was, and then a late `create` is refused.

        Refuses with TooYoung."""
        ...

    def inventory(self) -> dict[str, Instance]:
        """Everything that exists in the scope, by name: complete, or it raises."""
        ...

    def inspect(self, name: str) -> Instance | None:
        """The one environment, or None when the provider is sure that it does not exist."""
        ...

    def check_login(self, name: str) -> Credentials:
        """Log in to a ready environment, and only then hand out the credentials. Refuses with NotReady."""
        ...

    def login_link(self, name: str) -> str:
        """A URL that logs one person in once and soon lapses; as secret as a password while it lasts."""
        raise Unsupported(Capability.LOGIN_LINK)

    def redeploy(self, name: str, revision: str, fence: int) -> None:
        """Start to deploy the revision (a commit SHA) into it; `Instance.revision` tells when that is done."""
        raise Unsupported(Capability.REDEPLOY)

    def dirty(self, name: str) -> bool:
        """Whether somebody would lose something if it were refreshed or deleted now."""
        raise Unsupported(Capability.DIRTY)
