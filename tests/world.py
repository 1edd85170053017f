"""Greenroom as a test sees it: people act on the simulated GitHub, Greenroom works, and the test looks."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from werkzeug.test import Client

from bot.context import Context
from bot.policy.keys import PATH as POLICY
from bot.settings import Settings
from bot.webhooks import PATH, WebhookDoor
from demo.github import SimulatedGitHub
from demo.github_state import Comment, Thread
from jobs import cron
from jobs.worker import Worker
from jobs.workshop import Workshop
from operations.end import replenish_soon
from operations.pools import create_pool
from storage import environments, pools, repositories
from storage.assignments import Assignment, AssignmentStatus, Holder
from storage.audit import Actor
from storage.database import Database
from storage.deliveries import Delivery
from storage.environments import Environment
from storage.pools import Counts, Pool
from storage.queue import QueueName
from storage.tasks import Task
from tests.github import WireTo
from tests.provider import Clock

REPO = "acme/shop"
SECRET = "It's a Secret to Everybody"
TEST = Actor("test", role="owner")

POOL = {
    "name": "Core",
    "provider": "mock",
    "min_available": 1,
    "max_total": 2,
    "days_to_keep_available": 30,
    "strategy": "DELETE_EXPIRED",
    "default_expiration_hours": 48,
    "return_on_unassign": True,
}


@dataclass
class Sink:
    """Where GitHub's deliveries arrive: handed on at once, lost, or kept for the test to reorder and repeat."""

    client: Client | None = None
    cut_off: bool = False
    holding: bool = False
    kept: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def __call__(self, headers: dict[str, str], body: bytes) -> int | None:
        if self.cut_off:
            return 0
        if self.holding:
            self.kept.append((headers, body))
            return None
        return self.post(headers, body)

    def post(self, headers: dict[str, str], body: bytes) -> int:
        assert self.client is not None
        answer = self.client.post(PATH, headers=headers, data=body)
        self.answers.append(answer.status_code)
        return answer.status_code


