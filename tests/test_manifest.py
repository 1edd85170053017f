"""app.yml asks GitHub for what the code needs, and for nothing else."""

from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from bot.github.calls import CALLS
from bot.handlers import EVENTS, HANDLERS

# GitHub sends these to every App, without being asked.
ALWAYS_SENT = {"installation", "installation_repositories", "installation_target", "github_app_authorization"}
# GitHub offers these only to an App with `members: read`, which is for those who use team rules.
OF_MEMBERS = {"member", "membership", "organization", "team"}
# Only for team rules, whose users add it as app.yml says.
OPTIONAL = {"members"}
STRENGTH = {"read": 1, "write": 2}


@pytest.fixture(scope="module")
def manifest() -> Any:
    return yaml.safe_load((Path(__file__).parent.parent / "app.yml").read_text())


def test_it_asks_for_the_permissions_that_the_calls_need(manifest: Any) -> None:
    needed: dict[str, str] = {}
    for call in CALLS.values():
        for permission, level in call.permissions.items():
            needed[permission] = max(level, needed.get(permission, level), key=STRENGTH.__getitem__)

    assert manifest["default_permissions"] == {name: level for name, level in needed.items() if name not in OPTIONAL}


def test_it_asks_for_the_events_that_are_handled(manifest: Any) -> None:
    assert set(manifest["default_events"]) == {event for event, _ in HANDLERS} - ALWAYS_SENT - OF_MEMBERS


def test_every_handled_event_can_be_read() -> None:
    assert {event for event, _ in HANDLERS} == set(EVENTS)
