"""Configure: a repository's policy is read anew, and a change of it is previewed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from storage import queue
from storage.queue import QueueName
from storage.repositories import Repository
from storage.threads import Thread


def read_soon(session: Session, repository: Repository, *, now: datetime, commit: str | None = None) -> None:
    """A task reads the repository's file, and says on the commit (None: the newest) what is wrong with it."""
    queue.enqueue(
        session,
        "configure",
        queue=QueueName.BATCH,
        now=now,
        payload={"repository_id": repository.id, "commit": commit},
        serial_key=f"configure:{repository.id}",
    )


def preview_soon(session: Session, thread: Thread, *, now: datetime) -> None:
    """A task says on the head of the pull request what its change of the file would do."""
    queue.enqueue(
        session,
        "preview",
        queue=QueueName.BATCH,
        now=now,
        payload={"thread_id": thread.id},
        serial_key=f"preview:{thread.id}",
        once_key=thread.id,
    )
