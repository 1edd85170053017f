"""What we know of a pull request or issue; only newer news is taken."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from storage import threads
from storage.repositories import Repository
from storage.threads import Thread


@dataclass(frozen=True)
class News:
    """A thread as GitHub tells it at `updated_at`."""

    number: int
    type: str
    title: str
    author: str
    author_is_bot: bool
    state: str
    labels: list[str]
    url: str
    updated_at: datetime
    draft: bool = False
    locked: bool = False
    base_ref: str | None = None
    head_ref: str | None = None
    head_sha: str | None = None
    head_before: str | None = None
    """The head that a push replaced, where it is told."""
    head_repository: str | None = None


def take_news(
    session: Session, repository: Repository, news: News, *, now: datetime, head_told_at: datetime | None = None
) -> Thread:
    """The thread is known as the news say, unless something newer was known already (rules 3 and I9).

    `head_told_at` is when GitHub told us of this head, where that was before now. Of two pushes within a second, which
    is as exact as GitHub's times are, the later one is known by the head that it replaced.
    """
    thread = threads.find(session, repository.id, news.number)
    if thread is None:
        values = asdict(news)
        thread = Thread(repository_id=repository.id, created_at=now, head_seen_at=head_told_at or now, **values)
        session.add(thread)
    elif _is_overtaken(news, thread):
        thread.head_before = news.head_before or thread.head_before
    elif news.updated_at >= thread.updated_at:
        known = asdict(news)
        if news.head_sha != thread.head_sha:
            thread.head_seen_at = head_told_at or now
        elif news.head_before is None:
            del known["head_before"]
        for name, value in known.items():
            setattr(thread, name, value)
    thread.confirmed_at = now
    session.flush()
    return thread


def _is_overtaken(news: News, thread: Thread) -> bool:
    """It tells late of the head that the known one has replaced; a push that went back to that is no such thing."""
    same_time = news.updated_at == thread.updated_at
    return same_time and news.head_sha == thread.head_before and news.head_before != thread.head_sha
