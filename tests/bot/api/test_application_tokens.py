"""Application tokens: an owner makes, lists and ends them; their secrets are shown once."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client

from storage.tokens import Role, Token
from tests.bot.api.client import Api, Rest, without
from tests.world import REPO

TOKENS = "/application-tokens"


def made(api: Api, **body: Any) -> tuple[dict[str, Any], Rest]:
    """What the answer says, and a client with the secret."""
    reply = api.owner.post(TOKENS, {"name": "deploy", **body})
    assert reply.status == 201
    return reply.body, Rest(Client(api.app), reply.body["token"], reply.body["id"])


def test_an_owner_makes_a_token_that_works(api: Api) -> None:
    answer, client = made(api)

    assert without(answer, "id", "token") == {
        "name": "deploy",
        "role": "application",
        "repositories": None,
        "createdAt": "2026-03-02T12:00:00Z",
        "expiresAt": "2026-04-01T12:00:00Z",
    }
    assert answer["token"].startswith("sfp_app_")
    assert client.get("/users/me").body == {
        "id": answer["id"], "name": "deploy", "email": None, "role": "application",
    }  # fmt: skip


def test_the_secret_is_nowhere_kept_and_never_shown_again(api: Api) -> None:
    answer, _ = made(api)
    kept = [str(vars(row)) for row in [*api.world.rows(Token), *api.audit("token.created")]]

    assert answer["token"] not in "".join([*kept, api.owner.get(TOKENS).text])
    assert answer["id"] in {listed["id"] for listed in api.owner.get(TOKENS).body}
    [audited] = api.audit("token.created")
    assert (audited.actor, audited.subject_id, audited.details["name"]) == ("the owner", answer["id"], "deploy")


@pytest.mark.parametrize("days", [1, 365])
def test_it_lives_for_as_many_days_as_are_given(api: Api, days: int) -> None:
    _, client = made(api, expiresIn=days)
    api.world.clock.advance(days=days, seconds=-1)
    assert client.get("/users/me").status == 200
    api.world.clock.advance(seconds=1)
    assert client.get("/users/me").refused() == (401, "TOKEN_EXPIRED", "Unauthorized")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "name is required"),
        ({"name": ""}, "name must have between 1 and 100 characters"),
        ({"name": "x", "expiresIn": 366}, "expiresIn must be between 1 and 365"),
        ({"name": "x", "expiresIn": 1.5}, "expiresIn must be an integer"),
        ({"name": "x", "repositories": ["x"]},
         "repositories.0 must be an owner and a name, as in flxbl-io/sf-core"),
        ({"name": "x", "repositories": []}, "repositories must name at least one repository, or be left out for all"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_new_token_is_said(wire: Api, body: dict[str, Any], message: str) -> None:
    assert wire.owner.post(TOKENS, body).refused() == (400, "VALIDATION_FAILED", message)


def test_it_sees_the_repositories_it_was_made_for(api: Api) -> None:
    api.world.pool()
    _, client = made(api, repositories=["acme/other"])
    assert client.get("/pools/configs").body == []
    _, client = made(api, repositories=[REPO.upper()])
    assert len(client.get("/pools/configs").body) == 1


@pytest.mark.parametrize("by", ["id", "token"])
def test_a_deleted_token_opens_nothing(api: Api, by: str) -> None:
    answer, client = made(api)

    reply = api.owner.delete(f"{TOKENS}/{answer[by]}")

    assert (reply.status, reply.body) == (
        200, {"message": "Application token deleted successfully", "id": answer["id"]},
    )  # fmt: skip
    assert client.get("/users/me").refused() == (401, "UNAUTHENTICATED", "Unauthorized")
    assert api.owner.delete(f"{TOKENS}/{answer[by]}").refused() == (404, "TOKEN_NOT_FOUND", "Token not found")
    assert [row.subject_id for row in api.audit("token.deleted")] == [answer["id"]]


def test_others_than_owners_may_not_even_look(wire: Api) -> None:
    for client in (wire.member, wire.application):
        for reply in (client.get(TOKENS), client.post(TOKENS, {}), client.delete(f"{TOKENS}/x")):
            assert reply.refused() == (403, "ROLE_REQUIRED", "Forbidden - Requires role: owner")


def test_an_owner_of_some_repositories_makes_no_token_for_others(api: Api) -> None:
    scoped = api.token(Role.OWNER, REPO)

    refused = scoped.post(TOKENS, {"name": "x", "repositories": ["acme/other"]})
    assert refused.refused() == (404, "REPOSITORY_NOT_FOUND", "Repository acme/other not found")
    assert scoped.post(TOKENS, {"name": "x"}).body["repositories"] == [REPO]


def test_an_owner_of_some_repositories_neither_sees_nor_ends_the_tokens_of_all(api: Api) -> None:
    scoped = api.token(Role.OWNER, REPO)
    answer, client = made(api)

    assert [token["id"] for token in scoped.get(TOKENS).body] == [scoped.token_id]
    assert scoped.delete(f"{TOKENS}/{answer['id']}").refused()[1] == "TOKEN_NOT_FOUND"
    assert client.get("/users/me").status == 200


@pytest.mark.parametrize("role", list(Role))
def test_a_token_knows_itself(wire: Api, role: Role) -> None:
    token = wire.token(role, name="me")
    assert token.get("/users/me").body == {"id": token.token_id, "name": "me", "email": None, "role": role}
