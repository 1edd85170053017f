"""What every command that speaks to a server has: the server, its options, and the repository that is meant."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from cli import screen
from cli.failures import Misuse
from cli.server import Server, local_address

GIT_SECONDS = 5
REMOTE_URL = re.compile(r"^\S+\s+\S*?[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?\s+\(fetch\)$", re.MULTILINE)

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Clock:
    """The time that passes while a command waits, in seconds."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Remote:
    server: Server
    as_json: bool
    clock: Clock

    def show(self, answer: Any, human: Callable[[], None]) -> None:
        """The API's answer as it is, alone on stdout, or as a person reads it."""
        if self.as_json:
            screen.show_json(answer)
        else:
            human()


def remote(command: Callable[..., None]) -> Callable[..., None]:
    """Gives the command, as its first argument, its server, from options that every one of them has."""

    @click.option("--server", envvar="GREENROOM_URL", show_envvar=True, help="Its address. Else as HOST and PORT say.")
    @click.option("--token", envvar="GREENROOM_TOKEN", show_envvar=True, help="Others on this machine can see options.")
    @click.option("--json", "as_json", is_flag=True, help="Print the API's answer as it is, credentials too.")
    @wraps(command)
    def run(server: str | None, token: str | None, as_json: bool, **given: Any) -> None:
        clock = click.get_current_context().find_object(Clock) or Clock()
        with closing(Server(server or local_address(), token or "")) as asked:
            command(Remote(asked, as_json, clock), **given)

    return run


def in_repository(command: Command) -> Command:
    """The repository that the command is about, required."""
    return click.option(
        "--repo", envvar="GREENROOM_REPOSITORY", show_envvar=True, metavar="OWNER/NAME", callback=_or_guess,
        help="Else the one that git's remotes name.",
    )(command)  # fmt: skip


def of_repository(command: Command) -> Command:
    """The repository that a list is limited to."""
    return click.option(
        "--repo", envvar="GREENROOM_REPOSITORY", show_envvar=True, metavar="OWNER/NAME",
        help="Only this one. Else all that the token sees.",
    )(command)  # fmt: skip


def _or_guess(_ctx: click.Context, _param: click.Parameter, given: str | None) -> str:
    if given:
        return given
    named = _named_by_git()
    if len(named) == 1:
        return named.pop()
    why = f"git's remotes name several: {', '.join(sorted(named))}." if named else "No git remote here names one."
    raise Misuse("Which repository? Say --repo owner/name, or set GREENROOM_REPOSITORY", why)


def _named_by_git() -> set[str]:
    """owner/name of every remote of the folder that we are in; none if that is no checkout, or there is no git."""
    try:
        listed = subprocess.run(["git", "remote", "-v"], capture_output=True, text=True, timeout=GIT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return set(REMOTE_URL.findall(listed.stdout))
