"""End of life: what is past due ends, whoever notices first."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations.end import EndReason, end
from storage import assignments, decisions, threads
from storage.assignments import Assignment
from storage.audit import SWEEP
from storage.decisions import Reason


def expire(session: Session, assignment: Assignment, *, now: datetime) -> None:
    """The assignment has expired and its environment with it; its holder may re-attach for a while."""
    ended = end(session, assignment, returned=False, reason=EndReason.EXPIRED, actor=SWEEP, now=now)
    if threads.of_holder(session, assignment.holder) is not None:
        decisions.record(session, assignment.holder, Reason.EXPIRED, f"{ended.name} expired", operation="expire",
                         actor=SWEEP.name, trigger=SWEEP.request or "sweep", now=now)  # fmt: skip


def expire_past_due(session: Session, *, now: datetime, limit: int = 100) -> int:
    """Up to `limit` assignments whose end of life has passed are expired; says how many (contract 4.5)."""
    due = assignments.past_due(session, now=now, limit=limit)
    for assignment in due:
        expire(session, assignment, now=now)
    return len(due)


def is_past_due(assignment: Assignment, *, now: datetime) -> bool:
    end_of_life = assignment.end_of_life()
    return end_of_life is not None and end_of_life <= now
