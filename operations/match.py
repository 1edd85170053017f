"""Which pool serves a branch and its domains."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy.orm import Session

from operations.errors import NoPoolMatch
from storage import pools
from storage.pools import Pool

ANYTHING = "*"


@dataclass(frozen=True)
class Match:
    """The pool that serves, and what was looked at on the way to it."""

    pool: Pool
    evaluated: list[dict[str, Any]]


def match(session: Session, repository_id: str, branch: str | None, domains: list[str]) -> Match:
    """The pool of the repository for this branch and these domains (contract 10.1).

    The pool's own patterns decide: the branch must match, and one of the domains if the pool names any. A pool
    without patterns serves whatever no other does. Of several the one with the most literal characters wins,
    then the oldest. Inactive pools are passed over. Refuses with NoPoolMatch, which says why each did not.
    """
    evaluated = []
    fitting = []
    for pool in pools.of_repository(session, repository_id):
        why = _why_not(pool, branch, domains)
        evaluated.append({"poolTag": pool.tag, "matched": why is None, "why": why})
        if why is None:
            fitting.append(pool)
    if not fitting:
        raise NoPoolMatch(branch, domains, evaluated)
    return Match(max(fitting, key=_literal_characters), evaluated)


def matches(pattern: str, value: str) -> bool:
    """Whether the whole value fits; `*` is any run of characters, nothing else is special, case counts."""
    return fnmatchcase(value, pattern.replace("[", "[[]").replace("?", "[?]"))


def _why_not(pool: Pool, branch: str | None, domains: list[str]) -> str | None:
    pattern = pool.branch_pattern or ANYTHING
    if not pool.is_active:
        return "the pool is inactive"
    if pattern != ANYTHING and (branch is None or not matches(pattern, branch)):
        return f"branch {branch or '(none)'} does not match {pattern}"
    if pool.domain_patterns and not any(matches(p, domain) for p in pool.domain_patterns for domain in domains):
        return f"no domain of {', '.join(domains) or '(none)'} matches {', '.join(pool.domain_patterns)}"
    return None


def _literal_characters(pool: Pool) -> int:
    patterns = [pool.branch_pattern or ANYTHING, *pool.domain_patterns]
    return sum(len(pattern.replace("*", "")) for pattern in patterns)
