"""Credentials go to applications and owners, only where the contract says so, and never unseen."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from sqlalchemy import event
from structlog.testing import capture_logs

from storage import tokens
from storage.audit import Audit
from storage.database import Database
from storage.environments import Environment
from storage.tokens import Role
from storage.vault import Vault
from tests.bot.api.client import OF_SHOP, Api, Reply, Rest, key, secret_of
from tests.world import REPO

MINE = "550e8400-e29b-41d4-a716-446655440000"
SHOWING = (
    "/review/environments/pr/123",
    "/review/environments/list",
    "/pools/core/instances",
    "/pools/status?poolTag=core&instanceStatus=ASSIGNED",
)


def show(somebody: Rest, path: str) -> Reply:
    return somebody.get(path, **OF_SHOP)


def test_a_member_sees_no_credentials_anywhere(api: Api) -> None:
    api.spare()
    api.assign("123")
    for path in (*SHOWING, "/pools/configs", "/pools/configs/core", "/pools/status"):
        reply = show(api.member, path)
        assert reply.status == 200
        assert "force://" not in reply.text, path
        assert "sfdxAuthUrl" not in reply.text, path
    assert api.audit("credentials.revealed")[1:] == []


@pytest.mark.parametrize("path", SHOWING)
def test_every_answer_with_credentials_leaves_one_row(api: Api, path: str) -> None:
    first, second = api.spare()
    api.assign("123")
    api.assign("124")

    for somebody, name, role in [
        (api.application, "the application", "application"),
        (api.owner, "the owner", "owner"),
    ]:
        before = len(api.audit("credentials.revealed"))
        reply = show(somebody, path)
        [row] = api.audit("credentials.revealed")[before:]
        revealed = {canary for canary in (first, second) if secret_of(canary) in reply.text}
        assert (row.actor, row.role, row.request) == (name, role, reply.headers["X-Request-Id"])
        assert set(row.details["environments"]) == revealed != set()
        assert row.details["operation"].startswith("GET /sfp/api/")


def test_every_change_that_shows_credentials_leaves_one_row(api: Api) -> None:
    api.spare(free=3)
    moved = {"fromAssignmentType": "pr", "fromAssignmentId": "123", "toAssignmentType": "pr", "toAssignmentId": "9"}
    requests: list[tuple[str, dict[str, Any]]] = [
        ("/review/environments/assign", key(poolTag="core")),
        ("/review/environments/acquire", key(duration=5, usedBy="ci")),
        ("/review/environments/release", key()),
        ("/review/environments/transition", {"repositoryIdentifier": REPO, **moved}),
    ]
    for path, body in requests:
        assert "force://canary" in api.application.post(path, body).text
    fetched = api.application.post("/pools/core/fetch", {"assignmentId": MINE}, **OF_SHOP)
    assert fetched.body["details"]["sfdxAuthUrl"] == secret_of("cor1")

    assert [row.details["operation"] for row in api.audit("credentials.revealed")] == [
        *(f"POST /sfp/api{path}" for path, _ in requests),
        "POST /sfp/api/pools/{poolTag}/fetch",
    ]


@pytest.mark.parametrize("path", SHOWING)
def test_who_reads_credentials_keeps_nobody_from_writing(api: Api, path: str) -> None:
    """On SQLite there is one writer at a time, and ten thousand credentials take seconds to open."""
    api.spare()
    api.assign("123")
    wrote: list[str] = []
    beside = Database(api.database.url)

    def write(*_: object) -> None:
        if not wrote:
            wrote.append(path)
            with beside.transaction() as session:
                tokens.create(session, name="beside", role=Role.MEMBER, repositories=None,
                              expires_at=api.world.clock(), now=api.world.clock())  # fmt: skip

    event.listen(api.database.engine, "after_cursor_execute", write)
    reply = show(api.owner, path)
    event.remove(api.database.engine, "after_cursor_execute", write)
    beside.dispose()

    assert (reply.status, wrote) == (200, [path])
    assert "force://canary" in reply.text
    assert len(api.audit("credentials.revealed")) == 2


def test_a_request_that_is_refused_reveals_nothing(api: Api) -> None:
    api.spare(free=1)
    api.assign("123")
    before = len(api.audit("credentials.revealed"))
    assert api.assign("124").status == 409
    assert "force://" not in api.owner.get("/review/environments/pr/124", **OF_SHOP).text
    assert len(api.audit("credentials.revealed")) == before


def test_who_had_an_environment_has_no_way_into_it_any_more(api: Api) -> None:
    api.spare(free=1)
    api.assign("123")
    api.owner.post("/review/environments/unassign", key("123"))
    api.assign("124")

    released = api.owner.get("/review/environments/list", status="released").body["assignments"]

    assert [a["environmentDetails"]["sfdxAuthUrl"] for a in released] == [None]


def test_what_a_local_environment_has_no_credentials_for_is_null(api: Api) -> None:
    api.world.pool("local", provider="local")
    details = api.assign("123", pool="local").body["assignment"]["environmentDetails"]
    assert details["sfdxAuthUrl"] is None
    assert details["instanceUrl"] is not None
    [instance] = [one for one in show(api.owner, "/pools/local/instances").body if one["status"] == "ASSIGNED"]
    assert (instance["sfdxAuthUrl"], instance["salesforceOrgId"]) == (None, None)


def test_credentials_of_a_lost_key_hide_nothing_beside_them(api: Api) -> None:
    first, _ = api.spare()
    api.assign("123")
    api.assign("124")
    with api.database.transaction() as session:
        lost = session.get_one(Environment, api.environment(first).id)
        lost.credentials = Vault(("another key",)).seal({"sfdxAuthUrl": "force://lost"})

    with capture_logs() as logged:
        listed = api.owner.get("/review/environments/list").body["assignments"]

    urls = {a["sandboxName"]: a["environmentDetails"]["sfdxAuthUrl"] for a in listed}
    assert urls == {"cor0": None, "cor1": secret_of("cor1")}
    assert {"event": "credentials cannot be opened", "environment": "cor0", "log_level": "warning"} in logged


def test_no_secret_is_logged_audited_or_put_into_a_refusal(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api.spare(free=1)
    texts = []
    with capture_logs() as logged:
        for somebody in (api.owner, api.application):
            api.assign("123")
            for path in SHOWING:
                show(somebody, path)
            texts.append(api.assign("124").text)
            texts.append(somebody.post("/review/environments/assign", {"metadata": "force://canary"}).text)
            texts.append(show(somebody, "/review/environments/pr/9").text)
    texts.append(json.dumps([[row.details, row.subject_id, row.request] for row in api.world.rows(Audit)]))
    texts += [caplog.text, json.dumps(logged)]

    for secret in ("force://canary", api.owner.secret, api.application.secret):
        assert secret is not None
        assert [text for text in texts if secret in text] == []
    assert {(line["operation"], line["status"], line["by"]) for line in logged if line["log_level"] == "info"} == {
        ("POST /sfp/api/review/environments/assign", 200, "the application"),
        ("POST /sfp/api/review/environments/assign", 409, "the application"),
        ("POST /sfp/api/review/environments/assign", 400, "the application"),
        ("POST /sfp/api/review/environments/assign", 400, "the owner"),
    }
