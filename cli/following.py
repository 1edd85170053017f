"""Follows a task until it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cli import screen
from cli.remote import Remote
from cli.server import Away, Broken, NotNow, segment
from cli.waiting import TimedOut

LOOK_SECONDS = 2.0
LIVING = ("pending", "active")


@dataclass(frozen=True)
class Followed:
    at: Remote
    operation: str
    status: dict[str, Any]

    def result(self) -> Any:
        return self.at.server.ask("GET", f"/tasks/{segment(self.operation)}/result")


def follow(at: Remote, operation: str, timeout: timedelta | None = None, what: str = "The task is") -> Followed:
    """The task, which has ended. A server that is in trouble meanwhile may come back. Refuses with TimedOut."""
    started, has_answered = at.clock.now(), False
    with screen.bar() as bar:
        while True:
            pause, text, part = LOOK_SECONDS, "", 0.0
            try:
                status = at.server.ask("GET", f"/tasks/{segment(operation)}/status")
                has_answered = True
                if status["status"] not in LIVING:
                    return Followed(at, operation, status)
                text, part = f"{what} {status['status']}, {status['progress']}%", status["progress"] / 100
            except (NotNow, Broken) as trouble:
                text, pause = trouble.message, trouble.retry_after or LOOK_SECONDS
            except Away as trouble:
                if not has_answered:
                    raise
                text = trouble.message
            if timeout is not None and at.clock.now() - started >= timeout.total_seconds():
                raise TimedOut(timeout, text)
            bar.show(text, part)
            at.clock.sleep(pause)
