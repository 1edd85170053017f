"""Salesforce orgs are registered with the way into them, which nobody is shown again."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from bot.context import Context
from bot.settings import SandboxMode
from storage.audit import Audit
from storage.orgs import Org
from storage.tasks import Task
from storage.tokens import Role
from storage.vault import Vault
from tests.bot.api.client import POOL, Api, Reply, without

REGISTER = "/auth/salesforce/register"
ORGS = "/auth/salesforce/orgs"
ORG = "/auth/salesforce/org"
TEST = "/auth/salesforce/test-connection"
FRONTDOOR = "/auth/salesforce/frontdoor"
HUB = "hub@acme.example"
CANARY = "force://PlatformCLI::canary-of-the-hub@acme.my.salesforce.com"
NOT_FOUND = (404, "ORG_NOT_FOUND", f"Salesforce org {HUB} not found")
NOT_YET = (
    502,
    "PROVIDER_ERROR",
    "The provider refused: this Greenroom cannot reach Salesforce yet; GREENROOM_SANDBOX_MODE=mock plays it",
)


def register(api: Api, **body: Any) -> Reply:
    return api.application.post(REGISTER, {"username": HUB, "sfdxAuthUrl": CANARY, **body})


def in_mode(api: Api, mode: SandboxMode | None) -> Api:
    settings = replace(api.world.context.settings, sandbox_mode=mode)
    return Api(api.world, context=Context.of(settings, api.world.database, api.world.clock))


def mode_of(api: Api) -> str:
    mode: str = api.member.get("/pools/mode").body["mode"]
    return mode


def test_an_org_is_registered_and_shown_without_the_way_into_it(api: Api) -> None:
    reply = register(api, alias="hub", instanceUrl="https://acme.my.salesforce.com")

    assert reply.status == 201
    assert without(reply.body, "id") == {
        "username": HUB,
        "alias": "hub",
        "loginUrl": "https://login.salesforce.com",
        "instanceUrl": "https://acme.my.salesforce.com",
        "createdBy": "the application",
        "createdAt": "2026-03-02T12:00:00Z",
    }
    for name in (HUB, HUB.upper(), "hub"):
        assert api.application.get(ORG, username=name).body == reply.body
    assert api.application.get(ORGS).body == [reply.body]


def test_the_way_in_is_kept_encrypted_and_any_key_opens_it(api: Api) -> None:
    register(api)
    [org] = api.world.rows(Org)
    assert b"canary" not in org.credentials
    rotated = Vault(("a new key", *api.world.context.settings.secret_keys))
    assert rotated.open(org.credentials) == {"sfdxAuthUrl": CANARY}


def test_a_username_and_an_alias_lead_to_one_org(api: Api) -> None:
    register(api, alias="hub")
    assert register(api, username=HUB.upper()).refused() == (
        409, "USERNAME_REGISTERED", "Salesforce username already registered",
    )  # fmt: skip
    assert register(api, username="other@acme.example", alias="hub").refused() == (
        409, "ALIAS_TAKEN", "hub is another org's alias or username already",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"username": None}, "username is required"),
        ({"username": "a b"}, "username must have no blanks and no /"),
        ({"sfdxAuthUrl": "canary"}, "sfdxAuthUrl must be like force://…@host"),
        ({"loginUrl": "http://login.salesforce.com"}, "loginUrl must be an https address without a path"),
        *(
            (wrong, "body must have one of sfdxAuthUrl, clientId with privateKey, or accessToken with instanceUrl")
            for wrong in (
                {"sfdxAuthUrl": None},
                {"sfdxAuthUrl": None, "clientId": "canary"},
                {"sfdxAuthUrl": None, "accessToken": "canary"},
                {"accessToken": "canary"},
            )
        ),
    ],
)
def test_what_is_wrong_with_an_org_is_said_without_repeating_it(wire: Api, body: dict[str, Any], message: str) -> None:
    reply = register(wire, **body)
    assert reply.refused() == (400, "VALIDATION_FAILED", message)
    assert "canary" not in reply.text


@pytest.mark.parametrize(
    "way",
    [
        {"clientId": "3MVG9", "privateKey": "-----BEGIN PRIVATE KEY-----"},
        {"accessToken": "00D!x", "instanceUrl": "https://acme.my.salesforce.com"},
    ],
)
def test_there_are_other_ways_in(wire: Api, way: dict[str, str]) -> None:
    assert register(wire, sfdxAuthUrl=None, **way).status == 201
    [org] = wire.world.rows(Org)
    assert wire.world.context.vault.open(org.credentials) == without(way, "instanceUrl")


def test_a_deleted_org_is_not_there(api: Api) -> None:
    register(api)
    reply = api.application.delete(ORG, username=HUB)
    assert reply.body == {"message": "Salesforce org deleted successfully", "username": HUB}
    assert api.application.get(ORG, username=HUB).refused() == NOT_FOUND
    assert api.application.delete(ORG, username=HUB).refused() == NOT_FOUND
    assert api.application.get(ORGS).body == []


def test_members_do_not_see_orgs(wire: Api) -> None:
    for path in (ORGS, ORG, FRONTDOOR):
        assert wire.member.get(path, username=HUB).refused()[1] == "ROLE_REQUIRED"
    assert wire.member.post(REGISTER, {}).refused()[1] == "ROLE_REQUIRED"


# On the mock service


def test_in_mock_mode_every_hub_answers(api: Api) -> None:
    mock = in_mode(api, "mock")
    assert without(mock.application.post(TEST, {"username": HUB}).body, "timestamp") == {
        "status": "connected",
        "message": f"{HUB} answers at https://hub-acme-example.my.mock.example",
        "username": HUB,
        "instanceUrl": "https://hub-acme-example.my.mock.example",
    }


def test_in_mock_mode_a_login_link_is_new_each_time_and_audited(api: Api) -> None:
    mock = in_mode(api, "mock")
    first, second = (mock.application.get(FRONTDOOR, username=HUB).body["url"] for _ in range(2))
    assert first != second
    assert [row.details["org"] for row in api.audit("credentials.revealed")] == [HUB, HUB]
    assert "otp" not in str([vars(row) for row in api.world.rows(Audit)])


# In earnest


def test_in_real_mode_nothing_is_reached_and_it_says_so(api: Api) -> None:
    real = in_mode(api, "real")
    assert real.application.post(TEST, {"username": HUB}).refused() == NOT_FOUND
    assert real.application.get(FRONTDOOR, username=HUB).refused() == NOT_FOUND
    register(real)
    assert real.application.post(TEST, {"username": HUB}).refused() == NOT_YET
    assert real.application.get(FRONTDOOR, username=HUB).refused() == NOT_YET
    assert api.audit("credentials.revealed") == []


def test_a_pool_of_a_registered_hub_can_be_made(api: Api) -> None:
    real = in_mode(api, "real")
    register(real, alias="hub")
    of_hub = {**POOL, "provider": "salesforce", "devHubUsername": "hub"}
    assert real.application.post("/pools/configs", of_hub).status == 201
    elsewhere = {**of_hub, "devHubUsername": "elsewhere"}
    changed = real.application.patch("/pools/configs/core_dev", elsewhere, repositoryIdentifier="acme/shop")
    assert changed.refused()[1] == "ORG_NOT_FOUND"


# Which of the two


def test_the_first_org_turns_the_mode_where_none_is_set(api: Api) -> None:
    unset = in_mode(api, None)
    assert mode_of(unset) == "mock"
    register(unset)
    assert mode_of(unset) == "real"
    unset.application.delete(ORG, username=HUB)
    assert mode_of(unset) == "mock"


def test_other_processes_notice_within_seconds(api: Api) -> None:
    here, there = in_mode(api, None), in_mode(api, None)
    assert mode_of(there) == "mock"
    register(here)
    api.world.clock.advance(seconds=5)
    assert mode_of(there) == "real"


def test_a_mode_that_is_set_stays(api: Api) -> None:
    mock = in_mode(api, "mock")
    register(mock)
    assert mode_of(mock) == "mock"


def test_the_way_in_shows_nowhere(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = [register(api, alias="hub"), register(api, alias="hub")]
    for client in (api.owner, api.application, api.member, api.token(Role.MEMBER)):
        said += [client.get(path, username=HUB) for path in (ORGS, ORG, FRONTDOOR, "/pools/configs")]
        said.append(client.post(TEST, {"username": HUB}))
    in_mode(api, "real").owner.post(TEST, {"username": HUB})
    api.world.later(minutes=31)

    told = [reply.text for reply in said] + [str(vars(row)) for row in [*api.world.rows(Audit), *api.world.rows(Task)]]
    assert [text for text in [*told, caplog.text] if "canary-of-the-hub" in text] == []
