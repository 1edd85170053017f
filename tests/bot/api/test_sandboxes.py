"""P13, P14 and P16: a pool's sandboxes are given back, extended and deleted."""

from __future__ import annotations

from typing import Any

import pytest

import operations.delete
from storage import pools
from storage.assignments import Assignment
from storage.pools import Pool
from storage.tasks import Task
from storage.tokens import Role
from tests.bot.api.client import OF_SHOP, Api, Reply, Rest, key
from tests.provider import vanish
from tests.world import TEST

FETCH, UNASSIGN, EXTEND = (f"/pools/core_dev/{verb}" for verb in ("fetch", "unassign", "extend"))
MINE = "550e8400-e29b-41d4-a716-446655440000"
OTHER = "650e8400-e29b-41d4-a716-446655440000"
NOT_YOURS = (403, "NOT_SANDBOX_OWNER", "Forbidden - You must own the sandbox or have the owner role")


def fetch(api: Api, who: Rest | None = None, id: str = MINE, **body: Any) -> Any:
    """A sandbox is taken out of the pool, by the application unless somebody else is named."""
    reply = (who or api.application).post(FETCH, {"assignmentId": id, **body}, **OF_SHOP)
    assert reply.status == 200, reply.text
    return reply.body["details"]


def unassign(who: Rest, **body: Any) -> Reply:
    return who.post(UNASSIGN, body, **OF_SHOP)


def extend(who: Rest, id: str = MINE, **body: Any) -> Reply:
    return who.post(EXTEND, {"assignmentId": id, **body}, **OF_SHOP)


def delete(api: Api, name: str, **query: Any) -> Reply:
    return api.owner.delete(f"/pools/core_dev/instances/{name}", **OF_SHOP, **query)


def state(api: Api, name: str) -> str:
    return api.environment(name).state


# P13


@pytest.mark.parametrize(
    ("returns", "where", "state"),
    [(True, "returned to pool", "AVAILABLE"), (False, "marked as expired", "EXPIRED")],
)
def test_the_pool_decides_what_becomes_of_a_sandbox_given_back(api: Api, returns: bool, where: str, state: str) -> None:
    [name] = api.spare("core_dev", free=1, return_on_unassign=returns)
    fetch(api)
    reply = unassign(api.application, assignmentId=MINE)
    assert reply.status == 200
    assert reply.body == {
        "status": "unassigned",
        "message": f"Sandbox successfully unassigned and {where}",
        "timestamp": "2026-03-02T12:00:00Z",
        "details": {"sandboxId": f"sb-core-dev-{name}", "sandboxName": name, "poolTag": "core_dev"},
    }
    assert api.environment(name).state == state


def test_a_sandbox_is_named_by_its_id_or_its_assignments(api: Api) -> None:
    names = api.spare("core_dev", free=2)
    first, second = fetch(api), fetch(api, id=OTHER)
    assert unassign(api.application, sandboxId=first["sandboxId"]).body["details"]["sandboxName"] == names[0]
    both = unassign(api.application, sandboxId=second["sandboxId"], assignmentId=OTHER.upper())
    assert both.body["details"]["sandboxName"] == names[1]


def test_two_names_must_mean_the_same(api: Api) -> None:
    api.spare("core_dev", free=2)
    first, _ = fetch(api), fetch(api, id=OTHER)
    reply = unassign(api.application, sandboxId=first["sandboxId"], assignmentId=OTHER)
    assert reply.refused() == (400, "VALIDATION_FAILED", "assignmentId must be the assignment of sandboxId")


def test_one_name_is_needed(api: Api) -> None:
    api.spare("core_dev")
    reply = unassign(api.member)
    assert reply.refused() == (400, "VALIDATION_FAILED", "assignmentId is required, or else sandboxId")


