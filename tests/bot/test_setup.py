"""The setup page has GitHub make the App, keeps what GitHub answers, and is gone once there is an App."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from structlog.testing import capture_logs

from bot import setup
from bot.context import Context
from bot.manifest import github_site, manifest
from bot.settings import Settings
from bot.web import create_app
from bot.webhooks import PATH
from demo.github import SimulatedGitHub
from storage import apps
from storage.apps import App
from storage.database import Database
from tests.github import WireTo
from tests.provider import Clock

SECRET = "It's a Secret to Everybody"


class Setup:
    """A Greenroom without an App, the GitHub that will make one, and the browser of who sets it up."""

    def __init__(self, database: Database, data: Path, clock: Clock, **settings: Any) -> None:
        self.github = SimulatedGitHub(webhook_secret=SECRET, deliver=lambda headers, body: None, clock=clock)
        given = {"public_url": "https://greenroom.test", "secret_keys": ("new", "old"), **settings}
        self.settings = Settings(data=data, github_api_url="https://api.github.test", **given)
        self.context = Context.of(self.settings, database, clock)
        self.browser = self.browse(WireTo(self.github))

    def browse(self, transport: httpx.BaseTransport) -> FlaskClient:
        web = Flask("test")
        web.register_blueprint(setup.blueprint(self.context, transport))
        return web.test_client()

    @property
    def address(self) -> str:
        return setup.address(self.settings).removeprefix(self.settings.public_url)

    def form(self, address: str | None = None) -> tuple[str, dict[str, Any]]:
        """Where the page's button leads, and the manifest that goes there."""
        page = self.browser.get(address or self.address).text
        [action] = re.findall(r'<form method="post" action="([^"]+)"', page)
        [posted] = re.findall(r'name="manifest" value="([^"]+)"', page)
        return html.unescape(action), json.loads(html.unescape(posted))

    def callback(self) -> str:
        """The address that GitHub sends the browser to, after its button was pressed."""
        action, posted = self.form()
        return f"/setup/callback?code={self.github.create_app(posted)}&state={state_of(action)}"

    def stored(self) -> list[App]:
        with self.context.database.reading() as session:
            return list(session.scalars(select(App)))


def state_of(action: str) -> str:
    [state] = parse_qs(urlsplit(action).query)["state"]
    return state


@pytest.fixture
def start(sqlite_url: str, tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Setup]]:
    database = Database(sqlite_url)
    yield lambda **settings: Setup(database, tmp_path, clock, **settings)
    database.dispose()


@pytest.fixture
def fresh(start: Callable[..., Setup]) -> Setup:
    return start()


def test_an_app_is_made_and_every_process_has_it_within_five_seconds(fresh: Setup, clock: Clock) -> None:
    page = fresh.browser.get(fresh.callback())
    clock.advance(seconds=5)

    assert page.status_code == 200
    app = fresh.context.github_app()
    assert app is not None
    assert (app.app_id, app.api_url) == (fresh.github.app.id, "https://api.github.test")
    assert (app.private_key, app.webhook_secrets) == (fresh.github.private_key, (SECRET,))
    assert "https://github.example/apps/greenroom/installations/new" in page.text


def test_no_secret_is_kept_in_the_clear_or_shown_or_logged(fresh: Setup) -> None:
    secrets = [fresh.github.private_key, SECRET, fresh.github.client_secret]
    with capture_logs() as logged:
        page = fresh.browser.get(fresh.callback())

    [row] = fresh.stored()
    kept = [row.private_key, row.webhook_secret, row.client_secret or b""]
    assert [fresh.context.vault.decrypt(sealed) for sealed in kept] == secrets
    for secret in secrets:
        assert secret not in html.unescape(page.text)
        assert secret not in str(logged)
        assert all(secret.encode() not in sealed for sealed in kept)
    assert [(line["event"], line["slug"]) for line in logged] == [("GitHub App connected", "greenroom")]


