"""R1–R8 as pipelines use them: what is answered, to the letter, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from storage.tasks import Task
from tests.bot.api.client import OF_SHOP, Api, key, secret_of, without
from tests.world import REPO

ASSIGN = "/review/environments/assign"
EXTEND = "/review/environments/extend"
UNASSIGN = "/review/environments/unassign"
TRANSITION = "/review/environments/transition"
ACQUIRE = "/review/environments/acquire"
RELEASE = "/review/environments/release"
LIST = "/review/environments/list"

IDLE = {"state": "idle", "usedBy": None, "acquiredAt": None, "inUseUntil": None}


# R1


def test_assigning_answers_with_the_assignment(api: Api) -> None:
    [name] = api.spare(free=1)

    reply = api.assign("123", metadata={"prTitle": "Dark mode"})

    assert reply.status == 200
    assert without(reply.body, "assignment") == {
        "status": "environment_assigned",
        "message": "Review environment successfully assigned from pool core",
        "timestamp": "2026-03-02T12:00:00Z",
        "isReused": False,
    }
    assert without(reply.body["assignment"], "poolAssignmentId", "environmentDetails") == {
        "assignmentType": "pr",
        "assignmentId": "123",
        "repositoryIdentifier": REPO,
        "domain": None,
        "poolTag": "core",
        "sandboxName": name,
        "status": "active",
        "assignedBy": "the application",
        "assignedAt": "2026-03-02T12:00:00Z",
        "expiresAt": "2026-03-04T12:00:00Z",
        "isImmortal": False,
        "metadata": {"prTitle": "Dark mode", "prNumber": 123},
        "usage": IDLE,
        "version": 1,
    }
    assert reply.body["assignment"]["environmentDetails"] == {
        "instanceUrl": f"https://{name}.example",
        "loginUrl": f"https://{name}.example/login",
        "sfdxAuthUrl": secret_of(name),
    }


def test_assigning_again_gives_the_same_environment_with_the_metadata_merged(api: Api) -> None:
    api.spare()
    first = api.assign("123", metadata={"a": 1}).body["assignment"]
    api.world.clock.advance(hours=1)

    again = api.assign("123", pool="elsewhere", metadata={"b": 2}, expirationHours=1).body

    assert again["isReused"] is True
    assert again["assignment"] == {**first, "metadata": {"a": 1, "b": 2, "prNumber": 123}, "version": 2}


def test_an_override_takes_a_new_environment_and_gives_the_old_one_back(api: Api) -> None:
    first, second = api.spare()
    api.assign("123")

    reply = api.assign("123", override=True)

    assert reply.body["isReused"] is False
    assert reply.body["assignment"]["sandboxName"] == second
    assert api.environment(first).state == "AVAILABLE"


def test_an_override_without_a_free_environment_keeps_the_old_one(api: Api) -> None:
    [name] = api.spare(free=1)
    api.assign("123")

    assert api.assign("123", override=True).refused()[:2] == (409, "POOL_EXHAUSTED")
    assert api.assign("123").body["assignment"]["sandboxName"] == name


@pytest.mark.parametrize(("given", "expires"), [(1.5, "2026-03-02T13:30:00Z"), (720, "2026-04-01T12:00:00Z")])
def test_the_caller_may_say_for_how_many_hours(api: Api, given: float, expires: str) -> None:
    api.spare()
    assert api.assign("123", expirationHours=given).body["assignment"]["expiresAt"] == expires


def test_an_immortal_assignment_never_expires(api: Api) -> None:
    api.spare()
    assignment = api.assign("123", isImmortal=True).body["assignment"]
    assert (assignment["isImmortal"], assignment["expiresAt"]) == (True, None)


def test_one_pull_request_may_have_an_environment_for_each_domain(api: Api) -> None:
    api.spare()
    sales = api.assign("123", domain="sales").body["assignment"]
    service = api.assign("123", domain="service").body["assignment"]

    assert (sales["domain"], service["domain"]) == ("sales", "service")
    assert sales["sandboxName"] != service["sandboxName"]


def test_without_a_tag_the_branch_and_the_domains_lead_to_the_pool(api: Api) -> None:
    api.spare("main_only", free=1, branch_pattern="main")
    api.spare("sales", free=1, branch_pattern="feature/*", domain_patterns=["sales-*"])

    reply = api.assign("123", pool=None, branch="feature/x", domains=["core", "sales-eu"])

    assert reply.body["assignment"]["poolTag"] == "sales"


def test_the_domain_of_the_assignment_leads_to_the_pool_if_no_others_are_named(api: Api) -> None:
    api.spare("sales", free=1, domain_patterns=["sales"])
    assert api.assign("123", pool=None, domain="sales").body["assignment"]["poolTag"] == "sales"


def test_no_pool_for_the_branch_says_what_was_looked_at(api: Api) -> None:
    api.spare(free=1, branch_pattern="main")

    reply = api.assign("123", pool=None, branch="feature/x", domains=["sales"])

    assert reply.refused() == (404, "NO_POOL_MATCH", "No pool matches branch feature/x and domains sales")
    [evaluated] = reply.body["details"]["evaluated"]
    assert evaluated["matched"] is False
    assert evaluated["why"] == "branch feature/x does not match main"


@pytest.mark.parametrize("repository", [REPO, "acme/unknown"])
def test_an_unknown_pool_is_not_found(api: Api, repository: str) -> None:
    reply = api.assign("123", pool="nope", repositoryIdentifier=repository)
    assert reply.refused() == (404, "POOL_NOT_FOUND", "Pool not found")


def test_in_an_unknown_repository_no_pool_matches(api: Api) -> None:
    reply = api.assign("123", pool=None, branch="main", repositoryIdentifier="acme/unknown")
    assert reply.refused() == (404, "NO_POOL_MATCH", "No pool matches branch main and domains (none)")
    assert reply.body["details"] == {"evaluated": []}


def test_an_exhausted_pool_says_how_it_stands_and_is_replenished(api: Api) -> None:
    api.spare(free=1)
    api.assign("1")
    before = {task.id for task in api.world.rows(Task)}

    reply = api.assign("2")

    assert reply.refused() == (
        409,
        "POOL_EXHAUSTED",
        "No environment is available in pool core (0 available, 1 assigned, 0 provisioning, 1 of 1 used)",
    )
    assert reply.body["details"] == {
        "poolTag": "core",
        "available": 0,
        "assigned": 1,
        "provisioning": 0,
        "expired": 0,
        "error": 0,
        "deleting": 0,
        "total": 1,
        "maxTotal": 1,
        "waiting": 0,
        "retryAfterSeconds": 3600,
    }
    assert reply.headers["Retry-After"] == "3600"
    assert [task.kind for task in api.world.rows(Task) if task.id not in before] == ["replenish"]


def test_who_asks_at_once_waits_behind_those_who_wait_already(api: Api) -> None:
    api.world.pool(max_total=1)
    api.world.opens("alice")
    waiting = api.world.opens("bob")
    [held] = [a["assignmentId"] for a in api.owner.get(LIST).body["assignments"]]
    api.owner.post(UNASSIGN, key(held))  # the environment is free, and bob's until somebody works the queue

    assert api.assign("999").refused()[:2] == (409, "POOL_EXHAUSTED")
    api.world.work()
    assert api.owner.get(f"/review/environments/pr/{waiting}", **OF_SHOP).status == 200


# R2


def test_an_environment_is_shown_by_its_key(api: Api) -> None:
    api.spare()
    assigned = api.assign("123").body["assignment"]

    assert api.application.get("/review/environments/pr/123", **OF_SHOP).body == assigned


def test_the_repository_is_compared_without_case(api: Api) -> None:
    api.spare()
    api.assign("123")
    assert api.owner.get("/review/environments/pr/123", repositoryIdentifier="ACME/Shop").status == 200


def test_without_a_domain_several_environments_are_ambiguous(api: Api) -> None:
    api.spare()
    api.assign("123", domain="sales")
    assert api.owner.get("/review/environments/pr/123", **OF_SHOP).body["domain"] == "sales"
    api.assign("123", domain="service")

    reply = api.owner.get("/review/environments/pr/123", **OF_SHOP)

    assert reply.refused() == (
        409,
        "AMBIGUOUS_ASSIGNMENT",
        "pr-123 has several environments; pass domain",
    )
    assert reply.body["details"] == {"domains": ["sales", "service"]}
    assert api.owner.get("/review/environments/pr/123", domain="service", **OF_SHOP).body["domain"] == "service"


def test_what_was_given_back_is_not_found_and_tells_how_it_ended(api: Api) -> None:
    api.spare()
    api.assign("123")
    api.owner.post(UNASSIGN, key("123"))

    reply = api.owner.get("/review/environments/pr/123", **OF_SHOP)

    assert reply.refused() == (404, "ASSIGNMENT_NOT_FOUND", f"No active assignment for pr-123 in {REPO}")
    assert reply.body["details"] == {
        "lastStatus": "released",
        "endedAt": "2026-03-02T12:00:00Z",
        "transitionedTo": None,
    }


@pytest.mark.parametrize("repository", [REPO, "acme/unknown"])
def test_what_never_was_is_not_found(api: Api, repository: str) -> None:
    api.spare()
    reply = api.owner.get("/review/environments/issue/7", repositoryIdentifier=repository)
    assert reply.refused() == (404, "ASSIGNMENT_NOT_FOUND", f"No active assignment for issue-7 in {repository}")
    assert reply.body["details"] == {"lastStatus": None, "endedAt": None, "transitionedTo": None}


def test_what_is_past_its_time_has_expired_before_anybody_looks(api: Api) -> None:
    [name] = api.spare(free=1)
    api.assign("123", expirationHours=1)
    api.world.clock.advance(hours=1)

    reply = api.member.get("/review/environments/pr/123", **OF_SHOP)

    assert reply.body["details"]["lastStatus"] == "expired"
    assert api.environment(name).state == "EXPIRED"


# R3


def test_extending_answers_flat_with_both_times(api: Api) -> None:
    [name] = api.spare(free=1)
    api.assign("123")

    reply = api.application.post(EXTEND, key(extensionHours=24))

    assert reply.status == 200
    assert reply.body == {
        "status": "environment_extended",
        "message": "Review environment expiration extended by 24 hours",
        "timestamp": "2026-03-02T12:00:00Z",
        "assignment": {
            "assignmentType": "pr",
            "assignmentId": "123",
            "repositoryIdentifier": REPO,
            "sandboxName": name,
            "previousExpiresAt": "2026-03-04T12:00:00Z",
            "newExpiresAt": "2026-03-05T12:00:00Z",
            "extensionHours": 24,
            "isImmortal": False,
            "version": 2,
        },
    }


@pytest.mark.parametrize(
    ("pool", "hours"),
    [({"extended_expiration_hours": 400.0}, 400), ({}, 48)],
    ids=["the pool's extension, however long", "the pool's default"],
)
def test_without_hours_the_pool_says_how_many(api: Api, pool: dict[str, Any], hours: int) -> None:
    api.spare(**pool)
    api.assign("123")
    assert api.owner.post(EXTEND, key()).body["assignment"]["extensionHours"] == hours


def test_immortal_and_mortal_again(api: Api) -> None:
    api.spare()
    api.assign("123")
    immortal = api.owner.post(EXTEND, key(isImmortal=True, extensionHours=5)).body
    hours_change_nothing = api.owner.post(EXTEND, key(extensionHours=5))
    mortal = api.owner.post(EXTEND, key(isImmortal=False)).body

    assert immortal["message"] == "Review environment never expires"
    assert _expiry(immortal) == {"newExpiresAt": None, "extensionHours": None, "isImmortal": True, "version": 2}
    assert hours_change_nothing.status == 200
    assert _expiry(hours_change_nothing.body) == _expiry(immortal)
    assert _expiry(mortal) == {
        "newExpiresAt": "2026-03-04T12:00:00Z",
        "extensionHours": 48,
        "isImmortal": False,
        "version": 3,
    }


def _expiry(body: dict[str, Any]) -> dict[str, Any]:
    names = ("newExpiresAt", "extensionHours", "isImmortal", "version")
    return {name: body["assignment"][name] for name in names}


@pytest.mark.parametrize("operation", [EXTEND, ACQUIRE])
def test_what_has_expired_is_neither_extended_nor_acquired(api: Api, operation: str) -> None:
    api.spare()
    api.assign("123", expirationHours=1)
    api.world.clock.advance(hours=2)

    reply = api.owner.post(operation, key(duration=5, usedBy="ci"))

    assert reply.refused() == (
        409,
        "ASSIGNMENT_EXPIRED",
        "The assignment expired at 2026-03-02T13:00:00Z; assign again",
    )


# R4


@pytest.mark.parametrize(
    ("given", "where", "final", "state"),
    [
        ({}, "returned to pool", "released", "AVAILABLE"),
        ({"returnToPool": True}, "returned to pool", "released", "AVAILABLE"),
        ({"returnToPool": False}, "marked as expired", "expired", "EXPIRED"),
    ],
)
def test_unassigning_returns_to_the_pool_unless_told_otherwise(
    api: Api, given: dict[str, Any], where: str, final: str, state: str
) -> None:
    [name] = api.spare(free=1, return_on_unassign=False)
    api.assign("123")

    reply = api.application.post(UNASSIGN, key(**given))

    assert reply.status == 200
    assert reply.body == {
        "status": "environment_unassigned",
        "message": f"Review environment successfully unassigned and {where}",
        "timestamp": "2026-03-02T12:00:00Z",
        "details": {
            "assignmentType": "pr",
            "assignmentId": "123",
            "repositoryIdentifier": REPO,
            "poolTag": "core",
            "sandboxName": name,
            "returnedToPool": final == "released",
            "finalStatus": final,
        },
    }
    assert api.environment(name).state == state


def test_unassigning_twice_is_not_found(api: Api) -> None:
    api.spare()
    api.assign("123")
    api.owner.post(UNASSIGN, key(returnToPool=False))

    reply = api.owner.post(UNASSIGN, key())

    assert reply.refused()[:2] == (404, "ASSIGNMENT_NOT_FOUND")
    assert reply.body["details"]["lastStatus"] == "expired"


def test_a_lease_does_not_keep_an_environment_from_being_given_back(api: Api) -> None:
    api.spare()
    api.assign("123")
    api.owner.post(ACQUIRE, key(duration=30, usedBy="ci"))
    assert api.owner.post(UNASSIGN, key()).status == 200


# R5


def moved(**more: Any) -> dict[str, Any]:
    return {
        "repositoryIdentifier": REPO,
        "fromAssignmentType": "pr",
        "fromAssignmentId": "123",
        "toAssignmentType": "issue",
        "toAssignmentId": "456",
        **more,
    }


def test_a_transition_keeps_the_environment_under_the_new_key(api: Api) -> None:
    api.spare()
    before = api.assign("123", metadata={"prTitle": "Dark mode"}).body["assignment"]

    reply = api.application.post(TRANSITION, moved(metadata={"reason": "PR merged"}))

    assert reply.status == 200
    assert without(reply.body, "assignment") == {
        "status": "environment_transitioned",
        "message": "Review environment successfully transitioned from pr-123 to issue-456",
        "timestamp": "2026-03-02T12:00:00Z",
    }
    assert reply.body["assignment"] == {
        **before,
        "assignmentType": "issue",
        "assignmentId": "456",
        "metadata": {
            "issueNumber": 456,
            "previousAssignment": {"type": "pr", "id": "123"},
            "reason": "PR merged",
        },
        "version": 2,
    }


def test_the_old_key_tells_where_its_environment_went(api: Api) -> None:
    api.spare()
    api.assign("123")
    api.owner.post(TRANSITION, moved())

    reply = api.owner.post(EXTEND, key("123"))

    assert reply.refused()[:2] == (404, "ASSIGNMENT_NOT_FOUND")
    assert reply.body["details"] == {"lastStatus": None, "endedAt": None, "transitionedTo": "issue-456"}


def test_the_newest_thing_that_happened_to_a_key_is_told(api: Api) -> None:
    api.spare()
    api.assign("123")
    api.owner.post(TRANSITION, moved())
    api.world.clock.advance(hours=1)
    api.assign("123")
    api.owner.post(UNASSIGN, key("123"))

    details = api.owner.get("/review/environments/pr/123", **OF_SHOP).body["details"]

    assert (details["lastStatus"], details["transitionedTo"]) == ("released", None)


def test_a_transition_to_itself_is_refused(api: Api) -> None:
    reply = api.owner.post(TRANSITION, moved(toAssignmentType="pr", toAssignmentId="123"))
    assert reply.refused() == (400, "SAME_ASSIGNMENT", "Source and target assignment are the same")


def test_a_transition_from_nothing_is_not_found(api: Api) -> None:
    api.spare()
    assert api.owner.post(TRANSITION, moved()).refused()[:2] == (404, "ASSIGNMENT_NOT_FOUND")


def test_a_target_that_has_an_environment_keeps_it(api: Api) -> None:
    api.spare()
    api.assign("123")
    name = api.assign("456", assignmentType="issue").body["assignment"]["sandboxName"]

    reply = api.owner.post(TRANSITION, moved())

    assert reply.refused() == (409, "TARGET_ALREADY_ASSIGNED", f"issue-456 already has environment {name}")


# R6 and R7


def test_acquiring_shows_who_works_in_it_and_until_when(api: Api) -> None:
    api.spare()
    assigned = api.assign("123").body["assignment"]

    reply = api.application.post(ACQUIRE, key(duration=30, usedBy="ci-pipeline-123"))

    assert reply.status == 200
    assert reply.body == {
        "status": "environment_acquired",
        "message": "Environment successfully acquired for 30 minutes",
        "timestamp": "2026-03-02T12:00:00Z",
        "assignment": {
            **assigned,
            "usage": {
                "state": "in_use",
                "usedBy": "ci-pipeline-123",
                "acquiredAt": "2026-03-02T12:00:00Z",
                "inUseUntil": "2026-03-02T12:30:00Z",
            },
            "version": 2,
        },
    }


def test_another_is_told_until_when_it_is_used(api: Api) -> None:
    api.spare()
    api.assign("123")
    api.owner.post(ACQUIRE, key(duration=30, usedBy="ci"))

    reply = api.owner.post(ACQUIRE, key(duration=30, usedBy="another"))

    assert reply.refused() == (
        409,
        "ENVIRONMENT_IN_USE",
        "Environment is in use by ci until 2026-03-02T12:30:00Z",
    )
    assert reply.body["details"] == {"usedBy": "ci", "inUseUntil": "2026-03-02T12:30:00Z"}
    assert reply.headers["Retry-After"] == "1800"


def test_a_lease_that_has_run_out_is_idle_and_may_be_taken(api: Api) -> None:
    api.spare()
    api.assign("123")
    api.owner.post(ACQUIRE, key(duration=30, usedBy="ci"))
    api.world.clock.advance(minutes=30)

    assert api.owner.get("/review/environments/pr/123", **OF_SHOP).body["usage"] == IDLE
    taken = api.owner.post(ACQUIRE, key(duration=1.5, usedBy="another")).body
    assert taken["message"] == "Environment successfully acquired for 1.5 minutes"
    assert taken["assignment"]["usage"]["inUseUntil"] == "2026-03-02T12:31:30Z"


def test_releasing_makes_it_idle_once_and_for_all(api: Api) -> None:
    api.spare()
    assigned = api.assign("123").body["assignment"]
    api.owner.post(ACQUIRE, key(duration=30, usedBy="ci"))

    first, second = api.owner.post(RELEASE, key()), api.owner.post(RELEASE, key())

    assert first.body == {
        "status": "environment_released",
        "message": "Environment successfully released",
        "timestamp": "2026-03-02T12:00:00Z",
        "assignment": {**assigned, "usage": IDLE, "version": 3},
    }
    assert second.body == first.body


def test_who_says_who_it_is_does_not_end_anothers_lease(api: Api) -> None:
    api.spare()
    api.assign("123")
    api.owner.post(ACQUIRE, key(duration=30, usedBy="ci"))

    assert api.owner.post(RELEASE, key(usedBy="another")).refused()[:2] == (409, "ENVIRONMENT_IN_USE")
    assert api.owner.post(RELEASE, key(usedBy="ci")).body["assignment"]["usage"] == IDLE


@pytest.mark.parametrize("operation", [ACQUIRE, RELEASE])
def test_what_is_not_assigned_is_neither_acquired_nor_released(api: Api, operation: str) -> None:
    reply = api.owner.post(operation, key(duration=1, usedBy="ci"))
    assert reply.refused() == (404, "ASSIGNMENT_NOT_FOUND", f"No active assignment for pr-123 in {REPO}")


# R8


def test_the_list_has_the_newest_first(api: Api) -> None:
    api.spare()
    older = api.assign("1").body["assignment"]
    api.world.clock.advance(minutes=1)
    newer = api.assign("2").body["assignment"]

    assert api.application.get(LIST).body == {
        "assignments": [newer, older],
        "totalCount": 2,
        "timestamp": "2026-03-02T12:01:00Z",
    }


@pytest.fixture
def mixed(api: Api) -> Api:
    """An active, a released and an expired assignment of `core`, and an active one of `other`."""
    api.spare(free=3)
    api.spare("other", free=1, repo="acme/other")
    api.assign("active")
    api.assign("released")
    api.assign("expired")
    api.owner.post(UNASSIGN, key("released"))
    api.owner.post(UNASSIGN, key("expired", returnToPool=False))
    api.owner.post(ASSIGN, key("u@example.com", "user", repositoryIdentifier="acme/other", poolTag="other"))
    return api


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, {"active", "u@example.com"}),
        ({"includeExpired": "TRUE"}, {"active", "u@example.com", "expired"}),
        ({"includeExpired": "0"}, {"active", "u@example.com"}),
        ({"status": "active", "includeExpired": "true"}, {"active", "u@example.com"}),
        ({"status": "expired"}, {"expired"}),
        ({"status": "released"}, {"released"}),
        ({"repositoryIdentifier": "Acme/Other"}, {"u@example.com"}),
        ({"repositoryIdentifier": "acme/unknown"}, set()),
        ({"assignmentType": "user"}, {"u@example.com"}),
        ({"assignmentId": "active"}, {"active"}),
        ({"poolTag": "core"}, {"active"}),
        ({"poolTag": "nope"}, set()),
        ({"assignedBy": "the owner"}, {"u@example.com"}),
    ],
)
def test_the_list_finds_what_its_filters_name(mixed: Api, filters: dict[str, str], found: set[str]) -> None:
    body = mixed.owner.get(LIST, **filters).body
    assert {assignment["assignmentId"] for assignment in body["assignments"]} == found
    assert body["totalCount"] == len(found)


def test_pages_of_the_list_count_everything(api: Api) -> None:
    api.spare(free=3)
    for id in ("1", "2", "3"):
        api.assign(id)
        api.world.clock.advance(minutes=1)

    pages = [api.owner.get(LIST, limit=2, offset=offset).body for offset in (0, 2, 4)]

    assert [[a["assignmentId"] for a in page["assignments"]] for page in pages] == [["3", "2"], ["1"], []]
    assert [page["totalCount"] for page in pages] == [3, 3, 3]


def test_every_type_of_holder_has_its_own_metadata(api: Api) -> None:
    api.spare(free=4)
    metadata = {
        type: api.assign(id, assignmentType=type).body["assignment"]["metadata"]
        for type, id in [("pr", "1"), ("issue", "2"), ("user", "dev@example.com"), ("custom", "training.1")]
    }
    assert metadata == {
        "pr": {"prNumber": 1},
        "issue": {"issueNumber": 2},
        "user": {"userEmail": "dev@example.com"},
        "custom": {},
    }


def test_a_number_beyond_every_column_is_an_id_like_any_other(api: Api) -> None:
    api.spare()
    assert api.assign("9" * 40).body["assignment"]["assignmentId"] == "9" * 40
