"""Assignment rules are made, changed and deleted (contract 10.1)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from operations.errors import InvalidPattern, PoolNotFound, RuleExists, VersionConflict
from operations.pools import delete_pool
from operations.rules import create_rule, delete_rule, update_rule
from storage import rules
from storage.pools import Pool
from storage.rules import Rule
from tests.at_once import at_once
from tests.operations.rows import ACTOR, Rows


def create(rows: Rows, pool: str = "core", branch: str = "feature/*", **values: Any) -> Rule:
    given = {"pool_tag": pool, "branch_pattern": branch, "priority": 100, **values}
    with rows.transaction() as session:
        return create_rule(session, rows.repository, given, ACTOR, now=rows.clock())


def update(rows: Rows, rule: Rule, *, version: int | None = None, **changes: Any) -> Rule:
    with rows.transaction() as session:
        found = rules.find(session, rule.id)
        assert found is not None
        return update_rule(session, found[0], changes, ACTOR, now=rows.clock(), version=version)


def test_a_rule_is_made(rows: Rows) -> None:
    rows.pool("core")
    rule = create(rows, domain_patterns=["sales-*"], description="Sales")
    assert re.fullmatch("rpa_[0-9a-f]+", rule.id)
    assert (rule.is_active, rule.version, rule.created_by, rule.updated_by) == (True, 1, ACTOR.name, ACTOR.name)
    assert [(row.subject_id, row.details["pool"]) for row in rows.audit("rule.created")] == [(rule.id, "core")]


def test_a_rule_to_no_pool_is_refused(rows: Rows) -> None:
    rows.pool("gone", deleted_at=rows.clock())
    with pytest.raises(PoolNotFound, match=r"^Pool not found$"):
        create(rows, "gone")


def test_the_same_patterns_to_the_same_pool_are_refused(rows: Rows) -> None:
    rows.pool("core")
    create(rows, domain_patterns=["a", "b"])
    with pytest.raises(RuleExists, match=r"^Duplicate rule exists$"):
        create(rows, domain_patterns=["b", "a", "a"], priority=1, is_active=False)


def test_rules_that_differ_in_pool_or_patterns_stand_beside_each_other(rows: Rows) -> None:
    rows.pool("core")
    rows.pool("spare")
    create(rows)
    create(rows, "spare")
    create(rows, branch="release/*")
    create(rows, domain_patterns=["sales"])


def test_a_rule_is_made_once_by_two_at_once(rows: Rows) -> None:
    rows.pool("core")

    def attempt() -> str:
        try:
            return create(rows).id
        except RuleExists:
            return "refused"

    assert sorted(answer == "refused" for answer in at_once([attempt, attempt])) == [False, True]


@pytest.mark.parametrize("pattern", ["", "a b", "tab\t", "new\nline", "x" * 256])
def test_what_no_branch_can_look_like_is_refused(rows: Rows, pattern: str) -> None:
    rows.pool("core")
    with pytest.raises(InvalidPattern) as refused:
        create(rows, branch=pattern)
    assert refused.value.message == "Invalid pattern or request data"
    assert refused.value.details["errors"][0]["field"] == "branchPattern"
    with pytest.raises(InvalidPattern) as refused:
        create(rows, domain_patterns=["fine", pattern])
    assert refused.value.details["errors"][0]["field"] == "domainPatterns"


def test_many_long_domain_patterns_are_no_trouble(rows: Rows) -> None:
    rows.pool("core")
    create(rows, branch="é" * 255, domain_patterns=[f"{number:0254}*" for number in range(200)])


def test_a_change_goes_one_version_up(rows: Rows) -> None:
    rows.pool("core")
    rule = create(rows)
    rows.clock.advance(minutes=5)
    changed = update(rows, rule, priority=7, version=1)
    assert (changed.priority, changed.version, changed.updated_at) == (7, 2, rows.clock())
    assert changed.created_at < changed.updated_at
    assert rows.audit("rule.updated")[0].details["changed"] == ["priority"]


def test_a_change_of_what_has_changed_meanwhile_is_refused(rows: Rows) -> None:
    rows.pool("core")
    rule = create(rows)
    update(rows, rule, priority=7)
    with pytest.raises(VersionConflict) as refused:
        update(rows, rule, priority=8, version=1)
    assert refused.value.message == "The record changed (version 2, expected 1)"
    assert refused.value.details == {"version": 2, "expected": 1}


def test_of_two_changes_at_once_one_is_refused(rows: Rows) -> None:
    rows.pool("core")
    rule = create(rows)

    def attempt(priority: int) -> str:
        try:
            return str(update(rows, rule, priority=priority, version=1).priority)
        except VersionConflict:
            return "refused"

    answers = at_once([lambda: attempt(1), lambda: attempt(2)])
    assert answers.count("refused") == 1


def test_a_change_into_another_rule_is_refused(rows: Rows) -> None:
    rows.pool("core")
    create(rows)
    rule = create(rows, branch="release/*")
    with pytest.raises(RuleExists):
        update(rows, rule, branch_pattern="feature/*")


def test_a_change_is_held_against_the_same_bounds(rows: Rows) -> None:
    rows.pool("core")
    rule = create(rows)
    with pytest.raises(InvalidPattern):
        update(rows, rule, branch_pattern="")
    with pytest.raises(PoolNotFound):
        update(rows, rule, pool_tag="nowhere")
    with pytest.raises(PoolNotFound):
        update(rows, rule, pool_tag="nowhere", is_active=False)


def test_a_deleted_rule_is_gone(rows: Rows) -> None:
    rows.pool("core")
    rule = create(rows)
    with rows.transaction() as session:
        found = rules.find(session, rule.id)
        assert found is not None
        delete_rule(session, found[0], ACTOR, now=rows.clock())
    with rows.transaction() as session:
        assert rules.find(session, rule.id) is None
    assert [row.subject_id for row in rows.audit("rule.deleted")] == [rule.id]


def test_the_rules_to_a_deleted_pool_are_inactive(rows: Rows) -> None:
    pool = rows.pool("core")
    rows.pool("other")
    lost, kept = create(rows), create(rows, "other")
    rows.clock.advance(minutes=1)
    with rows.transaction() as session:
        delete_pool(session, session.get_one(Pool, pool.id), ACTOR, now=rows.clock())
    with rows.transaction() as session:
        found = {rule.id: rule for rule in rules.of_repository(session, rows.repository.id)}
    assert (found[lost.id].is_active, found[lost.id].version, found[lost.id].updated_at) == (False, 2, rows.clock())
    assert (found[kept.id].is_active, found[kept.id].version) == (True, 1)


def test_an_inactive_rule_waits_for_a_pool_of_its_tag(rows: Rows) -> None:
    pool = rows.pool("core")
    rule = create(rows)
    with rows.transaction() as session:
        delete_pool(session, session.get_one(Pool, pool.id), ACTOR, now=rows.clock())
    assert update(rows, rule, description="kept").description == "kept"
    with pytest.raises(PoolNotFound):
        update(rows, rule, is_active=True)
    rows.pool("core")
    assert update(rows, rule, is_active=True).is_active


def test_served_tags_are_those_of_active_rules(rows: Rows) -> None:
    for tag in ("core", "spare", "asleep"):
        rows.pool(tag)
    create(rows)
    create(rows, "asleep", is_active=False)
    with rows.database.reading() as session:
        assert rules.served_tags(session, [rows.repository.id]) == {(rows.repository.id, "core")}
