"""Providers on which a test orders faults: calls that are refused, or unanswered, or at which the process dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum

from jobs.worker import Worker
from providers.provider import Capability, Credentials, Instance, PoolSettings, Provider, ProviderError
from providers.registry import Providers
from storage.queue import QueueName
from tests.world import World


class Killed(BaseException):
    """The process ends here, as by kill -9: nothing after this runs, and nothing is rolled forward."""


class Fault(StrEnum):
    REFUSED = "refused"  # nothing was done, and it may be tried again
    DENIED = "denied"  # nothing was done, and never will be
    UNANSWERED = "unanswered"  # it was done, and the answer was lost
    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"


class FaultyProviders(Providers):
    """The providers of an installation; `orders` are the faults that the next calls of each verb meet."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers
        self.orders: dict[str, list[Fault]] = {}
        self.calls: list[tuple[str, str, int]] = []  # verb, name, fence: those that were made

    def order(self, verb: str, *faults: Fault) -> None:
        self.orders.setdefault(verb, []).extend(faults)

    def for_pool(self, provider: str, settings: PoolSettings) -> Provider:
        return _FaultyProvider(self._providers.for_pool(provider, settings), self)

    @contextmanager
    def call(self, verb: str, name: str = "", fence: int = 0) -> Iterator[None]:
        orders = self.orders.get(verb, [])
        fault = orders.pop(0) if orders else None
        match fault:
            case Fault.REFUSED | Fault.DENIED:
                raise ProviderError(f"{verb} refused, as ordered", permanent=fault is Fault.DENIED)
            case Fault.KILLED_BEFORE:
                raise Killed(f"before {verb}")
        self.calls.append((verb, name, fence))
        yield
        match fault:
            case Fault.UNANSWERED:
                raise ProviderError(f"{verb} unanswered, as ordered", permanent=False)
            case Fault.KILLED_AFTER:
                raise Killed(f"after {verb}")


class _FaultyProvider(Provider):
    def __init__(self, provider: Provider, faults: FaultyProviders) -> None:
        self._provider = provider
        self._faults = faults

    @property
    def capabilities(self) -> frozenset[Capability]:  # type: ignore[override]
        return self._provider.capabilities

    def create(self, name: str, key: str, fence: int) -> None:
        with self._faults.call("create", name, fence):
            self._provider.create(name, key, fence)

    def refresh(self, name: str, fence: int) -> None:
        with self._faults.call("refresh", name, fence):
            self._provider.refresh(name, fence)

    def delete(self, name: str, fence: int) -> None:
        with self._faults.call("delete", name, fence):
            self._provider.delete(name, fence)

    def inventory(self) -> dict[str, Instance]:
        with self._faults.call("inventory"):
            return self._provider.inventory()

    def inspect(self, name: str) -> Instance | None:
        with self._faults.call("inspect", name):
            return self._provider.inspect(name)

    def check_login(self, name: str) -> Credentials:
        with self._faults.call("check_login", name):
            return self._provider.check_login(name)


def faulty(world: World) -> FaultyProviders:
    """From now on the world's workers meet the faults that are ordered here."""
    faults = FaultyProviders(world.context.providers)
    world.context = replace(world.context, providers=faults)
    restart(world)
    return faults


def restart(world: World) -> None:
    """The world's workers are new processes: what the former ones had claimed they know nothing of."""
    world.shop = world.new_shop()
    world.workers = {queue: Worker(world.shop, queue) for queue in QueueName}
