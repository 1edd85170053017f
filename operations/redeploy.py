"""Redeploy: the recorded head of a pull request is deployed once more into what it holds."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from operations import notify
from storage import audit, environments, queue, redeployments
from storage.assignments import Assignment
from storage.audit import SWEEP, Actor
from storage.environments import Environment
from storage.queue import QueueName
from storage.redeployments import Redeployment
from storage.threads import Thread

PATIENCE = timedelta(hours=1)
SUPERSEDED = "another commit is deployed instead"
TOO_LONG = "it took longer than an hour"


def redeploy(session: Session, thread: Thread, assignment: Assignment, actor: Actor, *, now: datetime) -> Redeployment:
    """A task has the provider deploy the thread's recorded head, at a fence of its own.

    What is under way with this commit is that already; with another one it is superseded. The caller holds the
    assignment, which is living and the thread's.
    """
    assert thread.head_sha is not None, "only pull requests have a head"
    environment = environments.lock(session, assignment.environment_id)
    present = redeployments.under_way(session, environment.id)
    if present is not None and present.revision == thread.head_sha:
        return present
    if present is not None:
        finish(session, present, SUPERSEDED, actor, now=now)
    environment.fence += 1
    environment.version += 1
    wanted = Redeployment(
        thread_id=thread.id,
        assignment_id=assignment.id,
        environment_id=environment.id,
        revision=thread.head_sha,
        fence=environment.fence,
        asked_by=actor.name,
        created_at=now,
    )
    session.add(wanted)
    session.flush()
    _record(session, "environment.redeploy_requested", wanted, environment, actor, now=now)
    queue.enqueue(
        session,
        "redeploy",
        queue=QueueName.NORMAL,
        now=now,
        payload={"redeployment_id": wanted.id},
        serial_key=f"environment:{environment.id}",
        once_key=wanted.id,
    )
    notify.refresh(session, thread, now=now)
    return wanted


def finish(session: Session, wanted: Redeployment, error: str | None, actor: Actor, *, now: datetime) -> None:
    """The commit is there, or `error` says why not; what is finished stays as it is."""
    if not wanted.is_under_way:
        return
    wanted.finished_at, wanted.error = now, error
    session.flush()
    environment = session.get_one(Environment, wanted.environment_id)
    action = "environment.redeployed" if error is None else "environment.redeploy_failed"
    _record(session, action, wanted, environment, actor, now=now)
    notify.refresh(session, session.get_one(Thread, wanted.thread_id), now=now)


def give_up_redeploying(session: Session, *, now: datetime) -> None:
    """What is under way for more than PATIENCE has failed, whatever became of its task."""
    for wanted in redeployments.overdue(session, before=now - PATIENCE):
        finish(session, wanted, TOO_LONG, SWEEP, now=now)


def _record(
    session: Session, action: str, wanted: Redeployment, environment: Environment, actor: Actor, *, now: datetime
) -> None:
    audit.record(session, action, environment.id, actor, now=now, environment=environment.name,
                 revision=wanted.revision, fence=wanted.fence, error=wanted.error)  # fmt: skip
