"""A running Greenroom is lent to the demo only if it has no GitHub App, and has nothing of the demo afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from bot import lending
from bot.settings import Settings
from demo.github import generated_key
from storage import apps, repositories, tables, tokens
from storage.apps import App
from tests.running import Running, running, serving

REPO = "demo/shop"
APP = {
    "GITHUB_APP_ID": "4711",
    "GITHUB_API_URL": "http://127.0.0.1:1",  # nobody listens there
    "GITHUB_PRIVATE_KEY": generated_key(),
    "GITHUB_WEBHOOK_SECRET": "s3cret",
}
IN_ENVIRONMENT = {
    "github_app_id": "1",
    "github_private_key": generated_key(),
    "github_webhook_secrets": ("s3cret",),
}


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, database_url=sqlite_url, secret_keys=("a test's secret key",))


@pytest.fixture
def greenroom(settings: Settings) -> Iterator[Running]:
    with running(settings) as greenroom:
        yield greenroom


def rows(greenroom: Running) -> Mapping[str, int]:
    """How many there are in each table that has any, but for the log that only grows."""
    with greenroom.database.reading() as session:
        counts = {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in tables.metadata.sorted_tables
            if table.name != "audit"
        }
    return {name: count for name, count in counts.items() if count}


def is_accepted(greenroom: Running, token: str) -> bool:
    url = f"{greenroom.address}/sfp/api/review/environments/list"
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"}).is_success


def test_one_without_an_app_may_be_lent(greenroom: Running) -> None:
    assert lending.answers(greenroom.settings)
    assert lending.why_not(greenroom.context(), REPO) is None
    assert rows(greenroom) == {}


def test_none_that_does_not_answer(settings: Settings) -> None:
    assert not lending.answers(replace(settings, port=1))


def test_none_with_an_app_in_the_database(greenroom: Running) -> None:
    context = greenroom.context()
    with context.database.transaction() as session:
        apps.store(
            session, context.vault, "1", slug="greenroom", api_url="https://api.github.com",
            private_key="PEM", webhook_secret="s3cret", now=context.clock(),
        )  # fmt: skip
    assert lending.why_not(context, REPO) == "it has a GitHub App"


def test_none_with_an_app_in_the_environment(settings: Settings) -> None:
    with running(replace(settings, **IN_ENVIRONMENT)) as greenroom:  # type: ignore[arg-type]
        assert lending.why_not(greenroom.context(), REPO) == "it has a GitHub App"


def test_none_with_an_app_in_an_environment_that_is_not_ours(settings: Settings) -> None:
    with running(replace(settings, **IN_ENVIRONMENT)) as greenroom:  # type: ignore[arg-type]
        here = replace(settings, port=greenroom.settings.port)
        context = replace(greenroom, settings=here).context()
        assert lending.why_not(context, REPO, patience=0) == "it has a GitHub App"


def test_none_that_uses_other_data(greenroom: Running) -> None:
    with serving(lambda environ, start: (start("404 NOT FOUND", []), [b""])[1]) as port:
        context = replace(greenroom, settings=replace(greenroom.settings, port=port)).context()
        assert lending.why_not(context, REPO) == "it does not use this GREENROOM_DATA"
    assert rows(greenroom) == {}


def test_none_that_knows_such_a_repository(greenroom: Running) -> None:
    context = greenroom.context()
    with context.database.transaction() as session:
        repositories.register(session, REPO, now=context.clock())
    assert lending.why_not(context, REPO) == "it knows a repository demo/shop already"
    assert rows(greenroom) == {"repositories": 1}


def test_none_that_another_demo_plays_on(greenroom: Running) -> None:
    with serving(lambda environ, start: (start("404 NOT FOUND", []), [b""])[1]) as port:
        app = {**APP, "GITHUB_API_URL": f"http://127.0.0.1:{port}"}
        with lending.lent(greenroom.context(), app, REPO):
            assert lending.why_not(greenroom.context(), REPO) == "another demo plays on it"


def test_it_has_the_app_and_takes_the_token_while_it_is_lent(greenroom: Running) -> None:
    with lending.lent(greenroom.context(), APP, REPO) as token:
        app = greenroom.context().github_app()
        assert app is not None
        assert (app.app_id, app.webhook_secrets) == ("4711", ("s3cret",))
        assert is_accepted(greenroom, token)
        with greenroom.database.reading() as session:
            assert session.scalars(select(tokens.Token.repositories)).one() == [REPO]

    assert rows(greenroom) == {}
    assert not is_accepted(greenroom, token)


def test_what_a_killed_demo_left_is_cleared_away(greenroom: Running) -> None:
    killed = lending.lent(greenroom.context(), APP, REPO)
    killed.__enter__()
    with greenroom.database.transaction() as session:
        repositories.register(session, REPO, now=greenroom.context().clock())
    assert rows(greenroom) == {"apps": 1, "tokens": 1, "repositories": 1}

    assert lending.why_not(greenroom.context(), REPO) is None
    assert rows(greenroom) == {}


def test_an_app_of_ones_own_is_never_taken_for_a_demo_s(greenroom: Running) -> None:
    context = greenroom.context()
    with context.database.transaction() as session:
        apps.store(
            session, context.vault, "1", slug="mine", api_url=APP["GITHUB_API_URL"],
            private_key="PEM", webhook_secret="s3cret", now=context.clock(),
        )  # fmt: skip
    assert lending.why_not(context, REPO) == "it has a GitHub App"
    with context.database.reading() as session:
        assert session.scalars(select(App.slug)).one() == "mine"
