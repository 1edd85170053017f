"""greenroom task, as it is typed."""

from __future__ import annotations

import pytest

from tests.cli.terminal import Terminal, until


def test_a_task_is_followed_to_its_result(terminal: Terminal) -> None:
    terminal.pool()
    fetched = terminal.type(
        "task submit fetchReviewEnvironment assignmentType=pr assignmentId=12 poolTag=core --follow"
    )
    assert fetched.code == 0
    assert fetched.out.startswith("Review environment successfully assigned from pool core: ")
    listed = terminal.type("task submit listAssignedReviewEnvironments --follow --json --priority critical")
    assert listed.json["result"]["totalCount"] == 1


def test_a_task_is_submitted_looked_at_and_cancelled(terminal: Terminal) -> None:
    submitted = terminal.type("task submit checkReviewEnvironment assignmentId=12 --at 2030-01-01T00:00:00Z")
    operation = submitted.out.strip()
    assert terminal.type(f"task status {operation}").out == "pending, 0%\n"
    early = terminal.type(f"task result {operation}")
    assert (early.code, early.out) == (3, "pending, 0%\n")

    assert terminal.type("task list").lines[1][:5] == [
        operation, "checkReviewEnvironment", "pending", "0%", "2030-01-01 00:00 UTC",
    ]  # fmt: skip
    assert [one["operationId"] for one in terminal.type("task list --json").json] == [operation]

    assert terminal.type(f"task cancel {operation}").out == "Task cancelled successfully\n"
    cancelled = terminal.type(f"task result {operation}")
    assert (cancelled.code, cancelled.err) == (1, "Error: The task was cancelled\n")
    assert terminal.type("task list --status pending").err == "There are no tasks.\n"


def test_a_task_that_fails_is_no_success(terminal: Terminal) -> None:
    failed = terminal.type("task submit fetchReviewEnvironment assignmentId=12 poolTag=nope --follow")
    assert failed.code == 1
    assert failed.err.endswith(f"Error: The task failed: Repository {terminal.repo} not found\n")


def test_a_task_is_repeated(terminal: Terminal) -> None:
    typed = (
        "task submit unassignReviewEnvironment issue=12 returntopool=true --cron '30 2 * * *' --timezone Europe/Berlin"
    )
    operation = terminal.type(typed).out.strip()
    [task] = [one for one in terminal.type("task list --json").json if one["operationId"] == operation]
    assert task["recurring"] is True


def test_data_may_be_a_file_that_what_is_typed_adds_to(terminal: Terminal) -> None:
    typed = "task submit checkReviewEnvironment --data - assignmentId=13 --follow"
    refused = terminal.type(typed, stdin='{"assignmentType": "pr", "assignmentId": "12"}')
    assert refused.err.endswith(f"The task failed: No active assignment for pr-13 in {terminal.repo}\n")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("task submit checkReviewEnvironment 12", "12 is not like NAME=VALUE"),
        ("task submit checkReviewEnvironment --data -", "<stdin> is not JSON"),
        ("task submit checkReviewEnvironment --at 2030-01-01T00:00:00Z --cron '* * * * *'", "keep one of them"),
        ("task submit dance", "'dance' is not one of"),
        ("task submit checkReviewEnvironment --at soon", "'soon' does not match"),
    ],
)
def test_what_is_wrongly_typed_is_said(terminal: Terminal, typed: str, said: str) -> None:
    refused = terminal.type(typed, stdin="{")
    assert refused.code == 2
    assert said in refused.err


def test_an_unknown_task_is_said(terminal: Terminal) -> None:
    for verb in ("status", "result", "cancel", "status --follow"):
        refused = terminal.type(f"task {verb} 123e4567-e89b-12d3-a456-426614174000")
        assert (refused.code, refused.err) == (1, "Error: Task not found\n")


def test_a_retry_is_asked_for(terminal: Terminal) -> None:
    typed = "task submit fetchReviewEnvironment assignmentId=12 poolTag=nope --attempts 2"
    operation = terminal.type(typed).out.strip()
    until(lambda: terminal.type(f"task status {operation} --json").json["status"] == "failed")
