"""The door for webhooks: what GitHub gets for an answer, and what is stored before it gets one."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from werkzeug.test import Client, TestResponse

from bot.context import Context
from bot.settings import Settings
from bot.webhooks import LARGEST_BODY, PATH, WebhookDoor
from storage import apps
from storage.database import Database
from storage.deliveries import Delivery, DeliveryState
from storage.doorbell import Doorbell
from storage.vault import Vault
from tests.provider import Clock
from tests.world import World

SECRET = "It's a Secret to Everybody"
OPENED = {
    "action": "opened",
    "pull_request": {"number": 7},
    "repository": {"id": 21},
    "installation": {"id": 1},
}


class Door:
    """A door of its own on a database, and GitHub in front of it."""

    def __init__(self, database: Database, data: Path, clock: Clock, *, secrets: tuple[str, ...] = (SECRET,)) -> None:
        self.database = database
        settings = Settings(data=data, secret_keys=("key",), github_webhook_secrets=secrets)
        self.client = Client(WebhookDoor(Context.of(settings, database, clock), behind))

    def send(
        self,
        payload: Any = OPENED,
        event: str = "pull_request",
        *,
        body: bytes | None = None,
        secret: str = SECRET,
        **headers: str | None,
    ) -> TestResponse:
        """A signed delivery; headers by name with `_` for `-`, None leaves one out."""
        body = json.dumps(payload).encode() if body is None else body
        sent: dict[str, str | None] = {
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        given = {name: value for name, value in sent.items() if value is not None}
        return self.client.post(PATH, data=body, headers=given)

    @property
    def stored(self) -> list[Delivery]:
        with self.database.reading() as session:
            return list(session.scalars(select(Delivery).order_by(Delivery.number)))


@pytest.fixture
def door(database: Database, tmp_path: Path, clock: Clock) -> Door:
    return Door(database, tmp_path, clock)


@pytest.fixture
def refusing(sqlite_url: str, tmp_path: Path, clock: Clock) -> Iterator[Door]:
    """For what never reaches the database."""
    database = Database(sqlite_url)
    yield Door(database, tmp_path, clock)
    database.dispose()


def behind(environ: Any, start_response: Any) -> list[bytes]:
    start_response("418 I'M A TEAPOT", [])
    return [b""]


def message(answer: TestResponse) -> str:
    told: str = answer.get_json()["message"]
    return told


# What is accepted


def test_a_signed_webhook_is_stored_as_it_came(door: Door) -> None:
    body = json.dumps(OPENED, indent=3).encode()
    answer = door.send(body=body)

    assert answer.status_code == 202
    [stored] = door.stored
    assert (stored.event, stored.action, stored.body) == ("pull_request", "opened", body)
    assert stored.state == DeliveryState.RECEIVED


def test_the_signature_is_of_the_bytes_and_not_of_what_they_mean(refusing: Door) -> None:
    body = json.dumps({**OPENED, "title": "Größe"}, ensure_ascii=False, indent=1).encode()
    assert refusing.send(body=body).status_code == 202

    of_the_same_json = hmac.new(SECRET.encode(), json.dumps(json.loads(body)).encode(), hashlib.sha256).hexdigest()
    assert refusing.send(body=body, X_Hub_Signature_256=f"sha256={of_the_same_json}").status_code == 403


def test_two_secrets_are_valid_while_one_replaces_the_other(sqlite_url: str, tmp_path: Path, clock: Clock) -> None:
    database = Database(sqlite_url)
    door = Door(database, tmp_path, clock, secrets=("new", "old"))

    assert door.send(secret="old", X_GitHub_Delivery="1").status_code == 202
    assert door.send(secret="new", X_GitHub_Delivery="2").status_code == 202
    assert door.send(secret="older", X_GitHub_Delivery="3").status_code == 403
    database.dispose()


def test_events_that_mean_nothing_to_us_are_answered_200_and_not_stored(refusing: Door) -> None:
    for event, action in [
        ("ping", None),
        ("star", "created"),
        ("issue_comment", "pinned"),
        ("pull_request_review", "edited"),
        ("pull_request_review_comment", "created"),
        ("pull_request", "assigned"),
        ("issues", "opened"),
        ("check_run", "created"),
        ("merge_group", "checks_requested"),
    ]:
        answer = refusing.send({"action": action, "zen": "Keep it logically awesome."}, event)
        assert (answer.status_code, message(answer)) == (200, f"Nothing to do for {event}")
    assert refusing.stored == []


@pytest.mark.parametrize("action", [None, 7, ["opened"], {"opened": True}])
def test_an_action_that_is_no_text_is_none_of_ours(refusing: Door, action: Any) -> None:
    assert refusing.send({**OPENED, "action": action}).status_code == 200
    assert refusing.stored == []


@pytest.mark.parametrize("wrong", [None, 7, "seven", [], {"id": "21"}, {"id": None}])
def test_a_payload_of_another_shape_is_stored_all_the_same(refusing: Door, wrong: Any) -> None:
    payload = {"action": "opened", "pull_request": wrong, "repository": wrong, "installation": wrong}
    assert refusing.send(payload).status_code == 202
    [stored] = refusing.stored
    assert stored.serial_key.startswith("installation:")


def test_what_is_told_of_one_pull_request_is_worked_in_order(refusing: Door) -> None:
    told = {"installation": {"id": 1}, "repository": {"id": 21}}
    refusing.send({**told, "action": "opened", "pull_request": {"number": 7}}, X_GitHub_Delivery="1")
    refusing.send({**told, "action": "created", "issue": {"number": 7}}, "issue_comment", X_GitHub_Delivery="2")
    refusing.send(
        {**told, "action": "submitted", "pull_request": {"number": 7}}, "pull_request_review", X_GitHub_Delivery="3"
    )
    refusing.send({**told, "action": "opened", "pull_request": {"number": 8}}, X_GitHub_Delivery="4")

    first, *rest, other = [delivery.serial_key for delivery in refusing.stored]
    assert set(rest) == {first}
    assert other != first


def test_everything_else_goes_to_the_application_behind(refusing: Door) -> None:
    assert refusing.client.post("/github/webhooks").status_code == 418
    assert refusing.client.get("/").status_code == 418


# What is refused


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        "sha1=" + hmac.new(SECRET.encode(), json.dumps(OPENED).encode(), hashlib.sha1).hexdigest(),
        hmac.new(SECRET.encode(), json.dumps(OPENED).encode(), hashlib.sha256).hexdigest(),
        "sha256=" + hmac.new(b"another secret", json.dumps(OPENED).encode(), hashlib.sha256).hexdigest(),
        "sha256=" + hmac.new(SECRET.encode(), b"another body", hashlib.sha256).hexdigest(),
        "sha256=\xfc",
    ],
)
def test_a_signature_that_does_not_fit_is_forbidden(refusing: Door, signature: str | None) -> None:
    answer = refusing.send(X_Hub_Signature_256=signature)

    assert answer.status_code == 403
    assert "signature" in message(answer)
    assert refusing.stored == []


def test_who_cannot_sign_learns_nothing_about_the_rest(refusing: Door) -> None:
    """403 comes before every 400, and for events that we do not know too."""
    assert refusing.send(body=b"{", secret="guessed").status_code == 403
    assert refusing.send(secret="guessed", Content_Type="text/plain").status_code == 403
    assert refusing.send(secret="guessed", X_GitHub_Delivery=None).status_code == 403
    assert refusing.send(event="ping", secret="guessed").status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b"payload=%7B%7D",
        b'{"action": "opened"',
        b'{"action": "\xff"}',
        b"[" * 100_000,
        b'[{"action": "opened"}]',
        b'"opened"',
    ],
)
def test_a_body_that_is_no_json_object_is_a_bad_request(refusing: Door, body: bytes) -> None:
    answer = refusing.send(body=body)
    assert answer.status_code == 400
    assert "JSON" in message(answer)
    assert refusing.stored == []


def test_a_form_is_told_what_to_change(refusing: Door) -> None:
    answer = refusing.send(Content_Type="application/x-www-form-urlencoded")
    assert (answer.status_code, message(answer)) == (400, "Set the webhook's content type to application/json")


def test_githubs_own_headers_are_required(refusing: Door) -> None:
    for answer in (refusing.send(X_GitHub_Event=None), refusing.send(X_GitHub_Delivery=None)):
        assert (answer.status_code, message(answer)) == (400, "X-GitHub-Event and X-GitHub-Delivery are required")


def test_only_post_is_allowed(refusing: Door) -> None:
    answer = refusing.client.get(PATH)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_more_than_25_mb_are_refused_before_they_are_read(refusing: Door) -> None:
    class Unread(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError("it was read")

    too_much = {"CONTENT_LENGTH": str(LARGEST_BODY + 1)}
    answer = refusing.client.post(PATH, environ_overrides=too_much, input_stream=Unread())
    assert answer.status_code == 413


def test_a_body_without_a_length_is_refused(refusing: Door) -> None:
    answer = refusing.client.post(PATH, environ_overrides={"CONTENT_LENGTH": ""}, input_stream=io.BytesIO(b"{}"))
    assert answer.status_code == 411


def test_a_body_that_was_cut_off_is_refused(refusing: Door) -> None:
    answer = refusing.client.post(PATH, environ_overrides={"CONTENT_LENGTH": "9"}, input_stream=io.BytesIO(b"{}"))
    assert answer.status_code == 400


def test_without_an_app_nobody_can_sign(sqlite_url: str, tmp_path: Path, clock: Clock) -> None:
    database = Database(sqlite_url)
    answer = Door(database, tmp_path, clock, secrets=()).send(secret="")
    assert (answer.status_code, message(answer)) == (503, "No GitHub App is set up here yet")
    database.dispose()


# Deliveries that come again


def test_a_delivery_that_comes_again_is_stored_once(door: Door) -> None:
    assert [door.send().status_code for _ in range(3)] == [202, 202, 202]
    assert len(door.stored) == 1


def test_one_that_was_worked_is_not_worked_again(world: World) -> None:
    world.pool()
    world.sink.holding = True
    number = world.opens()
    [told] = world.sink.kept
    world.sink.post(*told)
    world.work()
    [assignment] = world.held_by(number)
    requests = len(world.github.requests)

    assert world.sink.post(*told) == 202
    world.work()
    assert len(world.github.requests) == requests
    assert [held.version for held in world.held_by(number)] == [assignment.version]


def test_one_that_failed_is_worked_when_github_sends_it_again(world: World) -> None:
    world.pool()
    world.github.fail("GET", "/pulls/", 422)
    world.sink.holding = True
    number = world.opens()
    [told] = world.sink.kept
    world.sink.post(*told)
    world.work()
    assert world.held_by(number) == []

    world.sink.post(*told)
    world.work()
    assert len(world.held_by(number)) == 1


# Bad days


def test_credentials_that_secret_key_does_not_open_are_said_to_be_so(
    database: Database, tmp_path: Path, clock: Clock
) -> None:
    with database.transaction() as session:
        former = Vault(("a former key",))
        apps.store(session, former, "4711", slug="greenroom", api_url="https://api.github.test", private_key="PEM",
                   webhook_secret=SECRET, now=clock())  # fmt: skip
    with capture_logs() as logged:
        answer = Door(database, tmp_path, clock, secrets=()).send()

    assert (answer.status_code, message(answer)) == (503, "SECRET_KEY does not open this App's stored credentials")
    [line] = logged
    assert line["reason"] == "no key of SECRET_KEY opens this; put the former key behind the new one"
    assert line["log_level"] == "error"


def test_a_database_that_is_away_makes_github_mark_the_delivery_as_failed(tmp_path: Path, clock: Clock) -> None:
    for url in (f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}", "postgresql+psycopg://localhost:1/greenroom"):
        database = Database(url)
        answer = Door(database, tmp_path, clock).send()
        assert (answer.status_code, message(answer)) == (
            503,
            "The state store is unreachable; nothing was changed",
        )
        database.dispose()


def test_a_database_that_stays_locked_leaves_nothing_half_done(
    sqlite_url: str, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.SQLITE_PRAGMAS", ("busy_timeout=1",))
    rung: list[frozenset[str]] = []
    database = Database(sqlite_url, ring=rung.append)
    door = Door(database, tmp_path, clock)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        assert door.send().status_code == 503
        assert (door.stored, rung) == ([], [])

        another.execute("ROLLBACK")
    assert door.send().status_code == 202
    assert len(door.stored) == 1
    assert rung == [{"critical"}]
    database.dispose()


def test_without_redis_a_webhook_is_acknowledged_all_the_same(database_url: str, tmp_path: Path, clock: Clock) -> None:
    database = Database(database_url, ring=Doorbell("redis://127.0.0.1:1/0").ring)
    door = Door(database, tmp_path, clock)
    assert door.send().status_code == 202
    assert len(door.stored) == 1
    database.dispose()
