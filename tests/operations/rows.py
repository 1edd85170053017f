"""Pools and environments as rows, for tests of operations: no provider, no GitHub, a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from operations import waiting
from operations.assign import Assigned, Wish, assign
from operations.close import close
from operations.find import find_or_refuse
from operations.pools import create_pool
from operations.unassign import Unassigned, unassign
from storage import assignments, pools, repositories
from storage.assignments import Assignment, Holder
from storage.audit import Actor, Audit
from storage.database import Database
from storage.environments import Environment, EnvironmentState
from storage.pools import Counts, Pool
from storage.tasks import Task, TaskState
from storage.threads import Thread
from storage.tickets import Ticket
from tests.provider import Clock

Row = TypeVar("Row")

ACTOR = Actor("dev@example.com")
SEALED = b"sealed credentials"

POOL = {
    "name": "Core",
    "provider": "mock",
    "min_available": 0,
    "max_total": 5,
    "days_to_keep_available": 30,
    "strategy": "DELETE_EXPIRED",
    "default_expiration_hours": 48,
    "return_on_unassign": True,
}


class Rows:
    """One repository, its pools, and what people do to them; each call is a transaction of its own."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        with database.transaction() as session:
            self.repository = repositories.register(session, "acme/shop", now=clock())

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        with self.database.transaction() as session:
            yield session

    # What there is at the start

    def pool(self, tag: str = "core", *, free: int = 0, **values: Any) -> Pool:
        """A pool with this many available environments, named after it, the first available the longest."""
        with self.transaction() as session:
            pool = create_pool(session, self.repository, tag, {**POOL, **values}, ACTOR, now=self.clock())
        for number in range(free):
            self.environment(pool, f"{tag}{number}", available_at=self.clock() - timedelta(minutes=free - number))
        return pool

    def environment(self, pool: Pool, name: str, state: str = EnvironmentState.AVAILABLE, **values: Any) -> Environment:
        values = {"credentials": SEALED, "created_at": self.clock(), "available_at": self.clock(), **values}
        with self.transaction() as session:
            environment = Environment(pool_id=pool.id, name=name, state=state, **values)
            session.add(environment)
        return environment

    def thread(self, number: int, type: str = "pr", *, author: str = "alice") -> Thread:
        """A pull request or issue that the bot knows."""
        with self.transaction() as session:
            thread = Thread(
                repository_id=self.repository.id, number=number, type=type, title="Improve", author=author,
                url=f"https://github.test/acme/shop/pull/{number}", updated_at=self.clock(), created_at=self.clock(),
            )  # fmt: skip
            session.add(thread)
        return thread

    def holder(self, id: int | str = 1, type: str = "pr", domain: str = "") -> Holder:
        return Holder(self.repository.id, type, str(id), domain)

    # What happens

    def assign(self, holder: Holder, pool: str | None = "core", **wish: Any) -> Assigned:
        with self.transaction() as session:
            return assign(session, Wish(holder, pool, **wish), ACTOR, now=self.clock())

    def unassign(self, holder: Holder, **how: Any) -> Unassigned:
        with self.transaction() as session:
            found = find_or_refuse(session, holder, now=self.clock())
            return unassign(session, found, ACTOR, now=self.clock(), **how)

    def close(self, holder: Holder) -> list[Unassigned]:
        with self.transaction() as session:
            return close(session, holder, ACTOR, now=self.clock())

    def join(self, holder: Holder, pool: str = "core", **how: Any) -> Ticket:
        with self.transaction() as session:
            return waiting.join(session, Wish(holder, pool), ACTOR, now=self.clock(), **how)

    def serve(self, pool: Pool) -> Assigned | None:
        """Whoever is first in line is served, if there is anybody and anything."""
        with self.transaction() as session:
            ticket = waiting.next_in_line(session, pool.id)
            if ticket is None:
                return None
            return waiting.serve(session, ticket.id, request=f"task:{uuid4()}", now=self.clock())

    # What there is then

    def held_by(self, holder: Holder) -> Assignment | None:
        with self.database.reading() as session:
            return assignments.find_active(session, holder)

    def assignment(self, id: str) -> Assignment:
        return self._get(Assignment, id)

    def named(self, name: str) -> Environment:
        with self.database.reading() as session:
            return session.scalars(select(Environment).where(Environment.name == name)).one()

    def ticket(self, id: int) -> Ticket:
        return self._get(Ticket, id)

    def reload(self, pool: Pool) -> Pool:
        return self._get(Pool, pool.id)

    def counts(self, pool: Pool) -> Counts:
        with self.database.reading() as session:
            return pools.counts(session, [pool.id])[pool.id]

    def pending(self, kind: str) -> list[Task]:
        with self.database.reading() as session:
            wanted = select(Task).where(Task.kind == kind, Task.state == TaskState.PENDING).order_by(Task.number)
            return list(session.scalars(wanted))

    def forget_tasks(self) -> None:
        """So that the test sees only what is enqueued from now on."""
        with self.transaction() as session:
            for task in session.scalars(select(Task)):
                session.delete(task)

    def audit(self, action: str) -> list[Audit]:
        with self.database.reading() as session:
            return list(session.scalars(select(Audit).where(Audit.action == action).order_by(Audit.id)))

    def _get(self, row: type[Row], id: str | int) -> Row:
        with self.database.reading() as session:
            return session.get_one(row, id)
