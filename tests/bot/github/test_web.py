"""The web process speaks to GitHub without what would cost it a second and 40 MB, and asks it nothing twice."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from bot.github.web import WebGitHub
from bot.levels import Level
from tests.at_once import at_once
from tests.github import WireTo
from tests.world import REPO, World

ROOT = Path(__file__).parents[3]


def test_the_web_process_does_not_import_githubkit() -> None:
    script = "import sys, app, bot.web; sys.exit('githubkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_what_several_want_to_know_at_once_is_asked_once(sqlite_world: World) -> None:
    world = sqlite_world
    github = WebGitHub(world.context, WireTo(world.github))
    before = len(world.github.requests)

    assert at_once([lambda: github.level(REPO, "rita")] * 4) == [Level.READ] * 4
    asked = [request.path.rsplit("/", 1)[-1] for request in world.github.requests[before:]]
    assert asked == ["installation", "access_tokens", "permission"]


def test_a_token_is_fetched_once_for_all_people(sqlite_world: World) -> None:
    world = sqlite_world
    github = WebGitHub(world.context, WireTo(world.github))
    people = {"rita": Level.READ, "trish": Level.TRIAGE, "wendy": Level.WRITE}
    before = len(world.github.requests)

    assert at_once([partial(github.level, REPO, login) for login in people]) == list(people.values())
    assert len([r for r in world.github.requests[before:] if r.path.endswith("/access_tokens")]) == 1