def test_what_nobody_holds_is_not_given_back(api: Api) -> None:
    [name] = api.spare("core_dev", free=1)
    api.world.pool("other", filled=False)
    for given in (name, "nothing"):
        reply = unassign(api.owner, sandboxId=f"sb-core-dev-{given}")
        assert reply.refused() == (404, "INSTANCE_NOT_FOUND", f"Sandbox {given} not found in pool core_dev")
    fetch(api)
    reply = api.owner.post("/pools/other/unassign", {"assignmentId": MINE}, **OF_SHOP)
    assert reply.refused() == (404, "INSTANCE_NOT_FOUND", f"Sandbox {MINE} not found in pool other")


def test_who_took_it_gives_it_back_and_so_does_an_owner(api: Api) -> None:
    api.spare("core_dev", free=2)
    fetch(api)
    fetch(api, id=OTHER)
    assert unassign(api.token(Role.APPLICATION), assignmentId=MINE).refused() == NOT_YOURS
    assert unassign(api.member, assignmentId=MINE).refused() == NOT_YOURS
    assert unassign(api.application, assignmentId=MINE).status == 200
    assert unassign(api.owner, assignmentId=OTHER).status == 200


def test_a_users_sandbox_is_the_users_own(api: Api) -> None:
    api.spare("core_dev", free=1)
    taken = api.assign("Dev@example.com", pool="core_dev", assignmentType="user").body["assignment"]
    dev, other = (api.token(Role.MEMBER, name=f"{name}@example.com") for name in ("dev", "other"))
    assert unassign(other, assignmentId=taken["poolAssignmentId"]).refused() == NOT_YOURS
    assert unassign(dev, assignmentId=taken["poolAssignmentId"]).status == 200


def test_a_pull_requests_sandbox_is_nobodys_own(api: Api) -> None:
    api.spare("core_dev", free=1)
    taken = api.assign("1", pool="core_dev").body["assignment"]
    assert unassign(api.application, assignmentId=taken["poolAssignmentId"]).refused() == NOT_YOURS


def test_giving_back_ends_the_review_assignment_too(api: Api) -> None:
    [name] = api.spare("core_dev", free=1)
    taken = api.assign("1", pool="core_dev").body["assignment"]
    unassign(api.owner, assignmentId=taken["poolAssignmentId"])
    reply = api.member.get("/review/environments/pr/1", **OF_SHOP)
    assert (reply.status, reply.body["details"]["lastStatus"]) == (404, "released")
    assert api.environment(name).reattach_until is None


@pytest.mark.parametrize("path", [UNASSIGN, EXTEND])
def test_an_unknown_pool_comes_before_the_body(wire: Api, path: str) -> None:
    reply = wire.member.post(path, {"assignmentId": 7}, **OF_SHOP)
    assert reply.refused() == (404, "POOL_NOT_FOUND", "Pool not found")
    assert wire.anonymous.post(path, {}, **OF_SHOP).status == 401
    assert wire.member.post(path, {}).refused()[:2] == (400, "MISSING_PARAMETER")


# P14


def test_extending_adds_hours(api: Api) -> None:
    [name] = api.spare("core_dev", free=1)
    fetch(api)
    reply = extend(api.application, extensionHours=48)
    assert reply.status == 200
    assert reply.body == {
        "status": "expiry_extended",
        "message": "Sandbox expiry extended successfully",
        "timestamp": "2026-03-02T12:00:00Z",
        "details": {
            "sandboxId": f"sb-core-dev-{name}",
            "sandboxName": name,
            "newExpiresAt": "2026-03-06T12:00:00Z",
            "extensionHours": 48,
        },
    }


def test_without_hours_the_pool_decides(api: Api) -> None:
    api.spare("core_dev", free=1, extended_expiration_hours=12.5)
    fetch(api)
    details = extend(api.application).body["details"]
    assert (details["extensionHours"], details["newExpiresAt"]) == (12.5, "2026-03-05T00:30:00Z")


def test_a_sandbox_may_never_expire_and_then_expire_again(api: Api) -> None:
    api.spare("core_dev", free=1)
    fetch(api)
    never = extend(api.application, isImmortal=True).body["details"]
    assert (never["newExpiresAt"], never["extensionHours"]) == (None, None)
    again = extend(api.application, isImmortal=False, extensionHours=1).body["details"]
    assert (again["newExpiresAt"], again["extensionHours"]) == ("2026-03-02T13:00:00Z", 1)


