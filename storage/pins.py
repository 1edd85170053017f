"""Pins: why an assignment never ends. Kept in its metadata, which REST shows (bot-behaviour 6.4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.assignments import Assignment, AssignmentStatus

KEY = "pin"  # in the metadata; a caller's own is not taken


@dataclass(frozen=True)
class Pin:
    owner: str
    reason: str
    review_at: datetime
    asked_at: datetime | None = None  # when the owner was asked whether it is still needed


def of(assignment: Assignment) -> Pin | None:
    """The pin that keeps it from ending. One that has an end has no pin."""
    kept = assignment.extra.get(KEY)
    if kept is None or not assignment.is_immortal:
        return None
    asked_at = kept["askedAt"]
    return Pin(
        kept["owner"],
        kept["reason"],
        datetime.fromisoformat(kept["reviewAt"]),
        None if asked_at is None else datetime.fromisoformat(asked_at),
    )


def keep(assignment: Assignment, pin: Pin | None) -> None:
    """It is pinned so, or not at all."""
    others = without(assignment.extra)
    assignment.extra = others if pin is None else {**others, KEY: _spelled(pin)}
    assignment.version += 1


def without(extra: dict[str, Any]) -> dict[str, Any]:
    """The metadata without what stands for a pin."""
    return {name: value for name, value in extra.items() if name != KEY}


def living(session: Session, repository_id: str | None = None) -> list[tuple[Assignment, Pin]]:
    """Those that are pinned now, of one repository or of all; those of pull requests and issues by their numbers."""
    immortal = (Assignment.status == AssignmentStatus.ACTIVE, Assignment.expires_at.is_(None))
    statement = (
        select(Assignment)
        .where(*immortal)
        .order_by(func.length(Assignment.holder_id), Assignment.holder_id, Assignment.domain)
    )
    if repository_id is not None:
        statement = statement.where(Assignment.repository_id == repository_id)
    rows = session.scalars(statement.execution_options(populate_existing=True))
    return [(assignment, pin) for assignment in rows if (pin := of(assignment)) is not None]


def _spelled(pin: Pin) -> dict[str, Any]:
    asked_at = None if pin.asked_at is None else _iso(pin.asked_at)
    return {"owner": pin.owner, "reason": pin.reason, "reviewAt": _iso(pin.review_at), "askedAt": asked_at}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
