"""E17–E19: accesses to dedicated environments are on the record, and a link opens one."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client

from storage.audit import Audit
from storage.tokens import Role
from tests.bot.api.client import OF_SHOP, Api, Reply
from tests.bot.api.test_environments import NOT_FOUND, OTHER, PROD, in_real_mode
from tests.bot.test_login import Site
from tests.world import REPO, World

NOBODY = "456e7890-e89b-42d3-a456-426614174001"
FIELDS = {
    "id", "environment_id", "repository_identifier", "accessed_by", "accessed_by_application", "access_type",
    "access_details", "ip_address", "user_agent", "accessed_at",
}  # fmt: skip


def accesses(reply: Reply) -> list[tuple[str, str]]:
    """The type and the action of each, the newest first."""
    assert reply.status == 200, reply.text
    return [(row["access_type"], row["access_details"]["action"]) for row in reply.body]


def test_every_access_is_a_row_the_newest_first(api: Api) -> None:
    made = api.dedicated("prod")
    path = f"/environments/{made['id']}"
    api.world.clock.advance(minutes=1)
    api.application.patch(path, {"branch": "next"})
    api.application.get(f"{path}?authType=accessToken")
    api.owner.get(f"{path}/frontdoor")
    api.dedicated("next")

    reply = api.application.get(f"{path}/audit")
    assert accesses(reply) == [
        ("frontdoor", "environment_opened"),
        ("credentials", "environment_credentials_revealed"),
        ("update", "environment_updated"),
        ("create", "environment_created"),
    ]
    assert reply.headers["X-Total-Count"] == "4"
    assert {frozenset(row) for row in reply.body} == {frozenset(FIELDS)}
    newest, _, changed, _ = reply.body
    assert newest["accessed_by"] == newest["accessed_by_application"] == "the owner"
    assert (newest["environment_id"], newest["repository_identifier"]) == (made["id"], REPO)
    assert newest["accessed_at"] == "2026-03-02T12:01:00Z"
    assert changed["access_details"] == {"action": "environment_updated", "name": "prod", "changed": ["branch"]}


def test_it_is_known_from_where_and_by_whom(world: World) -> None:
    site = Site(world)
    made = site.api.dedicated("prod")
    world.github.set_permission(REPO, "olga", "read")
    person, _ = site.rest("olga")
    for secret in (site.api.application.secret, person.secret):
        Client(site.api.app).patch(
            f"/sfp/api/environments/{made['id']}",
            json={"tags": [str(secret)[:3]]},
            headers={"Authorization": f"Bearer {secret}", "User-Agent": "agent" * 200},
            environ_base={"REMOTE_ADDR": "192.0.2.7"},
        )
    by_person, by_program, _ = site.api.owner.get(f"/environments/{made['id']}/audit").body
    assert (by_program["accessed_by"], by_program["accessed_by_application"]) == ("the application",) * 2
    assert (by_person["accessed_by"], by_person["accessed_by_application"]) == ("olga@example.com", None)
    for row in (by_person, by_program):
        assert (row["ip_address"], row["user_agent"]) == ("192.0.2.7", ("agent" * 200)[:512])


def test_a_repositorys_accesses_are_those_of_all_that_it_has_and_had(api: Api) -> None:
    api.dedicated("prod")
    api.dedicated("next")
    api.dedicated("prod", repo=OTHER)
    api.owner.delete(PROD)
    for path in (f"/environments/audit?repositoryIdentifier={REPO}", f"/environments/audit/{REPO.replace('/', '%2F')}"):
        reply = api.owner.get(path)
        assert [kind for kind, _ in accesses(reply)] == ["delete", "create", "create"]
        assert reply.headers["X-Total-Count"] == "3"
    newest = api.owner.get("/environments/audit", limit=1, **OF_SHOP)
    assert [kind for kind, _ in accesses(newest)] == ["delete"]
    assert newest.headers["X-Total-Count"] == "3"


@pytest.mark.parametrize("limit", ["0", "1001", "many", "-1"])
def test_a_limit_is_1_to_1000(wire: Api, limit: str) -> None:
    made = wire.dedicated("prod")
    for path in (f"/environments/{made['id']}/audit", "/environments/audit"):
        refused = wire.owner.get(path, limit=limit, **OF_SHOP).refused()
        assert refused[:2] == (400, "VALIDATION_FAILED")


def test_the_record_is_for_applications_and_owners_of_the_repository(wire: Api) -> None:
    made = wire.dedicated("prod")
    path = f"/environments/{made['id']}/audit"
    for private in (path, f"/environments/audit?repositoryIdentifier={REPO}"):
        assert wire.member.get(private).refused()[:2] == (403, "ROLE_REQUIRED")
    stranger = wire.token(Role.OWNER, OTHER)
    assert stranger.get(path).refused() == NOT_FOUND
    assert stranger.get("/environments/audit", **OF_SHOP).body == []
    assert wire.owner.get(f"/environments/{NOBODY}/audit").refused() == NOT_FOUND
    assert wire.owner.get("/environments/audit").refused()[:2] == (400, "MISSING_PARAMETER")


# The link


def test_the_link_is_followed_or_shown_and_never_the_same(api: Api) -> None:
    made = api.dedicated("prod")
    path = f"/environments/{made['id']}/frontdoor"
    links = []
    for query in ({}, {"redirect": "true"}):
        reply = api.application.get(path, **query)
        assert (reply.status, reply.text) == (302, "")
        assert (reply.headers["Cache-Control"], reply.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
        links.append(reply.headers["Location"])
    shown = api.owner.get(path, redirect="false")
    assert shown.status == 200
    links.append(shown.body["url"])

    assert len(set(links)) == 3
    assert all("mock" in link and "otp=" in link and "frontdoor.jsp" not in link for link in links)
    recorded = [row for row in api.world.rows(Audit) if row.action == "dedicated.opened"]
    assert [row.actor for row in recorded] == ["the application", "the application", "the owner"]
    assert not [link for link in links if link.partition("otp=")[2] in str([vars(row) for row in recorded])]


def test_the_link_is_for_applications_and_owners(wire: Api) -> None:
    made = wire.dedicated("prod")
    path = f"/environments/{made['id']}/frontdoor"
    assert wire.member.get(path).refused()[:2] == (403, "ROLE_REQUIRED")
    assert wire.token(Role.OWNER, OTHER).get(path).refused() == NOT_FOUND
    assert wire.owner.get(path, redirect="maybe").refused()[:2] == (400, "VALIDATION_FAILED")
    assert wire.audit("dedicated.opened") == []


def test_an_org_out_of_reach_gives_no_link(wire: Api) -> None:
    made: dict[str, Any] = wire.dedicated("prod")
    reply = in_real_mode(wire).owner.get(f"/environments/{made['id']}/frontdoor")
    assert reply.refused() == (400, "FRONTDOOR_UNAVAILABLE", "Unable to generate frontdoor URL")
    assert wire.audit("dedicated.opened") == []
