"""Asks again until there is what was asked for, or the time is up."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import TypeVar

from cli import screen
from cli.failures import Exit, Failure
from cli.remote import Clock
from cli.server import NOT_NOW, Away, Broken, NotNow, Refused
from cli.text import length

Got = TypeVar("Got")

ASK_AGAIN_SECONDS = 5.0
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class TimedOut(Failure):
    exit_code = Exit.TIMED_OUT

    def __init__(self, timeout: timedelta, last: str) -> None:
        super().__init__(f"Gave up after {length(timeout)}: {last}")


def wait_for(
    attempt: Callable[[float], Got],
    clock: Clock,
    timeout: timedelta,
    describe: Callable[[Failure], str] = lambda last: last.message,
) -> Got:
    """What the attempt, which is told how many seconds are left, gives at last.

    Refuses with TimedOut, and with whatever waiting does not mend. A server that never answered is no reason to wait;
    one that goes away meanwhile may come back.
    """
    whole = timeout.total_seconds()
    started, has_answered = clock.now(), False
    with screen.bar() as bar:
        while True:
            asked = clock.now()
            try:
                return attempt(max(0.0, whole - (asked - started)))
            except (NotNow, Broken) as error:
                last: Failure = error
                has_answered = True
            except Away as error:
                last = error
                if not has_answered:
                    raise
            now = clock.now()
            left = whole - (now - started)
            if left <= 0:
                raise TimedOut(timeout, describe(last))
            bar.show(f"Waiting: {describe(last)}", (now - started) / whole)
            clock.sleep(min(_pause(last, now - asked), left))


def _pause(last: Failure, took: float) -> float:
    """Seconds. Too many requests and a server in trouble are left alone for as long as they say; a pool says when
    there may be something free at the latest, and is asked earlier. A long poll has waited already."""
    if isinstance(last, Refused) and last.retry_after is not None and last.code not in NOT_NOW:
        return last.retry_after
    soonest = min(last.retry_after or ASK_AGAIN_SECONDS, ASK_AGAIN_SECONDS) if isinstance(last, Refused) else 0.0
    return max(0.0, (soonest or ASK_AGAIN_SECONDS) - took)


@contextmanager
def given_up_with(give_up: Callable[[], object]) -> Iterator[None]:
    """A place in line is not kept for somebody who has gone: on a signal, and on any failure, it is given up."""
    before = {number: signal.signal(number, _end) for number in ENDINGS}
    try:
        yield
    except BaseException:
        for number in ENDINGS:  # impatience changes nothing
            signal.signal(number, signal.SIG_IGN)
        try:
            give_up()
        except Failure as failed:
            screen.note(f"The place in line could not be given up: {failed.message}")
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    screen.note("Ending, and giving up the place in line")
    sys.exit(128 + number)
