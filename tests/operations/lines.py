"""Lines before locks as rows, for tests: each call is a transaction of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from operations.find_lock import find_lock
from operations.hand_over import end_past_due_leases
from operations.lock import Wanted, lock
from operations.lock_line import Line, line_of
from operations.renew import renew
from operations.unlock import unlock, unlock_all, unlock_thread
from storage import locks
from storage.assignments import Holder
from storage.audit import Actor
from storage.database import Database
from storage.locks import Lock, Resource, ResourceKind
from tests.provider import Clock

CI = Actor("ci")


@dataclass(frozen=True)
class LockRows:
    database: Database
    clock: Clock
    repository_id: str

    def resource(self, name: str = "deploy", kind: ResourceKind = ResourceKind.NAMED) -> Resource:
        return Resource(self.repository_id, kind, name)

    def lock(
        self, name: str = "deploy", *, minutes: float = 10, sole: str | None = None, holder: Holder | None = None
    ) -> Lock:
        wanted = Wanted(self.resource(name), timedelta(minutes=minutes), "ci", sole_key=sole, holder=holder)
        with self.database.transaction() as session:
            return lock(session, wanted, CI, now=self.clock())

    def unlock(self, ticket: Lock, *, name: str = "deploy", actor: Actor = CI) -> Lock | None:
        with self.database.transaction() as session:
            found = find_lock(session, self.resource(name), ticket.ticket, now=self.clock())
            return unlock(session, found, actor, now=self.clock())

    def renew(self, ticket: Lock, *, minutes: float | None = None) -> Lock:
        with self.database.transaction() as session:
            found = find_lock(session, self.resource(), ticket.ticket, now=self.clock())
            lease = timedelta(minutes=minutes) if minutes is not None else None
            return renew(session, found, lease, CI, now=self.clock())

    def close(self, holder: Holder) -> None:
        with self.database.transaction() as session:
            unlock_thread(session, holder, CI, now=self.clock())

    def gone(self, name: str = "deploy") -> None:
        with self.database.transaction() as session:
            unlock_all(session, self.resource(name), CI, now=self.clock())

    def sweep(self, *, limit: int = 100) -> int:
        with self.database.transaction() as session:
            return end_past_due_leases(session, now=self.clock(), limit=limit)

    def forget_released(self, before: datetime) -> int:
        with self.database.transaction() as session:
            return locks.remove_released(session, before=before)

    def line(self, name: str = "deploy") -> Line:
        with self.database.reading() as session:
            return line_of(session, self.resource(name), now=self.clock())

    def order(self, name: str = "deploy") -> tuple[str | None, list[str]]:
        """Who holds the lock, and who waits, by their tickets."""
        line = self.line(name)
        return line.holder.ticket if line.holder else None, [waiting.lock.ticket for waiting in line.queued]

    def now(self, ticket: Lock) -> Lock:
        with self.database.reading() as session:
            return session.get_one(Lock, ticket.number)
