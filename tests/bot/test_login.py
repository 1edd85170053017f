"""People log in with GitHub: a browser keeps a session, a program a token, and each sees what its person sees there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import jwt
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.context import Context
from bot.passes import Purpose
from storage.audit import Audit
from storage.users import User
from tests.bot.api.client import OF_SHOP, Api, Rest, key
from tests.world import REPO, World

CLIENT_ID = "Iv23li00000000004711"
PUBLIC = "http://127.0.0.1:8000"


class Site:
    """Greenroom where people can log in; olga is an owner."""

    def __init__(self, world: World, **settings: Any) -> None:
        given: dict[str, Any] = {
            "github_client_id": CLIENT_ID,
            "github_client_secret": world.github.client_secret,
            "owners": frozenset({"olga"}),
            **settings,
        }
        self.world = world
        self.context = Context.of(replace(world.context.settings, **given), world.database, world.clock)
        self.api = Api(world, context=self.context)

    def browser(self) -> FlaskClient:
        return self.api.app.test_client()

    def log_in(self, login: str, browser: FlaskClient | None = None, start: str = "/auth") -> FlaskClient:
        """Somebody opens a page, is sent to GitHub, agrees there, and comes back logged in."""
        browser = browser or self.browser()
        self.come_back(browser, self.leave(browser, start), login)
        return browser

    def leave(self, browser: FlaskClient, start: str = "/auth") -> str:
        """Where on GitHub the browser is sent to."""
        login = browser.get(start).headers["Location"]
        return browser.get(login).headers["Location"]

    def come_back(self, browser: FlaskClient, address: str, login: str) -> TestResponse:
        return browser.get(self.world.github.log_in(login, address).removeprefix(PUBLIC))

    def rest(self, login: str) -> tuple[Rest, dict[str, Any]]:
        """A client with the token that somebody got, and what came with it."""
        answer = self.token(self.log_in(login))
        return Rest(self.browser(), answer["token"]), answer

    def token(self, browser: FlaskClient) -> dict[str, Any]:
        answer: dict[str, Any] = browser.post("/auth/token").get_json()
        return answer


@pytest.fixture
def site(world: World) -> Site:
    return Site(world)


def text_of(page: TestResponse) -> str:
    return " ".join(re.sub("<[^>]+>", " ", page.text).split())


# The way to GitHub and back


def test_a_visitor_comes_back_from_github_logged_in(site: Site) -> None:
    browser = site.browser()
    back = site.come_back(browser, site.leave(browser), "alice")

    assert (back.status_code, back.headers["Location"]) == (303, "/auth")
    assert "As alice , with the role member" in text_of(browser.get("/auth"))
    [user] = site.world.rows(User)
    assert (user.login, user.email) == ("alice", "alice@example.com")
    [row] = site.api.audit("user.logged_in")
    assert (row.actor, row.subject_id) == ("alice@example.com", user.id)


def test_github_is_told_nothing_but_who_asks_and_a_challenge(site: Site) -> None:
    query = {name: value for name, [value] in parse_qs(urlsplit(site.leave(site.browser())).query).items()}
    assert set(query) == {"client_id", "redirect_uri", "state", "code_challenge", "code_challenge_method"}
    assert (query["client_id"], query["code_challenge_method"]) == (CLIENT_ID, "S256")
    assert query["redirect_uri"] == f"{PUBLIC}/auth/github/callback"


def test_a_login_that_was_begun_elsewhere_is_refused(site: Site) -> None:
    """A link that logs the victim in as somebody else."""
    address = site.leave(site.browser())
    victim = site.browser()
    site.leave(victim)
    page = site.come_back(victim, address, "mallory")
    assert (page.status_code, "This login did not begin here" in page.text) == (400, True)
    assert site.world.rows(User) == []


def test_a_login_that_took_too_long_is_refused(site: Site) -> None:
    browser = site.browser()
    address = site.leave(browser)
    site.world.clock.advance(minutes=10)
    assert site.come_back(browser, address, "alice").status_code == 400


def test_a_code_is_good_once(site: Site) -> None:
    browser = site.browser()
    back = site.world.github.log_in("alice", site.leave(browser)).removeprefix(PUBLIC)
    state = browser.get_cookie("greenroom_login")
    assert state is not None
    browser.get(back)
    browser.set_cookie("greenroom_login", state.value)
    page = browser.get(back)
    assert (page.status_code, "GitHub did not confirm the login" in page.text) == (400, True)


@pytest.mark.parametrize("status", [500, None])
def test_a_github_that_is_away_is_a_page_that_says_so(site: Site, status: int | None) -> None:
    browser = site.browser()
    address = site.leave(browser)
    site.world.github.fail("*", "login/oauth", status)
    page = site.come_back(browser, address, "alice")
    assert (page.status_code, "GitHub has trouble" in page.text) == (502, True)


def test_without_a_client_secret_the_page_says_what_is_missing(world: World) -> None:
    page = Site(world, github_client_secret=None).browser().get("/auth/login")
    assert (page.status_code, "GITHUB_CLIENT_SECRET" in page.text) == (503, True)


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/a b"])
def test_nobody_is_sent_elsewhere_afterwards(site: Site, elsewhere: str) -> None:
    browser = site.browser()
    address = browser.get(f"/auth/login?next={quote(elsewhere, safe='')}").headers["Location"]
    assert site.come_back(browser, address, "alice").headers["Location"] == "/auth"


@pytest.mark.parametrize(("public_url", "secure"), [("https://greenroom.test", True), (PUBLIC, False)])
def test_cookies_are_for_this_site_alone(world: World, public_url: str, secure: bool) -> None:
    site = Site(world, public_url=public_url)
    cookie = site.browser().get("/auth/login").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert ("Secure" in cookie) is secure


def test_a_session_ends(site: Site) -> None:
    browser = site.log_in("alice")
    site.world.clock.advance(hours=12)
    assert browser.get("/auth").status_code == 303


# Tokens of people


def test_a_token_knows_its_person(site: Site) -> None:
    client, answer = site.rest("alice")
    [user] = site.world.rows(User)
    assert answer["expiresAt"] == "2026-03-02T13:00:00Z"
    assert client.get("/users/me").body == {
        "id": user.id, "email": "alice@example.com", "role": "member", "createdAt": "2026-03-02T12:00:00Z",
    }  # fmt: skip
    assert [row.subject_id for row in site.api.audit("user.token_issued")] == [user.id]
    assert answer["token"] not in str([vars(row) for row in site.world.rows(Audit)])


def test_owners_are_those_that_the_operator_names(site: Site) -> None:
    assert site.rest("Olga")[0].get("/users/me").body["role"] == "owner"


def test_a_token_is_good_for_an_hour_and_five_minutes(site: Site) -> None:
    client, _ = site.rest("alice")
    site.world.clock.advance(minutes=65, seconds=-1)
    assert client.get("/users/me").status == 200
    site.world.clock.advance(seconds=1)
    assert client.get("/users/me").refused() == (401, "TOKEN_EXPIRED", "Unauthorized")


def test_it_is_renewed_for_thirty_days_from_the_login_on(site: Site) -> None:
    client, answer = site.rest("alice")
    site.world.clock.advance(days=29)

    renewed = client.post("/auth/refresh", {"refreshToken": answer["refreshToken"]})

    assert renewed.status == 200
    assert renewed.body["refreshExpiresAt"] == answer["refreshExpiresAt"] == "2026-04-01T12:00:00Z"
    assert Rest(site.browser(), renewed.body["token"]).get("/users/me").status == 200
    site.world.clock.advance(days=1)
    late = client.post("/auth/refresh", {"refreshToken": renewed.body["refreshToken"]})
    assert late.refused() == (401, "TOKEN_EXPIRED", "Unauthorized")


def test_a_logout_ends_every_token_and_session(site: Site) -> None:
    browser = site.log_in("alice")
    answer = site.token(browser)
    elsewhere = site.log_in("alice")
    site.world.clock.advance(seconds=1)

    assert "You are logged out" in browser.post("/auth/logout").text

    client = Rest(site.browser(), answer["token"])
    assert client.get("/users/me").refused()[1] == "UNAUTHENTICATED"
    assert client.post("/auth/refresh", {"refreshToken": answer["refreshToken"]}).status == 401
    assert elsewhere.get("/auth").status_code == 303
    site.world.clock.advance(seconds=1)
    assert site.log_in("alice").get("/auth").status_code == 200


FORGERIES: dict[str, Callable[[dict[str, Any], str], str]] = {
    "another key": lambda claims, _: jwt.encode(claims, "x" * 32, algorithm="HS256"),
    "no signature": lambda claims, _: jwt.encode(claims, "", algorithm="none"),
    "cut short": lambda _, token: token[:-2],
    "nonsense": lambda *_: "a.b.c",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused(site: Site, forgery: str) -> None:
    _, answer = site.rest("alice")
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    forged = FORGERIES[forgery](claims, answer["token"])
    assert Rest(site.browser(), forged).get("/users/me").refused() == (401, "UNAUTHENTICATED", "Unauthorized")


@pytest.mark.parametrize("purpose", [Purpose.SESSION, Purpose.REFRESH, Purpose.LOGIN])
def test_a_pass_for_something_else_is_no_token(site: Site, purpose: Purpose) -> None:
    site.log_in("alice")
    [user] = site.world.rows(User)
    other, _ = site.context.passes.issue(purpose, user.id)
    assert Rest(site.browser(), other).get("/users/me").status == 401


def test_a_token_of_another_greenroom_or_for_nobody_is_refused(site: Site) -> None:
    site.log_in("alice")
    [user] = site.world.rows(User)
    elsewhere, _ = Site(site.world, public_url="http://elsewhere.test").context.passes.issue(Purpose.API, user.id)
    nobody, _ = site.context.passes.issue(Purpose.API, "550e8400-e29b-41d4-a716-446655440000")
    for token in (elsewhere, nobody):
        assert Rest(site.browser(), token).get("/users/me").refused()[1] == "UNAUTHENTICATED"


def test_a_rotated_key_still_opens_what_it_signed(site: Site) -> None:
    _, answer = site.rest("alice")
    rotated = Site(site.world, secret_keys=("new", *site.context.settings.secret_keys))
    assert Rest(rotated.browser(), answer["token"]).get("/users/me").status == 200
    forgotten = Site(site.world, secret_keys=("new",))
    assert Rest(forgotten.browser(), answer["token"]).get("/users/me").status == 401


# What a person sees


def test_a_person_sees_what_they_can_read_on_github(site: Site) -> None:
    site.world.pool()
    site.world.pool("other", repo="acme/other")
    reader, _ = site.rest("rita")
    stranger, _ = site.rest("steve")

    assert [pool["poolTag"] for pool in reader.get("/pools/configs").body] == ["core"]
    assert reader.get("/pools/configs/core", **OF_SHOP).status == 200
    assert stranger.get("/pools/configs").body == []
    assert stranger.get("/pools/configs/core", **OF_SHOP).refused() == (404, "POOL_NOT_FOUND", "Pool not found")


def test_an_owner_does_too(site: Site) -> None:
    site.world.pool()
    owner, _ = site.rest("olga")
    assert owner.post("/review/environments/assign", key(poolTag="core")).refused()[1] == "POOL_NOT_FOUND"

    site.world.github.set_permission(REPO, "olga", "read")
    site.world.clock.advance(seconds=60)

    assert owner.post("/review/environments/assign", key(poolTag="core")).status == 200
    assert site.api.audit("assignment.created")[-1].actor == "olga@example.com"


def test_what_github_said_is_believed_for_a_minute(site: Site) -> None:
    site.world.pool()
    reader, _ = site.rest("rita")
    assert len(reader.get("/pools/configs").body) == 1
    site.world.github.set_permission(REPO, "rita", "none")
    site.world.clock.advance(seconds=59)
    assert len(reader.get("/pools/configs").body) == 1
    site.world.clock.advance(seconds=1)
    assert reader.get("/pools/configs").body == []


def test_what_github_says_of_members_ends_that_at_once(site: Site) -> None:
    site.world.pool()
    site.world.work()
    reader, _ = site.rest("rita")
    assert len(reader.get("/pools/configs").body) == 1
    site.world.github.set_permission(REPO, "rita", "none")
    site.world.clock.advance(seconds=1)
    site.world.tells("member", {"action": "removed", "installation": {"id": site.world.installation.id}})
    site.world.work()
    site.world.clock.advance(seconds=1)
    assert reader.get("/pools/configs").body == []


def test_a_github_that_does_not_answer_shows_nothing(site: Site) -> None:
    site.world.pool()
    reader, _ = site.rest("rita")
    site.world.github.fail("GET", "permission", 500)
    assert reader.get("/pools/configs").body == []
    assert len(reader.get("/pools/configs").body) == 1


def test_an_owner_governs_every_token(site: Site) -> None:
    owner, _ = site.rest("olga")
    assert len(owner.get("/application-tokens").body) == 3
    assert owner.post("/application-tokens", {"name": "ci"}).body["repositories"] is None