@pytest.mark.parametrize("hours", [0.5, 721, "24"])
def test_hours_have_bounds(wire: Api, hours: Any) -> None:
    wire.spare("core_dev", free=1)
    fetch(wire)
    assert extend(wire.application, extensionHours=hours).refused()[:2] == (400, "VALIDATION_FAILED")
    assert extend(wire.application, extensionHours=720).status == 200


def test_an_expired_sandbox_is_not_extended(api: Api) -> None:
    api.spare("core_dev", free=1)
    fetch(api)
    api.world.clock.advance(hours=49)
    reply = extend(api.application)
    message = "The assignment expired at 2026-03-04T12:00:00Z; assign again"
    assert reply.refused() == (409, "ASSIGNMENT_EXPIRED", message)


def test_what_was_given_back_is_not_extended(api: Api) -> None:
    api.spare("core_dev", free=1)
    for id in (OTHER, MINE):
        if id == MINE:
            fetch(api)
            unassign(api.application, assignmentId=MINE)
        reply = extend(api.application, id)
        assert reply.refused() == (404, "INSTANCE_NOT_FOUND", f"Sandbox {id} not found in pool core_dev")


def test_an_application_extends_any_sandbox_and_a_member_its_own(api: Api) -> None:
    api.spare("core_dev", free=2)
    fetch(api)
    mine = api.assign("dev@example.com", pool="core_dev", assignmentType="user").body["assignment"]
    dev = api.token(Role.MEMBER, name="dev@example.com")
    assert extend(api.token(Role.APPLICATION)).status == 200
    assert extend(dev).refused() == NOT_YOURS
    assert extend(dev, mine["poolAssignmentId"], extensionHours=1).status == 200


@pytest.mark.parametrize("immortal", [True, False])
def test_a_member_does_not_decide_that_it_never_expires(api: Api, immortal: bool) -> None:
    api.spare("core_dev", free=1)
    mine = api.assign("dev@example.com", pool="core_dev", assignmentType="user").body["assignment"]
    reply = extend(api.token(Role.MEMBER, name="dev@example.com"), mine["poolAssignmentId"], isImmortal=immortal)
    assert reply.refused() == (403, "ROLE_REQUIRED", "Forbidden - Requires role: owner, application")


# P16


def pool(api: Api, **mock: Any) -> tuple[Pool, str]:
    """A pool of the mock service with one sandbox; its name."""
    made = api.world.pool("core_dev", max_total=1, additional_config={"mock": mock})
    [environment] = api.world.environments(made)
    return made, environment.name


def reconfigure(api: Api, made: Pool, **mock: Any) -> None:
    with api.database.transaction() as session:
        session.get_one(Pool, made.id).additional_config = {"mock": mock}


def exists(api: Api, made: Pool, name: str) -> bool:
    """Whether the mock service has it."""
    with api.database.reading() as session:
        repository = pools.repository_of(session, made)
    return name in api.world.context.provider(repository, made).inventory()


def test_a_deleted_sandbox_is_gone(api: Api) -> None:
    made, name = pool(api)
    reply = delete(api, name)
    assert reply.status == 200
    assert reply.body == {
        "status": "sandbox_deleted",
        "message": f"Sandbox {name} deleted",
        "timestamp": "2026-03-02T12:00:00Z",
        "details": {
            "sandboxName": name,
            "previousStatus": "AVAILABLE",
            "isImmortal": False,
            "createdAt": "2026-03-02T12:00:00Z",
            "deletionType": "immediate",
        },
    }
    assert state(api, name) == "ARCHIVED"
    assert not exists(api, made, name)
    assert delete(api, name).refused() == (404, "INSTANCE_NOT_FOUND", f"Sandbox {name} not found in pool core_dev")
    assert [row.actor for row in api.audit("environment.deletion_requested")] == ["the owner"]


