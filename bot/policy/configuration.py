"""Which policy is in force in a repository: from what is stored of its file, and where that is read from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.orm import Session

from bot.github.errors import Forbidden, NotFound
from bot.policy.file import InvalidPolicy, Problem, parse
from bot.policy.keys import DEFAULTS, PATH, Policy
from storage import configurations, tickets
from storage.configurations import Configuration, Source
from storage.repositories import Repository

if TYPE_CHECKING:
    from bot.github.calls import Installation

SHARED = ".github"
"""The repository of an organisation whose file counts where a repository has none of its own."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class InForce:
    """A policy, the git SHA of the text that says it (None: the defaults), and why a newer text does not count."""

    policy: Policy
    sha: str | None = None
    problems: tuple[Problem, ...] = ()
    is_usable: bool = True
    """False: there is a file, and it was never without mistakes; the defaults stand in for it where they must."""


def policy_of(session: Session, repository_id: str) -> Policy:
    """The repository's policy: of its newest valid file, else of its organisation's, else the defaults."""
    return in_force(session, repository_id).policy


def in_force(session: Session, repository_id: str) -> InForce:
    """The repository's policy, and where it is from."""
    row = configurations.find(session, repository_id)
    if row is None:
        return InForce(DEFAULTS)
    problems = tuple(Problem(**problem) for problem in row.problems)
    if row.text is None:
        return InForce(DEFAULTS, None, problems, row.is_usable)
    try:
        return InForce(parse(row.text), row.text_sha, problems)
    except InvalidPolicy as invalid:  # what an older Greenroom took
        return InForce(DEFAULTS, None, invalid.problems, is_usable=False)


@dataclass(frozen=True)
class Found:
    """The file that counts for a repository, as GitHub had it at a moment; without a text there is none."""

    source: Source
    looked_at: datetime
    sha: str | None = None
    text: str = ""


def look_for(github: Installation, repo: str, *, now: datetime) -> Found:
    """The file on the repository's default branch, else on that of its organisation's `.github`. A pull request
    cannot change the rules that judge it (bot-behaviour section 2).
    """
    owner = repo.partition("/")[0]
    for source, where in ((Source.REPOSITORY, repo), (Source.ORGANIZATION, f"{owner}/{SHARED}")):
        try:
            file = github.file(where, PATH)
        except NotFound:
            continue
        except Forbidden as error:  # an installation from before we asked for `contents`
            log.warning("policy not readable", repository=where, reason=str(error))
            continue
        return Found(source, now, file.sha, file.text)
    return Found(Source.DEFAULTS, now)


def keep(session: Session, repository: Repository, found: Found) -> Configuration:
    """The repository's policy is the one found, unless something newer is known; an invalid text changes nothing
    but what we have to say about it.
    """
    row = configurations.find(session, repository.id)
    if row is None:
        row = Configuration(repository_id=repository.id, read_at=found.looked_at)
        session.add(row)
    elif found.looked_at < row.read_at:
        return row
    row.source, row.sha, row.read_at = found.source, found.sha, found.looked_at
    try:
        policy = parse(found.text)
        row.text, row.text_sha, row.problems = found.text, found.sha, []
        _tell_operations(session, row, policy)
    except InvalidPolicy as invalid:
        row.problems = [asdict(problem) for problem in invalid.problems]
    session.flush()
    return row


def _tell_operations(session: Session, row: Configuration, policy: Policy) -> None:
    """What operations go by, who cannot read policies. Without fair shares those who wait have no ranks any more."""
    row.fair_share, row.targets = policy.queue.fair_share, [target.model_dump() for target in policy.schedule]
    if not row.fair_share:
        tickets.rank_as_they_came(session, row.repository_id)


def policy_in(found: Found) -> Policy:
    """What the file says; the defaults where it cannot be followed."""
    try:
        return parse(found.text)
    except InvalidPolicy:
        return DEFAULTS
