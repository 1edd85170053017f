"""Dedicated environments are locked by one pipeline at a time, which then gets the way in (contract E11–E16)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from storage.tokens import Role
from tests.bot.api.client import OF_SHOP, Api, Reply, Rest

NAME = {"repositoryName": "shop"}


class Prod:
    """One environment, addressed by its id or by its name."""

    def __init__(self, api: Api, by_name: bool) -> None:
        self.id: str = api.dedicated("prod")["id"]
        self.path = "/environments/by-name/prod" if by_name else f"/environments/{self.id}"
        self.query: dict[str, str] = OF_SHOP if by_name else NAME

    def lock(self, by: Rest, body: Any = None, **query: Any) -> Reply:
        return by.post(f"{self.path}/lock", body, **{**self.query, **query})

    def ticket(self, by: Rest, body: Any = None) -> str:
        reply = self.lock(by, body)
        assert reply.status == 201, reply.text
        found: str = reply.body["ticketId"]
        return found

    def wait(self, by: Rest, ticket: str, method: str = "POST", **query: Any) -> Reply:
        return by.send(method, f"{self.path}/lock/{ticket}/wait", query={**self.query, **query})

    def renew(self, by: Rest, ticket: str, body: Any = None) -> Reply:
        return by.post(f"{self.path}/lock/{ticket}/renew", body, **self.query)

    def unlock(self, by: Rest, ticket: str) -> Reply:
        return by.delete(f"{self.path}/lock/{ticket}", **self.query)


@pytest.fixture(params=["by id", "by name"])
def prod(request: pytest.FixtureRequest, wire: Api) -> Prod:
    return Prod(wire, request.param == "by name")


def test_a_free_environment_is_locked_at_once_without_the_way_in(wire: Api, prod: Prod) -> None:
    reply = prod.lock(wire.application, {"durationSeconds": 3600, "reason": "Deployment"})
    assert reply.status == 201
    assert re.fullmatch(r"\d+-\d+-[a-f0-9-]+", reply.body.pop("ticketId"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", reply.body["expiresAt"])
    assert {**reply.body, "ticketId": "", "expiresAt": ""} == {
        "ticketId": "", "status": "acquired", "environmentId": prod.id, "environmentName": "prod", "duration": 60,
        "durationSeconds": 3600, "queuePosition": 0, "estimatedWaitSeconds": 0, "expiresAt": "", "fence": 1,
    }  # fmt: skip


def test_a_held_one_gives_a_ticket_with_place_and_estimate(wire: Api, prod: Prod) -> None:
    prod.lock(wire.application, {"duration": 20})
    prod.lock(wire.application, {"duration": 10})
    third = prod.lock(wire.application, {}).body
    assert (third["status"], third["queuePosition"], third["estimatedWaitSeconds"]) == ("queued", 2, 1800)
    assert (third["expiresAt"], third["fence"], third["duration"]) == (None, None, 60)


def test_who_has_the_lock_gets_the_way_in_which_is_on_the_record(wire: Api, prod: Prod) -> None:
    ticket = prod.ticket(wire.application)
    got = prod.wait(wire.application, ticket)
    assert got.status == 200
    assert got.body["accessToken"].startswith("00D")
    assert (got.body["status"], got.body["salesforceUsername"]) == ("acquired", "prod@acme/shop.example")
    assert "sfdxAuthUrl" not in got.body
    other = prod.wait(wire.application, ticket, "GET", authType="sfdxAuthUrl")
    assert other.body["sfdxAuthUrl"].startswith("force://")
    assert "accessToken" not in other.body
    revealed = wire.audit("dedicated.credentials_revealed")
    assert [row.details["details"]["auth_type"] for row in revealed] == ["accessToken", "sfdxAuthUrl"]
    assert got.body["accessToken"] not in str([row.details for row in revealed])


def test_who_waits_in_vain_is_told_its_place(wire: Api, prod: Prod) -> None:
    prod.ticket(wire.application)
    waiting = prod.ticket(wire.application)
    reply = prod.wait(wire.application, waiting, timeoutSeconds=1)
    assert reply.refused() == (408, "LOCK_WAIT_TIMEOUT", "Timeout waiting for lock acquisition")
    assert reply.body["details"] == {"queuePosition": 1, "estimatedWaitSeconds": 3600}
    assert reply.headers["Retry-After"] == "1"
    assert wire.audit("dedicated.credentials_revealed") == []


def test_unlocking_hands_the_lock_to_the_next(wire: Api, prod: Prod) -> None:
    held, waiting = prod.ticket(wire.application), prod.ticket(wire.owner)
    done = prod.unlock(wire.application, held)
    assert (done.status, done.body) == (
        200, {"message": "Environment unlocked successfully", "ticketId": held, "environmentId": prod.id},
    )  # fmt: skip
    assert prod.wait(wire.owner, waiting).status == 200


def test_the_ticket_may_stand_in_the_query(wire: Api, prod: Prod) -> None:
    ticket = prod.ticket(wire.application)
    query = {**prod.query, "ticketId": ticket}
    assert wire.application.post(f"{prod.path}/wait", **query).status == 200
    assert wire.application.post(f"{prod.path}/unlock", **query).status == 200
    assert wire.application.post(f"{prod.path}/unlock", **query).refused() == (
        404, "LOCK_NOT_FOUND", "Environment or lock not found",
    )  # fmt: skip


def test_by_id_and_by_name_stand_in_one_line(wire: Api) -> None:
    by_id = Prod(wire, by_name=False)
    held = by_id.ticket(wire.application)
    by_name = wire.application.post("/environments/by-name/prod/lock", **OF_SHOP)
    assert by_name.body["status"] == "queued"
    assert wire.application.delete(f"/environments/by-name/prod/lock/{held}", **OF_SHOP).status == 200


def test_a_ticket_opens_nothing_for_somebody_else_but_an_owner(wire: Api, prod: Prod) -> None:
    ticket = prod.ticket(wire.application)
    stranger = wire.token(Role.APPLICATION)
    message = "Forbidden - This lock ticket belongs to another requester"
    assert prod.wait(stranger, ticket).refused() == (403, "NOT_LOCK_HOLDER", message)
    assert prod.renew(stranger, ticket).refused() == (403, "NOT_LOCK_HOLDER", message)
    assert prod.wait(wire.owner, ticket).status == 200
    assert prod.unlock(stranger, ticket).status == 200  # any application may: the ticket is the capability


def test_a_job_that_a_token_names_has_one_ticket_and_a_token_any_number(wire: Api, prod: Prod) -> None:
    first = prod.ticket(wire.application, {"requestedBy": "build 7"})
    again = prod.lock(wire.application, {"requestedBy": "build 7"})
    assert again.refused() == (409, "LOCK_ALREADY_HELD", "You already hold or wait for this lock")
    assert again.body["details"] == {"ticketId": first, "status": "acquired"}
    assert [prod.lock(wire.application).status for _ in range(3)] == [201] * 3
    assert prod.lock(wire.application, {"requestedBy": "build 8"}).status == 201


def test_renewing_extends_the_lease_and_a_late_holder_is_refused(wire: Api, prod: Prod) -> None:
    ticket = prod.ticket(wire.application, {"durationSeconds": 60})
    wire.world.clock.advance(seconds=50)
    assert prod.renew(wire.application, ticket).status == 200
    wire.world.clock.advance(seconds=50)
    assert prod.wait(wire.application, ticket).status == 200
    wire.world.clock.advance(seconds=10)
    for late in (prod.renew, prod.unlock):
        assert late(wire.application, ticket).refused()[:2] == (404, "LOCK_NOT_FOUND")
    assert prod.wait(wire.application, ticket).status == 404


def test_the_environment_shows_its_lock(wire: Api, prod: Prod) -> None:
    prod.lock(wire.application, {"requestedBy": "deploy-bot", "reason": "Deployment", "durationSeconds": 600})
    waiting = prod.ticket(wire.application, {"requestedBy": "ci"})
    wire.world.clock.advance(seconds=60)
    shown = wire.owner.get(f"/environments/{prod.id}").body
    assert (shown["isLocked"], shown["lockedBy"], shown["lockExpiresInSeconds"]) == (True, "deploy-bot", 540)
    assert shown["lockStatus"]["queuedLocks"] == [
        {"position": 1, "requestedBy": "ci", "ticketId": waiting, "estimatedWaitSeconds": 540}
    ]
    wire.world.clock.advance(seconds=540)
    assert wire.member.get(f"/environments/{prod.id}").body["lockedBy"] == "ci"


def test_locks_are_in_the_log_of_accesses(wire: Api, prod: Prod) -> None:
    ticket = prod.ticket(wire.application, {"durationSeconds": 60, "reason": "Deployment"})
    prod.ticket(wire.application, {"durationSeconds": 60})
    prod.unlock(wire.application, ticket)
    rows = wire.owner.get(f"/environments/{prod.id}/audit").body
    locked = [row for row in rows if row["access_type"] in ("lock", "unlock")]
    assert [row["access_type"] for row in locked] == ["lock", "unlock", "lock"]
    details = locked[-1]["access_details"]
    assert details["action"] == "environment_locked"
    assert (details["ticket_id"], details["duration_seconds"], details["reason"]) == (ticket, 60, "Deployment")


def test_a_locked_environment_is_not_deleted_and_a_deleted_one_has_no_line(wire: Api, prod: Prod) -> None:
    held = prod.ticket(wire.application)
    assert wire.owner.delete(f"/environments/{prod.id}").refused()[:2] == (409, "ENVIRONMENT_LOCKED")
    prod.unlock(wire.application, held)
    assert wire.owner.delete(f"/environments/{prod.id}").status == 200
    assert prod.lock(wire.application).refused() == (404, "ENVIRONMENT_NOT_FOUND", "Environment not found")


def test_where_there_is_no_ticket_the_published_sentences_say_so(wire: Api) -> None:
    by_id, by_name = Prod(wire, by_name=False), "/environments/by-name/prod"
    nothing = "456e7890-e89b-42d3-a456-426614174001"
    assert by_id.wait(wire.application, "1-2-3").refused()[2] == "Ticket not found or expired"
    assert wire.application.post(f"/environments/{nothing}/lock/1-2-3/wait", **NAME).refused()[:2] == (
        404, "LOCK_NOT_FOUND",
    )  # fmt: skip
    reply = wire.application.post(f"{by_name}/lock/1-2-3/wait", **OF_SHOP)
    assert reply.refused()[2] == "Environment or ticket not found"
    assert by_id.unlock(wire.application, "1-2-3").refused()[2] == "Environment or lock not found"


def test_whoever_locks_names_the_repository(wire: Api) -> None:
    prod = Prod(wire, by_name=False)
    missing = wire.application.post(f"/environments/{prod.id}/lock")
    assert missing.refused() == (400, "MISSING_PARAMETER", "Missing repositoryName parameter")
    assert prod.lock(wire.application, repositoryName="other").refused()[:2] == (400, "VALIDATION_FAILED")
    assert prod.lock(wire.application, repositoryName="acme/Shop").status == 201


@pytest.mark.parametrize(
    "body",
    [
        {"durationSeconds": 59}, {"durationSeconds": 86401}, {"duration": 0.5}, {"duration": 1441},
        {"duration": 60, "durationSeconds": 3600}, {"reason": "x" * 501}, {"requestedBy": ""},
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(wire: Api, body: dict[str, Any]) -> None:
    assert Prod(wire, by_name=False).lock(wire.application, body).refused()[:2] == (400, "VALIDATION_FAILED")


def test_a_member_may_not(wire: Api) -> None:
    assert Prod(wire, by_name=False).lock(wire.member).refused()[1] == "ROLE_REQUIRED"


def test_the_published_examples_are_accepted_as_printed(wire: Api) -> None:
    """The page prints an environment's id, a repository's name and a ticket that was never given out."""
    printed = "/environments/456e7890-e89b-12d3-a456-426614174001/lock"
    ticket = "ticket_789abc12-3def-4567-8901-234567890abc"
    project = {"repositoryName": "my-salesforce-project"}
    assert wire.application.post(printed, **project).refused()[1] == "ENVIRONMENT_NOT_FOUND"
    assert wire.application.post(f"{printed}/{ticket}/wait", **project).refused()[1] == "LOCK_NOT_FOUND"
    assert wire.application.delete(f"{printed}/{ticket}", **project).refused()[1] == "LOCK_NOT_FOUND"
    wire.dedicated("production", repo="myorg/myrepo")
    named, mine = "/environments/by-name/production/lock", {"repositoryIdentifier": "myorg/myrepo"}
    assert wire.application.post(named, **mine).status == 201
    assert wire.application.post(f"{named}/{ticket}/wait", **mine).refused()[1] == "LOCK_NOT_FOUND"
