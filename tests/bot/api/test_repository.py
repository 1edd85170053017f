"""A pipeline gets a token of GitHub's, for one repository and as weak as it can be."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from storage.tokens import Role
from tests.bot.api.client import Api, Reply, Rest, without
from tests.github import WireTo
from tests.world import REPO

AUTH_TOKEN = "/repository/auth-token"


def ask(client: Rest, repository: str = REPO) -> Reply:
    return client.get(AUTH_TOKEN, repositoryIdentifier=repository)


def on_github(api: Api, token: str, path: str) -> int:
    with httpx.Client(base_url="https://api.github.test", transport=WireTo(api.world.github)) as client:
        return client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code


def test_the_token_opens_the_repository_and_no_other(api: Api) -> None:
    api.world.github.add_repositories(api.world.installation, "acme/other")

    reply = ask(api.application)

    token = reply.body["token"]
    assert without(reply.body, "token") == {
        "expiresAt": (api.world.clock() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "type": "installation",
        "provider": "github",
        "scope": "contents:read,pull_requests:write",
    }
    assert on_github(api, token, f"/repos/{REPO}/pulls") == 200
    assert on_github(api, token, "/repos/acme/other/pulls") == 404


def test_it_may_no_more_than_a_pipeline_needs(api: Api) -> None:
    granted = {"metadata": "read", "contents": "write", "issues": "write", "pull_requests": "read"}
    api.world.installation.permissions = granted
    api.world.github.open_issue(REPO, "alice")

    reply = ask(api.application)

    assert reply.body["scope"] == "contents:read,pull_requests:read"
    assert on_github(api, reply.body["token"], f"/repos/{REPO}/issues/1") == 403


def test_every_token_is_audited_and_the_token_is_not_in_it(api: Api) -> None:
    token = ask(api.application).body["token"]

    [row] = api.audit("credentials.revealed")
    assert (row.actor, row.details["repository"], row.details["scope"]) == (
        "the application", REPO, "contents:read,pull_requests:write",
    )  # fmt: skip
    assert token not in str(vars(row))


@pytest.mark.parametrize("repository", ["acme/unknown", "nobody/nothing", "a/b/c"])
def test_where_the_app_is_not_installed_there_is_no_token(wire: Api, repository: str) -> None:
    assert ask(wire.application, repository).refused() == (404, "INSTALLATION_NOT_FOUND", "Installation not found")


def test_out_of_scope_is_not_installed(wire: Api) -> None:
    assert ask(wire.token(Role.APPLICATION, "acme/other")).refused()[1] == "INSTALLATION_NOT_FOUND"
    assert wire.world.github.requests == []


@pytest.mark.parametrize("status", [500, 403, None])
def test_a_github_that_fails_is_a_provider_error(wire: Api, status: int | None) -> None:
    wire.world.github.fail("*", "access_tokens", status)
    reply = ask(wire.application)
    assert reply.refused() == (502, "PROVIDER_ERROR", "The provider refused: GitHub gave no token")
    assert wire.audit("credentials.revealed") == []


def test_members_get_none(wire: Api) -> None:
    assert ask(wire.member).refused()[:2] == (403, "ROLE_REQUIRED")


def test_the_repository_has_to_be_named(wire: Api) -> None:
    refused = wire.application.get(AUTH_TOKEN).refused()
    assert refused == (400, "MISSING_PARAMETER", "Missing repositoryIdentifier parameter")
