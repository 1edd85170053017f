"""Who may do what, and who sees which repositories."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import Client

from bot.api.operations import OPERATIONS
from storage.tokens import Role, Token
from tests.bot.api.client import OF_SHOP, POOL, Api, Rest, key
from tests.world import REPO

LIST = "/review/environments/list"

CHANGES = "Forbidden - Requires role: owner, application"
OWNS = "Forbidden - Requires role: owner"

# Contract section 1, role matrix, as sections 7 and 8 apply it: what each role is told about its rights alone.
MATRIX: dict[tuple[str, str], dict[Role, str]] = {
    ("POST", "/review/environments/assign"): {Role.MEMBER: CHANGES},
    ("GET", "/review/environments/pr/1"): {},
    ("POST", "/review/environments/extend"): {Role.MEMBER: CHANGES},
    ("POST", "/review/environments/unassign"): {Role.MEMBER: CHANGES},
    ("POST", "/review/environments/transition"): {Role.MEMBER: CHANGES},
    ("POST", "/review/environments/acquire"): {Role.MEMBER: CHANGES},
    ("POST", "/review/environments/release"): {Role.MEMBER: CHANGES},
    ("GET", LIST): {},
    ("GET", "/pools/configs"): {},
    ("POST", "/pools/configs"): {Role.MEMBER: CHANGES},
    ("GET", "/pools/configs/core"): {},
    ("DELETE", "/pools/configs/core"): {Role.MEMBER: OWNS, Role.APPLICATION: OWNS},
    ("PATCH", "/pools/configs/core"): {Role.MEMBER: CHANGES},
    ("GET", "/pools/status"): {},
    ("GET", "/pools/mode"): {},
    ("GET", "/pools/core/instances"): {},
    ("POST", "/pools/core/provision"): {Role.MEMBER: CHANGES},
    ("POST", "/pools/core/fetch"): {Role.MEMBER: CHANGES},
}


PUBLIC = ["GET /sfp/api", "GET /sfp/api/ping", "POST /sfp/api/auth/refresh"]


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_the_matrix_says(wire: Api, role: Role) -> None:
    somebody = wire.token(role)
    for (method, path), refusals in MATRIX.items():
        reply = somebody.send(method, path)
        if role in refusals:
            assert reply.refused() == (403, "ROLE_REQUIRED", refusals[role]), (method, path)
        else:
            assert reply.status not in (401, 403), (method, path)


def test_nothing_but_what_is_public_is_answered_to_nobody(wire: Api) -> None:
    for operation in OPERATIONS:
        path = operation.template.replace("{id}", str(uuid4())).replace("{", "").replace("}", "")
        reply = wire.anonymous.send(operation.method, path)
        if operation.roles:
            assert reply.refused() == (401, "UNAUTHENTICATED", "Unauthorized"), operation
            assert reply.headers["WWW-Authenticate"] == "Bearer"
        else:
            assert reply.status in (200, 400), operation
    assert [str(operation) for operation in OPERATIONS if not operation.roles] == PUBLIC


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer sfp_app_wrong", "Basic eDp5", "sfp_app_x", "Bearer \xff"]
)
def test_what_is_no_token_of_ours_is_nobody(wire: Api, authorization: str) -> None:
    reply = wire.anonymous.send("GET", LIST, headers={"Authorization": authorization})
    assert reply.refused() == (401, "UNAUTHENTICATED", "Unauthorized")


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_the_scheme_is_written_as_anybody_likes(wire: Api, scheme: str) -> None:
    authorization = f"{scheme}{wire.member.secret}"
    assert wire.anonymous.send("GET", LIST, headers={"Authorization": authorization}).status == 200


def test_an_expired_token_has_no_grace(wire: Api) -> None:
    somebody = wire.token(Role.OWNER, days=1)
    wire.world.clock.advance(days=1, seconds=-1)
    assert somebody.get(LIST).status == 200
    wire.world.clock.advance(seconds=1)
    assert somebody.get(LIST).refused() == (401, "TOKEN_EXPIRED", "Unauthorized")


def test_a_revoked_token_is_nobodys(wire: Api) -> None:
    with wire.database.transaction() as session:
        session.get_one(Token, wire.owner.token_id).revoked_at = wire.world.clock()
    assert wire.owner.get(LIST).refused()[:2] == (401, "UNAUTHENTICATED")


def test_a_role_is_checked_before_anything_that_is_wrong_with_a_request(wire: Api) -> None:
    bodies: list[Any] = [None, {}, []]
    for body in bodies:
        assert wire.member.post("/pools/nope/fetch", body).refused()[:2] == (403, "ROLE_REQUIRED")
    text = wire.member.send("POST", "/pools/configs", raw=b"<xml/>", headers={"Content-Type": "text/xml"})
    assert text.refused()[:2] == (403, "ROLE_REQUIRED")


@pytest.fixture
def scoped(api: Api) -> Rest:
    """An owner of `acme/other` only, beside a full `acme/shop` that it must not see."""
    api.spare("core", free=2)
    api.spare("other", free=2, repo="acme/other")
    api.assign("123")
    api.owner.post("/review/environments/assign", key("7", repositoryIdentifier="acme/other", poolTag="other"))
    return api.token(Role.OWNER, "Acme/Other")


def test_lists_have_only_what_is_in_scope(scoped: Rest) -> None:
    assert [a["assignmentId"] for a in scoped.get(LIST).body["assignments"]] == ["7"]
    assert scoped.get(LIST, **OF_SHOP).body["totalCount"] == 0
    assert [pool["poolTag"] for pool in scoped.get("/pools/configs").body] == ["other"]
    assert scoped.get("/pools/configs", **OF_SHOP).body == []
    assert [pool["poolTag"] for pool in scoped.get("/pools/status").body] == ["other"]
    everything = scoped.post("/pools/all/provision", **OF_SHOP).body["details"]
    assert everything["pools"] == []


def test_what_is_out_of_scope_is_not_there(scoped: Rest) -> None:
    not_assigned = (404, "ASSIGNMENT_NOT_FOUND", f"No active assignment for pr-123 in {REPO}")
    no_pool = (404, "POOL_NOT_FOUND", "Pool not found")
    moved = {"fromAssignmentType": "pr", "fromAssignmentId": "123", "toAssignmentType": "pr", "toAssignmentId": "9"}
    review = "/review/environments"

    assert scoped.get(f"{review}/pr/123", **OF_SHOP).refused() == not_assigned
    for operation in ("extend", "unassign", "release"):
        assert scoped.post(f"{review}/{operation}", key()).refused() == not_assigned
    assert scoped.post(f"{review}/acquire", key(duration=5, usedBy="ci")).refused() == not_assigned
    assert scoped.post(f"{review}/transition", {**OF_SHOP, **moved}).refused() == not_assigned
    assert scoped.post(f"{review}/assign", key(poolTag="core")).refused() == no_pool
    assert scoped.post(f"{review}/assign", key(branch="main")).refused()[:2] == (404, "NO_POOL_MATCH")
    assert scoped.get("/pools/status", poolTag="core").refused() == no_pool
    for method, path in [
        ("GET", "/pools/configs/core"),
        ("PATCH", "/pools/configs/core"),
        ("DELETE", "/pools/configs/core"),
        ("GET", "/pools/core/instances"),
        ("POST", "/pools/core/provision"),
        ("POST", "/pools/core/fetch"),
    ]:
        assert scoped.send(method, path, query=OF_SHOP).refused() == no_pool, (method, path)


def test_a_pool_cannot_be_made_where_nothing_is_seen(scoped: Rest) -> None:
    refused = scoped.post("/pools/configs", POOL).refused()
    assert refused == (404, "REPOSITORY_NOT_FOUND", f"Repository {REPO} not found")
    assert scoped.post("/pools/configs", {**POOL, "repositoryIdentifier": "ACME/other"}).status == 201


def test_in_scope_everything_is_as_for_everybody(scoped: Rest) -> None:
    other = {"repositoryIdentifier": "acme/other"}
    assert scoped.get("/review/environments/pr/7", **other).body["sandboxName"] == "oth0"
    assert scoped.post("/pools/other/fetch", **other).status == 200


def test_an_actor_is_the_token_that_asked(api: Api) -> None:
    api.spare()
    reply = api.assign("123")
    [row] = api.audit("assignment.created")
    assert (row.actor, row.role, row.request) == ("the application", "application", reply.headers["X-Request-Id"])


def test_a_client_without_any_header_is_answered(wire: Api) -> None:
    reply: Any = Client(wire.app).get("/sfp/api/review/environments/list")
    assert reply.status_code == 401
