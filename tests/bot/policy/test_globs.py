"""Which files a pattern of a policy means."""

from __future__ import annotations

import pytest

from bot.policy.globs import any_fits, domains_of, fits


@pytest.mark.parametrize(
    ("pattern", "path", "meant"),
    [
        ("src/**", "src/a/b.py", True),
        ("src/**", "src/a", True),
        ("src/**", "src", False),
        ("src/", "src/a/b.py", True),
        ("src/*", "src/a/b.py", False),
        ("src/*.py", "src/a.py", True),
        ("*.py", "src/a.py", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "src/lib/a.py", True),
        ("src/**/test_?.py", "src/test_a.py", True),
        ("src/**/test_?.py", "src/a/b/test_ab.py", False),
        ("pages/[id]/*", "pages/[id]/a.tsx", True),
        ("pages/[id]/*", "pages/i/a.tsx", False),
        ("**", "a/b", True),
        ("SRC/**", "src/a", False),
        ("**/" * 60 + "x", "a/" * 100 + "y", False),
    ],
)
def test_a_pattern(pattern: str, path: str, meant: bool) -> None:
    assert fits(pattern, path) is meant


def test_the_last_pattern_that_fits_decides() -> None:
    patterns = ["src/**", "!src/docs/**", "src/docs/api.md"]
    assert any_fits(patterns, ["src/docs/a.md", "src/docs/api.md"])
    assert not any_fits(patterns, ["src/docs/a.md", "README.md"])
    assert any_fits(["!docs/**"], ["docs/a", "b"])
    assert not any_fits(["!docs/**"], ["docs/a"])


def test_the_first_pattern_that_fits_names_the_domain() -> None:
    patterns = {"services/sales/**": "sales", "services/**": "rest"}
    assert domains_of(patterns, ["services/sales/a", "services/b", "c"]) == ["rest", "sales"]
    assert domains_of(patterns, ["c"]) == []
