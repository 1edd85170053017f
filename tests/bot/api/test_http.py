"""What goes over the wire whatever is asked: routes, bodies, ids, and one shape for every refusal."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs
from werkzeug.test import Client

from bot.context import Context
from bot.web import create_app
from storage.database import Database
from tests.bot.api.client import OF_SHOP, POOL, Api, Reply, key
from tests.world import REPO

ASSIGN = "/review/environments/assign"
LIST = "/review/environments/list"


def raw(api: Api, body: bytes, content_type: str = "application/json", path: str = ASSIGN) -> Reply:
    return api.owner.send("POST", path, raw=body, headers={"Content-Type": content_type})


def with_metadata(value: str) -> bytes:
    return json.dumps(key(poolTag="core")).encode()[:-1] + b', "metadata": ' + value.encode() + b"}"


# Routes


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nope"),
        ("POST", "/review/environments"),
        ("GET", "/pools//instances"),
        ("GET", "/review/environments/pr/1/2"),
        ("GET", "/pools/configs/a%00b"),
        ("GET", "//ping"),
        ("DELETE", "/ping/x"),
        ("GET", "/ping%2F"),
    ],
)
def test_what_is_not_served_is_named_as_it_was_asked_for(wire: Api, method: str, path: str) -> None:
    for somebody in (wire.owner, wire.anonymous):
        assert somebody.send(method, path).refused() == (404, "ROUTE_NOT_FOUND", f"Cannot {method} /sfp/api{path}")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/pools/configs", "GET, HEAD, POST"),
        ("POST", "/pools/configs/core", "DELETE, GET, HEAD, PATCH"),
        ("OPTIONS", "/pools/status", "GET, HEAD"),
        ("TRACE", "/ping", "GET, HEAD"),
        ("BREW", ASSIGN, "POST"),
        ("GET", ASSIGN, "POST"),
        ("DELETE", "/review/pools/assign/match", "POST"),
    ],
)
def test_another_method_is_told_which_there_are(wire: Api, method: str, path: str, allowed: str) -> None:
    reply = wire.anonymous.send(method, path)
    assert reply.refused() == (405, "METHOD_NOT_ALLOWED", f"Cannot {method} /sfp/api{path}")
    assert reply.headers["Allow"] == allowed


def test_head_is_get_without_a_body(wire: Api) -> None:
    reply = wire.member.send("HEAD", "/pools/configs")
    assert (reply.status, reply.text, reply.headers["X-Total-Count"]) == (200, "", "0")


def test_static_routes_come_before_parameters(wire: Api) -> None:
    wire.spare("instances")
    assert wire.owner.get("/pools/configs/instances", **OF_SHOP).body["poolTag"] == "instances"


@pytest.mark.parametrize("path", ["/ping/", "/%70ing", "/ping?x=1"])
def test_a_path_may_be_written_in_other_ways(wire: Api, path: str) -> None:
    assert wire.anonymous.get(path).body == {"status": "ok", "message": "pong"}


def test_a_segment_is_decoded_after_it_was_cut(wire: Api) -> None:
    wire.spare()
    wire.assign("a@b.example", assignmentType="user")
    found = wire.owner.get("/review/environments/user/a%40b.example", **OF_SHOP)
    assert found.body["assignmentId"] == "a@b.example"
    cut = wire.owner.get("/review/environments/user/a%2Fb", **OF_SHOP)
    assert cut.refused() == (400, "VALIDATION_FAILED", "assignmentId must consist of letters, digits and @ . _ -")


def test_health_is_public(wire: Api) -> None:
    reply = wire.anonymous.get("")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert reply.body == {"status": "ok", "version": "0.1.0", "timestamp": "2026-03-02T12:00:00Z"}
    assert wire.anonymous.get("/").body == reply.body


def test_paths_beside_the_api_are_refused_in_the_same_shape(wire: Api) -> None:
    nowhere = Client(wire.app).get("/nowhere")
    wrong = Client(wire.app).post("/healthz")
    assert (nowhere.status_code, nowhere.json["message"]) == (404, "Cannot GET /nowhere")  # type: ignore[index]
    assert (wrong.status_code, wrong.json["code"]) == (405, "METHOD_NOT_ALLOWED")  # type: ignore[index]
    assert "GET" in wrong.headers["Allow"]


# Request ids


@pytest.mark.parametrize("path", ["/ping", "/nope", LIST])
def test_every_answer_has_a_request_id(wire: Api, path: str) -> None:
    ids = {wire.anonymous.get(path).headers["X-Request-Id"] for _ in range(2)}
    assert len({UUID(id) for id in ids}) == 2


@pytest.mark.parametrize("given", ["run-7/attempt:2", "a" * 128])
def test_a_sane_id_of_the_client_is_kept(wire: Api, given: str) -> None:
    reply = wire.anonymous.send("GET", "/ping", headers={"X-Request-Id": given})
    assert reply.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "a b", 'a"b', "é"])
def test_another_id_is_replaced(wire: Api, given: str) -> None:
    reply = wire.anonymous.send("GET", "/ping", headers={"X-Request-Id": given})
    UUID(reply.headers["X-Request-Id"])


# Bodies


def test_a_body_of_another_type_is_not_read(wire: Api) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        refused = raw(wire, json.dumps(key()).encode(), content_type).refused()
        assert refused == (
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            "Request body must have the content type application/json",
        )


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"])
def test_json_may_be_called_by_its_other_names(wire: Api, content_type: str) -> None:
    wire.spare()
    assert raw(wire, json.dumps(key(poolTag="core")).encode(), content_type).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{} {}",
        b"   ",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": 01}',
        b'{"a": 1, "a": 1}',
        b'{"x": {"a": 1, "a": 2}}',
        b'"\xff"',
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b'{"a": "\x00"}',
        b"[" * 65 + b"]" * 65,
        b"[" * 400_000,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:12] + body[-3:]),
)
def test_what_is_not_strict_json_is_refused(wire: Api, body: bytes) -> None:
    assert raw(wire, body).refused() == (400, "INVALID_JSON", "Request body is not valid JSON")


def test_sixty_four_levels_are_not_too_deep(wire: Api) -> None:
    wire.spare()
    assert raw(wire, with_metadata('{"a": ' + "[" * 62 + "]" * 62 + "}")).status == 200
    assert raw(wire, with_metadata('{"a": ' + "[" * 63 + "]" * 63 + "}")).refused()[1] == "INVALID_JSON"


@pytest.mark.parametrize("escaped", [r"\u0000", r"\ud800", r"\udc00x"])
def test_text_that_no_database_can_store_is_refused(api: Api, escaped: str) -> None:
    api.spare()
    sentence = "body must not contain U+0000 or half a surrogate pair"
    for value in (f'{{"a": ["{escaped}"]}}', f'{{"{escaped}": 1}}'):
        assert raw(api, with_metadata(value)).refused() == (400, "VALIDATION_FAILED", sentence)


def test_text_of_every_other_kind_is_kept(api: Api) -> None:
    api.spare()
    odd = "é ß 字 \U0001f600 \u2028 </script> '; DROP TABLE pools; -- \x7f \x01"
    metadata = {"text": odd, "large": 2**70, "small": -1.5e-9, "none": None, "deep": [{"": []}]}
    assert api.assign("123", metadata=metadata).body["assignment"]["metadata"] == {**metadata, "prNumber": 123}
    assert api.owner.get("/review/environments/pr/123", **OF_SHOP).body["metadata"]["text"] == odd


@pytest.mark.parametrize("body", [b"[]", b"7", b"null", b'"text"', b"true"])
def test_a_body_is_an_object(wire: Api, body: bytes) -> None:
    assert raw(wire, body).refused() == (400, "VALIDATION_FAILED", "body must be an object")


def test_an_empty_body_is_an_object_without_fields(wire: Api) -> None:
    reply = raw(wire, b"", "text/plain")
    assert reply.refused() == (400, "VALIDATION_FAILED", "assignmentType is required")
    assert [error["field"] for error in reply.body["details"]["errors"]] == [
        "assignmentType",
        "assignmentId",
        "repositoryIdentifier",
    ]


def test_a_megabyte_is_enough(wire: Api) -> None:
    wire.spare()
    padded = with_metadata('"' + "x" * 1024 * 1024 + '"')
    reply = raw(wire, padded)
    assert reply.refused() == (413, "PAYLOAD_TOO_LARGE", "Request body is larger than 1048576 bytes")
    just = json.dumps(key(poolTag="core")).encode().ljust(1024 * 1024)
    assert raw(wire, just).status == 200


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"assignmentType": "PR"}, "assignmentType must be one of pr, issue, user or custom"),
        ({"assignmentType": 1}, "assignmentType must be one of pr, issue, user or custom"),
        ({"assignmentId": 123}, "assignmentId must be a string"),
        ({"assignmentId": "#123"}, "assignmentId must consist of letters, digits and @ . _ -"),
        ({"assignmentId": "1\n"}, "assignmentId must consist of letters, digits and @ . _ -"),
        ({"assignmentId": "1" * 256}, "assignmentId must have at most 255 characters"),
        ({"repositoryIdentifier": None}, "repositoryIdentifier is required"),
        ({"domain": "a/b"}, "domain must consist of letters, digits and . _ -"),
        ({"domains": "sales"}, "domains must be an array"),
        ({"domains": ["a", "b c"]}, "domains.1 must consist of letters, digits and . _ -"),
        ({"poolTag": "Core"}, "poolTag must consist of lower-case letters, digits and _ -"),
        ({"branch": ""}, "branch must have between 1 and 255 characters"),
        ({"expirationHours": 0}, "expirationHours must be between 1 and 720"),
        ({"expirationHours": 720.5}, "expirationHours must be between 1 and 720"),
        ({"expirationHours": "24"}, "expirationHours must be a number"),
        ({"expirationHours": True}, "expirationHours must be a number"),
        ({"isImmortal": 0}, "isImmortal must be a boolean"),
        ({"isImmortal": "false"}, "isImmortal must be a boolean"),
        ({"override": 1}, "override must be a boolean"),
        ({"metadata": "x"}, "metadata must be an object"),
        ({"metadata": {"x": "y" * 16384}}, "metadata must be at most 16384 bytes of JSON"),
    ],
)
def test_what_breaks_a_rule_of_r1_is_said_in_a_sentence(wire: Api, given: dict[str, Any], sentence: str) -> None:
    assert wire.owner.post(ASSIGN, key(**given)).refused() == (400, "VALIDATION_FAILED", sentence)


@pytest.mark.parametrize(
    ("operation", "given", "sentence"),
    [
        ("extend", {"extensionHours": 169}, "extensionHours must be between 1 and 168"),
        ("extend", {"extensionHours": 0.5}, "extensionHours must be between 1 and 168"),
        ("unassign", {"returnToPool": "no"}, "returnToPool must be a boolean"),
        ("acquire", {"usedBy": "ci"}, "duration is required"),
        ("acquire", {"usedBy": "ci", "duration": 481}, "duration must be between 1 and 480"),
        ("acquire", {"duration": 5}, "usedBy is required"),
        ("acquire", {"duration": 5, "usedBy": ""}, "usedBy must have between 1 and 255 characters"),
        ("release", {"usedBy": "u" * 256}, "usedBy must have between 1 and 255 characters"),
        ("transition", {}, "fromAssignmentType is required"),
    ],
)
def test_what_breaks_a_rule_of_another_operation(
    wire: Api, operation: str, given: dict[str, Any], sentence: str
) -> None:
    refused = wire.owner.post(f"/review/environments/{operation}", key(**given)).refused()
    assert refused == (400, "VALIDATION_FAILED", sentence)


def test_the_envelope_of_a_broken_rule(wire: Api) -> None:
    assert wire.owner.post(ASSIGN, key(expirationHours=721)).body == {
        "statusCode": 400,
        "error": "Bad Request",
        "code": "VALIDATION_FAILED",
        "message": "expirationHours must be between 1 and 720",
        "details": {"errors": [{"field": "expirationHours", "rule": "range", "message": "must be between 1 and 720"}]},
    }


def test_null_is_nothing_said(wire: Api) -> None:
    wire.spare()
    optional = ("domain", "branch", "domains", "expirationHours", "isImmortal", "metadata", "override")
    assert wire.assign("123", **dict.fromkeys(optional)).status == 200


# Queries


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/review/environments/pr/1"),
        ("GET", "/pools/configs/core"),
        ("PATCH", "/pools/configs/core"),
        ("DELETE", "/pools/configs/core"),
        ("GET", "/pools/core/instances"),
        ("POST", "/pools/core/provision"),
        ("POST", "/pools/core/fetch"),
    ],
)
@pytest.mark.parametrize("query", [{}, {"repositoryIdentifier": ""}])
def test_a_parameter_that_is_missing_is_named(wire: Api, method: str, path: str, query: dict[str, str]) -> None:
    refused = wire.owner.send(method, path, query=query).refused()
    assert refused == (400, "MISSING_PARAMETER", "Missing repositoryIdentifier parameter")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"includeExpired": "yes"}, "includeExpired must be true or false"),
        ({"limit": "ten"}, "limit must be an integer"),
        ({"limit": "1_0"}, "limit must be an integer"),
        ({"limit": "9" * 30}, "limit must be an integer"),
        ({"limit": "0"}, "limit must be between 1 and 1000"),
        ({"offset": "-1"}, "offset must be between 0 and 1000000000"),
        ({"status": "Active"}, "status must be one of active, released or expired"),
        ({"assignmentType": "x"}, "assignmentType must be one of pr, issue, user or custom"),
        ({"repositoryIdentifier": "x"}, "repositoryIdentifier must be an owner and a name, as in flxbl-io/sf-core"),
        ({"assignedBy": "a\0b"}, "assignedBy must not contain U+0000"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(wire: Api, query: dict[str, str], sentence: str) -> None:
    assert wire.owner.get(LIST, **query).refused() == (400, "VALIDATION_FAILED", sentence)


def test_unknown_parameters_are_ignored_and_of_several_the_first_counts(wire: Api) -> None:
    reply = wire.owner.get(f"{LIST}?colour=green&limit=1&limit=x&repositoryIdentifier={REPO}")
    assert reply.status == 200


# Failures


def test_a_store_that_is_away_is_said_and_nothing_is_guessed(wire: Api) -> None:
    away = Database("sqlite:////nowhere/at/all.db")
    context = Context.of(wire.world.context.settings, away, wire.world.clock)

    answer = Client(create_app(context, lambda: None)).get(f"/sfp/api{LIST}", headers={"Authorization": "Bearer x"})

    reply = Reply(answer.status_code, dict(answer.headers), answer.get_data(as_text=True))
    sentence = "The state store is unreachable; nothing was changed"
    assert reply.refused() == (503, "STORE_UNAVAILABLE", sentence)
    assert reply.headers["Retry-After"] == "5"
    away.dispose()


def test_a_mistake_of_ours_is_logged_once_and_not_told(wire: Api) -> None:
    wire.spare()
    wire.assign("123")
    with wire.database.transaction() as session:
        session.execute(text("UPDATE assignments SET holder_type = 'odd'"))

    with capture_logs() as logged:
        reply = wire.owner.get(LIST)

    sentence = "Something went wrong here; the log has it under the request id"
    assert reply.refused() == (500, "INTERNAL_ERROR", sentence)
    [line] = [line for line in logged if line["log_level"] == "error"]
    assert (line["event"], line["request"]) == ("request failed", reply.headers["X-Request-Id"])
    assert isinstance(line["exc_info"], ValueError)


def test_a_pool_may_be_made_with_the_largest_numbers(wire: Api) -> None:
    numbers = {"minAvailableInstances": 500, "maxTotalInstances": 500, "daysToKeepUnassignedAvailable": 365}
    assert wire.owner.post("/pools/configs", {**POOL, **numbers}).status == 201
