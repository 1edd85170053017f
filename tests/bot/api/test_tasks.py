"""T1–T6: tasks over REST are submitted, followed, cancelled and stopped (contract section 9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from storage.queue import QueueName
from storage.submissions import Submission
from storage.tasks import Task
from storage.tokens import Role
from tests.bot.api.client import OF_SHOP, Api, Reply, Rest, key, without
from tests.world import REPO

NOBODY = "123e4567-e89b-42d3-a456-426614174000"
FETCH = {"repositoryIdentifier": REPO, "poolTag": "core", "assignmentId": "7"}
LIST: dict[str, Any] = {"type": "listAssignedReviewEnvironments", "data": {}}
EVERY_HOUR: dict[str, Any] = {"scheduleType": "recurring", "recurrenceConfig": {"intervalMs": 3_600_000}}


def submit(client: Rest, type: str = "fetchReviewEnvironment", data: Any = None, **more: Any) -> str:
    reply = client.post("/tasks", {"type": type, "data": FETCH if data is None else data, **more})
    assert reply.status == 201, reply.text
    assert reply.body == {"operationId": reply.body["operationId"], "type": type}
    id: str = reply.body["operationId"]
    return id


def status(api: Api, id: str) -> Any:
    return api.member.get(f"/tasks/{id}/status").body


def result(api: Api, id: str) -> Any:
    return api.member.get(f"/tasks/{id}/result").body


def done(api: Api, type: str, data: dict[str, Any], **more: Any) -> Any:
    """What comes of a task that is worked at once."""
    id = submit(api.application, type, data, **more)
    api.world.work()
    shown = result(api, id)
    assert shown["status"] == "completed", shown
    assert shown["progress"] == 100
    return shown["result"]


def refusal(reply: Reply) -> tuple[str, str]:
    status, code, message = reply.refused()
    assert (status, code) == (400, "VALIDATION_FAILED")
    [problem] = reply.body["details"]["errors"]
    assert message == f"{problem['field']} {problem['message']}"
    return problem["field"], problem["message"]


# What each type does


def test_a_fetch_gives_what_assign_answers_without_its_secrets(api: Api) -> None:
    api.spare()
    got = done(api, "fetchReviewEnvironment", FETCH)
    shown = api.member.get("/review/environments/issue/7", **OF_SHOP).body
    assert got == {
        "status": "environment_assigned",
        "message": "Review environment successfully assigned from pool core",
        "timestamp": "2026-03-02T12:00:00Z",
        "isReused": False,
        "assignment": shown,
    }
    assert shown["assignedBy"] == "the application"
    assert done(api, "fetchReviewEnvironment", FETCH)["isReused"]


def test_a_fetch_with_a_lease_has_acquired_it_too(api: Api) -> None:
    api.spare()
    usage = done(api, "fetchReviewEnvironment", {**FETCH, "leasefor": 1800})["assignment"]["usage"]
    assert usage == {
        "state": "in_use", "usedBy": "the application",
        "acquiredAt": "2026-03-02T12:00:00Z", "inUseUntil": "2026-03-02T12:30:00Z",
    }  # fmt: skip


def test_a_fetch_finds_its_pool_by_branch_and_domains(api: Api) -> None:
    api.spare("sales", branch_pattern="feature/*", domain_patterns=["sales-*"])
    data = {**without(FETCH, "poolTag"), "branch": "feature/1", "domains": ["sales-emea"], "assignmentType": "pr"}
    got = done(api, "fetchReviewEnvironment", data)["assignment"]
    assert (got["poolTag"], got["assignmentType"], got["metadata"]) == ("sales", "pr", {"prNumber": 7})


def test_a_list_is_as_the_list_over_rest(api: Api) -> None:
    api.spare()
    api.assign("1")
    api.assign("2")
    api.application.post("/review/environments/unassign", key("2"))
    shown = api.member.get("/review/environments/list").body
    assert done(api, "listAssignedReviewEnvironments", {}) == shown
    assert shown["totalCount"] == 1
    released = done(api, "listAssignedReviewEnvironments", {"status": "released", "poolTag": "core"})
    assert [each["assignmentId"] for each in released["assignments"]] == ["2"]
    assert done(api, "listAssignedReviewEnvironments", {"pool": "other"})["totalCount"] == 0


def test_a_check_is_as_the_details_over_rest(api: Api) -> None:
    api.spare()
    api.assign("1")
    shown = api.member.get("/review/environments/pr/1", **OF_SHOP).body
    assert done(api, "checkReviewEnvironment", key("1")) == shown


def test_a_transition_uses_frees_and_expires(api: Api) -> None:
    api.spare()
    api.assign("1")
    used = done(api, "transitionReviewEnvironment", key("1", status="InUse"))
    assert (used["status"], used["message"]) == (
        "environment_acquired", "Environment successfully acquired for 15 minutes",
    )  # fmt: skip
    assert used["assignment"]["usage"]["inUseUntil"] == "2026-03-02T12:15:00Z"
    freed = done(api, "transitionReviewEnvironment", key("1", status="Available"))
    assert (freed["status"], freed["assignment"]["usage"]["state"]) == ("environment_released", "idle")
    expired = done(api, "transitionReviewEnvironment", key("1", status="Expired"))
    assert (expired["status"], expired["details"]["finalStatus"]) == ("environment_unassigned", "expired")


@pytest.mark.parametrize(("returntopool", "final"), [(None, "expired"), (False, "expired"), (True, "released")])
def test_an_unassign_returns_to_the_pool_only_if_told_to(api: Api, returntopool: bool | None, final: str) -> None:
    api.spare()
    api.assign("1")
    given_back = done(api, "unassignReviewEnvironment", key("1", returntopool=returntopool))
    assert given_back["details"]["finalStatus"] == final


@pytest.mark.parametrize("type", ["checkReviewEnvironment", "transitionReviewEnvironment", "unassignReviewEnvironment"])
def test_what_the_operation_refuses_the_task_fails_with(api: Api, type: str) -> None:
    api.spare()
    id = submit(api.application, type, key("1", status="InUse"))
    api.world.work()
    sentence = "No active assignment for pr-1 in acme/shop"
    failed = {
        "status": "failed", "progress": 0, "error": {"code": "ASSIGNMENT_NOT_FOUND", "message": sentence},
    }  # fmt: skip
    assert status(api, id) == failed
    assert result(api, id) == {**failed, "result": None}


@pytest.mark.parametrize("type", ["checkReviewEnvironment", "unassignReviewEnvironment"])
def test_an_unknown_repository_has_no_environments(api: Api, type: str) -> None:
    id = submit(api.application, type, {"repoId": "repo123", "issue": "1"})
    api.world.work()
    assert status(api, id)["error"] == {
        "code": "ASSIGNMENT_NOT_FOUND", "message": "No active assignment for issue-1 in repo123",
    }  # fmt: skip


def test_the_former_names_are_understood_and_the_present_ones_win(api: Api) -> None:
    api.spare()
    former = {"repoId": REPO, "pool": "core", "issue": "7"}
    assert done(api, "fetchReviewEnvironment", former)["assignment"]["assignmentId"] == "7"
    both = {**former, "assignmentId": "8", "poolTag": "core"}
    assert done(api, "fetchReviewEnvironment", both)["assignment"]["assignmentId"] == "8"
    assert done(api, "checkReviewEnvironment", {"repoId": REPO, "issue": "7"})["assignmentType"] == "issue"


def test_wrapped_data_is_unwrapped(api: Api) -> None:
    api.spare()
    wrapped = {"value": FETCH, "description": "Fetch a review environment"}
    assert done(api, "fetchReviewEnvironment", wrapped)["assignment"]["assignmentId"] == "7"


# Who may


def test_a_member_submits_nothing_and_follows_what_it_sees(api: Api) -> None:
    assert api.member.post("/tasks", {}).refused() == (
        403, "ROLE_REQUIRED", "Forbidden - Requires role: owner, application",
    )  # fmt: skip
    id = submit(api.application)
    assert status(api, id) == {"status": "pending", "progress": 0}
    assert [task["operationId"] for task in api.member.get("/tasks").body] == [id]


def test_only_its_submitter_and_owners_end_it(api: Api) -> None:
    forbidden = (403, "ROLE_REQUIRED", "Forbidden - Requires role: owner")
    another = api.token(Role.APPLICATION)
    for canceller in (api.application, api.owner):
        once, series = submit(api.application), submit(api.application, **LIST, **EVERY_HOUR)
        for client in (api.member, another):
            assert client.delete(f"/tasks/{once}").refused() == forbidden
            assert client.post(f"/tasks/{series}/stop-recurring").refused() == forbidden
        assert canceller.delete(f"/tasks/{once}").body == {"message": "Task cancelled successfully"}
        assert canceller.post(f"/tasks/{series}/stop-recurring").status == 200


def test_what_is_about_a_repository_that_one_does_not_see_is_not_there(api: Api) -> None:
    api.spare()
    stranger = api.token(Role.APPLICATION, "acme/elsewhere")
    member = api.token(Role.MEMBER, REPO)
    about, about_all = submit(api.application), submit(api.application, **LIST)
    for id, client in [(about, stranger), (about_all, stranger), (about_all, member)]:
        assert client.get(f"/tasks/{id}/status").refused() == (404, "TASK_NOT_FOUND", "Task not found")
        assert client.get(f"/tasks/{id}/result").status == 404
        assert client.get(f"/tasks/{id}/recurring-instances").status == 404
        assert client.delete(f"/tasks/{id}").status == 404
        assert client.post(f"/tasks/{id}/stop-recurring").refused()[:2] == (404, "TASK_NOT_RECURRING")
    assert [task["operationId"] for task in member.get("/tasks").body] == [about]
    assert stranger.get("/tasks").body == []


def test_a_task_does_no_more_than_its_submitter_may(api: Api) -> None:
    api.spare()
    api.assign("1")
    stranger = api.token(Role.APPLICATION, "acme/elsewhere")
    fetched, checked = submit(stranger), submit(stranger, "checkReviewEnvironment", key("1"))
    listed = submit(stranger, **LIST)
    api.world.work()
    codes = [stranger.get(f"/tasks/{id}/status").body["error"]["code"] for id in (fetched, checked)]
    assert codes == ["REPOSITORY_NOT_FOUND", "ASSIGNMENT_NOT_FOUND"]
    assert stranger.get(f"/tasks/{listed}/result").body["result"]["assignments"] == []


@pytest.mark.parametrize("id", [NOBODY, "1234567890", "{" + NOBODY + "}", NOBODY.replace("-", "")])
def test_an_unknown_task_is_not_found(api: Api, id: str) -> None:
    missing = (404, "TASK_NOT_FOUND", "Task not found")
    assert api.owner.get(f"/tasks/{id}/status").refused() == missing
    assert api.owner.get(f"/tasks/{id}/result").refused() == missing
    assert api.owner.get(f"/tasks/{id}/recurring-instances").refused() == missing
    assert api.owner.delete(f"/tasks/{id}").refused() == missing
    assert api.owner.post(f"/tasks/{id}/stop-recurring").refused() == (
        404, "TASK_NOT_RECURRING", "Task not found or is not a recurring task",
    )  # fmt: skip


# What is not accepted


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"type": "makeCoffee"}, "type", "must be one of fetchReviewEnvironment, listAssignedReviewEnvironments, "
         "checkReviewEnvironment, transitionReviewEnvironment or unassignReviewEnvironment"),
        ({"type": None}, "type", "is required"),
        ({"data": None}, "data", "is required"),
        ({"data": []}, "data", "must be an object"),
        ({"data": {"assignmentId": "7"}}, "data.repositoryIdentifier", "is required"),
        ({"data": {"repositoryIdentifier": REPO}}, "data.assignmentId", "is required"),
        ({"data": {**FETCH, "repositoryIdentifier": "repo123"}}, "data.repositoryIdentifier",
         "must be an owner and a name, as in flxbl-io/sf-core"),
        ({"data": {**FETCH, "wait": -1}}, "data.wait", "must be between 0 and 86400"),
        ({"data": {**FETCH, "wait": 86401}}, "data.wait", "must be between 0 and 86400"),
        ({"data": {**FETCH, "leasefor": 0}}, "data.leasefor", "must be between 1 and 28800"),
        ({"data": {"value": {**FETCH, "wait": -1}}}, "data.wait", "must be between 0 and 86400"),
        ({"type": "transitionReviewEnvironment", "data": key("1")}, "data.status", "is required"),
        ({"type": "transitionReviewEnvironment", "data": key("1", status="Gone")}, "data.status",
         "must be one of InUse, Available or Expired"),
        ({"lockDuration": 999}, "lockDuration", "must be between 1000 and 86400000"),
        ({"lockDuration": 86_400_001}, "lockDuration", "must be between 1000 and 86400000"),
        ({"lockDuration": 1000.5}, "lockDuration", "must be an integer"),
        ({"priority": "Low"}, "priority", "must be one of low, normal, high or critical"),
        ({"scheduleType": "soon"}, "scheduleType", "must be one of immediate, scheduled or recurring"),
        ({"retryConfig": {"maxAttempts": 0}}, "retryConfig.maxAttempts", "must be between 1 and 10"),
        ({"retryConfig": {"maxAttempts": 11}}, "retryConfig.maxAttempts", "must be between 1 and 10"),
        ({"retryConfig": {"backoff": {"type": "linear", "delay": 1}}}, "retryConfig.backoff.type",
         "must be one of fixed or exponential"),
        ({"retryConfig": {"backoff": {"type": "fixed"}}}, "retryConfig.backoff.delay", "is required"),
        ({"retryConfig": {"backoff": {"type": "fixed", "delay": -1}}}, "retryConfig.backoff.delay",
         "must be between 0 and 86400000"),
        ({"scheduleType": "scheduled"}, "scheduledFor", "is required with scheduleType scheduled"),
        ({"scheduleType": "scheduled", "scheduledFor": "tomorrow"}, "scheduledFor",
         "must be a time in ISO 8601 with its zone, as in 2025-01-01T12:00:00Z"),
        ({"scheduleType": "scheduled", "scheduledFor": "2027-01-01T12:00:00"}, "scheduledFor",
         "must be a time in ISO 8601 with its zone, as in 2025-01-01T12:00:00Z"),
        ({"scheduledFor": "2027-01-01T12:00:00Z"}, "scheduledFor",
         "must not be given unless scheduleType is scheduled"),
        ({"recurrenceConfig": {"intervalMs": 60_000}}, "recurrenceConfig",
         "must not be given unless scheduleType is recurring"),
        ({"scheduleType": "recurring"}, "recurrenceConfig", "is required with scheduleType recurring"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(wire: Api, change: dict[str, Any], field: str, message: str) -> None:
    body = {"type": "fetchReviewEnvironment", "data": FETCH, **change}
    assert refusal(wire.application.post("/tasks", body)) == (field, message)
    assert wire.world.rows(Submission) == []


@pytest.mark.parametrize(
    ("recurrence", "field", "message"),
    [
        ({}, "recurrenceConfig.cron", "is required, or intervalMs"),
        ({"cron": "* * * * *", "intervalMs": 60_000}, "recurrenceConfig.intervalMs",
         "must not be given together with cron"),
        ({"intervalMs": 59_999}, "recurrenceConfig.intervalMs", "must be between 60000 and 31622400000"),
        ({"intervalMs": 60_000, "maxExecutions": 0}, "recurrenceConfig.maxExecutions",
         "must be between 1 and 1000000"),
        ({"cron": "every day"}, "recurrenceConfig.cron", "must be the five fields of cron, as in 30 2 * * 1-5"),
        ({"cron": "* * * * * *"}, "recurrenceConfig.cron", "must be the five fields of cron, as in 30 2 * * 1-5"),
        ({"cron": "60 * * * *"}, "recurrenceConfig.cron", "must be the five fields of cron, as in 30 2 * * 1-5"),
        ({"cron": "R * * * *"}, "recurrenceConfig.cron", "must be the five fields of cron, as in 30 2 * * 1-5"),
        ({"cron": "* * * * *", "timezone": "Mars"}, "recurrenceConfig.timezone",
         "must be a timezone's name, as in Europe/Berlin"),
        ({"cron": "0 0 30 2 *"}, "recurrenceConfig.cron", "leaves no time at which it would ever run"),
        ({"cron": "0 0 1 1 *", "endDate": "2026-12-31T00:00:00Z"}, "recurrenceConfig.endDate",
         "leaves no time at which it would ever run"),
        ({"intervalMs": 60_000, "endDate": "2026-03-02T11:00:00Z"}, "recurrenceConfig.endDate",
         "leaves no time at which it would ever run"),
        ({"intervalMs": 60_000, "startDate": "2027-01-02T00:00:00Z", "endDate": "2027-01-01T00:00:00Z"},
         "recurrenceConfig.endDate", "must not be before startDate"),
    ],
)  # fmt: skip
def test_what_would_never_run_is_not_accepted(wire: Api, recurrence: dict[str, Any], field: str, message: str) -> None:
    body = {**LIST, "scheduleType": "recurring", "recurrenceConfig": recurrence}
    assert refusal(wire.application.post("/tasks", body)) == (field, message)
    assert wire.world.rows(Submission) == []


# When


@pytest.mark.parametrize(
    ("priority", "queue"), [(None, "batch"), ("low", "batch"), ("normal", "normal"), ("high", "critical"),
                            ("critical", "critical")],
)  # fmt: skip
def test_the_priority_is_a_queue(wire: Api, priority: str | None, queue: str) -> None:
    submit(wire.application, priority=priority)
    assert [task.queue for task in wire.world.rows(Task)] == [queue]
    assert wire.world.rung[-1] == {QueueName(queue)}


def test_what_is_scheduled_runs_when_its_time_comes(api: Api) -> None:
    at = "2026-03-02T14:00:00+01:00"
    id = submit(api.application, **LIST, scheduleType="scheduled", scheduledFor=at)
    api.world.later(minutes=59, seconds=59)
    assert status(api, id) == {"status": "pending", "progress": 0}
    api.world.later(seconds=1)
    assert status(api, id)["status"] == "completed"


def test_a_time_that_has_passed_is_now(api: Api) -> None:
    id = submit(api.application, **LIST, scheduleType="scheduled", scheduledFor="2024-10-27T10:00:00Z")
    api.world.work()
    assert status(api, id)["status"] == "completed"


def test_a_recurring_task_runs_again_and_again_and_each_run_can_be_followed(api: Api) -> None:
    id = submit(api.application, **LIST, **EVERY_HOUR)
    api.world.work()
    instances = f"/tasks/{id}/recurring-instances"
    assert api.member.get(instances).body == []
    api.world.later(hours=1)
    api.world.later(hours=1)
    first, second = api.member.get(instances).body
    assert set(first) == {"status", "progress", "result", "operationId", "startedAt"}
    assert (first["status"], first["startedAt"]) == ("completed", "2026-03-02T13:00:00Z")
    assert second["startedAt"] == "2026-03-02T14:00:00Z"
    assert result(api, first["operationId"]) == without(first, "operationId", "startedAt")
    assert status(api, id) == {"status": "pending", "progress": 0}
    assert api.member.get(f"/tasks/{first['operationId']}/recurring-instances").body == []


def test_a_series_is_stopped_once(api: Api) -> None:
    end = "2026-04-01T00:00:00Z"
    every_hour: dict[str, Any] = {
        "scheduleType": "recurring",
        "recurrenceConfig": {"cron": "0 * * * *", "endDate": end},
    }
    id = submit(api.application, **LIST, **every_hour)
    api.world.later(hours=1)
    api.world.later(hours=1, minutes=7)
    stopped = api.application.post(f"/tasks/{id}/stop-recurring")
    assert (stopped.status, stopped.body) == (200, {
        "message": "Recurring task stopped successfully",
        "operationId": id,
        "stoppedAt": "2026-03-02T14:07:00Z",
        "totalExecutions": 2,
        "lastExecutionAt": "2026-03-02T14:07:00Z",
        "originalEndDate": end,
    })  # fmt: skip
    assert api.application.post(f"/tasks/{id}/stop-recurring").refused() == (
        400, "TASK_ALREADY_STOPPED", "Task is already stopped or completed",
    )  # fmt: skip
    assert status(api, id)["status"] == "cancelled"
    api.world.later(hours=5)
    assert len(api.member.get(f"/tasks/{id}/recurring-instances").body) == 2


def test_a_task_that_does_not_recur_cannot_be_stopped_that_way(api: Api) -> None:
    id = submit(api.application)
    assert api.application.post(f"/tasks/{id}/stop-recurring").refused()[:2] == (404, "TASK_NOT_RECURRING")


# Cancelled


def test_a_cancelled_task_is_never_worked(api: Api) -> None:
    api.spare()
    id = submit(api.application)
    for _ in range(2):
        cancelled = api.application.delete(f"/tasks/{id}")
        assert (cancelled.status, cancelled.body) == (200, {"message": "Task cancelled successfully"})
    api.world.work()
    assert status(api, id) == {"status": "cancelled", "progress": 0}
    assert api.member.get("/review/environments/list").body["assignments"] == []


def test_what_has_ended_cannot_be_cancelled(api: Api) -> None:
    refused = (409, "TASK_NOT_CANCELLABLE", "Completed tasks cannot be cancelled")
    completed = submit(api.application, **LIST)
    failed = submit(api.application, "checkReviewEnvironment", key("1"))
    api.world.work()
    for id in (completed, failed):
        assert api.owner.delete(f"/tasks/{id}").refused() == refused


# Kept


def test_a_result_is_kept_for_seven_days(api: Api) -> None:
    id = submit(api.application, **LIST)
    api.world.work()
    api.world.clock.advance(days=7, seconds=-1)
    assert result(api, id)["status"] == "completed"
    api.world.clock.advance(seconds=1)
    assert api.member.get(f"/tasks/{id}/result").status == 404
    api.world.later(hours=1)
    assert api.world.rows(Submission) == []


def test_a_task_that_waits_longer_than_that_is_kept(api: Api) -> None:
    at = api.world.clock() + timedelta(days=9)
    id = submit(api.application, **LIST, scheduleType="scheduled", scheduledFor=at.isoformat())
    api.world.later(days=8)
    assert status(api, id)["status"] == "pending"
    api.world.later(days=1)
    assert status(api, id)["status"] == "completed"


# Listed


def test_tasks_are_listed_the_newest_first_page_by_page(api: Api) -> None:
    ids = [submit(api.application, data={**FETCH, "assignmentId": str(number)}) for number in range(5)]
    pages = [api.member.get("/tasks", limit=2).body]
    while pages[-1]:
        pages.append(api.member.get("/tasks", limit=2, before=pages[-1][-1]["operationId"]).body)
    assert [[task["operationId"] for task in page] for page in pages] == [ids[:2:-1], ids[2:0:-1], ids[:1], []]
    assert pages[0][0] == {
        "operationId": ids[-1],
        "type": "fetchReviewEnvironment",
        "status": "pending",
        "progress": 0,
        "repositoryIdentifier": REPO,
        "recurring": False,
        "parentId": None,
        "submittedBy": "the application",
        "runAt": "2026-03-02T12:00:00Z",
        "createdAt": "2026-03-02T12:00:00Z",
        "startedAt": None,
        "finishedAt": None,
    }
    assert api.member.get("/tasks", before="nothing").body == []


def test_tasks_are_listed_by_status_and_repository(api: Api) -> None:
    done, pending = submit(api.application, **LIST), submit(api.application)
    api.world.workers[QueueName.NORMAL].drain()
    api.application.delete(f"/tasks/{done}")

    def listed(**query: str) -> list[str]:
        return [task["operationId"] for task in api.member.get("/tasks", **query).body]

    assert listed(status="pending") == [pending]
    assert listed(status="cancelled") == [done]
    assert listed(repositoryIdentifier=REPO.upper()) == [pending]
    assert listed(repositoryIdentifier="acme/other") == []
