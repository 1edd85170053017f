"""The gates in front of an environment, as people meet them: who is served unasked, who by a command, and why not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from operations.pools import update_pool
from storage import pools
from storage.decisions import Decision
from storage.pools import Pool
from tests.world import REPO, TEST, World


@pytest.fixture
def world(sqlite_world: World) -> World:
    """Judging is the same on every database."""
    return sqlite_world


def configured(world: World, text: str, **pool: Any) -> Pool:
    """The repository has this policy on its default branch, and a pool."""
    world.configure(text)
    return world.pool(**pool)


def decided(world: World, number: int) -> Decision:
    """The one decision on a pull request."""
    [decision] = decisions(world, number)
    return decision


def decisions(world: World, number: int) -> list[Decision]:
    return [row for row in world.rows(Decision) if row.holder_id == str(number)]


# Mode


def test_in_manual_mode_it_is_told_once_how_to_ask(world: World) -> None:
    configured(world, "mode: manual")
    number = world.opens()
    assert world.held_by(number) == []
    assert "write `/assign`, or set the label `env:deploy`" in world.says(number)
    decision = decided(world, number)
    assert (decision.reason, decision.rule, decision.trigger[:9]) == ("mode_manual", "mode: manual", "delivery:")
    assert decision.config_sha is not None

    world.github.push(REPO, number)
    world.work()
    assert len(world.written(number)) == 1


def test_in_manual_mode_a_command_or_the_label_asks(world: World) -> None:
    configured(world, "mode: manual", min_available=2)
    by_command, by_label = world.opens(), world.opens()
    world.comments(by_command, "wendy", "/assign")
    world.github.label(REPO, by_label, "env:deploy", by="trish")
    world.work()
    assert len(world.held_by(by_command)) == len(world.held_by(by_label)) == 1

    world.github.unlabel(REPO, by_label, "env:deploy", by="trish")
    world.work()
    assert world.held_by(by_label) == []
    assert len(world.held_by(by_command)) == 1


def test_where_it_is_off_not_even_a_command_helps(world: World) -> None:
    configured(world, "mode: off")
    number = world.opens()
    assert world.written(number) == []
    world.comments(number, "wendy", "/assign")
    assert "Greenroom is switched off here" in world.replies(number)[0]
    assert [d.reason for d in decisions(world, number)] == ["mode_off", "mode_off"]


def test_a_pool_may_have_a_mode_of_its_own(world: World) -> None:
    configured(world, "pools:\n  core: {mode: manual}")
    number = world.opens()
    assert decided(world, number).reason == "mode_manual"


# Pools


def test_the_pool_that_would_serve_may_be_out_of_use(world: World) -> None:
    core = configured(world, "")
    with world.database.transaction() as session:
        update_pool(session, pools.get(session, core.id), {"is_active": False}, TEST, now=world.clock())
    number = world.opens()
    assert decided(world, number).reason == "pool_inactive"
    world.comments(number, "wendy", "/assign")
    assert "The pool `core`, which would serve it, is inactive or deleted" in world.replies(number)[0]


def test_that_no_pool_fits_is_another_reason(world: World) -> None:
    configured(world, "", branch_pattern="release/*")
    assert decided(world, world.opens()).reason == "no_pool_match"


# Bots and drafts


def test_a_bot_is_served_when_a_person_sets_the_label(world: World) -> None:
    configured(world, "")
    number = world.opens("dependabot[bot]", labels=("env:deploy",))
    assert decided(world, number).rule == "bots: on_label"
    world.github.unlabel(REPO, number, "env:deploy")
    world.github.label(REPO, number, "env:deploy", by="dependabot[bot]")
    world.work()
    assert world.held_by(number) == []

    world.github.unlabel(REPO, number, "env:deploy")
    world.github.label(REPO, number, "env:deploy", by="trish")
    world.work()
    assert len(world.held_by(number)) == 1


@pytest.mark.parametrize(("bots", "served"), [("auto", True), ("never", False)])
def test_bots_may_be_like_others_or_not_served_at_all(world: World, bots: str, served: bool) -> None:
    configured(world, f"bots: {bots}")
    number = world.opens("dependabot[bot]")
    assert bool(world.held_by(number)) is served
    world.comments(number, "wendy", "/assign")
    assert bool(world.held_by(number)) is served


@pytest.mark.parametrize(("drafts", "unasked", "asked"), [("auto", 1, 1), ("on_command", 0, 1), ("none", 0, 0)])
def test_drafts(world: World, drafts: str, unasked: int, asked: int) -> None:
    configured(world, f"drafts: {drafts}")
    number = world.opens(draft=True)
    assert len(world.held_by(number)) == unasked
    world.comments(number, "wendy", "/assign")
    assert len(world.held_by(number)) == asked
    if not asked:
        assert "drafts are not served here" in world.replies(number)[0]


def test_where_drafts_are_served_one_that_waits_goes_on_waiting(world: World) -> None:
    configured(world, "drafts: auto", max_total=1)
    world.opens()
    waiting = world.opens()
    world.github.convert_to_draft(REPO, waiting)
    world.work()
    assert "Position 1 of 1" in world.says(waiting)


# Labels


def test_a_label_may_be_required(world: World) -> None:
    configured(world, "labels: {required: true, deploy: please}")
    number = world.opens()
    assert decided(world, number).reason == "label_missing"
    world.github.label(REPO, number, "Please")
    world.work()
    assert len(world.held_by(number)) == 1
    world.github.unlabel(REPO, number, "Please")
    world.work()
    assert world.held_by(number) == []
    assert decisions(world, number)[-1].reason == "label_missing"


def test_the_off_label_takes_it_back_until_it_is_removed(world: World) -> None:
    configured(world, "", max_total=1)
    holding, waiting = world.opens(), world.opens()
    for number in (waiting, holding):
        world.github.label(REPO, number, "env:off")
        world.work()
        assert decisions(world, number)[-1].reason == "label_off"
    assert world.held_by(holding) == world.held_by(waiting) == []
    world.github.push(REPO, holding)
    world.work()
    assert world.held_by(holding) == []

    world.github.unlabel(REPO, holding, "env:off")
    world.work()
    assert len(world.held_by(holding)) == 1


def test_other_labels_mean_nothing(world: World) -> None:
    configured(world, "mode: manual")
    number = world.opens()
    world.github.label(REPO, number, "bug")
    world.work()
    assert len(decisions(world, number)) == 1


# Files


def test_only_who_changes_certain_files_is_served(world: World) -> None:
    configured(world, 'paths: ["src/**", "!src/docs/**"]', min_available=2)
    outside = world.opens(files={"src/docs/a.md": "", "README.md": ""})
    inside = world.opens(files={"src/cart.py": ""})
    assert (world.held_by(outside), len(world.held_by(inside))) == ([], 1)
    assert decided(world, outside).reason == "path_filter"

    world.comments(outside, "wendy", "/assign")
    assert "It changes no file that fits `paths`" in world.replies(outside)[0]
    world.github.push(REPO, outside, files={"src/cart.py": ""})
    world.work()
    assert len(world.held_by(outside)) == 1


def test_the_domain_of_the_files_leads_to_the_pool(world: World) -> None:
    configured(world, "domains:\n  services/sales/**: sales\n  services/**: rest", domain_patterns=["sales"])
    world.pool("other", domain_patterns=["rest"])
    number = world.opens(files={"services/stock/a.py": ""})
    assert "(other)" in world.says(number)


def test_each_domain_that_is_touched_may_have_its_own(world: World) -> None:
    configured(world, "domains: {sales/**: sales, stock/**: stock}\nper_domain: true", min_available=2)
    number = world.opens(files={"sales/a.py": ""})
    assert [held.domain for held in world.held_by(number)] == ["sales"]
    world.github.push(REPO, number, files={"stock/b.py": ""})
    world.work()
    assert sorted(held.domain for held in world.held_by(number)) == ["sales", "stock"]

    none = world.opens(files={"README.md": ""})
    assert decided(world, none).rule == "per_domain: true"


def test_the_pool_may_be_found_by_the_head_branch(world: World) -> None:
    configured(world, "branch_for_rules: head", branch_pattern="feature*")
    number = world.opens(head="feature-1")
    assert len(world.held_by(number)) == 1


# Quotas


def test_a_full_quota_names_who_holds_and_how_to_free_one(world: World) -> None:
    configured(world, "quotas: {per_repository: 2}", min_available=2, max_total=3)
    first, _, third = world.opens(), world.opens(), world.opens()
    assert world.held_by(third) == []
    assert "has 2 of 2 environments: #1, #2. Close one of them, or write `/unassign` there" in world.says(third)
    assert decided(world, third).reason == "quota_repository"

    world.github.close(REPO, first)
    world.work()
    world.comments(third, "wendy", "/assign")
    assert len(world.held_by(third)) == 1


def test_an_author_may_have_a_quota_in_which_waiting_counts(world: World) -> None:
    configured(world, "quotas: {per_author: 1}", max_total=1)
    world.opens("bob")
    waiting, refused = world.opens("alice"), world.opens("alice")
    assert "Position 1 of 1" in world.says(waiting)
    assert decided(world, refused).reason == "quota_author"
    assert f"alice has 1 of 1 environments here: #{waiting}" in world.says(refused).replace("\u2060", "")


def test_a_pool_may_have_a_budget_of_hours_a_month(world: World) -> None:
    configured(world, "quotas: {per_pool_month_budget: 10h}", min_available=2)
    first = world.opens()
    world.later(hours=9)
    world.github.close(REPO, first)
    world.work()
    second = world.opens()
    world.later(hours=1)
    third = world.opens()
    assert len(world.held_by(second)) == 1
    assert decided(world, third).reason == "budget"

    world.later(days=3)
    world.later(days=28)
    world.github.push(REPO, third)
    world.work()
    assert decisions(world, third)[-1].reason in ("ok", "queued")


# Expiry, the end, and commands


def test_the_policy_bounds_extensions_and_lifetimes(world: World) -> None:
    configured(world, "expiry: {extend_default: 2h, extend_max: 3h, max_lifetime: 3d}", default_expiration_hours=48)
    number = world.opens()
    [before] = world.held_by(number)
    world.comments(number, "alice", "/extend")
    [after] = world.held_by(number)
    assert before.expires_at is not None
    assert after.expires_at == before.expires_at + timedelta(hours=2)
    world.comments(number, "alice", "/extend 4h")
    assert "at most 3 h" in world.replies(number)[0]
    assert "`/extend` adds up to 22 h more" in world.says(number)


@pytest.mark.parametrize(("on_close", "pool", "state"), [
    ("return", False, "AVAILABLE"), ("discard", True, "EXPIRED"), ("pool", True, "AVAILABLE"),
])  # fmt: skip
def test_the_policy_says_where_it_goes_at_the_end(world: World, on_close: str, pool: bool, state: str) -> None:
    core = configured(world, f"on_close: {on_close}", return_on_unassign=pool)
    number = world.opens()
    world.github.close(REPO, number)
    world.work()
    assert {environment.state for environment in world.environments(core)} == {state}


def test_commands_have_the_names_and_permissions_of_the_policy(world: World) -> None:
    text = "commands: {namespace: room, aliases: [], mention: false, permissions: {assign: maintain, why: write}}"
    configured(world, f"mode: manual\n{text}")
    number = world.opens()
    assert "write `/room assign`" in world.says(number)
    for comment in ("/assign", "/env assign", "@greenroom assign"):
        assert world.reactions(world.comments(number, "mona", comment)) == []
    world.comments(number, "wendy", "/room assign")
    assert "`/room assign` is for maintain or above here" in world.replies(number)[0]
    world.comments(number, "rita", "/room help")
    assert "| `/room assign [pool] [domain=x] [for=48h]` | maintain or above |" in world.replies(number)[1]
    world.comments(number, "mona", "/room assign")
    assert len(world.held_by(number)) == 1


def test_why_names_the_rule(world: World) -> None:
    configured(world, "")
    number = world.opens(draft=True)
    world.comments(number, "rita", "/why")
    assert (
        "It is a draft: mark it ready for review, or write `/assign` (`draft` by `drafts: on_command`"
        in (world.replies(number)[0])
    )
