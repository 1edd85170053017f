"""Small values that pipelines share: kept, read, replaced and removed, each for a while or for good."""

from __future__ import annotations

from typing import Any

import pytest

from storage.audit import Audit
from storage.key_values import KeyValue
from tests.at_once import at_once
from tests.bot.api.client import Api, Reply

KEYS = "/key-value"
UPSERT = "/key-value/upsert"
NOT_FOUND = (404, "KEY_NOT_FOUND", "Key not found")
KEPT = {
    "key": "last-green",
    "value": {"build": 4711},
    "ttl": None,
    "createdAt": "2026-03-02T12:00:00Z",
    "updatedAt": "2026-03-02T12:00:00Z",
}


def keep(api: Api, value: Any = None, key: str = "last-green", **more: Any) -> Reply:
    return api.application.post(KEYS, {"key": key, "value": {"build": 4711} if value is None else value, **more})


def test_a_value_is_kept_under_its_key(api: Api) -> None:
    made = keep(api)
    assert (made.status, made.body) == (201, KEPT)
    for reader in (api.member, api.application, api.owner):
        assert reader.get(f"{KEYS}/last-green").body == KEPT


@pytest.mark.parametrize("value", [0, False, 1.5, "", "text", [], {}, [None, {"a": [1e-9]}], 10**18, "ü–😀"])
def test_a_value_comes_back_as_it_was_sent(api: Api, value: Any) -> None:
    assert keep(api, value=value).status == 201
    got = api.member.get(f"{KEYS}/last-green").body["value"]
    assert (got, type(got)) == (value, type(value))


def test_a_key_is_taken_once(api: Api) -> None:
    keep(api)
    assert keep(api, value=2).refused() == (409, "KEY_EXISTS", "Key already exists")
    assert api.member.get(f"{KEYS}/last-green").body == KEPT


def test_upsert_takes_what_there_is_and_what_there_is_not(api: Api) -> None:
    first = api.application.post(UPSERT, {"key": "k", "value": 1, "ttl": 60})
    assert (first.status, first.body["value"], first.body["ttl"]) == (200, 1, 60)
    api.world.clock.advance(seconds=30)
    second = api.application.post(UPSERT, {"key": "k", "value": 2}).body
    assert second["createdAt"] == first.body["createdAt"] < second["updatedAt"]
    assert (second["value"], second["ttl"]) == (2, None)


def test_put_replaces_only_what_there_is(api: Api) -> None:
    assert api.application.send("PUT", f"{KEYS}/k", {"value": 1}).refused() == NOT_FOUND
    keep(api, key="k")
    assert api.application.send("PUT", f"{KEYS}/k", {"value": 1}).body["value"] == 1


def test_a_removed_key_leads_nowhere(api: Api) -> None:
    keep(api)
    gone = api.application.delete(f"{KEYS}/last-green")
    assert (gone.status, gone.text) == (204, "")
    assert api.application.delete(f"{KEYS}/last-green").refused() == NOT_FOUND
    assert api.member.get(f"{KEYS}/last-green").refused() == NOT_FOUND


def test_a_key_with_a_slash_is_one_segment(wire: Api) -> None:
    keep(wire, key="acme/shop")
    assert wire.member.get(f"{KEYS}/acme%2Fshop").body["key"] == "acme/shop"


# Time


def test_an_expired_value_is_not_there(api: Api) -> None:
    keep(api, ttl=60)
    api.world.clock.advance(seconds=59)
    assert api.member.get(f"{KEYS}/last-green").body["ttl"] == 60
    api.world.clock.advance(seconds=1)
    assert api.member.get(f"{KEYS}/last-green").refused() == NOT_FOUND
    assert api.application.delete(f"{KEYS}/last-green").refused() == NOT_FOUND
    assert api.application.send("PUT", f"{KEYS}/last-green", {"value": 1}).refused() == NOT_FOUND


@pytest.mark.parametrize("path", [KEYS, UPSERT])
def test_what_has_expired_may_be_kept_anew(api: Api, path: str) -> None:
    keep(api, ttl=60)
    api.world.clock.advance(seconds=60)
    made = api.application.post(path, {"key": "last-green", "value": 2}).body
    assert (made["value"], made["createdAt"]) == (2, "2026-03-02T12:01:00Z")


def test_what_has_expired_is_removed_by_the_cleaning(api: Api) -> None:
    keep(api, ttl=60)
    keep(api, key="for-good")
    api.world.later(hours=1)
    assert [row.key for row in api.world.rows(KeyValue)] == ["for-good"]


def test_of_two_at_once_one_keeps_its_value(api: Api) -> None:
    results = at_once([lambda: keep(api).status] * 2)
    assert sorted(results) == [201, 409]


# What is refused


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"value": 1}, "key is required"),
        ({"key": "k"}, "value is required"),
        ({"key": "k", "value": None}, "value is required"),
        ({"key": "-", "value": 1}, "key must begin with a letter, a digit or _ and go on with those and . : @ / -"),
        ({"key": "k" * 256, "value": 1}, "key must have at most 255 characters"),
        ({"key": "upsert", "value": 1}, "key must not be upsert"),
        ({"key": "k", "value": "x" * (64 * 1024 - 1)}, "value must be at most 65536 bytes of JSON"),
        ({"key": "k", "value": 1, "ttl": 0}, "ttl must be between 1 and 315360000"),
        ({"key": "k", "value": 1, "ttl": 1.5}, "ttl must be an integer"),
        ({"key": "k", "value": 1, "ttl": True}, "ttl must be an integer"),
        ({"key": "k", "value": 1, "ttl": "60"}, "ttl must be an integer"),
    ],
)
def test_what_cannot_be_kept_is_refused(wire: Api, body: dict[str, Any], message: str) -> None:
    for path in (KEYS, UPSERT):
        assert wire.application.post(path, body).refused() == (400, "VALIDATION_FAILED", message)
    assert wire.world.rows(KeyValue) == []


def test_the_largest_value_is_kept(wire: Api) -> None:
    assert keep(wire, value="x" * (64 * 1024 - 2)).status == 201


def test_members_only_read(wire: Api) -> None:
    for method, path in [("POST", KEYS), ("POST", UPSERT), ("PUT", f"{KEYS}/k"), ("DELETE", f"{KEYS}/k")]:
        assert wire.member.send(method, path, {}).refused()[1] == "ROLE_REQUIRED"


def test_a_value_is_not_in_the_audit_log(wire: Api) -> None:
    keep(wire, value="canary")
    wire.application.post(UPSERT, {"key": "last-green", "value": "canary"})
    wire.application.send("PUT", f"{KEYS}/last-green", {"value": "canary"})
    wire.application.delete(f"{KEYS}/last-green")
    rows = [row for row in wire.world.rows(Audit) if row.subject_type == "key"]
    assert [row.action for row in rows] == ["key.created", "key.put", "key.updated", "key.deleted"]
    assert "canary" not in str([vars(row) for row in rows])
