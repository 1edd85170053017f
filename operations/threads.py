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
    head_repository: str | None = None


def take_news(
    session: Session, repository: Repository, news: News, *, now: datetime, head_told_at: datetime | None = None
) -> Thread:
    """The thread is known as the news say, unless something newer was known already (rules 3 and I9).

    `head_told_at` is when GitHub told us of this head, where that was before now.
    """
    thread = threads.find(session, repository.id, news.number)
    if thread is None:
        values = asdict(news)
        thread = Thread(repository_id=repository.id, created_at=now, head_seen_at=head_told_at or now, **values)
        session.add(thread)
    elif news.updated_at >= thread.updated_at:
        if news.head_sha != thread.head_sha:
            thread.head_seen_at = head_told_at or now
        for name, value in asdict(news).items():
            setattr(thread, name, value)
    thread.confirmed_at = now
    session.flush()
    return thread
