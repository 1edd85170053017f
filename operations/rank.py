"""Rank: who is served before whom within a class, where a pool is shared fairly."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage import assignments, configurations, threads, tickets
from storage.assignments import Holder, HolderType
from storage.pools import Pool
from storage.threads import MOST_DIGITS

A_SHARE = timedelta(days=1)
RECENT = timedelta(days=1)
NUMBERED = (HolderType.PR, HolderType.ISSUE)


def rank(session: Session, pool: Pool, holder: Holder, asked_by: str, *, now: datetime) -> int:
    """The place of who joins now, the lowest first; 0 for everybody where they are served as they come.

    With `queue.fair_share` in the policy of the pool's repository, which is the only one that the pool serves: when
    it came, in seconds, and a day later for each environment of the pool that the same person holds, gave back within
    a day, or awaits already. So who has had less is served first, and nobody is overtaken by who comes more than so
    many days later (bot-behaviour 6.1).
    """
    configuration = configurations.find(session, pool.repository_id)
    if configuration is None or not configuration.fair_share:
        return 0
    had = [(each.holder, each.assigned_by) for each in assignments.had(session, pool.id, since=now - RECENT)]
    awaited = [(each.holder, each.requested_by) for each in tickets.open_of_pool(session, pool.id)]
    *others, own = _people(session, [*had, *awaited, (holder, asked_by)])
    return int((now + others.count(own) * A_SHARE).timestamp())


def _people(session: Session, asked: list[tuple[Holder, str]]) -> list[tuple[str, str]]:
    """Of each holder the repository, and who opened the pull request or issue, else who asked."""
    numbers = {
        int(holder.id)
        for holder, _ in asked
        if holder.type in NUMBERED and holder.id.isdecimal() and len(holder.id) <= MOST_DIGITS
    }
    authors = threads.authors(session, asked[-1][0].repository_id, numbers)
    return [(holder.repository_id, authors.get((holder.type, holder.id), by)) for holder, by in asked]
