"""A repository that is erased leaves no row, and takes nobody else's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from operations.dedicated import create_environment
from operations.pools import delete_pool
from operations.releases import record_release
from storage import artifacts, erase, pools, repositories, tables
from storage.artifacts import InstalledArtifacts
from storage.releases import Release
from tests.world import REPO, TEST, World

ELSEWHERE = "acme/elsewhere"


def everything(world: World) -> dict[str, set[tuple[Any, ...]]]:
    """Every row's key, by table; without the clock's own and the log that only grows."""
    with world.session() as session:
        return {
            table.name: {tuple(row) for row in session.execute(select(*table.primary_key.columns))}
            for table in tables.metadata.sorted_tables
            if table.name != "audit"
        }


def dedicate(world: World, repo: str) -> None:
    """A dedicated environment into which something was released, and is installed."""
    now = world.clock()
    values = {
        "name": "prod", "category": "release", "branch": "main", "description": "Production",
        "salesforce_username": f"admin@{repo}.example",
    }  # fmt: skip
    with world.database.transaction() as session:
        repository = repositories.register(session, repo, now=now)
        own = create_environment(session, repository, values, TEST, now=now)
        release = Release(dedicated_id=own.id, name="core-2026-03", published_at=now)
        record_release(session, own, release, TEST, now=now)
        known = InstalledArtifacts(dedicated_id=own.id, username=own.salesforce_username, items=[], read_at=now)
        artifacts.remember(session, known)


def live(world: World, repo: str) -> None:
    """A repository with two environments, and two pull requests that have and await the lent one, and speak."""
    dedicate(world, repo)
    world.pool(repo=repo, max_total=1)
    first = world.github.open_pull_request(repo, "wendy").number
    world.work()
    second = world.github.open_pull_request(repo, "wendy").number
    world.github.comment(repo, first, "wendy", "/extend 24h")
    world.github.comment(repo, second, "wendy", "/why")
    world.work()


def erased(world: World, repo: str) -> bool:
    with world.database.transaction() as session:
        repository = repositories.find(session, repo)
        assert repository is not None
        if not erase.is_quiet(session, repository):
            return False
        erase.erase(session, repository)
    return True


def delete_pools(world: World, repo: str) -> None:
    with world.database.transaction() as session:
        repository = repositories.find(session, repo)
        assert repository is not None
        for pool in pools.of_repository(session, repository.id):
            delete_pool(session, pool, TEST, now=world.clock())


def test_nothing_is_left_of_it_and_all_of_the_others(world: World) -> None:
    world.github.add_repositories(world.installation, ELSEWHERE)
    world.github.set_permission(ELSEWHERE, "wendy", "write")
    live(world, ELSEWHERE)
    assert erased(world, REPO)  # of which nothing but its name was known
    before = everything(world)
    live(world, REPO)
    assert not erased(world, REPO)  # its environments are at the provider

    delete_pools(world, REPO)
    world.work()
    assert erased(world, REPO)
    assert everything(world) == before


def test_its_installation_goes_with_the_last_of_its_repositories(world: World) -> None:
    live(world, REPO)
    delete_pools(world, REPO)
    world.work()
    assert erased(world, REPO)
    assert {name for name, rows in everything(world).items() if rows} == set()
    assert world.failures() == []
