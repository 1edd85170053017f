"""Emit: the webhooks that listen hear of what has happened."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from operations.events import EventData, EventType, of_assignment, of_environment
from operations.times import iso
from storage import events, pools, queue, webhooks
from storage.assignments import Assignment
from storage.database import new_id
from storage.environments import Environment
from storage.queue import QueueName
from storage.webhooks import Listener

ATTEMPTS = 20  # how often a worker may die with it before it is left to a person


def emit(
    session: Session,
    event: EventType,
    data: Callable[[], EventData],
    *,
    now: datetime,
    repository_id: str | None = None,
    once_key: str | None = None,
) -> None:
    """The event is in the rows of this transaction, and on its way to every webhook that listens to it.

    Call it beside the audit row of what it tells (contract 10.3), so that it is told if and only if it happened.
    `data` is asked only if anybody listens: what nobody hears costs one look, and leaves no row. With a `once_key`
    it is told at most once, however often it is emitted. `repository_id` is whose the event is.
    """
    subscribed = [listener for listener in webhooks.listeners(session) if event in listener.events]
    if not subscribed:
        return
    said = data()
    hearing = [listener for listener in subscribed if listener.hears(event, said.repository_identifier)]
    tell(session, hearing, event, _spelled(asdict(said)), now=now, repository_id=repository_id, once_key=once_key)


def emit_assignment(
    session: Session,
    event: EventType,
    assignment: Assignment,
    *,
    now: datetime,
    once_key: str | None = None,
    **more: Any,
) -> None:
    """emit() of an assignment as it is now; `more` is what this event says beside that (AssignmentEvent)."""
    emit(session, event, lambda: of_assignment(session, assignment, **more), now=now,
         repository_id=assignment.repository_id, once_key=once_key)  # fmt: skip


def emit_instance(
    session: Session, event: EventType, environment: Environment, *, now: datetime, reason: str | None = None
) -> None:
    """emit() of an environment as it is now."""
    repository_id = pools.get(session, environment.pool_id).repository_id
    emit(session, event, lambda: of_environment(session, environment, reason), now=now, repository_id=repository_id)


def tell(
    session: Session,
    hearing: list[Listener],
    event: EventType,
    data: Mapping[str, Any],
    *,
    now: datetime,
    repository_id: str | None = None,
    once_key: str | None = None,
    triggered: bool = False,
) -> str | None:
    """These webhooks hear of the event, whose data is as JSON has it; its id, or None if nobody does.

    `triggered` is one that did not happen.
    """
    if not hearing:
        return None
    event_id = new_id()
    envelope = {"id": event_id, "event": event, "createdAt": iso(now), "triggered": triggered, "data": dict(data)}
    body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
    if not events.insert(session, event_id, event, body, repository_id=repository_id, once_key=once_key, now=now):
        return None
    for listener in hearing:
        send_soon(session, listener.id, events.dispatch(session, event_id, listener.id, now=now), now=now)
    return event_id


def send_soon(session: Session, webhook_id: str, dispatch: int, *, now: datetime) -> None:
    """A task sends the dispatch (jobs/dispatches.py); those to one webhook go one after the other, in order.

    Each is a task of its own: to share one would have every transaction that tells something wait for the others.
    """
    queue.enqueue(
        session,
        "dispatch",
        queue=QueueName.OUTGOING,
        now=now,
        payload={"dispatch": dispatch},
        serial_key=f"webhook:{webhook_id}",
        max_attempts=ATTEMPTS,
    )


def _spelled(value: Any) -> Any:
    """As JSON has it: names in camelCase, times as text."""
    if isinstance(value, Mapping):
        return {_camel(name): _spelled(inner) for name, inner in value.items()}
    return iso(value) if isinstance(value, datetime) else value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