def test_github_is_given_the_description_of_app_yml(fresh: Setup) -> None:
    action, posted = fresh.form()
    assert action.startswith("https://api.github.test/settings/apps/new?state=")
    assert posted == manifest("https://greenroom.test")
    assert posted["hook_attributes"]["url"] == f"https://greenroom.test{PATH}"


def test_github_sends_people_back_to_pages_that_are_here(fresh: Setup) -> None:
    _, posted = fresh.form()
    rules = {rule.rule for rule in fresh.browser.application.url_map.iter_rules()}
    for name in ("redirect_url", "setup_url"):
        assert urlsplit(posted[name]).path in rules


def test_an_organisation_may_own_the_app(fresh: Setup) -> None:
    action, _ = fresh.form(f"{fresh.address}&organization=acme-shop")
    assert action.startswith("https://api.github.test/organizations/acme-shop/settings/apps/new?state=")


@pytest.mark.parametrize("name", ["../acme", "acme/shop", "a b", "-acme", "acme-", "a--b", "é", "a" * 40, "a?b", "a#b"])
def test_what_is_no_organisation_is_refused(fresh: Setup, name: str) -> None:
    page = fresh.browser.get("/setup", query_string={"key": fresh.address.split("=")[1], "organization": name})
    assert (page.status_code, "no organisation" in page.text) == (400, True)


def test_what_was_typed_is_shown_and_not_run(fresh: Setup) -> None:
    page = fresh.browser.get(f"{fresh.address}&organization=<script>")
    assert "&lt;script&gt;" in page.text
    assert "<script>" not in page.text


@pytest.mark.parametrize("query", ["", "?key=", "?key=wrong", "?key=%C3%A9", "?organization=acme"])
def test_nobody_comes_in_without_the_key(fresh: Setup, query: str) -> None:
    page = fresh.browser.get(f"/setup{query}")
    assert (page.status_code, "manifest" in page.text) == (404, False)


def test_the_key_of_a_former_secret_key_still_opens_it(fresh: Setup, start: Callable[..., Setup]) -> None:
    former = start(secret_keys=("old",))
    assert former.address != fresh.address
    assert fresh.browser.get(former.address).status_code == 200
    assert start(secret_keys=("another",)).browser.get(fresh.address).status_code == 404


def test_it_is_gone_once_there_is_an_app(fresh: Setup) -> None:
    callback, another = fresh.callback(), fresh.callback()
    fresh.browser.get(callback)
    for address in (fresh.address, callback, another):
        assert fresh.browser.get(address).status_code == 404
    assert len(fresh.stored()) == 1


def test_it_is_not_there_when_the_environment_names_the_app(start: Callable[..., Setup]) -> None:
    given = start(github_app_id="1", github_private_key="PEM")
    assert given.browser.get(given.address).status_code == 404
    assert given.browser.get("/setup/callback").status_code == 404


def test_of_two_at_once_only_one_app_is_kept(fresh: Setup) -> None:
    class Meanwhile(WireTo):
        """While GitHub is being asked, another browser ends with an App."""

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            with fresh.context.database.transaction() as session:
                apps.store(
                    session, fresh.context.vault, "1", slug="first", api_url="", private_key="", webhook_secret="",
                    now=fresh.context.clock(),
                )  # fmt: skip
            return super().handle_request(request)

    page = fresh.browse(Meanwhile(fresh.github)).get(fresh.callback())
    assert page.status_code == 404
    assert [app.slug for app in fresh.stored()] == ["first"]


@pytest.mark.parametrize("state", ["", "wrong", "0.wrong", "é.é", "99999999999." + "0" * 64])
def test_a_callback_that_we_did_not_ask_for_is_refused(fresh: Setup, state: str) -> None:
    code = fresh.github.create_app(manifest("https://greenroom.test"))
    page = fresh.browser.get("/setup/callback", query_string={"code": code, "state": state})
    assert (page.status_code, fresh.stored()) == (400, [])
    assert "does not come from our setup page" in page.text