class World:
    pace = timedelta(0)
    """Between two writes on GitHub; nothing, as the clock stands still while Greenroom works."""

    def __init__(self, database: Database, data: Path, clock: Clock) -> None:
        self.clock = clock
        self.sink = Sink()
        self.github = SimulatedGitHub(webhook_secret=SECRET, deliver=self.sink, clock=clock)
        settings = Settings(
            data=data,
            database_url=database.url,
            secret_keys=("a test's secret key",),
            github_api_url="https://api.github.test",
            github_app_id=self.github.app.id,
            github_private_key=self.github.private_key,
            github_webhook_secrets=(SECRET,),
        )
        self.rung: list[frozenset[str]] = []
        self.database = database
        self.database.ring = self.rung.append
        self.context = Context.of(settings, self.database, clock)
        self.sink.client = Client(WebhookDoor(self.context, _not_found))
        self.shop = self.new_shop()
        self.workers = {queue: Worker(self.shop, queue) for queue in QueueName}
        self.installation = self.github.install("acme", REPO)
        self.github.set_permission(REPO, "wendy", "write")
        self.github.set_permission(REPO, "trish", "triage")
        self.github.set_permission(REPO, "mona", "maintain")
        self.github.set_permission(REPO, "rita", "read")

    def new_shop(self) -> Workshop:
        """A workshop as another worker process would have it."""
        return Workshop(self.context, transport=WireTo(self.github), pace=self.pace)

    # What happens

    def work(self, *, looks: int = 150) -> None:
        """Everything that is due is worked, and what becomes due by that: whoever was rung for looks again."""
        called = list(QueueName)
        for _ in range(looks):
            if not called:
                return
            queue, heard = called.pop(0), len(self.rung)
            self.workers[queue].drain()  # until nothing is due in it, so that its own rings are answered too
            rung = frozenset().union(*self.rung[heard:])
            called += [other for other in QueueName if other in rung and other not in (queue, *called)]
        raise AssertionError("there is always something due: a task keeps coming back")

    def later(self, **by: float) -> None:
        """Time passes; what the clock makes due is worked."""
        self.clock.advance(**by)
        cron.tick(self.context, "test")
        self.work()

    def pool(self, tag: str = "core", *, repo: str = REPO, filled: bool = True, **values: Any) -> Pool:
        """A pool of the mock provider; filled up to its minimum unless the test wants it empty."""
        with self.database.transaction() as session:
            repository = repositories.register(session, repo, now=self.clock())
            pool = create_pool(session, repository, tag, {**POOL, **values}, TEST, now=self.clock())
        if filled:
            self.replenish(pool)
        return pool

    def configure(self, text: str) -> None:
        """This is the repository's policy, on its default branch."""
        self.github.push_to_default_branch(REPO, {POLICY: text})
        self.work()

    def replenish(self, pool: Pool) -> None:
        with self.database.transaction() as session:
            replenish_soon(session, pool.id, now=self.clock())
        self.work()

    def tells(self, event: str, payload: dict[str, Any], *, guid: str | None = None) -> int:
        """GitHub tells this, whatever people did; what the door answers."""
        body = json.dumps(payload).encode()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": guid or str(uuid4()),
            "X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
        }
        return self.sink.post(headers, body)

    def opens(self, author: str = "alice", **given: Any) -> int:
        """Somebody opens a pull request, and Greenroom does what it does; its number."""
        number: int = self.github.open_pull_request(REPO, author, **given).number
        self.work()
        return number

    def comments(self, number: int, author: str, body: str) -> Comment:
        """Somebody writes a comment, and Greenroom does what it does."""
        comment = self.github.comment(REPO, number, author, body)
        self.work()
        return comment

    # What there is

    def session(self) -> Any:
        return self.database.reading()

    def thread(self, number: int) -> Thread:
        return self.github.thread(REPO, number)

    def says(self, number: int) -> str:
        """What Greenroom's sticky comment on the pull request says; empty if there is none."""
        ours = [c.body for c in self.written(number) if c.body.startswith("<!-- greenroom:status")]
        assert len(ours) <= 1, "more than one sticky comment"
        return ours[0] if ours else ""

    def replies(self, number: int) -> list[str]:
        """Greenroom's answers to commands."""
        return [c.body for c in self.written(number) if c.body.startswith("<!-- greenroom:answer")]

    def written(self, number: int) -> list[Comment]:
        return [c for c in self.thread(number).comments if c.author is self.github.app.bot]

    def reactions(self, comment: Comment) -> list[str]:
        return [reaction.content for reaction in comment.reactions]

    def held_by(self, number: int, type: str = "pr") -> list[Assignment]:
        with self.session() as session:
            repository = repositories.find(session, REPO)
            if repository is None:
                return []
            return list(
                session.scalars(
                    select(Assignment).where(
                        Assignment.repository_id == repository.id,
                        Assignment.holder_type == type,
                        Assignment.holder_id == str(number),
                        Assignment.status == AssignmentStatus.ACTIVE,
                    )
                )
            )

    def counts(self, pool: Pool) -> Counts:
        with self.session() as session:
            return pools.counts(session, [pool.id])[pool.id]

    def environments(self, pool: Pool) -> list[Environment]:
        with self.session() as session:
            return environments.of_pool(session, pool.id)

    def holder(self, number: int, type: str = "pr") -> Holder:
        with self.session() as session:
            repository = repositories.find(session, REPO)
            assert repository is not None
            return Holder(repository.id, type, str(number))

    def rows(self, table: type[Any]) -> list[Any]:
        with self.session() as session:
            return list(session.scalars(select(table).order_by(*table.__mapper__.primary_key)))

    def deliveries(self) -> list[Delivery]:
        return self.rows(Delivery)

    def failures(self) -> list[str]:
        """What went wrong for good."""
        tasks = [f"task {t.kind}: {t.error}" for t in self.rows(Task) if t.state == "failed"]
        return tasks + [f"delivery {d.event}: {d.error}" for d in self.rows(Delivery) if d.state == "failed"]


def _not_found(environ: Any, start_response: Any) -> list[bytes]:
    start_response("404 NOT FOUND", [])
    return [b""]
