"""Assignment rules are made, changed and deleted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from operations.errors import InvalidPattern, PoolNotFound, RuleExists, VersionConflict
from storage import audit, pools, rules
from storage.audit import Actor
from storage.repositories import Repository
from storage.rules import Rule

CHANGEABLE = frozenset({"pool_tag", "branch_pattern", "domain_patterns", "priority", "description", "is_active"})
LONGEST_PATTERN = 255


def create_rule(
    session: Session, repository: Repository, values: Mapping[str, Any], actor: Actor, *, now: datetime
) -> Rule:
    """The rule leads its branches and domains to its pool from now on (contract 10.1). `values` are CHANGEABLE.

    Refuses with InvalidPattern, PoolNotFound, and RuleExists if the same patterns lead to the same pool already.
    """
    rule = Rule(
        repository_id=repository.id,
        domain_patterns=[],
        is_active=True,
        created_by=actor.name,
        updated_by=actor.name,
        created_at=now,
        updated_at=now,
    )
    _take(session, rule, values)
    session.add(rule)
    _flush(session)
    _record(session, rule, "rule.created", actor, now=now)
    return rule


def update_rule(
    session: Session,
    rule: Rule,
    changes: Mapping[str, Any],
    actor: Actor,
    *,
    now: datetime,
    version: int | None = None,
) -> Rule:
    """The rule has these values, one version up; with `version` only if it is still that one.

    Refuses with VersionConflict, and as create_rule() does: an active rule has a pool.
    """
    if version is not None and version != rule.version:
        raise VersionConflict(rule.version, version)
    _take(session, rule, changes)
    rule.version += 1
    rule.updated_by = actor.name
    rule.updated_at = now
    _flush(session)
    _record(session, rule, "rule.updated", actor, now=now, changed=sorted(changes))
    return rule


def delete_rule(session: Session, rule: Rule, actor: Actor, *, now: datetime) -> None:
    """The rule is gone; what it has assigned stays assigned."""
    session.delete(rule)
    _record(session, rule, "rule.deleted", actor, now=now)


def _take(session: Session, rule: Rule, values: Mapping[str, Any]) -> None:
    unknown = set(values) - CHANGEABLE
    assert not unknown, f"not columns that may be given: {unknown}"
    wanted = {column: values.get(column, getattr(rule, column)) for column in CHANGEABLE}
    _check_pattern("branchPattern", wanted["branch_pattern"])
    for pattern in wanted["domain_patterns"]:
        _check_pattern("domainPatterns", pattern)
    if wanted["is_active"] or "pool_tag" in values:
        _find_pool(session, rule.repository_id, wanted["pool_tag"])
    for column, value in wanted.items():
        setattr(rule, column, value)
    rule.domain_key = rules.domain_key(rule.domain_patterns)


def _find_pool(session: Session, repository_id: str, tag: str) -> None:
    """Refuses with PoolNotFound; whoever deletes the pool at this moment waits and then finds the rule."""
    pool = pools.find(session, repository_id, tag)
    if pool is None or pools.lock(session, pool.id).deleted_at is not None:
        raise PoolNotFound


def _check_pattern(field: str, pattern: str) -> None:
    if not 1 <= len(pattern) <= LONGEST_PATTERN:
        raise InvalidPattern(field, f"must have between 1 and {LONGEST_PATTERN} characters")
    if re.search(r"[\s\x00-\x1f\x7f]", pattern):
        raise InvalidPattern(field, "must not contain blanks or control characters")


def _flush(session: Session) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        raise RuleExists from error


def _record(session: Session, rule: Rule, action: str, actor: Actor, *, now: datetime, **details: Any) -> None:
    audit.record(session, action, rule.id, actor, now=now, repository_id=rule.repository_id,
                 pool=rule.pool_tag, branch=rule.branch_pattern, **details)  # fmt: skip
