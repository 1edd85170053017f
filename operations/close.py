"""Close: a pull request or issue that is over holds nothing and waits for nothing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations import waiting
from operations.end import EndReason
from operations.unassign import Unassigned, unassign
from operations.unlock import unlock_thread
from storage import assignments, tickets
from storage.assignments import Holder
from storage.audit import Actor


def close(
    session: Session,
    holder: Holder,
    actor: Actor,
    *,
    now: datetime,
    reason: EndReason = EndReason.CLOSED,
    returned: bool | None = None,
) -> list[Unassigned]:
    """Its tickets have left, in every domain, its environments go the way of their pool's return setting, and it has no
    lock any more, of whatever.

    The tickets are held first: whoever is just being served is either seen as a holder below, or finds its
    ticket gone (rule I6). Whoever reopens it soon takes the same environment back.
    """
    for ticket in tickets.all_open(session, holder):
        waiting.leave(session, ticket, reason, now=now)
    ended = [
        unassign(session, assignment, actor, now=now, returned=returned, reason=reason)
        for assignment in assignments.all_active(session, holder)
    ]
    unlock_thread(session, holder, actor, now=now)
    return ended
