"""The line before a lock: who holds it, who waits, at which place and for how long as far as one can tell."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil

from sqlalchemy.orm import Session

from storage import locks
from storage.locks import Lock, LockStatus, Resource


@dataclass(frozen=True)
class InLine:
    lock: Lock
    position: int  # 1 is next, 0 waits no longer
    estimated_wait_seconds: int


@dataclass
class Line:
    """One resource's live tickets. `holder` is None while nobody holds it, or when its lease has run out."""

    holder: Lock | None = None
    queued: list[InLine] = field(default_factory=list)


def lines_of(session: Session, resources: Collection[Resource], *, now: datetime) -> dict[Resource, Line]:
    """The line of each of these resources, empty where there is none, in one query.

    The estimate is what is left of the holder's lease and the full leases of those ahead (contract 4.3).
    """
    lines = {resource: Line() for resource in resources}
    ahead = dict.fromkeys(lines, 0)
    for lock in locks.live(session, resources):  # a holder came before those who wait
        line = lines[lock.of]
        if lock.status == LockStatus.QUEUED:
            line.queued.append(InLine(lock, len(line.queued) + 1, ahead[lock.of]))
            ahead[lock.of] += lock.lease_seconds
        elif (left := seconds_left(lock, now=now)) > 0:
            line.holder = lock
            ahead[lock.of] = left
    return lines


def line_of(session: Session, resource: Resource, *, now: datetime) -> Line:
    return lines_of(session, [resource], now=now)[resource]


def place_of(session: Session, lock: Lock, *, now: datetime) -> InLine:
    """Where one ticket stands, without reading all the others."""
    if lock.status != LockStatus.QUEUED:
        return InLine(lock, 0, 0)
    ahead, their_leases = locks.ahead(session, lock)
    holder = locks.holder(session, lock.of)
    left = seconds_left(holder, now=now) if holder is not None else 0
    return InLine(lock, ahead + 1, left + their_leases)


def seconds_left(lock: Lock, *, now: datetime) -> int:
    """Of the lease, rounded up; never more than all of it, though the clock may have stepped back."""
    if lock.expires_at is None:
        return 0
    return min(lock.lease_seconds, max(0, ceil((lock.expires_at - now).total_seconds())))
