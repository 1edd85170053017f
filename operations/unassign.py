"""Unassign: a holder gives its environment back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from operations.end import EndReason, end
from storage import pools
from storage.assignments import Assignment
from storage.audit import Actor
from storage.environments import Environment
from storage.pools import Pool


@dataclass(frozen=True)
class Unassigned:
    assignment: Assignment
    environment: Environment
    pool: Pool
    returned: bool


def unassign(
    session: Session,
    assignment: Assignment,
    actor: Actor,
    *,
    now: datetime,
    returned: bool | None = None,
    reason: EndReason = EndReason.UNASSIGNED,
) -> Unassigned:
    """The assignment is over; its environment is AVAILABLE if `returned`, else EXPIRED (contract R4).

    `returned` None is the pool's own setting. A running lease does not stand in the way.
    """
    pool = pools.get(session, assignment.pool_id)
    back = pool.return_on_unassign if returned is None else returned
    environment = end(session, assignment, returned=back, reason=reason, actor=actor, now=now)
    return Unassigned(assignment, environment, pool, back)
