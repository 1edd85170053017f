"""app.yml asks GitHub for what the code needs, and for nothing else."""

from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from bot.github import CALLS

STRENGTH = {"read": 1, "write": 2}


@pytest.fixture(scope="module")
def manifest() -> Any:
    return yaml.safe_load((Path(__file__).parent.parent / "app.yml").read_text())


def test_it_asks_for_the_permissions_that_the_calls_need(manifest: Any) -> None:
    needed: dict[str, str] = {}
    for call in CALLS.values():
        for permission, level in call.permissions.items():
            needed[permission] = max(level, needed.get(permission, level), key=STRENGTH.__getitem__)

    assert manifest["default_permissions"] == needed
