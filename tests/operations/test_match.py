"""Which pool serves a branch and its domains (contract 10.1)."""

from __future__ import annotations

import pytest

from operations.errors import NoPoolMatch
from operations.match import match, matches
from tests.operations.rows import Rows


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


def test_no_match_says_why_of_every_pool(rows: Rows) -> None:
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
        {"poolTag": "asleep", "matched": False, "why": "the pool is inactive"},
        {"poolTag": "features", "matched": False, "why": "branch main does not match feature/*"},
        {"poolTag": "sales", "matched": False, "why": "no domain of hr, it matches sales-*, crm"},
    ]


def test_without_branch_and_domains_only_a_pool_for_anything_fits(rows: Rows) -> None:
    rows.pool("features", branch_pattern="feature/*")
    with pytest.raises(NoPoolMatch, match=r"^No pool matches branch \(none\) and domains \(none\)$"):
        matched(rows, None)


def test_other_repositories_pools_are_not_looked_at(rows: Rows) -> None:
    rows.pool("any")
    with rows.database.reading() as session, pytest.raises(NoPoolMatch):
        match(session, "00000000-0000-4000-8000-000000000000", "main", [])
