"""SCHEDULE: the recurring work, when it runs and when it last did, and which process leads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from croniter import croniter
from sqlalchemy import or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base

LEADER = timedelta(seconds=15)
_DIALECTS = {"sqlite": sqlite, "postgresql": postgresql}


@dataclass(frozen=True)
class Recurring:
    """Work of this kind (jobs/worker.py TASKS) is due whenever the pattern says: five fields, UTC."""

    kind: str
    pattern: str
    description: str
    at_start: bool = False
    """Due as well when a process begins to lead: something may have been missed while none did."""

    def last_due(self, now: datetime) -> datetime:
        due: datetime = croniter(self.pattern, now).get_prev(datetime)
        return due

    def next_due(self, now: datetime) -> datetime:
        due: datetime = croniter(self.pattern, now).get_next(datetime)
        return due


MONITOR = "global-pool-monitor"

SCHEDULE: Mapping[str, Recurring] = {
    MONITOR: Recurring("monitor", "*/30 * * * *", "Global pool monitoring job that monitors all active pools"),
    "sweep": Recurring("sweep", "* * * * *", "Ends what is past due and repairs what was missed"),
    "clean": Recurring(
        "clean", "17 * * * *", "Removes tasks, deliveries, lock tickets and events after seven days, and expired values"
    ),
    "reconcile": Recurring(
        "reconcile_all", "*/5 * * * *", "Compares pull requests and issues with GitHub's, and repairs", at_start=True
    ),
    "missed-webhooks": Recurring(
        "recover", "*/5 * * * *", "Has the webhooks that GitHub could not deliver", at_start=True
    ),
}


class Leader(Base):
    __tablename__ = "leaders"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    until: Mapped[datetime]


class Schedule(Base):
    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(primary_key=True)
    last_run_at: Mapped[datetime]


def lead(session: Session, name: str, holder: str, *, now: datetime) -> bool:
    """Whether `holder` leads for the next LEADER: it led already, or nobody does. One guarded statement."""
    insert = _DIALECTS[session.get_bind().dialect.name].insert(Leader.__table__)
    statement = (
        insert.values(name=name, holder=holder, until=now + LEADER)
        .on_conflict_do_update(
            index_elements=["name"],
            set_={"holder": holder, "until": now + LEADER},
            where=or_(Leader.holder == holder, Leader.until < now),
        )
        .returning(Leader.name)
    )
    return session.execute(statement).first() is not None


def resign(session: Session, name: str, holder: str, *, now: datetime) -> None:
    """Another process may lead at once, if this one still does."""
    session.execute(update(Leader).where(Leader.name == name, Leader.holder == holder).values(until=now))


def last_runs(session: Session) -> dict[str, datetime]:
    return {schedule.name: schedule.last_run_at for schedule in session.scalars(select(Schedule))}


def ran(session: Session, name: str, *, at: datetime) -> None:
    schedule = session.get(Schedule, name)
    if schedule is None:
        session.add(Schedule(name=name, last_run_at=at))
    else:
        schedule.last_run_at = at
