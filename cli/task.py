"""greenroom task: tasks are submitted, followed, looked at and cancelled."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import click

from cli import screen
from cli.failures import EXIT_CODES, Exit, Failure, Misuse
from cli.following import LIVING, Followed, follow
from cli.remote import Remote, of_repository, remote
from cli.server import segment
from cli.text import moment

TYPES = (
    "fetchReviewEnvironment", "listAssignedReviewEnvironments", "checkReviewEnvironment",
    "transitionReviewEnvironment", "unassignReviewEnvironment",
)  # fmt: skip

follows = click.option("--follow", is_flag=True, help="Show how far it is until it has ended, and then its result.")
operation = click.argument("operation", metavar="ID")


@click.group(epilog=f"{EXIT_CODES} A task that is followed and fails, or is cancelled, ends with 1.")
def task() -> None:
    """Tasks: what waits, is scheduled or is repeated."""


@task.command("submit")
@click.argument("type_", metavar="TYPE", type=click.Choice(TYPES))
@click.argument("data", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--data", "file", type=click.File(), help="The data as JSON; - for stdin. NAME=VALUE wins.")
@click.option("--priority", type=click.Choice(["low", "normal", "high", "critical"]), help="[default: low]")
@click.option("--at", "at_", type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]), help="When, in UTC: 2026-03-01T02:30:00Z")
@click.option("--cron", help="When, again and again: '30 2 * * 1-5'")
@click.option("--timezone", help="Of --cron: Europe/Berlin.  [default: UTC]")
@click.option("--attempts", type=click.IntRange(1, 10), help="How often it is tried.  [default: 1]")
@click.option("--repo", envvar="GREENROOM_REPOSITORY", show_envvar=True, metavar="OWNER/NAME", help="What it is about.")
@follows
@remote
def submit(at: Remote, type_: str, data: tuple[str, ...], repo: str | None, follow: bool, **options: Any) -> None:
    """Submit a task, and print its ID: greenroom task submit fetchReviewEnvironment assignmentId=12 poolTag=core"""
    given = {"repositoryIdentifier": repo, **_of_file(options["file"]), **dict(map(_pair, data))}
    body = {
        "type": type_,
        "data": {name: value for name, value in given.items() if value is not None},
        "priority": options["priority"],
        **_schedule(options["at_"], options["cron"], options["timezone"]),
        "retryConfig": {"maxAttempts": options["attempts"]} if options["attempts"] else None,
    }
    answer = at.server.ask("POST", "/tasks", body=body)
    if follow:
        _follow(at, answer["operationId"], screen.note)
    else:
        at.show(answer, lambda: screen.say(answer["operationId"]))


@task.command("status")
@operation
@follows
@remote
def status(at: Remote, operation: str, follow: bool) -> None:
    """How far a task is."""
    if follow:
        _follow(at, operation, lambda _: None)
        return
    answer = at.server.ask("GET", f"/tasks/{segment(operation)}/status")
    at.show(answer, lambda: screen.say(_state(answer)))


@task.command("result")
@operation
@remote
def result(at: Remote, operation: str) -> None:
    """What came of a task. Exit code 3 while it has not ended, 1 if it failed."""
    answer = at.server.ask("GET", f"/tasks/{segment(operation)}/result")
    _end_as(at, answer)


@task.command("cancel")
@operation
@remote
def cancel(at: Remote, operation: str) -> None:
    """End a task; what it had taken is given back."""
    answer = at.server.ask("DELETE", f"/tasks/{segment(operation)}")
    at.show(answer, lambda: screen.say(answer["message"]))


@task.command("list")
@of_repository
@click.option("--status", type=click.Choice(["pending", "active", "completed", "failed", "cancelled"]))
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The newest so many.")
@remote
def list_tasks(at: Remote, repo: str | None, status: str | None, limit: int) -> None:
    """The newest tasks."""
    query = {"repositoryIdentifier": repo, "status": status, "limit": limit}
    tasks = at.server.ask("GET", "/tasks", query=query)
    rows = [
        (one["operationId"], one["type"], one["status"], f"{one['progress']}%", moment(one["runAt"]),
         one["submittedBy"], one["repositoryIdentifier"])
        for one in tasks
    ]  # fmt: skip
    columns = ("ID", "TYPE", "STATUS", "PROGRESS", "DUE", "SUBMITTED BY", "REPOSITORY")
    at.show(tasks, lambda: screen.table(columns, rows, nothing="There are no tasks."))


def _follow(at: Remote, operation: str, name: Callable[[str], None]) -> None:
    """Until it has ended. It goes on if the one who looks goes away."""
    name(operation)
    followed: Followed = follow(at, operation)
    _end_as(at, followed.result())


def _end_as(at: Remote, answer: Mapping[str, Any]) -> None:
    """The result and exit code 0 of a task that is completed; else why there is none."""
    at.show(answer, lambda: _show_result(answer))
    if answer["status"] in LIVING:
        click.get_current_context().exit(Exit.NOT_NOW)
    if answer["status"] == "cancelled":
        raise Failure("The task was cancelled")
    if answer["status"] == "failed":
        raise Failure(f"The task failed: {answer['error']['message']}")


def _show_result(answer: Mapping[str, Any]) -> None:
    result = answer["result"]
    if answer["status"] in LIVING:
        screen.say(_state(answer))
    elif result is not None and "message" in result:
        environment = (result.get("assignment") or result.get("details") or {}).get("sandboxName")
        screen.say(f"{result['message']}: {environment}" if environment else result["message"])
    elif result is not None:
        screen.show_json(result)


def _state(answer: Mapping[str, Any]) -> str:
    error = answer.get("error")
    return f"{answer['status']}, {answer['progress']}%" + (f": {error['message']}" if error else "")


def _schedule(at: datetime | None, cron: str | None, timezone: str | None) -> dict[str, Any]:
    if at is not None and cron is not None:
        raise Misuse("--at is for once and --cron for again and again: keep one of them")
    if at is not None:
        return {"scheduleType": "scheduled", "scheduledFor": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    if cron is None:
        return {}
    recurrence = {"cron": cron, "timezone": timezone} if timezone else {"cron": cron}
    return {"scheduleType": "recurring", "recurrenceConfig": recurrence}


def _pair(given: str) -> tuple[str, Any]:
    """NAME=VALUE, where the value may be JSON: wait=600, domains=["sales"]. What names something stays a text."""
    name, equals, value = given.partition("=")
    if not equals or not name:
        raise Misuse(f"{given} is not like NAME=VALUE")
    if name.lower().endswith(("id", "issue", "tag", "identifier")):
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _of_file(file: Any) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        data = json.load(file)
    except ValueError as error:
        raise Misuse(f"{file.name} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise Misuse(f"{file.name} must be a JSON object")
    return data
