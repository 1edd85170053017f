"""Reconcile: a repository, or one pull request or issue of it, is compared with GitHub soon, and repaired."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from storage import audit, decisions, queue, surfaces
from storage.assignments import Holder
from storage.audit import Actor
from storage.decisions import Reason
from storage.queue import QueueName
from storage.repositories import Repository
from storage.threads import Thread


def reconcile_soon(session: Session, repository: Repository, *, now: datetime) -> None:
    """A task compares all that is open there; those of one installation come after each other."""
    queue.enqueue(
        session,
        "reconcile",
        queue=QueueName.BATCH,
        now=now,
        payload={"repository_id": repository.id},
        serial_key=f"reconcile:{repository.installation_id}",
        once_key=repository.id,
    )


def refresh_soon(session: Session, thread: Thread, *, now: datetime) -> None:
    """A task compares this one with GitHub, and then shows it anew even if nothing differs."""
    surfaces.write_anew(session, thread.id)
    queue.enqueue(
        session,
        "reconcile",
        queue=QueueName.CRITICAL,
        now=now,
        payload={"repository_id": thread.repository_id, "number": thread.number},
        serial_key=f"thread:{thread.id}",
        once_key=thread.id,
    )


def note_worked(thread: Thread) -> None:
    """What its pull request or issue is like has had its effects; a later state that differs has not."""
    thread.worked = {
        "state": thread.state,
        "draft": thread.draft,
        "head": thread.head_sha,
        "base": thread.base_ref,
        "title": thread.title,
        "labels": sorted(thread.labels),
    }


def record_repair(session: Session, holder: Holder, missed: list[str], actor: Actor, *, now: datetime) -> None:
    """That this is a repair is in the decision log and in the audit log."""
    sentence = f"Repaired: GitHub had not told us that it was {', '.join(missed)}"
    decisions.record(
        session, holder, Reason.REPAIRED, sentence, operation="reconcile", actor=actor.name,
        trigger=actor.request or "", now=now, inputs={"missed": missed},
    )  # fmt: skip
    audit.record(session, "thread.repaired", str(holder), actor, now=now, repository_id=holder.repository_id,
                 missed=missed)  # fmt: skip
