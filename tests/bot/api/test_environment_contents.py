"""E20–E23: what is installed in dedicated environments, and what was released to them."""

from __future__ import annotations

from typing import Any

import pytest

from storage.releases import Release
from storage.tokens import Role
from tests.bot.api.client import OF_SHOP, Api, without
from tests.bot.api.test_environments import NOT_FOUND, OTHER, in_real_mode, problem

NOBODY = "/environments/456e7890-e89b-42d3-a456-426614174001"


def path_of(api: Api, name: str = "prod", **values: Any) -> str:
    return f"/environments/{api.dedicated(name, **values)['id']}"


# What is installed


def test_what_is_installed_is_read_once_an_hour_or_on_demand(api: Api) -> None:
    path = path_of(api)
    first = api.member.get(f"{path}/artifacts")
    assert first.status == 200
    assert [set(artifact) for artifact in first.body] == [{"name", "version", "commitId", "installedAt"}] * 3
    assert first.headers["X-Total-Count"] == "3"

    api.world.clock.advance(minutes=59, seconds=59)
    assert api.member.get("/environments/by-name/prod/artifacts", **OF_SHOP).body == first.body
    api.world.clock.advance(seconds=1)
    assert api.member.get(f"{path}/artifacts").body != first.body


def test_a_forced_refresh_reads_the_org(api: Api) -> None:
    path = path_of(api)
    api.world.clock.advance(minutes=30)
    first = api.member.get(f"{path}/artifacts").body
    api.world.clock.advance(minutes=31)  # something was installed at the full hour
    assert api.member.get(f"{path}/artifacts").body == first
    read = api.member.get("/environments/by-name/prod/artifacts", forceRefresh="true", **OF_SHOP).body
    assert read != first
    assert api.member.get(f"{path}/artifacts").body == read


def test_another_org_has_other_contents(wire: Api) -> None:
    path = path_of(wire)
    first = wire.member.get(f"{path}/artifacts").body
    wire.application.patch(path, {"salesforceUsername": "other@acme.example"})
    assert wire.member.get(f"{path}/artifacts").body != first


def test_an_org_out_of_reach_cannot_be_read(wire: Api) -> None:
    path = path_of(wire)
    reply = in_real_mode(wire).member.get(f"{path}/artifacts")
    assert reply.refused()[:2] == (400, "ARTIFACTS_UNAVAILABLE")
    assert reply.body["message"].startswith("Unable to retrieve artifacts (")
    wire.member.get(f"{path}/artifacts")
    assert in_real_mode(wire).member.get(f"{path}/artifacts").status == 200  # it is known


# What was released


def test_a_release_is_recorded_and_shown(api: Api) -> None:
    path = path_of(api)
    body = {"releaseName": "core-2026-03", "domain": "core", "metadata": {"build": 7}}
    made = api.application.post(f"{path}/releases", {**body, "publishedAt": "2026-03-01T12:00:00+02:00"})
    assert made.status == 201
    assert without(made.body, "id") == {**body, **OF_SHOP, "publishedAt": "2026-03-01T10:00:00Z"}
    now = api.application.post(f"{path}/releases", {"releaseName": "hr-2026-03", **OF_SHOP})
    assert without(now.body, "id") == {
        "releaseName": "hr-2026-03", "domain": None, "publishedAt": "2026-03-02T12:00:00Z", "metadata": {}, **OF_SHOP,
    }  # fmt: skip
    for listed in (f"{path}/releases", "/environments/by-name/prod/releases"):
        assert api.member.get(listed, **OF_SHOP).body == [now.body, made.body]
    assert {row.recorded_by for row in api.world.rows(Release)} == {"the application"}


def test_releases_are_paged_and_filtered(api: Api) -> None:
    path = path_of(api)
    for number in range(5):
        api.world.clock.advance(minutes=1)
        release = {"releaseName": f"r{number}", "domain": "core" if number % 2 else "hr"}
        api.application.post(f"{path}/releases", release)
    for query, found, total in (
        ({}, ["r4", "r3", "r2", "r1", "r0"], "5"),
        ({"limit": 2}, ["r4", "r3"], "5"),
        ({"limit": 2, "offset": 4}, ["r0"], "5"),
        ({"offset": 9}, [], "5"),
        ({"domain": "core", "limit": 1}, ["r3"], "2"),
        ({"domain": "Core"}, [], "0"),
    ):
        for reply in (
            api.member.get(f"{path}/releases", **query),
            api.member.get("/environments/by-name/prod/releases", **query, **OF_SHOP),
        ):
            assert [release["releaseName"] for release in reply.body] == found
            assert reply.headers["X-Total-Count"] == total


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "releaseName"),
        ({"releaseName": ""}, "releaseName"),
        ({"releaseName": "x", "domain": "a b"}, "domain"),
        ({"releaseName": "x", "publishedAt": "2026-03-01"}, "publishedAt"),
        ({"releaseName": "x", "publishedAt": 7}, "publishedAt"),
        ({"releaseName": "x", "metadata": "x"}, "metadata"),
        ({"releaseName": "x", "repositoryIdentifier": OTHER}, "repositoryIdentifier"),
    ],
)
def test_a_wrong_release_is_refused(wire: Api, body: dict[str, Any], field: str) -> None:
    refused = wire.application.post(f"{path_of(wire)}/releases", body)
    assert problem(refused) == (400, "VALIDATION_FAILED", field)


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"offset": -1}])
def test_a_page_has_bounds(wire: Api, query: dict[str, Any]) -> None:
    assert problem(wire.member.get(f"{path_of(wire)}/releases", **query)) == (400, "VALIDATION_FAILED", min(query))


def test_a_member_records_nothing(wire: Api) -> None:
    assert wire.member.post(f"{path_of(wire)}/releases", {}).refused()[:2] == (403, "ROLE_REQUIRED")


# Both


def test_what_is_not_there_has_no_contents(wire: Api) -> None:
    path = path_of(wire)
    stranger = wire.token(Role.OWNER, OTHER)
    for what in ("artifacts", "releases"):
        for somebody, where in ((stranger, path), (wire.owner, NOBODY), (stranger, "/environments/by-name/prod")):
            assert somebody.get(f"{where}/{what}", **OF_SHOP).refused() == NOT_FOUND
        missing = wire.owner.get(f"/environments/by-name/prod/{what}").refused()
        assert missing[:2] == (400, "MISSING_PARAMETER")
    assert stranger.post(f"{path}/releases", {}).refused() == NOT_FOUND


def test_contents_go_with_their_environment(api: Api) -> None:
    path = path_of(api)
    api.member.get(f"{path}/artifacts")
    api.application.post(f"{path}/releases", {"releaseName": "x"})
    assert api.owner.delete(path).status == 200
    assert api.world.rows(Release) == []
    assert path_of(api) != path
