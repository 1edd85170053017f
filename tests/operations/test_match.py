"""Which pool serves a branch and its domains (contract 10.1)."""

from __future__ import annotations

from typing import Any

import pytest

from operations.errors import NoPoolMatch
from operations.match import match, matches
from operations.pools import delete_pool
from operations.rules import create_rule
from storage import pools
from storage.rules import Rule
from tests.operations.rows import ACTOR, Rows


def matched(rows: Rows, branch: str | None, *domains: str) -> str:
    with rows.database.reading() as session:
        return match(session, rows.repository.id, branch, list(domains)).pool.tag


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("*", ""),
        ("*", "anything/at/all"),
        ("main", "main"),
        ("feature/*", "feature/cart"),
        ("feature/*", "feature/a/b"),
        ("feature/*", "feature/"),
        ("*/hotfix", "team/hotfix"),
        ("a*c*e", "abcde"),
        ("release[1]", "release[1]"),
        ("what?", "what?"),
        ("a[!b]c", "a[!b]c"),
        ("dot.", "dot."),
    ],
)
def test_the_whole_value_fits_the_pattern(pattern: str, value: str) -> None:
    assert matches(pattern, value)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("main", "Main"),
        ("Feature/*", "feature/cart"),
        ("main", "main2"),
        ("main", "domain"),
        ("feature/*", "feature"),
        ("release[1]", "release1"),
        ("what?", "whats"),
        ("a[!b]c", "axc"),
        ("dot.", "dots"),
        ("main", "main\n"),
    ],
)
def test_only_the_star_is_special_and_case_counts(pattern: str, value: str) -> None:
    assert not matches(pattern, value)


def test_the_branch_decides(rows: Rows) -> None:
    rows.pool("features", branch_pattern="feature/*")
    rows.pool("releases", branch_pattern="release/*")
    assert matched(rows, "release/1.0") == "releases"
    assert matched(rows, "feature/cart") == "features"


def test_a_pool_without_patterns_serves_what_no_other_does(rows: Rows) -> None:
    rows.pool("any")
    rows.pool("features", branch_pattern="feature/*")
    assert matched(rows, "feature/cart") == "features"
    assert matched(rows, "main") == "any"
    assert matched(rows, None) == "any"


def test_most_literal_characters_win_over_age(rows: Rows) -> None:
    rows.pool("wide", branch_pattern="feature/*")
    rows.clock.advance(minutes=1)
    rows.pool("narrow", branch_pattern="feature/cart-*")
    assert matched(rows, "feature/cart-1") == "narrow"


def test_characters_of_domain_patterns_count_too(rows: Rows) -> None:
    rows.pool("branch", branch_pattern="main")
    rows.clock.advance(minutes=1)
    rows.pool("both", branch_pattern="main", domain_patterns=["sales-*"])
    assert matched(rows, "main", "sales-eu") == "both"
    assert matched(rows, "main", "hr") == "branch"


def test_the_oldest_wins_a_tie(rows: Rows) -> None:
    rows.pool("older", branch_pattern="a*")
    rows.clock.advance(minutes=1)
    rows.pool("younger", branch_pattern="*b")
    assert matched(rows, "ab") == "older"


def test_one_of_the_domains_is_enough(rows: Rows) -> None:
    rows.pool("sales", domain_patterns=["sales-*", "*-crm"])
    assert matched(rows, "main", "hr", "my-crm") == "sales"


def test_inactive_and_deleted_pools_are_passed_over(rows: Rows) -> None:
    rows.pool("any")
    rows.pool("asleep", branch_pattern="main", is_active=False)
    rows.pool("gone", branch_pattern="main", deleted_at=rows.clock())
    assert matched(rows, "main") == "any"


def test_no_match_says_why_of_every_pool_in_the_order_of_trial(rows: Rows) -> None:
    rows.pool("asleep", is_active=False)
    rows.clock.advance(minutes=1)
    rows.pool("features", branch_pattern="feature/*")
    rows.clock.advance(minutes=1)
    rows.pool("sales", domain_patterns=["sales-*", "crm"])
    with pytest.raises(NoPoolMatch) as refused:
        matched(rows, "main", "hr", "it")
    assert refused.value.code == "NO_POOL_MATCH"
    assert refused.value.message == "No pool matches branch main and domains hr, it"
    assert refused.value.details["evaluated"] == [
        {"poolTag": "sales", "matched": False, "why": "no domain of hr, it matches sales-*, crm"},
        {"poolTag": "features", "matched": False, "why": "branch main does not match feature/*"},
        {"poolTag": "asleep", "matched": False, "why": "the pool asleep is inactive"},
    ]


def test_no_match_names_the_pool_that_is_out_of_use(rows: Rows) -> None:
    rows.pool("features", branch_pattern="feature/*", is_active=False)
    rows.pool("untrusted", branch_pattern="main", is_active=False, additional_config={"trust": "untrusted"})
    gone = rows.pool("gone", branch_pattern="release/*")
    rule(rows, "gone", "hotfix/*")
    with rows.transaction() as session:
        delete_pool(session, pools.get(session, gone.id), ACTOR, now=rows.clock())
    assert out_of_use(rows, "feature/cart") == "features"
    assert out_of_use(rows, "hotfix/1") == "gone"
    assert out_of_use(rows, "main") is None
    assert out_of_use(rows, "release/1") is None


