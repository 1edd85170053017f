"""Which policy is in force in a repository, from what is stored of its file; no network."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from bot.policy import DEFAULTS, Policy
from bot.policy_file import InvalidPolicy, Problem, parse
from storage import configurations


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
