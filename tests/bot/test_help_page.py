"""/help and /help.json: the same table as the help in a comment."""

from __future__ import annotations

import pytest

from bot.commands import COMMANDS
from tests.bot.test_login import Site, text_of
from tests.world import REPO, World


@pytest.fixture
def site(sqlite_world: World) -> Site:
    return Site(sqlite_world)


def test_everybody_sees_every_command(site: Site) -> None:
    page, told = site.browser().get("/help"), site.browser().get("/help.json").json
    assert page.status_code == 200
    usages = [f"/env {spec.usage}" for spec in COMMANDS.values()]
    assert all(usage in text_of(page) for usage in usages)
    assert told is not None
    assert [entry["usage"] for entry in told["commands"]] == usages
    assert told["commands"][0] == {
        "usage": "/env extend [duration] [reason]", "short": "/extend", "who": COMMANDS["extend"].who,
        "effect": COMMANDS["extend"].effect, "works_when_closed": False,
        "examples": ["/env extend 24h", "/env extend 1d12h the demo is on Friday"],
    }  # fmt: skip


def test_who_reads_a_repository_sees_its_commands_and_its_policy(site: Site) -> None:
    policy = "mode: manual\ncommands: {namespace: stage, aliases: [], permissions: {extend: admin}}"
    site.world.configure(policy)
    site.world.pool()
    page = text_of(site.log_in("rita").get(f"/help?repository={REPO}"))
    told = site.log_in("rita").get(f"/help.json?repository={REPO}").json
    assert "/stage extend [duration] [reason]" in page
    assert "extend_max" in page
    assert told is not None
    assert (told["commands"][0]["short"], told["commands"][0]["who"]) == (None, "the author, admin or above")
    assert (told["repository"], told["policy"]["mode"]) == (REPO, "manual")


def test_others_learn_nothing_of_it(site: Site) -> None:
    site.world.pool()
    stranger = site.log_in("steve").get(f"/help?repository={REPO}")
    missing = site.log_in("wendy").get("/help?repository=acme/unknown")
    assert (stranger.status_code, stranger.text) == (404, missing.text)
    assert site.browser().get(f"/help?repository={REPO}").status_code == 303
