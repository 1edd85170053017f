"""Webhooks over REST: made, shown without what is secret, changed, tried and deleted, by owners alone."""

from __future__ import annotations

from typing import Any

import pytest

from storage.tokens import Role
from storage.webhooks import Webhook
from tests.bot.api.client import Api, Reply, without
from tests.world import REPO

HOOKS = "/webhooks"
NOT_FOUND = (404, "WEBHOOK_NOT_FOUND", "Webhook not found")
BODY = {"url": "https://hooks.example/x", "events": ["pool.exhausted"]}


def make(api: Api, **body: Any) -> Reply:
    return api.owner.post(HOOKS, {**BODY, **body})


def test_a_webhook_is_made_and_its_secret_shown_once(api: Api) -> None:
    made = make(api)
    assert made.status == 201
    assert len(made.body["secret"]) >= 32
    assert without(made.body, "id", "secret") == {
        "name": None,
        "url": "https://hooks.example/x",
        "events": ["pool.exhausted"],
        "repositories": None,
        "headers": [],
        "format": "json",
        "timeout": 10_000,
        "retryCount": 3,
        "retryDelay": 60_000,
        "status": "active",
        "failedInARow": 0,
        "lastSentAt": None,
        "lastOutcome": None,
        "createdBy": "the owner",
        "createdAt": "2026-03-02T12:00:00Z",
        "updatedAt": "2026-03-02T12:00:00Z",
    }
    shown = without(made.body, "secret")
    assert api.owner.get(f"{HOOKS}/{made.body['id']}").body == shown
    assert api.owner.get(HOOKS).body == [shown]


def test_where_and_how_it_is_sent_is_kept_encrypted(api: Api) -> None:
    make(api, url="https://hooks.example/canary", secret="canary canary canary", headers={"X-Key": "canary"})
    [row] = api.world.rows(Webhook)
    assert b"canary" not in row.target
    assert api.world.context.vault.open(row.target) == {
        "url": "https://hooks.example/canary", "secret": "canary canary canary", "headers": {"X-Key": "canary"},
    }  # fmt: skip


def test_what_is_given_takes_the_place_of_what_was(api: Api) -> None:
    made = make(api, name="chat", headers={"X-Key": "1"}).body
    [before] = api.world.rows(Webhook)
    changed = api.owner.patch(f"{HOOKS}/{made['id']}", {"name": None, "timeout": 5000, "status": "inactive"}).body
    assert (changed["name"], changed["timeout"], changed["status"]) == (None, 5000, "inactive")
    assert (changed["headers"], "secret" in changed) == (["X-Key"], False)
    [after] = api.world.rows(Webhook)
    assert after.target == before.target


def test_a_cleared_secret_is_made_anew_and_shown(api: Api) -> None:
    made = make(api).body
    changed = api.owner.patch(f"{HOOKS}/{made['id']}", {"secret": None}).body
    assert changed["secret"] != made["secret"]


def test_a_deleted_webhook_is_not_there(api: Api) -> None:
    path = f"{HOOKS}/{make(api).body['id']}"
    assert api.owner.delete(path).body["message"] == "Webhook deleted successfully"
    for method, below in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/deliver")]:
        assert api.owner.send(method, path + below, {} if method in ("PATCH", "POST") else None).refused() == NOT_FOUND
    assert api.owner.get(f"{HOOKS}/nothing").refused() == NOT_FOUND


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"url": None}, "url is required"),
        ({"url": "ftp://x.example"}, "url must be an http or https address without a user"),
        ({"url": "https://me:canary@x.example"}, "url must be an http or https address without a user"),
        ({"url": "https://x.example:99999"}, "url must be an http or https address without a user"),
        *(
            ({"url": f"http://{host}/"}, "url must not lead to a private, loopback or link-local address")
            for host in ("127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "2130706433", "[::ffff:7f00:1]")
        ),
        ({"events": []}, "events must name at least one"),
        ({"secret": "short"}, "secret must have between 16 and 255 characters"),
        ({"headers": {"Host": "x"}}, "headers must not set what Greenroom or HTTP itself sets"),
        ({"headers": {"x-greenroom-event": "x"}}, "headers must not set what Greenroom or HTTP itself sets"),
        ({"headers": {"X": "canary\r\nY: z"}}, "headers must have names and values that HTTP can carry"),
        ({"timeout": 30_001}, "timeout must be between 1000 and 30000"),
        ({"retryCount": 11}, "retryCount must be between 0 and 10"),
        ({"retryDelay": 1}, "retryDelay must be between 1000 and 3600000"),
        ({"status": "failed"}, "status must be one of active or inactive"),
    ],
)
def test_what_cannot_be_sent_to_is_refused_without_repeating_it(wire: Api, body: dict[str, Any], message: str) -> None:
    reply = make(wire, **body)
    assert reply.refused() == (400, "VALIDATION_FAILED", message)
    assert "canary" not in reply.text
    assert wire.world.rows(Webhook) == []


def test_nothing_is_delivered_again_that_never_was_or_to_nobody(wire: Api) -> None:
    path = f"{HOOKS}/{make(wire).body['id']}"
    none = "eventId must be an event of the last seven days that this webhook heard of"
    assert wire.owner.post(f"{path}/deliver").refused() == (400, "VALIDATION_FAILED", none)
    wire.owner.patch(path, {"status": "inactive"})
    inactive = "status is inactive: make the webhook active first"
    assert wire.owner.post(f"{path}/deliver").refused() == (400, "VALIDATION_FAILED", inactive)


def test_an_owner_of_some_repositories_hears_of_no_other(wire: Api) -> None:
    some = wire.token(Role.OWNER, REPO)
    everything = make(wire).body["id"]
    mine = some.post(HOOKS, BODY).body
    assert mine["repositories"] == [REPO]
    assert [hook["id"] for hook in some.get(HOOKS).body] == [mine["id"]]
    assert some.get(f"{HOOKS}/{everything}").refused() == NOT_FOUND
    other = some.post(HOOKS, {**BODY, "repositories": ["acme/other"]})
    assert other.refused() == (404, "REPOSITORY_NOT_FOUND", "Repository acme/other not found")
    assert some.post(f"{HOOKS}/trigger", {"event": "pool.exhausted"}).body["webhooks"] == 1


def test_only_owners_see_webhooks(wire: Api) -> None:
    path = f"{HOOKS}/{make(wire).body['id']}"
    asked = [("GET", HOOKS), ("POST", HOOKS), ("GET", path), ("PATCH", path), ("DELETE", path),
             ("POST", f"{path}/deliver"), ("POST", f"{HOOKS}/trigger")]  # fmt: skip
    for somebody in (wire.member, wire.application):
        for method, where in asked:
            assert somebody.send(method, where, {}).refused()[1] == "ROLE_REQUIRED"
