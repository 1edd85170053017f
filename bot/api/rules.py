"""Assignment rules are listed, made, changed, deleted and tried (contract 10.1)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

from sqlalchemy.orm import Session

from bot.api.auth import CHANGE, READ
from bot.api.call import Call
from bot.api.fields import Answer, Timestamp
from bot.api.router import Routes
from bot.api.rule_bodies import MatchBody, RuleBody, RuleChanges, RulePath, RulesQuery
from bot.api.visible import find_repository
from operations.errors import (
    InvalidPattern,
    NoPoolMatch,
    PoolNotFound,
    RuleExists,
    RuleNotFound,
    UnsupportedTarget,
    VersionConflict,
)
from operations.match import Match, in_order, match
from operations.rules import create_rule, delete_rule, update_rule
from storage import rules
from storage.repositories import Repository
from storage.rules import Rule

routes = Routes()


class RuleAnswer(Answer):
    """`domainPattern` is deprecated: what is given under that name is one of the `domainPatterns`."""

    id: str
    repository_identifier: str
    target_type: Literal["pool"]
    pool_tag: str
    pool_type: Literal["SANDBOX"]
    environment_name: None
    branch_pattern: str
    domain_pattern: None
    domain_patterns: list[str]
    priority: int
    description: str | None
    is_active: bool
    created_at: Timestamp
    updated_at: Timestamp
    created_by: str
    updated_by: str
    version: int


class RemovedAnswer(Answer):
    message: Literal["Rule deleted successfully"]


class MatchedBy(Answer):
    """The pool's own patterns have no rule and no priority."""

    pool_type: Literal["SANDBOX"]
    rule_id: str | None
    source: Literal["rule", "pool"]
    priority: int | None


class Tried(Answer):
    """A rule, or a pool for its own patterns."""

    rule_id: str | None = None
    pool_tag: str | None = None
    matched: bool
    why: str


class MatchAnswer(Answer):
    matched: bool
    pool_tag: str | None
    assignment: MatchedBy | None
    evaluated: list[Tried]


@routes.add("GET", "/review/pools/assign", READ, "List assignment rules")
def list_rules(call: Call[None, RulesQuery, None]) -> list[RuleAnswer]:
    """In the order in which they are tried."""
    query = call.query
    with call.reading() as session:
        found = rules.listed(
            session,
            seen=call.caller.repositories,
            repository=query.repository_identifier,
            tag=query.pool_tag,
            is_active=query.is_active,
        )
    if query.target_type == "environment":
        return []
    names = {rule.id: repository for rule, repository in found}
    return [_show(rule, names[rule.id]) for rule in in_order([rule for rule, _ in found]) if query.wants(rule)]


@routes.add(
    "POST", "/review/pools/assign", CHANGE, "Create an assignment rule",
    refuses=(InvalidPattern, UnsupportedTarget, PoolNotFound, RuleExists), status=HTTPStatus.CREATED,
)  # fmt: skip
def add_rule(call: Call[None, None, RuleBody]) -> RuleAnswer:
    body = call.body
    columns = body.columns()
    with call.transaction() as session:
        repository = find_repository(session, call, body.repository_identifier)
        if repository is None:
            raise PoolNotFound
        return _show(create_rule(session, repository, columns, call.actor, now=call.now), repository)


@routes.add(
    "PATCH", "/review/pools/assign/{id}", CHANGE, "Update an assignment rule",
    refuses=(RuleNotFound, InvalidPattern, UnsupportedTarget, PoolNotFound, VersionConflict, RuleExists),
)  # fmt: skip
@routes.add(
    "PUT", "/review/pools/assign/{id}", CHANGE, "Update an assignment rule, as PATCH does",
    refuses=(RuleNotFound, InvalidPattern, UnsupportedTarget, PoolNotFound, VersionConflict, RuleExists),
)  # fmt: skip
def change_rule(call: Call[RulePath, None, RuleChanges]) -> RuleAnswer:
    with call.transaction() as session:
        rule, repository = _find(session, call)
        columns = call.body.applied_to(rule, repository.full_name).columns()
        changes = {column: value for column, value in columns.items() if value != getattr(rule, column)}
        update_rule(session, rule, changes, call.actor, now=call.now, version=call.body.version)
        return _show(rule, repository)


@routes.add("DELETE", "/review/pools/assign/{id}", CHANGE, "Delete an assignment rule", refuses=(RuleNotFound,))
def remove_rule(call: Call[RulePath, None, None]) -> RemovedAnswer:
    with call.transaction() as session:
        rule, _ = _find(session, call)
        delete_rule(session, rule, call.actor, now=call.now)
    return RemovedAnswer(message="Rule deleted successfully")


@routes.add("POST", "/review/pools/assign/match", READ, "Find the pool for a branch and its domains")
def match_pool(call: Call[None, None, MatchBody]) -> MatchAnswer:
    """No match is an answer, too."""
    body = call.body
    with call.reading() as session:
        repository = find_repository(session, call, body.repository_identifier)
        if repository is None:
            return _unmatched([])
        try:
            return _matched(match(session, repository.id, body.branch, body.wanted_domains))
        except NoPoolMatch as none:
            return _unmatched(none.details["evaluated"])


def _find(session: Session, call: Call[RulePath, Any, Any]) -> tuple[Rule, Repository]:
    """Refuses with RuleNotFound, also if the caller does not see its repository."""
    found = rules.find(session, call.path.id)
    if found is None or not call.caller.sees(found[1].full_name):
        raise RuleNotFound
    return found


def _show(rule: Rule, repository: Repository) -> RuleAnswer:
    return RuleAnswer(
        id=rule.id,
        repository_identifier=repository.full_name,
        target_type="pool",
        pool_tag=rule.pool_tag,
        pool_type="SANDBOX",
        environment_name=None,
        branch_pattern=rule.branch_pattern,
        domain_pattern=None,
        domain_patterns=rule.domain_patterns,
        priority=rule.priority,
        description=rule.description,
        is_active=rule.is_active,
        created_at=rule.created_at,
        updated_at=rule.updated_at,
        created_by=rule.created_by,
        updated_by=rule.updated_by,
        version=rule.version,
    )


def _matched(found: Match) -> MatchAnswer:
    rule = found.rule
    return MatchAnswer(
        matched=True,
        pool_tag=found.pool.tag,
        assignment=MatchedBy(
            pool_type="SANDBOX",
            rule_id=None if rule is None else rule.id,
            source="pool" if rule is None else "rule",
            priority=None if rule is None else rule.priority,
        ),
        evaluated=[Tried(**tried) for tried in found.evaluated],
    )


def _unmatched(evaluated: list[dict[str, Any]]) -> MatchAnswer:
    return MatchAnswer(matched=False, pool_tag=None, assignment=None, evaluated=[Tried(**tried) for tried in evaluated])
