"""Locks on anything that has a name, over REST (contract 10.2)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from storage.tokens import Role
from tests.bot.api.client import Api, Reply, Rest
from tests.world import REPO

SHOP = quote(REPO, safe="")


def ask(by: Rest, resource: str = "deploy", seconds: float = 600, repository: str = REPO) -> Reply:
    body = {"repository": repository, "resource": resource, "leaseDurationSeconds": seconds}
    return by.post("/locks", body)


def ticket(reply: Reply) -> str:
    assert reply.status == 201, reply.text
    found: str = reply.body["ticketId"]
    return found


def path(ticket: str = "", *, resource: str = "deploy", then: str = "") -> str:
    return "/".join(["/locks", SHOP, quote(resource, safe=""), *filter(None, (ticket, then))])


def test_a_free_lock_is_acquired_at_once(api: Api) -> None:
    got = ask(api.application)
    now = api.world.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert got.status == 201
    assert re.fullmatch(r"\d+-\d+-[a-f0-9-]+", got.body["ticketId"])
    assert got.body | {"id": "", "ticketId": "", "leaseEnd": ""} == {
        "id": "", "resource": "deploy", "ticketId": "", "status": "acquired", "queuePosition": 0, "leaseStart": now,
        "leaseDurationSeconds": 600, "createdAt": now, "updatedAt": now, "leaseEnd": "", "fence": 1,
        "reasonCode": None,
    }  # fmt: skip


def test_one_token_may_ask_any_number_of_times_and_stands_in_line(api: Api) -> None:
    replies = [ask(api.application) for _ in range(3)]
    assert [(reply.body["status"], reply.body["queuePosition"]) for reply in replies] == [
        ("acquired", 0), ("queued", 1), ("queued", 2),
    ]  # fmt: skip


def test_who_waits_in_vain_is_told_its_place_and_keeps_it(api: Api) -> None:
    ask(api.application, seconds=600)
    waiting = ticket(ask(api.application))
    for _ in range(2):
        reply = api.application.post(path(waiting, then="wait"), {"timeoutSeconds": 1})
        assert reply.refused() == (408, "LOCK_WAIT_TIMEOUT", "Timeout waiting for lock acquisition")
        assert reply.body["details"] == {"queuePosition": 1, "estimatedWaitSeconds": 600}
        assert reply.headers["Retry-After"] == "1"


def test_the_next_in_line_has_the_lock_when_it_is_released(api: Api) -> None:
    held, waiting = ticket(ask(api.application)), ticket(ask(api.owner))
    released = api.application.delete(path(held))
    assert (released.status, released.body) == (200, {"message": "Lock released successfully"})
    assert api.owner.post(path(waiting, then="wait")).body["status"] == "acquired"
    assert api.owner.post(path(waiting, then="acquire")).body["fence"] == 2


def test_a_lease_that_ran_out_is_noticed_by_any_request(api: Api) -> None:
    dead, waiting = ticket(ask(api.application, seconds=60)), ticket(ask(api.application))
    api.world.clock.advance(seconds=60)
    assert api.application.post(path(waiting, then="wait")).body["status"] == "acquired"
    ended = api.application.get(path(dead)).body
    assert (ended["status"], ended["reasonCode"], ended["queuePosition"]) == ("released", "lease_ended", None)


def test_the_clock_serves_the_next_though_nobody_asks(api: Api) -> None:
    ask(api.application, seconds=60)
    waiting = ticket(ask(api.application))
    api.world.later(seconds=60)
    with api.world.session() as session:
        assert session.connection().exec_driver_sql(
            f"SELECT status FROM locks WHERE ticket = '{waiting}'"
        ).scalar() == "acquired"  # fmt: skip


def test_renewing_extends_the_lease_from_now(api: Api) -> None:
    held = ticket(ask(api.application, seconds=60))
    api.world.clock.advance(seconds=50)
    renewed = api.application.post(path(held, then="renew"))
    assert renewed.status == 200
    api.world.clock.advance(seconds=50)
    assert api.application.get(path(held)).body["status"] == "acquired"
    assert api.application.post(path(held, then="renew"), {"leaseDurationSeconds": 5}).body["leaseDurationSeconds"] == 5
    api.world.clock.advance(seconds=5)
    assert api.application.post(path(held, then="renew")).refused() == (404, "LOCK_NOT_FOUND", "Lock not found")


def test_a_holder_that_comes_back_late_is_refused(api: Api) -> None:
    late, successor = ticket(ask(api.application, seconds=1)), ticket(ask(api.application))
    api.world.clock.advance(seconds=2)
    assert api.application.delete(path(late)).refused() == (404, "LOCK_NOT_FOUND", "Lock not found")
    assert api.application.get(path(successor)).body["status"] == "acquired"


def test_the_line_is_listed_in_order_with_what_ended_in_the_last_hour(api: Api) -> None:
    first, second, third = (ticket(ask(api.application)) for _ in range(3))
    api.application.delete(path(second))
    listed = api.application.get(path())
    assert [lock["ticketId"] for lock in listed.body] == [first, third, second]
    assert [lock["queuePosition"] for lock in listed.body] == [0, 1, None]
    assert listed.headers["X-Total-Count"] == "3"
    api.world.clock.advance(minutes=61)
    assert len(api.application.get(path()).body) == 2


@pytest.mark.parametrize(
    ("method", "then"), [("GET", ""), ("DELETE", ""), ("POST", "acquire"), ("POST", "wait"), ("POST", "renew")]
)
def test_a_ticket_that_was_never_given_out_is_not_found(wire: Api, method: str, then: str) -> None:
    held = ticket(ask(wire.application))
    message = "Ticket not found or expired" if then == "wait" else "Lock not found"
    for wrong in (path("1-2-3", then=then), path(held, resource="other", then=then)):
        assert wire.application.send(method, wrong).refused() == (404, "LOCK_NOT_FOUND", message)


def test_a_member_may_not_and_a_repository_that_is_not_seen_has_no_locks(wire: Api) -> None:
    assert ask(wire.member).status == 403
    elsewhere = wire.token(Role.APPLICATION, "acme/other")
    assert ask(elsewhere).refused() == (404, "REPOSITORY_NOT_FOUND", f"Repository {REPO} not found")
    held = ticket(ask(wire.application))
    assert elsewhere.get(path(held)).status == 404
    assert elsewhere.get(path()).body == []


def test_a_name_may_be_anything(wire: Api) -> None:
    odd = "deploy/eu west #1 äöü"
    held = ticket(ask(wire.application, odd))
    assert wire.application.get(path(held, resource=odd)).body["resource"] == odd


@pytest.mark.parametrize("seconds", [0, 86401, 1.5, "600", None])
def test_a_lease_is_between_a_second_and_a_day(wire: Api, seconds: Any) -> None:
    assert ask(wire.application, seconds=seconds).refused()[:2] == (400, "VALIDATION_FAILED")


@pytest.mark.parametrize("seconds", [0, 56, 1.5])
def test_a_wait_is_between_1_and_55_seconds(wire: Api, seconds: Any) -> None:
    held = ticket(ask(wire.application))
    refused = wire.application.post(path(held, then="wait"), {"timeoutSeconds": seconds})
    assert refused.refused()[:2] == (400, "VALIDATION_FAILED")


def test_every_grant_and_end_is_on_the_record(api: Api) -> None:
    held, waiting = ticket(ask(api.application)), ticket(ask(api.owner))
    api.application.delete(path(held))
    assert [(row.details["ticket_id"], row.actor) for row in api.audit("lock.requested")] == [
        (held, "the application"), (waiting, "the owner"),
    ]  # fmt: skip
    assert [(row.details["ticket_id"], row.details["fence"]) for row in api.audit("lock.acquired")] == [
        (held, 1), (waiting, 2),
    ]  # fmt: skip
    assert [row.details["reason_code"] for row in api.audit("lock.released")] == ["unlocked"]
