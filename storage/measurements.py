"""What worker processes have counted, added up over all of them; and which of them are alive."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base

ALIVE = timedelta(seconds=12)  # since a worker was last seen, which is every few seconds
_DIALECTS = {"sqlite": sqlite, "postgresql": postgresql}

Key = tuple[str, str]
"""A name, and its labels as JSON with sorted keys."""


class Measurement(Base):
    __tablename__ = "measurements"

    name: Mapped[str] = mapped_column(primary_key=True)
    labels: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float]


class WorkerProcess(Base):
    __tablename__ = "worker_processes"

    name: Mapped[str] = mapped_column(primary_key=True)
    queue: Mapped[str]
    seen_at: Mapped[datetime]


def key(name: str, labels: Mapping[str, str]) -> Key:
    return name, json.dumps(labels, sort_keys=True)


def add(session: Session, counted: Mapping[Key, float]) -> None:
    """In the order of their keys, so that two processes that add at the same moment do not wait for each other."""
    insert = _DIALECTS[session.get_bind().dialect.name].insert(Measurement)
    for (name, labels), value in sorted(counted.items()):
        statement = insert.values(name=name, labels=labels, value=value)
        total = Measurement.value + statement.excluded.value
        session.execute(statement.on_conflict_do_update(index_elements=["name", "labels"], set_={"value": total}))


def listed(session: Session, name: str) -> list[tuple[dict[str, str], float]]:
    rows = session.scalars(select(Measurement).where(Measurement.name == name).order_by(Measurement.labels))
    return [(json.loads(row.labels), row.value) for row in rows]


def seen(session: Session, name: str, queue: str, *, now: datetime) -> None:
    """The worker process is alive."""
    session.merge(WorkerProcess(name=name, queue=queue, seen_at=now))


def alive(session: Session, *, now: datetime) -> dict[str, int]:
    """How many worker processes each queue has."""
    rows = select(WorkerProcess.queue, func.count()).where(WorkerProcess.seen_at > now - ALIVE)
    return {queue: number for queue, number in session.execute(rows.group_by(WorkerProcess.queue))}


def forget_dead(session: Session, *, now: datetime) -> None:
    session.execute(delete(WorkerProcess).where(WorkerProcess.seen_at <= now - ALIVE))