def test_the_pool_is_filled_again(api: Api) -> None:
    made, name = pool(api)
    delete(api, name)
    api.world.work()
    [successor] = api.world.environments(made)
    assert (successor.state, successor.name == name) == ("AVAILABLE", False)


def test_what_is_still_going_is_marked(api: Api) -> None:
    made, name = pool(api, deletionSeconds=90)
    reply = delete(api, name)
    assert (reply.body["status"], reply.body["details"]["deletionType"]) == ("sandbox_marked_for_deletion", "scheduled")
    assert reply.body["message"] == f"Sandbox {name} marked for deletion"
    assert (state(api, name), api.world.counts(made).deleting) == ("DELETING", 1)
    api.world.later(seconds=60)
    assert state(api, name) == "DELETING"
    assert delete(api, name).body["details"]["previousStatus"] == "DELETING"
    api.world.later(seconds=60)
    assert state(api, name) == "ARCHIVED"


def test_the_holder_of_a_deleted_sandbox_loses_it(api: Api) -> None:
    _, name = pool(api)
    number = api.world.opens()
    assert api.world.held_by(number)
    reply = delete(api, name)
    api.world.work()
    assert reply.body["details"]["previousStatus"] == "ASSIGNED"
    [assignment] = api.world.rows(Assignment)
    assert (assignment.status, assignment.end_reason) == ("released", "deleted")
    assert f"{name} was deleted" in api.world.says(number)


def test_a_young_sandbox_is_not_deleted(api: Api) -> None:
    _, name = pool(api, minimumAgeSeconds=86400)
    reply = delete(api, name)
    assert reply.refused() == (
        409, "SANDBOX_TOO_YOUNG", f"Sandbox {name} cannot be deleted before 2026-03-03T12:00:00Z",
    )  # fmt: skip
    assert reply.body["details"]["eligibleAt"] == "2026-03-03T12:00:00Z"
    assert state(api, name) == "AVAILABLE"
    api.world.clock.advance(hours=24)
    assert delete(api, name).status == 200


def test_the_first_reason_that_applies_is_told(api: Api) -> None:
    """Too young, immortal, in use (contract 13.6)."""
    _, name = pool(api, minimumAgeSeconds=3600)
    api.assign("1", pool="core_dev", isImmortal=True)
    api.application.post("/review/environments/acquire", key("1", duration=120, usedBy="ci"))
    assert delete(api, name).refused()[1] == "SANDBOX_TOO_YOUNG"
    api.world.clock.advance(hours=1)
    immortal = delete(api, name).refused()
    assert immortal == (409, "SANDBOX_IMMORTAL", f"Sandbox {name} never expires; use force")
    api.application.post("/review/environments/extend", key("1", isImmortal=False))
    in_use = delete(api, name)
    assert in_use.refused() == (409, "ENVIRONMENT_IN_USE", "Environment is in use by ci until 2026-03-02T14:00:00Z")
    assert in_use.headers["Retry-After"] == "3600"
    assert (state(api, name), len(api.world.rows(Assignment))) == ("ASSIGNED", 1)
    assert delete(api, name, force="true").body["status"] == "sandbox_deleted"


def test_a_refusing_provider_changes_nothing(api: Api) -> None:
    made, name = pool(api)
    reconfigure(api, made, refusalRate=1)
    reply = delete(api, name)
    assert reply.refused() == (502, "PROVIDER_ERROR", "The provider refused: The mock service is unavailable")
    assert state(api, name) == "AVAILABLE"
    assert api.assign("1", pool="core_dev").status == 200


def test_a_refusing_provider_takes_nothing_from_its_holder(api: Api) -> None:
    made, name = pool(api)
    api.assign("1", pool="core_dev")
    reconfigure(api, made, refusalRate=1)
    assert delete(api, name).status == 502
    assert state(api, name) == "ASSIGNED"
    assert api.member.get("/review/environments/pr/1", **OF_SHOP).status == 200


