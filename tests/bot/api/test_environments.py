"""E1–E10: the registry of dedicated environments over REST."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.context import Context
from operations.lock import Wanted, lock
from storage import dedicated
from storage.audit import Audit
from storage.dedicated import DedicatedEnvironment
from storage.locks import Lock
from storage.tokens import Role
from tests.bot.api.client import ENVIRONMENT, OF_SHOP, Api, Reply, Rest, without
from tests.bot.test_login import Site
from tests.world import REPO, TEST, World

NOT_FOUND = (404, "ENVIRONMENT_NOT_FOUND", "Environment not found")
OTHER = "acme/other"
ORDER = "/environments/orchestration-order"
OF_DEV = {"category": "dev", **OF_SHOP}
PROD = f"/environments/by-name/prod?repositoryIdentifier={REPO}"


def problem(reply: Reply) -> tuple[int, str, str]:
    """Status, code, and the first field that is wrong."""
    status, code, _ = reply.refused()
    return status, code, reply.body["details"]["errors"][0]["field"]


def names(reply: Reply) -> list[str]:
    assert reply.status == 200, reply.text
    return [environment["name"] for environment in reply.body]


def take_lock(api: Api, made: dict[str, Any], by: str, *, seconds: int = 3600, **values: Any) -> Lock:
    with api.database.transaction() as session:
        found = dedicated.find(session, made["id"])
        assert found is not None
        wanted = Wanted(found[0].resource, timedelta(seconds=seconds), by, **values)
        return lock(session, wanted, TEST, now=api.world.clock())


def in_real_mode(api: Api) -> Api:
    settings = replace(api.world.context.settings, sandbox_mode="real")
    return Api(api.world, context=Context.of(settings, api.database, api.world.clock))


# Making


def test_an_environment_is_answered_whole(api: Api) -> None:
    api.known()
    more = {"metadata": {"region": "us-west"}, "tags": ["critical"], "isDefault": True, "orchestrationOrder": 1}
    reply = api.application.post("/environments", {**ENVIRONMENT, **more})

    assert reply.status == 201
    assert without(reply.body, "id") == {
        **ENVIRONMENT,
        **more,
        "repositoryName": "shop",
        "devHubUsername": None,
        "isActive": True,
        "isLocked": False,
        "lockedBy": None,
        "lockExpiresAt": None,
        "lockExpiresInSeconds": None,
        "lockStatus": {"isLocked": False, "currentLock": None, "queuedLocks": []},
        "createdAt": "2026-03-02T12:00:00Z",
        "updatedAt": "2026-03-02T12:00:00Z",
        "createdBy": "the application",
        "updatedBy": "the application",
        "version": 1,
    }
    for path in (f"/environments/{reply.body['id']}", f"/environments/{reply.body['id'].upper()}", PROD):
        assert api.member.get(path).body == reply.body


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"repositoryIdentifier": "shop"}, "repositoryIdentifier"),
        ({"name": None}, "name"),
        ({"name": "-prod"}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "a" * 64}, "name"),
        ({"category": None}, "category"),
        ({"category": "prod"}, "category"),
        ({"category": "Dev"}, "category"),
        ({"branch": None}, "branch"),
        ({"branch": ""}, "branch"),
        ({"branch": "b" * 256}, "branch"),
        ({"description": None}, "description"),
        ({"description": ""}, "description"),
        ({"description": "d" * 501}, "description"),
        ({"salesforceUsername": None}, "salesforceUsername"),
        ({"isActive": "yes"}, "isActive"),
        ({"isDefault": 1}, "isDefault"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"big": "x" * 16384}}, "metadata"),
        ({"tags": "critical"}, "tags"),
        ({"tags": [1]}, "tags.0"),
        ({"orchestrationOrder": 0}, "orchestrationOrder"),
        ({"orchestrationOrder": 1.5}, "orchestrationOrder"),
        ({"orchestrationOrder": True}, "orchestrationOrder"),
        ({"orchestrationOrder": 2**31}, "orchestrationOrder"),
    ],
)
def test_wrong_values_are_refused(wire: Api, more: dict[str, Any], field: str) -> None:
    wire.known()
    assert problem(wire.application.post("/environments", {**ENVIRONMENT, **more})) == (400, "VALIDATION_FAILED", field)


def test_a_repository_has_to_be_known(wire: Api) -> None:
    reply = wire.owner.post("/environments", ENVIRONMENT)
    assert reply.refused() == (404, "REPOSITORY_NOT_FOUND", f"Repository {REPO} not found")
    wire.known()
    stranger = wire.token(Role.APPLICATION, OTHER)
    assert stranger.post("/environments", ENVIRONMENT).refused()[:2] == (404, "REPOSITORY_NOT_FOUND")


def test_a_name_is_taken_once_in_a_repository(api: Api) -> None:
    api.dedicated("prod")
    api.dedicated("Prod", salesforceUsername="other@acme.example")
    api.dedicated("prod", repo=OTHER)
    again = api.application.post("/environments", {**ENVIRONMENT, "salesforceUsername": "x@acme.example"})
    assert again.refused() == (409, "ENVIRONMENT_EXISTS", "Environment name already exists")


def test_a_username_is_taken_once_in_an_account(api: Api) -> None:
    taken = (409, "USERNAME_REGISTERED", "Salesforce username already registered")
    made = api.dedicated("prod", salesforceUsername="Admin@acme.example")
    api.known(OTHER)
    for repo in (REPO, OTHER):
        body = {**ENVIRONMENT, "name": "next", "repositoryIdentifier": repo, "salesforceUsername": "admin@ACME.example"}
        assert api.application.post("/environments", body).refused() == taken
    other = api.dedicated("next")
    changed = api.application.patch(f"/environments/{other['id']}", {"salesforceUsername": "ADMIN@acme.example"})
    assert changed.refused() == taken
    api.dedicated("prod", repo="elsewhere/shop", salesforceUsername="admin@acme.example")
    assert (
        api.application.patch(f"/environments/{made['id']}", {"salesforceUsername": "admin@acme.example"}).status == 200
    )


def test_an_org_has_to_be_registered_unless_it_is_played(wire: Api) -> None:
    made = wire.dedicated("prod")
    real = in_real_mode(wire)
    unknown = {**ENVIRONMENT, "name": "next", "salesforceUsername": "hub@acme.example"}
    refused = (404, "ORG_NOT_FOUND", "Salesforce org hub@acme.example not found")
    assert real.application.post("/environments", unknown).refused() == refused
    path = f"/environments/{made['id']}"
    assert real.application.patch(path, {"salesforceUsername": "hub@acme.example"}).refused() == refused
    assert real.application.patch(path, {"description": "Its org was removed since"}).status == 200

    org = {"username": "hub@acme.example", "alias": "hub", "sfdxAuthUrl": "force://x::y@acme.my.salesforce.com"}
    real.owner.post("/auth/salesforce/register", org)
    assert real.application.post("/environments", {**unknown, "salesforceUsername": "hub"}).body[
        "salesforceUsername"
    ] == ("hub@acme.example")


def test_a_new_default_takes_the_place_of_the_old_one(api: Api) -> None:
    def defaults(category: str) -> dict[str, int]:
        shown = api.member.get("/environments", category=category, **OF_SHOP).body
        return {one["name"]: one["version"] for one in shown if one["isDefault"]}

    api.dedicated("prod", isDefault=True)
    api.dedicated("dev", category="dev", isDefault=True)
    api.dedicated("prod", repo=OTHER, isDefault=True)
    assert (defaults("release"), defaults("dev")) == ({"prod": 1}, {"dev": 1})

    api.dedicated("next", isDefault=True)
    assert (defaults("release"), defaults("dev")) == ({"next": 1}, {"dev": 1})
    api.application.patch(PROD, {"isDefault": True})
    assert defaults("release") == {"prod": 3}
    api.application.patch(f"/environments/by-name/dev?repositoryIdentifier={REPO}", {"category": "release"})
    assert (defaults("release"), defaults("dev")) == ({"dev": 2}, {})


# Listing


def test_environments_are_listed_by_category(api: Api) -> None:
    api.dedicated("prod")
    api.dedicated("b", category="dev")
    api.dedicated("a", category="dev")
    api.dedicated("z", category="dev", orchestrationOrder=1)

    grouped = api.member.get("/environments").body
    assert {category: [one["name"] for one in found] for category, found in grouped.items()} == {
        "dev": ["z", "a", "b"],
        "test": [],
        "snapshot": [],
        "release": ["prod"],
    }
    assert list(grouped) == ["dev", "test", "snapshot", "release"]
    of_one = api.member.get("/environments", category="dev")
    assert of_one.body == grouped["dev"]
    assert of_one.headers["X-Total-Count"] == "3"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["next", "prod", "away"]),
        ("repositoryIdentifier=ACME/shop", ["next", "prod"]),
        ("repositoryIdentifier=acme/nothing", []),
        ("isActive=TRUE", ["next", "away"]),
        ("isActive=0", ["prod"]),
        ("branch=main", ["prod", "away"]),
        ("branch=mai", []),
        ("tags=critical", ["next", "prod"]),
        ("tags=critical&tags=eu", ["prod"]),
        ("tags=eu&tags=us", []),
    ],
)
def test_environments_are_filtered(api: Api, query: str, found: list[str]) -> None:
    api.dedicated("prod", tags=["critical", "eu"], isActive=False)
    api.dedicated("next", tags=["critical", "us"], branch="next")
    api.dedicated("away", repo="elsewhere/shop")
    assert names(api.member.get(f"/environments?category=release&{query}")) == found


@pytest.mark.parametrize(
    ("query", "field"),
    [("category=prod", "category"), ("isActive=yes", "isActive"), ("repositoryIdentifier=x", "repositoryIdentifier")],
)
def test_a_wrong_filter_is_refused(wire: Api, query: str, field: str) -> None:
    assert problem(wire.member.get(f"/environments?{query}")) == (400, "VALIDATION_FAILED", field)


# Finding


def test_what_is_no_uuid_is_another_path(wire: Api) -> None:
    for method, path in (
        ("GET", "/environments/prod"),
        ("DELETE", "/environments/1"),
        ("GET", "/environments/x/audit"),
    ):
        reply = wire.owner.send(method, path)
        assert reply.refused() == (404, "ROUTE_NOT_FOUND", f"Cannot {method} /sfp/api{path}")


def test_what_is_not_there_is_not_found(wire: Api) -> None:
    wire.known()
    for path in ("/environments/456e7890-e89b-42d3-a456-426614174001", PROD):
        assert wire.member.get(path).refused() == NOT_FOUND
        assert wire.owner.get(path + ("&" if "?" in path else "?") + "authType=accessToken").refused() == NOT_FOUND
        assert wire.application.patch(path, {}).refused() == NOT_FOUND
        assert wire.owner.delete(path).refused() == NOT_FOUND
    assert wire.member.get("/environments/by-name/prod").refused() == (
        400, "MISSING_PARAMETER", "Missing repositoryIdentifier parameter",
    )  # fmt: skip


def test_a_token_sees_the_environments_of_its_repositories(wire: Api) -> None:
    made = wire.dedicated("prod")
    stranger = wire.token(Role.OWNER, OTHER)
    assert names(stranger.get("/environments", category="release")) == []
    for path in (f"/environments/{made['id']}", PROD):
        assert stranger.get(path).refused() == NOT_FOUND
        assert stranger.patch(path, {}).refused() == NOT_FOUND
        assert stranger.delete(path).refused() == NOT_FOUND
    assert stranger.get(ORDER, category="release", **OF_SHOP).body == []
    assert stranger.send("PUT", ORDER, ["prod"], query={"category": "release", **OF_SHOP}).refused()[:2] == (
        400, "INVALID_ENVIRONMENT_NAMES",
    )  # fmt: skip


def test_a_person_sees_the_environments_of_repositories_that_they_can_read(world: World) -> None:
    site = Site(world)
    made = site.api.dedicated("prod")
    for login, found in (("rita", ["prod"]), ("steve", [])):
        person, _ = site.rest(login)
        assert names(person.get("/environments", category="release")) == found
        assert person.get(f"/environments/{made['id']}").status == (200 if found else 404)


def test_a_member_only_looks(wire: Api) -> None:
    made = wire.dedicated("prod")
    forbidden = (403, "ROLE_REQUIRED", "Forbidden - Requires role: owner, application")
    for path in (f"/environments/{made['id']}", PROD):
        assert wire.member.patch(path, {}).refused() == forbidden
        assert wire.application.delete(path).refused() == (403, "ROLE_REQUIRED", "Forbidden - Requires role: owner")
    assert wire.member.post("/environments", {}).refused() == forbidden
    assert wire.member.send("PUT", ORDER, [], query=OF_DEV).refused() == forbidden


# The way in


def asking(path: str, auth_type: str) -> str:
    return path + ("&" if "?" in path else "?") + f"authType={auth_type}"


def test_the_way_in_is_for_applications_and_owners_and_on_the_record(api: Api) -> None:
    made = api.dedicated("prod")
    other = api.dedicated("next")
    for path in (f"/environments/{made['id']}", PROD):
        for auth_type, gained in (("accessToken", {"accessToken", "instanceUrl"}), ("sfdxAuthUrl", {"sfdxAuthUrl"})):
            refused = api.member.get(asking(path, auth_type)).refused()
            assert refused == (403, "ROLE_REQUIRED", "Forbidden - Requires role: owner, application")
            for somebody in (api.application, api.owner):
                reply = somebody.get(asking(path, auth_type))
                assert without(reply.body, *gained) == made
                assert all("mock" in reply.body[name] for name in gained)
                row = api.world.rows(Audit)[-1]
                assert (row.action, row.request) == ("dedicated.credentials_revealed", reply.headers["X-Request-Id"])
                assert reply.body[min(gained)] not in str(row.details)
    theirs = api.owner.get(asking(f"/environments/{other['id']}", "sfdxAuthUrl")).body["sfdxAuthUrl"]
    assert theirs not in api.owner.get(asking(PROD, "sfdxAuthUrl")).text


def test_a_way_in_of_another_kind_is_refused(wire: Api) -> None:
    wire.dedicated("prod")
    assert problem(wire.owner.get(asking(PROD, "password"))) == (400, "VALIDATION_FAILED", "authType")


def test_an_org_out_of_reach_gives_no_way_in(wire: Api) -> None:
    wire.dedicated("prod")
    reply = in_real_mode(wire).owner.get(asking(PROD, "accessToken"))
    assert reply.refused()[:2] == (502, "PROVIDER_ERROR")
    assert wire.audit("dedicated.credentials_revealed") == []


# Changing


@pytest.mark.parametrize("by_name", [True, False])
def test_what_is_given_is_changed(api: Api, by_name: bool) -> None:
    made = api.dedicated("prod", tags=["critical"], metadata={"region": "eu"})
    api.world.clock.advance(hours=4)
    path = PROD if by_name else f"/environments/{made['id']}"
    reply = api.owner.patch(path, {"name": "live", "branch": "live", "repositoryIdentifier": "ACME/Shop", "version": 1})
    assert reply.status == 200
    assert reply.body == {
        **made,
        "name": "live",
        "branch": "live",
        "version": 2,
        "updatedAt": "2026-03-02T16:00:00Z",
        "updatedBy": "the owner",
    }
    assert api.member.get(f"/environments/{made['id']}").body == reply.body


def test_null_clears(wire: Api) -> None:
    wire.dedicated(
        "prod", tags=["critical"], metadata={"a": 1}, devHubUsername="hub", orchestrationOrder=3, isActive=False
    )
    optional = ("tags", "metadata", "devHubUsername", "orchestrationOrder", "isActive")
    cleared = wire.application.patch(PROD, dict.fromkeys(optional)).body
    assert [cleared[name] for name in optional] == [[], {}, None, None, True]
    assert problem(wire.application.patch(PROD, {"branch": None})) == (400, "VALIDATION_FAILED", "branch")


def test_a_change_is_refused_as_a_new_environment_would_be(wire: Api) -> None:
    wire.dedicated("prod")
    wire.dedicated("next")
    assert wire.application.patch(PROD, {"name": "next"}).refused()[:2] == (409, "ENVIRONMENT_EXISTS")
    assert problem(wire.application.patch(PROD, {"category": "x"})) == (400, "VALIDATION_FAILED", "category")
    moved = wire.application.patch(PROD, {"repositoryIdentifier": OTHER})
    assert moved.refused() == (400, "VALIDATION_FAILED", "repositoryIdentifier cannot be changed")


def test_a_change_of_an_older_version_is_refused(api: Api) -> None:
    api.dedicated("prod")
    api.application.patch(PROD, {"branch": "next"})
    reply = api.application.patch(PROD, {"branch": "other", "version": 1})
    assert reply.refused() == (409, "VERSION_CONFLICT", "The record changed (version 2, expected 1)")


# Deleting, and the lock


@pytest.mark.parametrize("by_name", [True, False])
def test_a_deleted_environment_is_gone(api: Api, by_name: bool) -> None:
    made = api.dedicated("prod")
    path = PROD if by_name else f"/environments/{made['id']}"
    reply = api.owner.delete(path)
    assert reply.status == 200
    assert reply.body == {"message": "Environment deleted successfully", "id": made["id"], "name": "prod"}
    assert api.owner.get(path).refused() == NOT_FOUND
    assert api.dedicated("prod")["id"] != made["id"]


def test_a_locked_environment_stays(api: Api) -> None:
    made = api.dedicated("prod")
    take_lock(api, made, "deploy-bot")
    locked = (409, "ENVIRONMENT_LOCKED", "Cannot delete locked environment")
    assert api.owner.delete(PROD).refused() == locked
    assert api.owner.delete(f"/environments/{made['id']}").refused() == locked

    take_lock(api, made, "ci")
    api.world.clock.advance(hours=1)
    assert api.owner.delete(PROD).refused() == locked  # whose turn it is has it now
    api.world.clock.advance(hours=1)
    assert api.owner.delete(PROD).status == 200
    assert {row.status for row in api.world.rows(Lock)} == {"released"}


def test_a_lock_is_shown_with_who_waits_for_it(api: Api) -> None:
    made = api.dedicated("prod")
    take_lock(api, made, "deploy-bot", seconds=1800, reason="Deployment")
    waiting = [take_lock(api, made, name, seconds=600) for name in ("ci", "nightly")]
    api.world.clock.advance(minutes=10)

    def shown(somebody: Rest) -> dict[str, Any]:
        body: dict[str, Any] = somebody.get(PROD).body
        assert body == somebody.get("/environments", category="release").body[0]
        return body

    status = {
        "isLocked": True,
        "currentLock": {
            "lockedBy": "deploy-bot",
            "lockReason": "Deployment",
            "expiresAt": "2026-03-02T12:30:00Z",
            "expiresInSeconds": 1200,
        },
        "queuedLocks": [
            {"position": 1, "requestedBy": "ci", "ticketId": waiting[0].ticket, "estimatedWaitSeconds": 1200},
            {"position": 2, "requestedBy": "nightly", "ticketId": waiting[1].ticket, "estimatedWaitSeconds": 1800},
        ],
    }
    assert shown(api.application) == {
        **made,
        "isLocked": True,
        "lockedBy": "deploy-bot",
        "lockExpiresAt": "2026-03-02T12:30:00Z",
        "lockExpiresInSeconds": 1200,
        "lockStatus": status,
    }
    seen = shown(api.member)["lockStatus"]
    assert seen["currentLock"] == status["currentLock"]
    assert [[*one] for one in seen["queuedLocks"]] == [["position", "requestedBy", "estimatedWaitSeconds"]] * 2


# The order


def test_environments_come_in_the_order_that_was_set(api: Api) -> None:
    for name in ("dev1", "dev2", "dev3"):
        api.dedicated(name, category="dev")
    api.dedicated("test1", category="test")
    assert api.member.get(ORDER, **OF_DEV).body == ["dev1", "dev2", "dev3"]

    for method, body in (("PUT", ["dev3", "dev1"]), ("PATCH", {"order": ["dev3", "dev1"]}), ("POST", ["dev3", "dev1"])):
        reply = api.application.send(method, ORDER, body, query=OF_DEV)
        assert (reply.status, reply.body) == (200, ["dev3", "dev1", "dev2"])
    assert api.application.send("PUT", ORDER, ["dev2"], query=OF_DEV).body == ["dev2", "dev1", "dev3"]
    orders = {row.name: row.orchestration_order for row in api.world.rows(DedicatedEnvironment)}
    assert orders == {"dev1": None, "dev2": 1, "dev3": None, "test1": None}


def test_inactive_environments_keep_their_places_and_are_shown_on_demand(wire: Api) -> None:
    for name in ("dev1", "dev2"):
        wire.dedicated(name, category="dev", isActive=name == "dev2")
    query = {**OF_DEV, "includeInactive": "true"}
    assert wire.application.send("PUT", ORDER, ["dev2", "dev1"], query=query).body == ["dev2", "dev1"]
    assert wire.member.get(ORDER, **OF_DEV).body == ["dev2"]
    assert wire.member.get(ORDER, **query).body == ["dev2", "dev1"]


@pytest.mark.parametrize(
    ("order", "wrong"),
    [(["dev1", "dev9"], "dev9"), (["dev1", "dev1"], "dev1"), (["test1", "x"], "test1, x")],
)
def test_unknown_and_repeated_names_are_refused(wire: Api, order: list[str], wrong: str) -> None:
    wire.dedicated("dev1", category="dev", orchestrationOrder=7)
    wire.dedicated("test1", category="test")
    reply = wire.application.send("PUT", ORDER, order, query=OF_DEV)
    assert reply.refused() == (
        400, "INVALID_ENVIRONMENT_NAMES", f"Unknown or repeated environment names: {wrong}",
    )  # fmt: skip
    assert wire.member.get(PROD.replace("prod", "dev1")).body["orchestrationOrder"] == 7


@pytest.mark.parametrize("body", [{}, {"order": "dev1"}, "dev1", [1], None])
def test_an_order_is_an_array_of_names(wire: Api, body: Any) -> None:
    reply = wire.application.send("PUT", ORDER, body, query=OF_DEV)
    assert reply.refused()[:2] == (400, "VALIDATION_FAILED")


@pytest.mark.parametrize("missing", ["repositoryIdentifier", "category"])
def test_an_order_is_that_of_one_category_of_one_repository(wire: Api, missing: str) -> None:
    query = without(OF_DEV, missing)
    refused = (400, "MISSING_PARAMETER", f"Missing {missing} parameter")
    assert wire.member.get(ORDER, **query).refused() == refused
    assert wire.application.send("PUT", ORDER, [], query=query).refused() == refused
