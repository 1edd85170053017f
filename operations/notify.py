"""Whose pull request shows what has changed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from storage import queue, threads
from storage.assignments import Holder
from storage.queue import QueueName
from storage.threads import Thread


def thread_of(session: Session, holder: Holder, *, now: datetime) -> None:
    """If the holder is a pull request or issue that the bot knows, a task refreshes what it shows."""
    thread = threads.of_holder(session, holder)
    if thread is not None:
        refresh(session, thread, now=now)


def refresh(session: Session, thread: Thread, *, now: datetime) -> None:
    """A task renders the thread's rows into its sticky comment; many changes at once are one refresh."""
    queue.enqueue(
        session,
        "refresh",
        queue=QueueName.CRITICAL,
        now=now,
        payload={"thread_id": thread.id},
        serial_key=f"thread:{thread.id}",
        once_key=thread.id,
    )
