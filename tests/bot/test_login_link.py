"""From the pull request's comment into its environment: who may is logged in there, and nobody else."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from storage.audit import Audit
from storage.repositories import Repository
from tests.bot.test_login import Site, text_of
from tests.world import REPO, World


class Doors(Site):
    """Alice's pull request has an environment of the one pool."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.pool = world.pool()
        self.number = world.opens("alice")
        [environment] = [one for one in world.environments(self.pool) if one.state == "ASSIGNED"]
        self.name = environment.name
        world.github.set_permission(REPO, "alice", "read")

    def link(self, name: str | None = None, repo: str = REPO, action: str = "frontdoorUrl") -> str:
        params = quote(f"targetOrg:{name or self.name},repository:{repo}")
        return f"/sfp/api/auth/continue?action={action}&params={params}"

    def follow(self, login: str, link: str | None = None) -> TestResponse:
        """Somebody who has not logged in yet follows the link, through GitHub."""
        browser = self.browser()
        start = link or self.link()
        back = self.come_back(browser, self.leave(browser, start), login)
        return browser.get(back.headers["Location"])


@pytest.fixture
def doors(world: World) -> Doors:
    return Doors(world)


@pytest.mark.parametrize("login", ["alice", "wendy", "mona"])
def test_the_author_and_whoever_may_write_get_in(doors: Doors, login: str) -> None:
    page = doors.follow(login)

    assert page.status_code == 303
    assert re.fullmatch(
        rf"https://[a-z0-9-]+{doors.name.lower()}\.sandbox\.mock\.example/login\?otp=\S+", page.location
    )
    [row] = doors.api.audit("credentials.revealed")
    assert (row.actor, row.details["environments"]) == (f"{login}@example.com", [doors.name])
    assert "otp" not in str([vars(row) for row in doors.world.rows(Audit)])
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_the_link_is_made_anew_for_each_visit(doors: Doors) -> None:
    assert doors.follow("alice").location != doors.follow("alice").location


@pytest.mark.parametrize("login", ["rita", "trish"])
def test_whoever_only_reads_is_told_who_may(doors: Doors, login: str) -> None:
    page = doors.follow(login)
    assert page.status_code == 403
    assert "Whoever opened the pull request may, and whoever may write to the repository" in text_of(page)


def test_whoever_does_not_see_the_repository_learns_nothing(doors: Doors) -> None:
    stranger, missing = doors.follow("steve"), doors.follow("steve", doors.link(name="nothing"))
    assert (stranger.status_code, stranger.text) == (404, missing.text)
    assert doors.follow("wendy", doors.link(repo="acme/unknown")).status_code == 404


def test_what_was_given_back_does_not_open(doors: Doors) -> None:
    doors.world.github.close(REPO, doors.number)
    doors.world.work()
    assert doors.follow("wendy").status_code == 404


def test_what_has_expired_does_not_open_before_the_sweep_either(doors: Doors) -> None:
    doors.world.clock.advance(hours=48)
    assert doors.follow("wendy").status_code == 404


@pytest.mark.parametrize(
    "link",
    [
        "/sfp/api/auth/continue",
        "/sfp/api/auth/continue?action=other&params=targetOrg:x,repository:acme/shop",
        "/sfp/api/auth/continue?action=frontdoorUrl&params=targetOrg:x",
        "/sfp/api/auth/continue?action=frontdoorUrl&params=repository:acme/shop",
        "/sfp/api/auth/continue?action=frontdoorUrl&params=targetOrg:%00,repository:acme/shop",
    ],
)
def test_a_link_that_is_not_whole_is_a_page_that_says_so(doors: Doors, link: str) -> None:
    page = doors.browser().get(link)
    assert (page.status_code, "This link is not complete" in page.text) == (400, True)


@pytest.mark.parametrize("repo", ["../..", "acme/..", "./shop"])
def test_no_name_leads_to_another_place_on_github(doors: Doors, repo: str) -> None:
    assert doors.follow("wendy", doors.link(repo=repo)).status_code == 404
    assert [r.path for r in doors.world.github.requests if r.path in ("/installation", "/repos/installation")] == []


def test_a_github_that_does_not_answer_lets_nobody_in(doors: Doors) -> None:
    doors.world.github.fail("GET", "permission", 500)
    assert doors.follow("wendy").status_code == 502


def test_an_environment_without_login_links_says_where_it_is(world: World) -> None:
    site = Site(world)
    pool = world.pool("local", provider="local")
    world.opens("alice")
    [environment] = [one for one in world.environments(pool) if one.state == "ASSIGNED"]
    link = f"/sfp/api/auth/continue?action=frontdoorUrl&params=targetOrg:{environment.name},repository:{REPO}"
    page = site.log_in("wendy").get(link)
    assert page.status_code == 404
    assert str(environment.instance_url).split("/")[-1] in text_of(page)


def test_a_provider_that_fails_is_a_page_that_says_so(doors: Doors) -> None:
    [environment] = [one for one in doors.world.environments(doors.pool) if one.state == "ASSIGNED"]
    [repository] = doors.world.rows(Repository)
    provider = doors.context.provider(repository, doors.pool)
    provider.delete(environment.name, environment.fence)
    page = doors.follow("wendy")
    assert (page.status_code, "The environment does not open" in page.text) == (502, True)
    assert doors.api.audit("credentials.revealed") == []