def out_of_use(rows: Rows, branch: str) -> str | None:
    with pytest.raises(NoPoolMatch) as refused:
        matched(rows, branch)
    return refused.value.out_of_use


def test_without_branch_and_domains_only_a_pool_for_anything_fits(rows: Rows) -> None:
    rows.pool("features", branch_pattern="feature/*")
    with pytest.raises(NoPoolMatch, match=r"^No pool matches branch \(none\) and domains \(none\)$"):
        matched(rows, None)


def test_other_repositories_pools_are_not_looked_at(rows: Rows) -> None:
    rows.pool("any")
    with rows.database.reading() as session, pytest.raises(NoPoolMatch):
        match(session, "00000000-0000-4000-8000-000000000000", "main", [])


def rule(rows: Rows, pool: str, branch: str = "*", *, priority: int = 100, **values: Any) -> Rule:
    given = {"pool_tag": pool, "branch_pattern": branch, "priority": priority, **values}
    with rows.transaction() as session:
        return create_rule(session, rows.repository, given, ACTOR, now=rows.clock())


def test_rules_win_over_the_pools_own_patterns(rows: Rows) -> None:
    rows.pool("own", branch_pattern="feature/cart")
    rows.pool("ruled", branch_pattern="release/*")
    rule(rows, "ruled", "feature/*", priority=0)
    assert matched(rows, "feature/cart") == "ruled"


def test_the_rule_of_higher_priority_wins(rows: Rows) -> None:
    rows.pool("low")
    rows.pool("high")
    rule(rows, "low", "feature/cart", priority=1)
    rows.clock.advance(minutes=1)
    rule(rows, "high", "*", priority=2)
    assert matched(rows, "feature/cart") == "high"


def test_of_equal_priority_the_most_literal_characters_win_then_the_oldest(rows: Rows) -> None:
    for tag in ("wide", "narrow", "younger"):
        rows.pool(tag)
    rule(rows, "wide", "feature/*")
    rows.clock.advance(minutes=1)
    rule(rows, "narrow", "feature/cart-*")
    rows.clock.advance(minutes=1)
    rule(rows, "younger", "*feature/cart-")
    assert matched(rows, "feature/cart-1") == "narrow"
    assert matched(rows, "feature/cart-") == "narrow"
    assert matched(rows, "feature/x") == "wide"


def test_a_rule_without_domains_takes_any_and_one_with_domains_only_those(rows: Rows) -> None:
    rows.pool("any")
    rows.pool("sales")
    rule(rows, "any")
    rule(rows, "sales", domain_patterns=["sales-*"])
    assert matched(rows, "main", "hr", "sales-eu") == "sales"
    assert matched(rows, "main", "hr") == "any"
    assert matched(rows, None) == "any"


def test_inactive_rules_and_rules_to_inactive_pools_are_passed_over(rows: Rows) -> None:
    rows.pool("any")
    rows.clock.advance(minutes=1)
    rows.pool("asleep", is_active=False)
    sleeping = rule(rows, "any", "main", priority=9, is_active=False)
    dead_end = rule(rows, "asleep", "main", priority=8)
    with rows.database.reading() as session:
        found = match(session, rows.repository.id, "main", [])
    assert (found.pool.tag, found.rule) == ("any", None)
    assert found.evaluated == [
        {"ruleId": sleeping.id, "matched": False, "why": "the rule is inactive"},
        {"ruleId": dead_end.id, "matched": False, "why": "the pool asleep is inactive"},
        {"poolTag": "any", "matched": True, "why": "branch main matches *"},
    ]


def test_a_match_tells_its_rule_and_what_was_tried_before(rows: Rows) -> None:
    rows.pool("core")
    first = rule(rows, "core", "release/*", priority=200)
    second = rule(rows, "core", "feature/*", domain_patterns=["hr", "sales-*"])
    rule(rows, "core", "*", priority=1)
    with rows.database.reading() as session:
        found = match(session, rows.repository.id, "feature/a", ["it", "sales-eu"])
    assert found.rule is not None
    assert found.rule.id == second.id
    assert found.evaluated == [
        {"ruleId": first.id, "matched": False, "why": "branch feature/a does not match release/*"},
        {
            "ruleId": second.id,
            "matched": True,
            "why": "branch feature/a matches feature/* and domain sales-eu matches sales-*",
        },
    ]


def test_a_rule_whose_pool_is_gone_leads_nowhere(rows: Rows) -> None:
    rows.pool("any")
    made = rule(rows, "any", "main")
    with rows.transaction() as session:
        session.get_one(Rule, made.id).pool_tag = "gone"
    with rows.database.reading() as session:
        found = match(session, rows.repository.id, "main", [])
    assert found.evaluated[0] == {"ruleId": made.id, "matched": False, "why": "there is no pool gone"}
    assert found.pool.tag == "any"
