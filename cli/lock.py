"""greenroom lock: locks are taken, waited for, kept, given back and looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import click

from cli import screen
from cli.failures import EXIT_CODES, Exit
from cli.locks import Lock, lease_end, lock_at
from cli.remote import Remote, in_repository, remote
from cli.text import DURATION, until
from cli.waiting import given_up_with

Command = TypeVar("Command", bound=Callable[..., Any])

name = click.argument("name")
of_environment = click.option("--env", "is_environment", is_flag=True, help="NAME is an environment's.")
timeout = click.option("--timeout", type=DURATION, default="20m", show_default=True, help="How long to wait at most.")


@click.group(epilog=EXIT_CODES)
def lock() -> None:
    """Locks on anything that has a name, and with --env on environments: first come, first served."""


@lock.command("acquire")
@name
@of_environment
@click.option("--for", "lease", type=DURATION, default="1h", show_default=True, help="It ends then unless renewed.")
@click.option("--by", help="Who locks the environment, where many share a token.")
@click.option("--reason", help="Why the environment is locked.")
@click.option("--wait", is_flag=True, help="Wait for its turn; the place in line is given up after --timeout.")
@timeout
@in_repository
@remote
def acquire(at: Remote, name: str, repo: str, is_environment: bool, wait: bool, **options: Any) -> None:
    """Take a lock, and print its ticket. Exit code 3 if it is taken: the ticket then has a place in line."""
    wanted = lock_at(at, repo, name, is_environment=is_environment)
    answer = wanted.request(options["lease"], options["by"], options["reason"])
    ticket: str = answer["ticketId"]
    if wait and answer["status"] == "queued":
        with given_up_with(lambda: wanted.release(ticket)):
            answer = wanted.wait(ticket, options["timeout"])
    at.show(answer, lambda: _show_ticket(wanted, answer))
    if answer["status"] == "queued":
        click.get_current_context().exit(Exit.NOT_NOW)


@lock.command("wait")
@name
@click.argument("ticket")
@of_environment
@timeout
@in_repository
@remote
def wait(at: Remote, name: str, ticket: str, repo: str, is_environment: bool, timeout: timedelta) -> None:
    """Wait for a ticket's turn. It keeps its place in line if the time is up."""
    wanted = lock_at(at, repo, name, is_environment=is_environment)
    answer = wanted.wait(ticket, timeout)
    at.show(answer, lambda: _show_ticket(wanted, answer))


@lock.command("renew")
@name
@click.argument("ticket")
@of_environment
@click.option("--for", "lease", type=DURATION, help="From now on. Else for as long as before.")
@in_repository
@remote
def renew(at: Remote, name: str, ticket: str, repo: str, is_environment: bool, lease: timedelta | None) -> None:
    """Keep a lock for longer."""
    answer = lock_at(at, repo, name, is_environment=is_environment).renew(ticket, lease)
    at.show(answer, lambda: screen.say(f"{name} is yours, and free {until(lease_end(answer))}"))


@lock.command("release")
@name
@click.argument("ticket")
@of_environment
@in_repository
@remote
def release(at: Remote, name: str, ticket: str, repo: str, is_environment: bool) -> None:
    """Give a lock back, or leave its line."""
    answer = lock_at(at, repo, name, is_environment=is_environment).release(ticket)
    at.show(answer, lambda: screen.say(answer["message"]))


@lock.command("info")
@name
@of_environment
@in_repository
@remote
def info(at: Remote, name: str, repo: str, is_environment: bool) -> None:
    """Whether it is locked, for how long, and how many wait."""
    wanted = lock_at(at, repo, name, is_environment=is_environment)
    if at.as_json:
        screen.show_json(wanted.tickets())
    else:
        screen.say(_summary(name, wanted.line()))


@lock.command("list")
@name
@of_environment
@in_repository
@remote
def list_tickets(at: Remote, name: str, repo: str, is_environment: bool) -> None:
    """Who has it and who waits, in order."""
    wanted = lock_at(at, repo, name, is_environment=is_environment)
    if at.as_json:
        screen.show_json(wanted.tickets())
        return
    rows = [(one["status"], one["by"], one["until"] and until(one["until"]), one["ticket"]) for one in wanted.line()]
    screen.table(("STATUS", "BY", "ENDS", "TICKET"), rows, nothing=f"{name} is not locked.")


def _show_ticket(wanted: Lock, answer: Mapping[str, Any]) -> None:
    """The ticket alone on stdout, so that a script can keep it."""
    screen.say(answer["ticketId"])
    if answer["status"] == "queued":
        screen.note(f"{wanted.name} is locked; place {answer['queuePosition']} in line. greenroom lock wait waits.")
    else:
        screen.note(f"{wanted.name} is yours, and free {until(lease_end(answer))} unless it is renewed.")


def _summary(name: str, line: list[dict[str, Any]]) -> str:
    held = next((one for one in line if one["status"] == "acquired"), None)
    if held is None:
        return f"{name} is not locked"
    by = f" by {held['by']}" if held["by"] else ""
    waiting = len(line) - 1
    return f"{name} is locked{by}, and free {until(held['until'])} at the latest; {waiting or 'nobody'} waiting"
