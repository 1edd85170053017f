"""The installation token, one for all worker processes: whoever fetches it does it for the others."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from bot.github.errors import GitHubError, Unavailable
from jobs.workshop import Workshop
from storage import installations
from storage.installations import FETCH, Installation
from tests.github import WireTo
from tests.world import REPO, World

FETCHES = "/access_tokens"


class Interrupted(WireTo):
    """While this process waits for its token, something else happens."""

    def __init__(self, world: World, meanwhile: Callable[[], object]) -> None:
        super().__init__(world.github)
        self._meanwhile = meanwhile

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(FETCHES):
            self._meanwhile()
        return super().handle_request(request)


@pytest.fixture
def number(world: World) -> int:
    return world.opens()


def read(shop: Workshop, world: World, number: int) -> None:
    shop.installation(world.installation.id).pull_request(REPO, number)


def fetched(world: World) -> int:
    return len([request for request in world.github.requests if request.path.endswith(FETCHES)])


def while_one_fetches(world: World, number: int, meanwhile: Callable[[], object]) -> None:
    """A worker process makes a call, for which it has to fetch a token first."""
    read(Workshop(world.context, transport=Interrupted(world, meanwhile)), world, number)


def test_a_second_worker_uses_what_there_is_while_the_first_fetches_the_next(world: World, number: int) -> None:
    world.clock.advance(minutes=56)
    before = fetched(world)
    while_one_fetches(world, number, lambda: read(world.new_shop(), world, number))
    assert fetched(world) == before + 1

    read(world.new_shop(), world, number)
    assert fetched(world) == before + 1


def test_where_there_is_none_it_comes_back_for_the_one_that_the_first_has_fetched(world: World, number: int) -> None:
    world.clock.advance(minutes=61)
    before = fetched(world)
    second = world.new_shop()

    def meanwhile() -> None:
        with pytest.raises(Unavailable, match="another process fetches the token"):
            read(second, world, number)

    while_one_fetches(world, number, meanwhile)
    read(second, world, number)
    assert fetched(world) == before + 1


def test_revoked_it_is_fetched_once_for_all(world: World, number: int) -> None:
    before = fetched(world)
    world.github.revoke_tokens()
    second = world.new_shop()

    def meanwhile() -> None:
        with pytest.raises(Unavailable):
            read(second, world, number)

    while_one_fetches(world, number, meanwhile)
    read(second, world, number)
    assert fetched(world) == before + 1


def test_who_fetches_in_vain_keeps_nobody_from_it(world: World, number: int) -> None:
    world.clock.advance(minutes=61)
    world.github.fail("POST", FETCHES, 500)
    with pytest.raises(GitHubError):
        read(world.shop, world, number)
    read(world.new_shop(), world, number)


def test_who_dies_fetching_keeps_the_others_from_it_for_seconds_only(world: World, number: int) -> None:
    world.clock.advance(minutes=61)
    with world.database.transaction() as session:
        assert installations.begin_fetching(session, world.installation.id, now=world.clock())
    with pytest.raises(Unavailable):
        read(world.new_shop(), world, number)
    world.clock.advance(seconds=FETCH.total_seconds())
    read(world.new_shop(), world, number)


def test_what_is_kept_of_it_is_sealed(world: World, number: int) -> None:
    [value] = [token for token, issued in world.github.tokens.items() if issued.repositories is None]
    [row] = [row for row in world.rows(Installation) if row.id == world.installation.id]
    assert row.token is not None
    assert value.encode() not in row.token
