"""What another policy would change for the pull requests that are open now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.events import PullRequestFacts
from bot.gates import Case, Closed, cases, judge
from bot.look import news_of_pull_request
from bot.policy.configuration import InForce
from storage import threads
from storage.repositories import Repository
from storage.threads import Thread


@dataclass(frozen=True)
class Open:
    """A pull request as it is now, with the files that it changes where a policy asks for them."""

    facts: PullRequestFacts
    files: tuple[str, ...] | None


@dataclass(frozen=True)
class Change:
    """A pull request that would be decided otherwise; None where nothing would keep it from being served."""

    number: int
    before: Closed | None
    after: Closed | None


def changes(
    session: Session,
    repository: Repository,
    present: InForce,
    proposed: InForce,
    pulls: Iterable[Open],
    *,
    now: datetime,
) -> list[Change]:
    """Those of the pull requests for which another gate would be shut, or none; each as if it asked for once."""
    found = []
    for pull in pulls:
        thread = _thread(session, repository, pull.facts)
        before = _first_shut(session, Case(repository, thread, present, now, pull.files))
        after = _first_shut(session, Case(repository, thread, proposed, now, pull.files))
        if (before and before.rule) != (after and after.rule):
            found.append(Change(thread.number, before, after))
    return found


def _first_shut(session: Session, case: Case) -> Closed | None:
    verdicts = [judge(session, each) for each in cases(case)]
    return next((verdict for verdict in verdicts if isinstance(verdict, Closed)), None)


def _thread(session: Session, repository: Repository, facts: PullRequestFacts) -> Thread:
    """As it is known, for nobody else knows of approvals; else as GitHub tells it, without being stored."""
    known = threads.find(session, repository.id, facts.number)
    return known or Thread(repository_id=repository.id, **asdict(news_of_pull_request(facts)))
