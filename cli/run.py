"""greenroom run: a command runs while a lock is held, and only then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import FrameType
from typing import Any

import click

from cli import screen
from cli.failures import Failure
from cli.locks import Lock, lock_at
from cli.remote import Remote, in_repository, remote
from cli.server import Away, Broken, NotNow
from cli.text import DURATION
from cli.waiting import ENDINGS, TimedOut, given_up_with

# As timeout(1) and env(1) have them, so that they differ from what commands end with.
TIMED_OUT, FAILED, CANNOT_RUN, NOT_FOUND = 124, 125, 126, 127

RENEWED_IN_A_LEASE = 3
END_SECONDS = 10.0  # for a command to end once it is told to

EPILOG = (
    "Exit codes: the command's own; 124 the --timeout passed; 125 the lock could not be had, or was lost; "
    "126 the command cannot be run; 127 there is no such command."
)


@click.command("run", epilog=EPILOG, context_settings={"allow_interspersed_args": False})
@click.option("--lock", "name", required=True, help="The name of the lock.")
@click.option("--env", "is_environment", is_flag=True, help="It is the name of an environment.")
@click.option(
    "--for",
    "lease",
    type=DURATION,
    default="5m",
    show_default=True,
    help="It is renewed while the command runs; if this machine dies, it is free after this time.",
)
@click.option("--timeout", type=DURATION, default="20m", show_default=True, help="How long to wait for the lock.")
@click.option("--by", help="Who locks the environment, where many share a token.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@in_repository
@remote
def run(at: Remote, name: str, is_environment: bool, repo: str, command: tuple[str, ...], **options: Any) -> None:
    """Wait for a lock, run a command while it is held, and give it back: greenroom run --lock deploy -- make deploy"""
    lock = lock_at(at, repo, name, is_environment=is_environment)
    try:
        ticket = _acquired(lock, options["lease"], options["timeout"], options["by"])
        sys.exit(_run(lock, ticket, options["lease"], command))
    except Failure as failed:
        failed.show()
        sys.exit(TIMED_OUT if isinstance(failed, TimedOut) else FAILED)


def _acquired(lock: Lock, lease: timedelta, timeout: timedelta, by: str | None) -> str:
    """The ticket, which has the lock now."""
    answer = lock.request(lease, by, "greenroom run")
    ticket: str = answer["ticketId"]
    if answer["status"] == "queued":
        with given_up_with(lambda: lock.release(ticket)):
            lock.wait(ticket, timeout)
    return ticket


def _run(lock: Lock, ticket: str, lease: timedelta, command: Sequence[str]) -> int:
    """The command's exit code, as a shell has it. The lock is given back, or was lost."""
    with _told(started := Started()):
        try:
            started.run(command)
            code = _kept(lock, ticket, lease, started.process)
        except FileNotFoundError:
            screen.note(f"Error: There is no command {command[0]}")
            code = NOT_FOUND
        except OSError as error:
            screen.note(f"Error: {command[0]} cannot be run: {error.strerror}")
            code = CANNOT_RUN
        if code is None:
            screen.note(f"Error: The lock {lock.name} was lost, so the command was ended")
            return FAILED
        try:
            lock.release(ticket)
        except Failure as failed:
            screen.note(f"The lock could not be given back, and ends by itself: {failed.message}")
        return code


class Started:
    """The command's process, once it is there; signals that came before that end it as it starts."""

    process: subprocess.Popen[bytes]

    def __init__(self) -> None:
        self._early: list[int] = []

    def run(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(command)
        for number in self._early:
            self.process.send_signal(number)

    def tell(self, number: int, _frame: FrameType | None) -> None:
        """Hands a signal on. One of the terminal's went to the command as well."""
        if number != signal.SIGTERM and _is_of_a_terminal():
            return
        if hasattr(self, "process"):
            self.process.send_signal(number)
        else:
            self._early.append(number)


@contextmanager
def _told(started: Started) -> Iterator[None]:
    before = {number: signal.signal(number, started.tell) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _kept(lock: Lock, ticket: str, lease: timedelta, process: subprocess.Popen[bytes]) -> int | None:
    """The exit code of the process, during which the lock was renewed; None if the lock was lost, and it was ended.

    A server that does not answer does not end the command while the lease lasts: nobody else has the lock.
    """
    whole = lease.total_seconds()
    renewed_at = time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(whole / RENEWED_IN_A_LEASE)
            return code if code >= 0 else 128 - code
        asked_at = time.monotonic()
        try:
            lock.renew(ticket, lease)
            renewed_at = asked_at
        except (Away, Broken, NotNow) as trouble:
            screen.note(f"The lock was not renewed: {trouble.message}")
            if time.monotonic() < renewed_at + whole * (RENEWED_IN_A_LEASE - 1) / RENEWED_IN_A_LEASE:
                continue
            _end(process)
            return None
        except Failure as failed:
            screen.note(f"The lock was not renewed: {failed.message}")
            _end(process)
            return None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_of_a_terminal() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