def test_a_lost_answer_is_looked_up(api: Api) -> None:
    made, name = pool(api)
    reconfigure(api, made, timeoutAfterSuccessRate=1)
    assert delete(api, name).body["status"] == "sandbox_deleted"
    assert state(api, name) == "ARCHIVED"


def test_what_the_provider_finds_too_young_is_put_off_as_a_tombstone(api: Api) -> None:
    made, name = pool(api, minimumAgeSeconds=7200)
    api.assign("1", pool="core_dev")
    reply = delete(api, name, force="true")
    assert reply.body["status"] == "sandbox_marked_for_deletion"
    assert reply.body["details"] == {
        "sandboxName": name,
        "previousStatus": "ASSIGNED",
        "isImmortal": False,
        "createdAt": "2026-03-02T12:00:00Z",
        "deletionType": "scheduled",
    }
    assert api.member.get("/review/environments/pr/1", **OF_SHOP).status == 404
    api.world.later(minutes=45)
    tombstone = api.environment(name)
    assert (tombstone.state, tombstone.tombstone, api.world.counts(made).total) == ("DELETING", True, 1)
    [retry] = [task for task in api.world.rows(Task) if (task.kind, task.state) == ("provision", "pending")]
    assert retry.run_at == tombstone.deletion_eligible_at
    api.world.later(minutes=75, seconds=1)
    assert state(api, name) == "ARCHIVED"
    assert api.world.counts(made).available == 1


def test_a_tombstone_in_a_pool_with_room_is_replaced(api: Api) -> None:
    made = api.world.pool("core_dev", max_total=2, additional_config={"mock": {"minimumAgeSeconds": 7200}})
    [environment] = api.world.environments(made)
    delete(api, environment.name, force="true")
    api.world.work()
    counts = api.world.counts(made)
    assert (counts.available, counts.deleting, counts.total) == (1, 1, 2)


def test_in_error_no_force_is_needed(api: Api) -> None:
    _, name = pool(api, failureRate=1, minimumAgeSeconds=7200)
    assert state(api, name) == "ERROR"
    reply = delete(api, name)
    assert (reply.body["status"], reply.body["details"]["previousStatus"]) == ("sandbox_marked_for_deletion", "ERROR")
    assert api.environment(name).tombstone


def test_an_immortal_sandbox_is_deleted_by_force(api: Api) -> None:
    _, name = pool(api)
    api.assign("1", pool="core_dev", isImmortal=True)
    assert delete(api, name, force="1").body["details"]["isImmortal"]


def test_a_sandbox_that_vanished_is_deleted(api: Api) -> None:
    _, name = pool(api)
    vanish(api.world.context.settings.data / "mock-service.sqlite3", name)
    assert delete(api, name).body["status"] == "sandbox_deleted"


def test_a_deletion_whose_process_was_killed_is_gone_on_with(api: Api) -> None:
    made, name = pool(api)
    with api.database.transaction() as session:
        operations.delete.delete(session, api.environment(name), TEST, now=api.world.clock())
    api.world.later(minutes=1)
    assert state(api, name) == "ARCHIVED"
    assert api.world.counts(made).available == 1


def test_what_is_still_being_made_is_deleted_too(api: Api) -> None:
    made, name = pool(api, creationSeconds=3600)
    assert delete(api, name).body["details"]["previousStatus"] == "PROVISIONING"
    api.world.later(hours=2)
    assert state(api, name) == "ARCHIVED"
    assert not exists(api, made, name)


def test_only_an_owner_deletes(wire: Api) -> None:
    path = "/pools/core_dev/instances/x"
    for who in (wire.member, wire.application):
        assert who.delete(path, **OF_SHOP).refused() == (403, "ROLE_REQUIRED", "Forbidden - Requires role: owner")
    assert wire.owner.delete(path, **OF_SHOP).refused()[1] == "POOL_NOT_FOUND"
    assert wire.owner.delete(path).refused()[1] == "MISSING_PARAMETER"
    assert wire.owner.delete(path, **OF_SHOP, force="maybe").refused()[1] == "VALIDATION_FAILED"
