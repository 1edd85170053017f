"""Rows whose environment is no longer at the provider are found, and removed (contract P7, 11.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.context import Context
from bot.deleting import carry_out
from bot.replenishing import monitor_runs
from operations.delete import delete
from operations.end import EndReason
from operations.errors import InstanceNotFound, ProviderRefused
from operations.zombies import suspects
from providers.provider import ProviderError
from storage import environments
from storage.audit import Actor
from storage.environments import Environment
from storage.pools import Pool
from storage.repositories import Repository


@dataclass(frozen=True)
class Zombie:
    """`environment` as it was when it was found."""

    environment: Environment
    pool: Pool
    repository: Repository


def find(context: Context, found: Sequence[tuple[Pool, Repository]]) -> list[Zombie]:
    """The zombies of these pools. Refuses with ProviderRefused unless each provider has listed everything.

    The rows are read first, so that what is made meanwhile is in the listing; and a listing may be behind, so that
    the provider is asked for each suspect by name.
    """
    try:
        return [zombie for pool, repository in found for zombie in _of_pool(context, pool, repository)]
    except ProviderError as error:
        raise ProviderRefused(error.message) from error


def _of_pool(context: Context, pool: Pool, repository: Repository) -> list[Zombie]:
    now = context.clock()
    with context.database.reading() as session:
        rows = environments.of_pool(session, pool.id)
    provider = context.provider(repository, pool)
    missing = suspects(pool, rows, provider.inventory(), now=now)
    return [Zombie(row, pool, repository) for row in missing if provider.inspect(row.name) is None]


def remove(context: Context, found: Sequence[tuple[Pool, Repository]], run_id: str, actor: Actor) -> list[Zombie]:
    """The zombies of these pools, which are no more: nobody holds one, and none counts to its pool's maximum.

    Refuses as find() does, and with RunInProgress while one of the pools is replenished.
    """
    pool_ids = [pool.id for pool, _ in found]
    with monitor_runs(context.database.transaction, context.clock, run_id, pool_ids):
        zombies = find(context, found)
        return [zombie for zombie in zombies if _remove(context, zombie, actor)]


def _remove(context: Context, zombie: Zombie, actor: Actor) -> bool:
    """Whether there was something to remove still. The provider is told, so that it refuses a creation that is late."""
    try:
        with context.database.transaction() as session:
            deletion = delete(
                session, zombie.environment, actor, now=context.clock(), force=True, reason=EndReason.LOST
            )
    except InstanceNotFound:
        return False
    carry_out(context, zombie.repository, zombie.pool, deletion, actor)
    return True
