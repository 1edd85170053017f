"""greenroom env: review environments are assigned, extended, given back, handed on, used and listed."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import click

from cli import screen
from cli.failures import EXIT_CODES, Failure, Misuse
from cli.following import follow
from cli.holders import TYPES, read_holders
from cli.remote import Remote, in_repository, of_repository, remote
from cli.server import Refused, segment
from cli.text import DURATION, length, moment, until
from cli.waiting import TimedOut, given_up_with, wait_for

LISTED = 100
COLUMNS = ("HOLDER", "DOMAIN", "ENVIRONMENT", "POOL", "STATUS", "EXPIRES", "IN USE BY", "ASSIGNED BY", "REPOSITORY")

holder = click.argument("words", metavar="HOLDER", nargs=-1, required=True)
domain = click.option("--domain", help="Of several environments, the one for this domain.")
waits = click.option("--wait", is_flag=True, help="Wait until it is to be had.")
timeout = click.option("--timeout", type=DURATION, default="20m", show_default=True, help="Of --wait: 90s, 20m, 2h.")


@click.group(epilog=EXIT_CODES)
def env() -> None:
    """Review environments and who has them. HOLDER is pr 123 or pr-123, issue-4, user-NAME, custom-NAME."""


@env.command("list")
@of_repository
@click.option("--pool", help="Only of this pool.")
@click.option("--type", "type_", type=click.Choice(TYPES), help="Only of such holders.")
@click.option("--by", help="Only what this person or token assigned.")
@click.option("--status", type=click.Choice(["active", "released", "expired"]), help="[default: active]")
@click.option("--limit", type=click.IntRange(1, 1000), default=LISTED, show_default=True, help="The newest so many.")
@remote
def list_environments(at: Remote, repo: str | None, type_: str | None, by: str | None, **options: Any) -> None:
    """Who has which environment, and until when; the newest first."""
    query = {
        "repositoryIdentifier": repo,
        "assignmentType": type_,
        "assignedBy": by,
        "poolTag": options["pool"],
        "status": options["status"],
        "limit": options["limit"],
    }
    answer = at.server.ask("GET", "/review/environments/list", query=query)
    at.show(answer, lambda: _list(answer))


@env.command("show")
@holder
@domain
@in_repository
@remote
def show_environment(at: Remote, words: tuple[str, ...], repo: str, domain: str | None) -> None:
    """The environment of a holder, and where it is."""
    [who] = read_holders(at.server, repo, words)
    path = f"/review/environments/{who.type}/{segment(who.id)}"
    assignment = at.server.ask("GET", path, query={"repositoryIdentifier": repo, "domain": domain})
    at.show(assignment, lambda: _show(assignment))


@env.command("assign")
@holder
@click.option("--pool", help="Its tag. Else the rules decide, by --branch and --domain.")
@click.option("--branch", help="For the rules.")
@click.option("--domain", help="One holder may have an environment for each domain.")
@click.option("--hours", type=float, help="How long it is lent. Else as the pool says.")
@click.option("--for", "time", type=DURATION, help="The same as a length of time: 48h, 3d.")
@click.option("--forever", is_flag=True, help="It never expires.")
@click.option("--override", is_flag=True, help="Give back the one that the holder has, for another.")
@waits
@timeout
@in_repository
@remote
def assign(at: Remote, words: tuple[str, ...], repo: str, wait: bool, timeout: timedelta, **options: Any) -> None:
    """Lend an environment to a holder. The one that it has already is found again."""
    [who] = read_holders(at.server, repo, words)
    body = {
        **who.body(repo, options["domain"]),
        "poolTag": options["pool"],
        "branch": options["branch"],
        "expirationHours": _hours(options["hours"], options["time"]),
        "isImmortal": options["forever"] or None,
        "override": options["override"] or None,
    }

    answer = _wait_in_line(at, body, timeout) if wait else _ask_for(at, body)
    at.show(answer, lambda: _show(answer["assignment"], "has already" if answer["isReused"] and not wait else "has"))


@env.command("extend")
@holder
@domain
@click.option("--hours", type=float, help="How much longer. Else as the pool says.")
@click.option("--for", "time", type=DURATION, help="The same as a length of time: 24h, 2d.")
@click.option("--forever/--not-forever", default=None, help="Whether it expires at all.")
@in_repository
@remote
def extend(at: Remote, words: tuple[str, ...], repo: str, domain: str | None, **options: Any) -> None:
    """Lend it for longer."""
    [who] = read_holders(at.server, repo, words)
    hours = _hours(options["hours"], options["time"])
    body = {**who.body(repo, domain), "extensionHours": hours, "isImmortal": options["forever"]}
    answer = at.server.ask("POST", "/review/environments/extend", body=body)
    extended = answer["assignment"]
    at.show(answer, lambda: screen.say(f"{answer['message']}: {_ending(who, extended['newExpiresAt'])}"))


@env.command("unassign")
@holder
@domain
@click.option("--no-return", is_flag=True, help="It is not lent again, but goes the way of expired ones.")
@in_repository
@remote
def unassign(at: Remote, words: tuple[str, ...], repo: str, domain: str | None, no_return: bool) -> None:
    """Give an environment back."""
    [who] = read_holders(at.server, repo, words)
    body = {**who.body(repo, domain), "returnToPool": not no_return}
    answer = at.server.ask("POST", "/review/environments/unassign", body=body)
    at.show(answer, lambda: screen.say(f"{answer['message']}: {answer['details']['sandboxName']}"))


@env.command("transition")
@click.argument("words", metavar="FROM TO", nargs=-1, required=True)
@domain
@in_repository
@remote
def transition(at: Remote, words: tuple[str, ...], repo: str, domain: str | None) -> None:
    """Hand an environment on from one holder to another: pr-123 issue-456."""
    source, target = read_holders(at.server, repo, words, number=2)
    body = {
        "repositoryIdentifier": repo,
        "fromAssignmentType": source.type,
        "fromAssignmentId": source.id,
        "toAssignmentType": target.type,
        "toAssignmentId": target.id,
        "domain": domain,
    }
    answer = at.server.ask("POST", "/review/environments/transition", body=body)
    at.show(answer, lambda: _show(answer["assignment"]))


@env.command("acquire")
@holder
@domain
@click.option("--for", "time", type=DURATION, default="30m", show_default=True, help="At most 8h.")
@click.option("--by", help="Who uses it. Else you, on this machine.")
@waits
@timeout
@in_repository
@remote
def acquire(at: Remote, words: tuple[str, ...], repo: str, wait: bool, timeout: timedelta, **options: Any) -> None:
    """Use an environment alone for a time. The same user again uses it for longer."""
    [who] = read_holders(at.server, repo, words)
    minutes = options["time"].total_seconds() / 60
    body = {**who.body(repo, options["domain"]), "duration": minutes, "usedBy": options["by"] or _me()}

    def ask(_left: float = 0) -> Any:
        return at.server.ask("POST", "/review/environments/acquire", body=body)

    answer = wait_for(ask, at.clock, timeout) if wait else ask()
    at.show(answer, lambda: _show(answer["assignment"]))


@env.command("release")
@holder
@domain
@click.option("--by", help="Who used it. Else you, on this machine.")
@click.option("--force", is_flag=True, help="Whoever uses it.")
@in_repository
@remote
def release(at: Remote, words: tuple[str, ...], repo: str, domain: str | None, by: str | None, force: bool) -> None:
    """Use it no longer. It stays lent to its holder."""
    [who] = read_holders(at.server, repo, words)
    body = {**who.body(repo, domain), "usedBy": None if force else by or _me()}
    answer = at.server.ask("POST", "/review/environments/release", body=body)
    at.show(answer, lambda: screen.say(f"{answer['message']}: {answer['assignment']['sandboxName']}"))


def _ask_for(at: Remote, body: Mapping[str, Any]) -> Any:
    return at.server.ask("POST", "/review/environments/assign", body=body)


def _wait_in_line(at: Remote, body: dict[str, Any], timeout: timedelta) -> Any:
    """What is free at once, or what a task has got when its turn came: it waits in the line that everybody waits in.

    Whoever asks again and again instead is passed over while others wait in line.
    """
    try:
        return _ask_for(at, body)
    except Refused as refused:
        if refused.code != "POOL_EXHAUSTED" or body["override"]:
            raise
        refused_with = refused.message
        screen.note(f"Waiting: {refused_with}")
    data = {name: value for name, value in body.items() if value is not None}
    wish = {"type": "fetchReviewEnvironment", "data": {**data, "wait": timeout.total_seconds()}, "priority": "high"}
    operation = at.server.ask("POST", "/tasks", body=wish)["operationId"]
    with given_up_with(lambda: at.server.ask("DELETE", f"/tasks/{segment(operation)}")):
        try:
            ended = follow(at, operation, timeout, "In line for an environment:").status
        except TimedOut:
            raise TimedOut(timeout, refused_with) from None
    if ended["status"] == "completed":
        return _ask_for(at, body)
    error = ended.get("error") or {"message": "the task was cancelled", "code": ""}
    if error["code"] == "POOL_EXHAUSTED":
        raise TimedOut(timeout, error["message"])
    raise Failure(f"Waiting in line failed: {error['message']}")


def _list(answer: Mapping[str, Any]) -> None:
    assignments = answer["assignments"]
    screen.table(COLUMNS, [_row(assignment) for assignment in assignments], nothing="Nobody has an environment.")
    if len(assignments) < answer["totalCount"]:
        screen.note(f"The newest {len(assignments)} of {answer['totalCount']}; --limit shows more.")


def _row(assignment: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        f"{assignment['assignmentType']}-{assignment['assignmentId']}", assignment["domain"],
        assignment["sandboxName"], assignment["poolTag"], assignment["status"], until(assignment["expiresAt"]),
        assignment["usage"]["usedBy"], assignment["assignedBy"], assignment["repositoryIdentifier"],
    )  # fmt: skip


def _show(assignment: Mapping[str, Any], has: str = "has") -> None:
    """Where it is, without its credentials: those are for --json alone."""
    who, usage = f"{assignment['assignmentType']}-{assignment['assignmentId']}", assignment["usage"]
    screen.say(f"{who} of {assignment['repositoryIdentifier']} {has} {assignment['sandboxName']}")
    used = f"{usage['usedBy']}, until {moment(usage['inUseUntil'])}" if usage["usedBy"] else None
    screen.facts({
        "address": assignment["environmentDetails"]["instanceUrl"],
        "pool": assignment["poolTag"],
        "domain": assignment["domain"],
        "expires": _expiry(assignment["expiresAt"]),
        "in use by": used,
        "assigned by": f"{assignment['assignedBy']}, {moment(assignment['assignedAt'])}",
    })  # fmt: skip


def _ending(who: object, expires_at: str | None) -> str:
    return f"{who} has it {'forever' if expires_at is None else f'until {moment(expires_at)}'}"


def _expiry(at: str | None) -> str:
    return "never" if at is None else f"{until(at)} ({moment(at)})"


def _hours(hours: float | None, time: timedelta | None) -> float | None:
    if hours is not None and time is not None:
        raise Misuse(f"--hours and --for are the same: keep one of {hours:g} h and {length(time)}")
    return hours if time is None else time / timedelta(hours=1)


def _me() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # containers run as users without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
