"""Who asks too often is told when to come back; without Redis it is counted all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis.exceptions import RedisError
from werkzeug.test import Client

from bot.api.errors import TooManyRequests
from bot.rates import Turnstile
from bot.settings import BadSettings, Rates, Settings
from bot.web import create_app
from storage import embedded
from storage.doorbell import connect
from storage.tokens import Role
from tests.bot.api.client import Api, Rest
from tests.world import World

NOWHERE = "redis://127.0.0.1:1"


@pytest.fixture
def limited(sqlite_world: World) -> Callable[..., Api]:
    """The API where a token may ask three times a minute, and an address without one twice."""

    def build(redis_url: str | None = None, trusted_proxies: int = 0) -> Api:
        api = Api(sqlite_world)
        limits = replace(sqlite_world.context.settings, rates=Rates(3, 2), trusted_proxies=trusted_proxies)
        context = replace(sqlite_world.context, settings=limits)
        api.app = create_app(context, lambda: None, redis_url)
        return api

    return build


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = embedded.start(tmp_path_factory.mktemp("redis"))
    yield server.url
    server.stop()


def asks(client: Rest, times: int, path: str = "/users/me") -> list[int]:
    return [client.get(path).status for _ in range(times)]


def test_a_token_that_asks_too_often_is_told_when_to_come_back(limited: Callable[..., Api]) -> None:
    api = limited()
    eager, other = api.token(Role.MEMBER), api.token(Role.MEMBER)
    assert asks(eager, 3) == [200] * 3

    reply = eager.get("/users/me")

    seconds = int(reply.headers["Retry-After"])
    assert 1 <= seconds <= 60
    assert reply.refused() == (429, "RATE_LIMITED", f"Too many requests, retry in {seconds} seconds")
    assert asks(other, 1) == [200]


def test_guessing_tokens_is_counted_by_address(limited: Callable[..., Api]) -> None:
    api = limited()
    guesses = [Rest(Client(api.app), f"sfp_app_{number}").get("/users/me").status for number in range(3)]
    assert guesses == [401, 401, 429]
    assert asks(api.token(Role.MEMBER), 1) == [200]


def asks_through(api: Api, forwarded: str) -> int:
    """One guess at a token, which came with this X-Forwarded-For."""
    guess = Rest(Client(api.app), "wrong")
    return guess.send("GET", "/users/me", headers={"X-Forwarded-For": forwarded}).status


def test_behind_trusted_proxies_it_is_their_word_for_the_address_that_counts(limited: Callable[..., Api]) -> None:
    api = limited(trusted_proxies=2)
    assert [asks_through(api, f"192.0.2.{number}, 10.0.0.1") for number in range(4)] == [401] * 4
    made_up = [asks_through(api, f"198.51.100.{number}, 192.0.2.9, 10.0.0.1") for number in range(4)]
    assert made_up == [401, 401, 429, 429]  # what stands before the proxies' own words is the client's


def test_without_them_nobodys_word_counts(limited: Callable[..., Api]) -> None:
    api = limited()
    assert [asks_through(api, f"192.0.2.{number}") for number in range(3)] == [401, 401, 429]


def test_what_is_public_is_counted_by_address(limited: Callable[..., Api]) -> None:
    assert asks(Rest(Client(limited().app), None), 3, "/ping") == [200, 200, 429]


def test_a_refused_role_counts_as_asked(limited: Callable[..., Api]) -> None:
    assert asks(limited().token(Role.MEMBER), 4, "/application-tokens") == [403, 403, 403, 429]


def test_without_rates_nobody_is_stopped() -> None:
    turnstile = Turnstile(None)
    for _ in range(2000):
        turnstile.pass_address("192.0.2.1")


def test_web_processes_count_together_in_redis(redis_url: str) -> None:
    one, another = Turnstile(Rates(2, 1), redis_url), Turnstile(Rates(2, 1), redis_url)
    one.pass_token("shared")
    another.pass_token("shared")
    with pytest.raises(TooManyRequests):
        one.pass_token("shared")
    assert [key for key in connect(redis_url).keys("greenroom*") if b"shared" in key] != []


def test_a_redis_that_is_away_is_missed_by_nobody(limited: Callable[..., Api]) -> None:
    with pytest.raises(RedisError):
        connect(NOWHERE).ping()
    assert asks(limited(NOWHERE).token(Role.MEMBER), 4) == [200, 200, 200, 429]


@pytest.mark.parametrize(
    ("given", "rates"),
    [({}, Rates(600, 120)), ({"RATE_LIMIT": "off"}, None), ({"RATE_LIMIT": "1000 50"}, Rates(1000, 50))],
)
def test_rates_are_a_setting(given: dict[str, str], rates: Rates | None, tmp_path: Path) -> None:
    assert Settings.from_env({"GREENROOM_DATA": str(tmp_path), **given}).rates == rates


@pytest.mark.parametrize("wrong", ["600", "0 10", "many few", "1 2 3"])
def test_rates_that_make_no_sense_are_refused(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="RATE_LIMIT must be off, or requests a minute"):
        Settings.from_env({"GREENROOM_DATA": str(tmp_path), "RATE_LIMIT": wrong})
