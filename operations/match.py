"""Which pool serves a branch and its domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy.orm import Session

from operations.errors import NoPoolMatch
from storage import pools, rules
from storage.pools import Pool
from storage.rules import Rule

ANYTHING = "*"


@dataclass(frozen=True)
class Match:
    """The pool that serves, the rule that leads to it (None: its own patterns do), and what was tried before."""

    pool: Pool
    rule: Rule | None
    evaluated: list[dict[str, Any]]


def match(
    session: Session, repository_id: str, branch: str | None, domains: Sequence[str], *, untrusted: bool = False
) -> Match:
    """The pool of the repository for this branch and these domains (contract 10.1).

    The rules are tried first, those of higher priority before, then the pools' own patterns. Of equals the one
    with the most literal characters comes first, then the oldest; so a pool without patterns serves whatever no
    other does. Where the branch matches, and one of the domains if any are named, the search ends. What is
    inactive is passed over, and untrusted pools, or with `untrusted` all others. Refuses with NoPoolMatch, which
    says why each did not match.
    """
    found = pools.of_repository(session, repository_id)
    by_tag = {pool.tag: pool for pool in found}
    evaluated: list[dict[str, Any]] = []
    for rule in in_order(rules.of_repository(session, repository_id)):
        matched, why = _try_rule(rule, by_tag.get(rule.pool_tag), branch, domains, untrusted)
        evaluated.append({"ruleId": rule.id, "matched": matched, "why": why})
        if matched:
            return Match(by_tag[rule.pool_tag], rule, evaluated)
    for pool in sorted(found, key=lambda pool: -_literals(pool.branch_pattern, pool.domain_patterns)):
        matched, why = _try_pool(pool, pool.branch_pattern, pool.domain_patterns, branch, domains, untrusted)
        evaluated.append({"poolTag": pool.tag, "matched": matched, "why": why})
        if matched:
            return Match(pool, None, evaluated)
    raise NoPoolMatch(branch, list(domains), evaluated, _out_of_use(session, repository_id, branch, domains, untrusted))


def _out_of_use(
    session: Session, repository_id: str, branch: str | None, domains: Sequence[str], untrusted: bool
) -> str | None:
    """The tag of the pool that would serve if it were active, or were still there; a pool's rules go with it."""
    found = pools.of_repository(session, repository_id)
    by_tag = {pool.tag: pool for pool in found}
    for rule in in_order(rules.of_repository(session, repository_id)):
        pool = by_tag.get(rule.pool_tag)
        is_out = pool is None or (rule.is_active and not pool.is_active and pool.is_untrusted == untrusted)
        if is_out and _fit(rule.branch_pattern, rule.domain_patterns, branch, domains)[0]:
            return rule.pool_tag
    for pool in found:
        is_out = not pool.is_active and pool.is_untrusted == untrusted
        if is_out and _fit(pool.branch_pattern, pool.domain_patterns, branch, domains)[0]:
            return pool.tag
    return None


def in_order(found: Sequence[Rule]) -> list[Rule]:
    """The rules, given the oldest first, in the order in which they are tried."""
    return sorted(found, key=lambda rule: (-rule.priority, -_literals(rule.branch_pattern, rule.domain_patterns)))


def matches(pattern: str, value: str) -> bool:
    """Whether the whole value fits; `*` is any run of characters, nothing else is special, case counts."""
    return fnmatchcase(value, pattern.replace("[", "[[]").replace("?", "[?]"))


def _try_rule(
    rule: Rule, pool: Pool | None, branch: str | None, domains: Sequence[str], untrusted: bool
) -> tuple[bool, str]:
    if not rule.is_active:
        return False, "the rule is inactive"
    if pool is None:
        return False, f"there is no pool {rule.pool_tag}"
    return _try_pool(pool, rule.branch_pattern, rule.domain_patterns, branch, domains, untrusted)


def _try_pool(
    pool: Pool,
    branch_pattern: str | None,
    domain_patterns: list[str],
    branch: str | None,
    domains: Sequence[str],
    untrusted: bool,
) -> tuple[bool, str]:
    """Whether the patterns lead to the pool, and why or why not."""
    if not pool.is_active:
        return False, f"the pool {pool.tag} is inactive"
    if pool.is_untrusted != untrusted:
        return False, f"the pool {pool.tag} is for {'untrusted' if pool.is_untrusted else 'trusted'} code"
    return _fit(branch_pattern, domain_patterns, branch, domains)


def _fit(
    branch_pattern: str | None, domain_patterns: list[str], branch: str | None, domains: Sequence[str]
) -> tuple[bool, str]:
    pattern, shown = branch_pattern or ANYTHING, branch or "(none)"
    if pattern != ANYTHING and (branch is None or not matches(pattern, branch)):
        return False, f"branch {shown} does not match {pattern}"
    if not domain_patterns:
        return True, f"branch {shown} matches {pattern}"
    for domain in domains:
        for domain_pattern in domain_patterns:
            if matches(domain_pattern, domain):
                return True, f"branch {shown} matches {pattern} and domain {domain} matches {domain_pattern}"
    return False, f"no domain of {', '.join(domains) or '(none)'} matches {', '.join(domain_patterns)}"


def _literals(branch_pattern: str | None, domain_patterns: list[str]) -> int:
    """How many characters of the patterns are meant as they stand."""
    return sum(len(pattern.replace(ANYTHING, "")) for pattern in (branch_pattern or ANYTHING, *domain_patterns))
