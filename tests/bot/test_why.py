"""/why and the decisions behind it: each has one row, with a reason from a closed list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from storage.decisions import Decision, Reason
from tests.bot.test_answers import answer
from tests.bot.test_controls import ticks
from tests.bot.test_login import Site, text_of
from tests.bot.test_wording import closed, expired, reclaimed
from tests.world import REPO, World


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def decided(world: World, number: int, reason: Reason) -> list[Decision]:
    return [row for row in world.rows(Decision) if (row.holder_id, row.reason) == (str(number), reason)]


# The closed list of bot-behaviour section 7


def with_policy(text: str, **given: Any) -> Callable[[World], int]:
    def happens(world: World) -> int:
        world.configure(text)
        world.pool()
        return world.opens(**given)

    return happens


def held(world: World) -> int:
    world.pool()
    return world.opens()


def held_already(world: World) -> int:
    number = held(world)
    world.comments(number, "wendy", "/assign")
    return number


def queued(world: World) -> int:
    world.pool(max_total=1)
    world.opens("bob")
    return world.opens()


def approval_lapsed(world: World) -> int:
    world.pool()
    number = world.opens("mallory", fork="mallory/shop")
    world.clock.advance(minutes=1)
    world.comments(number, "mona", "/env approve")
    world.github.push(REPO, number)
    world.work()
    return number


def off_label(world: World) -> int:
    world.pool()
    return world.opens(labels=("env:off",))


def no_pool_match(world: World) -> int:
    world.pool(branch_pattern="release/.*")
    return world.opens()


def pool_inactive(world: World) -> int:
    world.pool(is_active=False)
    return world.opens()


def quota_used_up(text: str) -> Callable[[World], int]:
    def happens(world: World) -> int:
        world.configure(text)
        world.pool(min_available=2)
        world.opens()
        return world.opens()

    return happens


def budget_used_up(world: World) -> int:
    world.configure("quotas: {per_pool_month_budget: 1h}")
    world.pool(min_available=2)
    world.opens()
    world.clock.advance(hours=2)
    return world.opens()


def not_permitted(world: World) -> int:
    number = held(world)
    world.comments(number, "rita", "/extend 24h")
    return number


def too_long(world: World) -> int:
    number = held(world)
    world.comments(number, "alice", "/extend 8d")
    return number


def repaired(world: World) -> int:
    number = held(world)
    world.sink.cut_off = True
    world.github.webhooks.remembers = False
    world.github.close(REPO, number)
    world.later(minutes=6)
    return number


HAPPENINGS: dict[Reason, Callable[[World], int]] = {
    Reason.OK: held,
    Reason.REUSED: held_already,
    Reason.QUEUED: queued,
    Reason.CONFIG_INVALID: with_policy("mode: sometimes"),
    Reason.MODE_OFF: with_policy("mode: 'off'"),
    Reason.MODE_MANUAL: with_policy("mode: manual"),
    Reason.BOT_AUTHOR: with_policy("", author="dependabot[bot]"),
    Reason.FORK_NEEDS_APPROVAL: with_policy("", author="mallory", fork="mallory/shop"),
    Reason.FORK_NEVER: with_policy("forks: never", author="mallory", fork="mallory/shop"),
    Reason.APPROVAL_LAPSED: approval_lapsed,
    Reason.DRAFT: with_policy("", draft=True),
    Reason.LABEL_OFF: off_label,
    Reason.LABEL_MISSING: with_policy("labels: {required: true}"),
    Reason.PATH_FILTER: with_policy("paths: [src/**]"),
    Reason.NO_POOL_MATCH: no_pool_match,
    Reason.POOL_INACTIVE: pool_inactive,
    Reason.QUOTA_REPOSITORY: quota_used_up("quotas: {per_repository: 1}"),
    Reason.QUOTA_AUTHOR: quota_used_up("quotas: {per_author: 1}"),
    Reason.BUDGET: budget_used_up,
    Reason.PERMISSION: not_permitted,
    Reason.REFUSED: too_long,
    Reason.CLOSED: closed,
    Reason.EXPIRED: expired,
    Reason.RECLAIMED: reclaimed,
    Reason.REPAIRED: repaired,
}


@pytest.mark.parametrize("reason", HAPPENINGS)
def test_every_decision_has_one_row(world: World, reason: Reason) -> None:
    number = HAPPENINGS[reason](world)
    [row] = decided(world, number, reason)
    assert row.sentence
    assert row.actor
    assert row.trigger.partition(":")[0] in ("delivery", "comment", "task", "sweep")


def test_no_reason_is_without_a_test() -> None:
    unseen = {Reason.NOT_INSTALLED}  # where the App is not active, nothing is told to us
    assert set(Reason) == HAPPENINGS.keys() | unseen


# What was refused to somebody


def test_a_refused_command_is_on_record_with_who_and_at_which_level(world: World) -> None:
    number = not_permitted(world)
    [row] = decided(world, number, Reason.PERMISSION)
    assert (row.actor, row.operation, row.rule, row.inputs) == ("rita", "extend", "commands.extend", {"level": "read"})


def test_so_is_a_tick_that_is_refused(world: World) -> None:
    number = held(world)
    ticks(world, number, "Release", "trish")
    [row] = decided(world, number, Reason.PERMISSION)
    assert (row.actor, row.operation) == ("trish", "unassign")


def test_that_somebody_was_refused_changes_nothing_that_is_shown_or_said_to_others(world: World) -> None:
    number = with_policy("", author="mallory", fork="mallory/shop")(world)
    before = world.says(number)
    world.comments(number, "rita", "/assign")
    world.comments(number, "rita", "/status")
    assert "It comes from a fork" in before
    assert world.says(number) == before
    assert "`fork_needs_approval`" in answer(world, number, "wendy", "/why")
    assert "`permission` by `commands.assign`" in answer(world, number, "rita", "/why")


# What would change it


def test_it_says_that_assign_would_work_for_who_asks(world: World) -> None:
    number = with_policy("", draft=True)(world)
    said = answer(world, number, "wendy", "/why")
    assert "It is a draft: mark it ready for review, or write `/assign` (`draft` by `drafts: on_command`" in said
    assert said.endswith("`/assign` would work for you (write): one is free in `core`.")
    assert answer(world, number, "rita", "/why").endswith(
        "`/assign` is for write or above here; you have read permission."
    )
    assert world.held_by(number) == []


def test_it_says_which_position_one_would_have(world: World) -> None:
    world.pool(max_total=1)
    world.opens("bob")
    world.opens("carol")
    number = world.opens(draft=True)
    assert answer(world, number, "wendy", "/why").endswith("(write): you would be position 2 in `core`.")


def test_it_says_what_assign_would_not_change(world: World) -> None:
    number = with_policy("drafts: none", draft=True)(world)
    said = answer(world, number, "wendy", "/why")
    assert said.endswith("`/assign` would not work for you now. It is a draft, and drafts are not served here: mark it"
                         " ready for review.")  # fmt: skip


def test_who_waits_is_told_the_position(world: World) -> None:
    assert answer(world, queued(world), "wendy", "/why").endswith("It waits at position 1.")


def test_who_released_it_for_somebody_is_told_so_and_how_to_have_another(world: World) -> None:
    said = answer(world, reclaimed(world), "wendy", "/why")
    assert "was released by bob, as somebody waited for it (`reclaimed`, " in said
    assert said.endswith("`/assign` would work for you (write): you would be position 1 in `core`.")


# The page


def test_why_all_leads_to_the_page_with_every_decision(world: World) -> None:
    site, number = Site(world), not_permitted(world)
    link = answer(world, number, "rita", "/why all").split()[-1]
    assert link == f"http://127.0.0.1:8000/decisions?repository={REPO}&number={number}"
    page = site.log_in("rita").get(link.removeprefix("http://127.0.0.1:8000"))
    assert page.status_code == 200
    text = text_of(page)
    assert text.index("permission") < text.index("from pool core"), "the newest first"
    assert "rita" in text


def test_who_cannot_read_the_repository_learns_nothing(world: World) -> None:
    site, number = Site(world), held(world)
    page = f"/decisions?repository={REPO}&number="
    stranger, missing = site.log_in("steve").get(f"{page}{number}"), site.log_in("wendy").get(f"{page}77")
    assert (stranger.status_code, stranger.text) == (404, missing.text)
    assert site.log_in("wendy").get(f"{page}x").status_code == 404
    assert site.browser().get(f"{page}{number}").status_code == 303


def test_older_decisions_are_a_page_further(world: World) -> None:
    site, number = Site(world), held(world)
    with world.database.transaction() as session:
        first = session.query(Decision).first()
        assert first is not None
        columns = [column.key for column in Decision.__table__.columns if column.key != "id"]
        session.add_all(Decision(**{name: getattr(first, name) for name in columns}) for _ in range(100))
    browser = site.log_in("rita")
    page = browser.get(f"/decisions?repository={REPO}&number={number}")
    assert page.text.count("<li>") == 100
    assert "Older ones" in page.text
