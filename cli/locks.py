"""Locks at the API: on anything that has a name, and on environments, which answer to other paths."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cli.failures import Failure
from cli.remote import Remote
from cli.server import Refused, segment
from cli.text import length
from cli.waiting import wait_for

LONG_POLL_SECONDS = 25
ON_THE_WAY_SECONDS = 10  # for the answer to a long poll


@dataclass(frozen=True)
class Lock(ABC):
    """One lock, as one API has it."""

    at: Remote
    repo: str
    name: str

    @abstractmethod
    def request(self, lease: timedelta, by: str | None, reason: str | None) -> dict[str, Any]:
        """A ticket: acquired at once if nobody has the lock, else a place in line."""

    @abstractmethod
    def ask(self, method: str, ticket: str, verb: str = "", *, lease: timedelta | None = None, wait: int = 0) -> Any:
        """The API's answer about a ticket."""

    @abstractmethod
    def tickets(self) -> Any:
        """The API's answer about all of them."""

    @abstractmethod
    def line(self) -> list[dict[str, Any]]:
        """Its living tickets in order, alike for both kinds: ticket, by, status, until."""

    def wait(self, ticket: str, timeout: timedelta) -> dict[str, Any]:
        """The answer with which the ticket got the lock. Refuses with TimedOut; the ticket keeps its place."""

        def attempt(left: float) -> dict[str, Any]:
            answer: dict[str, Any] = self.ask("POST", ticket, "/wait", wait=max(1, min(LONG_POLL_SECONDS, int(left))))
            return answer

        return wait_for(attempt, self.at.clock, timeout, self._describe)

    def renew(self, ticket: str, lease: timedelta | None) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask("POST", ticket, "/renew", lease=lease)
        return answer

    def release(self, ticket: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask("DELETE", ticket)
        return answer

    def _describe(self, last: Failure) -> str:
        """Where in line, and for how long about."""
        position = last.details.get("queuePosition") if isinstance(last, Refused) else None
        if not isinstance(last, Refused) or position is None:
            return last.message
        estimate = last.details.get("estimatedWaitSeconds")
        about = f", about {length(timedelta(seconds=estimate))}" if estimate else ""
        return f"{self.name} is locked; place {position} in line{about}"


class NamedLock(Lock):
    """Contract section 10.2."""

    @property
    def _path(self) -> str:
        return f"/locks/{segment(self.repo)}/{segment(self.name)}"

    def request(self, lease: timedelta, by: str | None, reason: str | None) -> dict[str, Any]:
        body = {"repository": self.repo, "resource": self.name, "leaseDurationSeconds": _seconds(lease)}
        answer: dict[str, Any] = self.at.server.ask("POST", "/locks", body=body)
        return answer

    def ask(self, method: str, ticket: str, verb: str = "", *, lease: timedelta | None = None, wait: int = 0) -> Any:
        body = {"timeoutSeconds": wait or None, "leaseDurationSeconds": _seconds(lease) if lease else None}
        return self.at.server.ask(
            method,
            f"{self._path}/{segment(ticket)}{verb}",
            body=None if method == "DELETE" else body,
            seconds=wait + ON_THE_WAY_SECONDS,
        )

    def tickets(self) -> Any:
        return self.at.server.ask("GET", self._path)

    def line(self) -> list[dict[str, Any]]:
        return [
            {"ticket": one["ticketId"], "by": None, "status": one["status"], "until": one["leaseEnd"]}
            for one in self.tickets()
            if one["status"] != "released"
        ]


class EnvironmentLock(Lock):
    """Contract section 6, E14–E16."""

    @property
    def _path(self) -> str:
        return f"/environments/by-name/{segment(self.name)}"

    @property
    def _query(self) -> dict[str, Any]:
        return {"repositoryIdentifier": self.repo}

    def request(self, lease: timedelta, by: str | None, reason: str | None) -> dict[str, Any]:
        body = {"durationSeconds": _seconds(lease), "reason": reason, "requestedBy": by}
        answer: dict[str, Any] = self.at.server.ask("POST", f"{self._path}/lock", query=self._query, body=body)
        return answer

    def ask(self, method: str, ticket: str, verb: str = "", *, lease: timedelta | None = None, wait: int = 0) -> Any:
        return self.at.server.ask(
            method,
            f"{self._path}/lock/{segment(ticket)}{verb}",
            query={**self._query, "timeoutSeconds": wait or None},
            body={"durationSeconds": _seconds(lease)} if lease else None,
            seconds=wait + ON_THE_WAY_SECONDS,
        )

    def tickets(self) -> Any:
        return self.at.server.ask("GET", self._path, query=self._query)["lockStatus"]

    def line(self) -> list[dict[str, Any]]:
        status = self.tickets()
        held: Mapping[str, Any] | None = status["currentLock"]
        line = [
            {"ticket": one.get("ticketId"), "by": one["requestedBy"], "status": "queued", "until": None}
            for one in status["queuedLocks"]
        ]
        if held is not None:
            line.insert(0, {"ticket": None, "by": held["lockedBy"], "status": "acquired", "until": held["expiresAt"]})
        return line


def lock_at(at: Remote, repo: str, name: str, *, is_environment: bool) -> Lock:
    return EnvironmentLock(at, repo, name) if is_environment else NamedLock(at, repo, name)


def lease_end(answer: Mapping[str, Any]) -> str | None:
    """When the lock ends by itself."""
    end: str | None = answer.get("leaseEnd") or answer.get("expiresAt")
    return end


def _seconds(lease: timedelta) -> int:
    return round(lease.total_seconds())