def test_a_setup_page_counts_for_an_hour(fresh: Setup, clock: Clock) -> None:
    action, posted = fresh.form()
    clock.advance(minutes=60)
    code = fresh.github.create_app(posted)
    page = fresh.browser.get(f"/setup/callback?code={code}&state={state_of(action)}")
    assert (page.status_code, fresh.stored()) == (400, [])
    assert "open it again" in page.text


def test_without_a_code_it_says_to_begin_anew(fresh: Setup) -> None:
    page = fresh.browser.get(f"/setup/callback?state={state_of(fresh.form()[0])}")
    assert (page.status_code, "begin anew" in page.text) == (400, True)


def test_a_code_that_is_used_up_says_what_to_delete(fresh: Setup, clock: Clock) -> None:
    callback = fresh.callback()
    fresh.github.take_manifest_code(parse_qs(urlsplit(callback).query)["code"][0])
    page = fresh.browser.get(callback)
    assert (page.status_code, fresh.stored()) == (400, [])
    assert "delete that at https://api.github.test/settings/apps" in page.text


@pytest.mark.parametrize("status", [None, 403, 429, 500, 503])
def test_when_github_has_trouble_the_page_can_be_loaded_again(fresh: Setup, status: int | None) -> None:
    callback = fresh.callback()
    fresh.github.fail("POST", "/app-manifests/", status)
    page = fresh.browser.get(callback)
    assert (page.status_code, "Load this page again" in page.text) == (502, True)
    assert fresh.browser.get(callback).status_code == 200


@pytest.mark.parametrize("body", ["{}", "not JSON", '{"id": "x"}'])
def test_an_answer_that_is_not_understood_is_not_kept(fresh: Setup, body: str) -> None:
    callback = fresh.callback()
    fresh.github.fail("POST", "/app-manifests/", 201, body=body)
    assert fresh.browser.get(callback).status_code == 502
    assert fresh.stored() == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"])
def test_it_warns_of_an_address_that_github_cannot_reach(start: Callable[..., Setup], url: str) -> None:
    local = start(public_url=url)
    assert "GitHub cannot reach" in local.browser.get(local.address).text


def test_it_does_not_warn_of_others(fresh: Setup) -> None:
    assert "GitHub cannot reach" not in fresh.browser.get(fresh.address).text


def test_whoever_has_installed_the_app_is_told_what_is_next(fresh: Setup) -> None:
    page = fresh.browser.get("/setup/installed?installation_id=1&setup_action=install")
    assert (page.status_code, "Make a pool" in page.text) == (200, True)


def test_the_web_application_has_the_pages(fresh: Setup) -> None:
    web = create_app(fresh.context, queue_ping=lambda: True).test_client()
    assert web.get(fresh.address).status_code == 200
    assert "Nothing to set up here" in web.get("/setup?key=wrong").text


def test_the_pages_may_load_nothing_but_their_style_and_post_to_github_only(fresh: Setup) -> None:
    page = fresh.browser.get(fresh.address)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'; style-src 'self'; form-action 'self' https://api.github.test;" in policy
    assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "strict-origin")
    assert "<script" not in page.text
    assert " style=" not in page.text
    [style] = re.findall(r'rel="stylesheet" href="([^"]+)"', page.text)
    with fresh.browser.get(style) as sheet:
        assert sheet.content_type.startswith("text/css")


@pytest.mark.parametrize(
    ("api_url", "site"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("https://github.acme.example/api/v3", "https://github.acme.example"),
        ("https://api.acme.example/api/v3", "https://api.acme.example"),
        ("http://127.0.0.1:4800", "http://127.0.0.1:4800"),
    ],
)
def test_people_meet_github_where_its_api_belongs_to(api_url: str, site: str) -> None:
    assert github_site(api_url) == site
