"""Texts for people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cli.text import length


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (45, "45 s"),
        (90, "1 min 30 s"),
        (1200, "20 min"),
        (5400, "1 h 30 min"),
        (86399.9, "1 d"),
        (2 * 86400 + 4 * 3600 + 59, "2 d 4 h"),
    ],
)
def test_a_length_of_time_is_its_two_largest_units(seconds: float, said: str) -> None:
    assert length(timedelta(seconds=seconds)) == said
