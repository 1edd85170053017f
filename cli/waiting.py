"""Asks again until there is what was asked for, or the time is up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from cli import screen
from cli.failures import Exit, Failure
from cli.remote import Clock
from cli.server import NOT_NOW, Away, Broken, NotNow, Refused
from cli.text import length

Got = TypeVar("Got")

ASK_AGAIN_SECONDS = 5.0


class TimedOut(Failure):
    exit_code = Exit.TIMED_OUT

    def __init__(self, timeout: timedelta, last: Failure) -> None:
        super().__init__(f"Gave up after {length(timeout)}: {last.message}")


def wait_for(attempt: Callable[[], Got], clock: Clock, timeout: timedelta) -> Got:
    """What the attempt gives at last. Refuses with TimedOut, and with whatever waiting does not mend.

    A server that never answered is no reason to wait; one that goes away meanwhile may come back.
    """
    started, has_answered = clock.now(), False
    with screen.bar() as bar:
        while True:
            try:
                return attempt()
            except (NotNow, Broken) as error:
                last: Failure = error
                has_answered = True
            except Away as error:
                last = error
                if not has_answered:
                    raise
            passed = clock.now() - started
            left = timeout.total_seconds() - passed
            if left <= 0:
                raise TimedOut(timeout, last)
            bar.show(f"Waiting: {last.message}", passed / timeout.total_seconds())
            clock.sleep(min(_pause(last), left))


def _pause(last: Failure) -> float:
    """Seconds. Too many requests and a server in trouble are left alone for as long as they say; a pool says when
    there may be something free at the latest, and is asked earlier."""
    if isinstance(last, Refused) and last.retry_after is not None:
        at_the_latest = last.code in NOT_NOW
        return min(last.retry_after, ASK_AGAIN_SECONDS) if at_the_latest else last.retry_after
    return ASK_AGAIN_SECONDS
