"""/pin and /unpin on pull requests: kept for a reason, asked about, and never without an end for good (6.4)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from operations.extend import extend
from operations.transition import transition
from storage import assignments, pins
from storage.assignments import Assignment
from storage.audit import Audit
from storage.decisions import Decision
from storage.pins import Pin
from tests.bot.test_answers import answer, said
from tests.bot.test_controls import check, sticky, ticks, told
from tests.world import REPO, TEST, World

DAY = timedelta(days=1)


@pytest.fixture
def world(sqlite_world: World) -> World:
    """The metadata is the same on every database; two who pin at once are in tests/operations/test_pin.py."""
    return sqlite_world


def held(world: World, number: int) -> Assignment:
    [assignment] = world.held_by(number)
    return assignment


def pin_of(world: World, number: int) -> Pin | None:
    return pins.of(held(world, number))


def pinned(world: World, by: str = "wendy", what: str = "/pin customer demo") -> int:
    world.pool()
    number = world.opens()
    world.comments(number, by, what)
    return number


def audited(world: World) -> list[str]:
    """What the audit log says of pins."""
    return [row.action for row in world.rows(Audit) if "pin" in row.action]


# Set and ended by people


def test_a_pin_is_shown_with_its_reason_and_needs_no_words(world: World) -> None:
    world.pool()
    number = world.opens()
    comment = world.comments(number, "wendy", "/pin 5d customer demo")
    assert said(world, comment) == ["rocket"]
    assert world.replies(number) == []
    assert pin_of(world, number) == Pin("wendy", "customer demo", world.clock() + 5 * DAY)
    assert "Expires: never  \n📌 Pinned by wendy: `customer demo` · review on **2026-03-07 12:00 UTC**" in world.says(
        number
    )
    assert audited(world) == ["assignment.pinned"]
    assert world.rows(Decision)[-1].operation == "pin"


def test_it_is_immortal_over_rest_with_the_pin_in_its_metadata(world: World) -> None:
    number = pinned(world)
    assert held(world, number).is_immortal
    assert held(world, number).extra["pin"] == {
        "owner": "wendy", "reason": "customer demo", "reviewAt": "2026-03-16T12:00:00Z", "askedAt": None,
    }  # fmt: skip


def test_it_survives_pushes_and_its_former_end(world: World) -> None:
    number = pinned(world)
    world.github.push(REPO, number)
    world.work()
    world.later(days=13)
    assert pin_of(world, number) is not None


def test_a_pin_needs_a_reason_and_write(world: World) -> None:
    world.pool()
    number = world.opens()
    assert "The reason is missing" in answer(world, number, "wendy", "/pin 5d")
    assert "`/pin` is for write or above" in answer(world, number, "trish", "/pin demo")
    assert not held(world, number).is_immortal


def test_where_there_is_nothing_nothing_is_pinned(world: World) -> None:
    world.pool(max_total=1)
    world.opens("bob")
    number = world.opens()
    assert "There is no review environment here to pin" in answer(world, number, "wendy", "/pin demo")
    assert "Nothing is pinned here" in answer(world, number, "mona", "/unpin")


def test_unpinned_it_has_the_default_expiry_from_now(world: World) -> None:
    number = pinned(world)
    world.later(days=10)
    world.comments(number, "wendy", "/unpin")
    assert held(world, number).expires_at == world.clock() + timedelta(hours=48)
    assert pin_of(world, number) is None
    assert "pin" not in held(world, number).extra
    assert "📌" not in world.says(number)
    assert audited(world) == ["assignment.pinned", "assignment.unpinned"]


def test_what_outlived_its_lifetime_pinned_is_extended_no_further(world: World) -> None:
    number = pinned(world, what="/pin 30d customer demo")
    world.later(days=20)
    world.comments(number, "wendy", "/unpin")
    assert held(world, number).expires_at == world.clock() + timedelta(hours=48)
    refused = answer(world, number, "alice", "/extend 1h")
    assert (
        "An environment lives at most 14 d: that is used up. `/pin` keeps it for longer, for write or above." in refused
    )


@pytest.mark.parametrize("by", ["wendy", "mona"])
def test_who_pinned_it_unpins_it_and_who_may_maintain(world: World, by: str) -> None:
    number = pinned(world)
    world.comments(number, by, "/unpin")
    assert pin_of(world, number) is None


def test_nobody_else_unpins_it_or_makes_the_pin_theirs(world: World) -> None:
    number = pinned(world)
    world.github.set_permission(REPO, "walter", "write")
    assert "`/unpin` is for who has set it, maintain or above" in answer(world, number, "walter", "/unpin")
    assert "It is pinned by `wendy`: `customer demo`." in answer(world, number, "walter", "/pin 1d mine now")
    assert pin_of(world, number) == Pin("wendy", "customer demo", world.clock() + 14 * DAY)


def test_extend_has_nothing_to_extend_then(world: World) -> None:
    number = pinned(world)
    assert "It is pinned by `wendy` and does not expire" in answer(world, number, "alice", "/extend 24h")
    world.comments(number, "mona", "/unpin")
    with world.database.transaction() as session:
        found = assignments.find_active(session, world.holder(number))
        assert found is not None
        extend(session, found, None, TEST, now=world.clock(), is_immortal=True)
    assert "It never expires" in answer(world, number, "alice", "/extend 24h")


# How many


def test_beyond_the_quota_is_refused_with_who_has_pins_and_how_to_free_one(world: World) -> None:
    world.pool(min_available=3, max_total=3)
    first, second, third = world.opens(), world.opens(), world.opens()
    world.comments(first, "wendy", "/pin demo")
    world.comments(second, "mona", "/pin audit")
    refused = answer(world, third, "wendy", "/pin one more")
    assert f"This repository has 2 of 2 pins: #{first} by `wendy`, #{second} by `mona`." in refused
    assert "`/unpin` there frees one, and who may maintain can pin past that." in refused
    decision = world.rows(Decision)[-1]
    assert (decision.operation, decision.reason, decision.rule) == ("pin", "quota_repository", "pin.quota")

    world.comments(first, "wendy", "/pin still the demo")
    assert pin_of(world, first) == Pin("wendy", "still the demo", world.clock() + 14 * DAY)
    world.comments(third, "mona", "/pin past it")
    assert pin_of(world, third) is not None


def test_without_any_pins_only_who_may_maintain_pins(world: World) -> None:
    world.configure("pin: {quota: 0}")
    world.pool()
    number = world.opens()
    assert "`pin.quota` is 0" in answer(world, number, "wendy", "/pin demo")
    world.comments(number, "mona", "/pin demo")
    assert pin_of(world, number) is not None


# Asked about


def test_at_its_review_date_the_owner_is_asked_and_to_pin_again_is_the_answer(world: World) -> None:
    number = pinned(world)
    world.later(days=14)
    world.later(minutes=2)
    [asked] = told(world, number)
    assert asked.startswith("@wendy The review environment `")
    assert "is pinned: `customer demo`. Is it still needed?" in asked
    assert "without an answer the pin ends 2026-03-19 12:00 UTC" in asked
    assert "until **2026-03-19 12:00 UTC**, unless somebody says that it is still needed" in world.says(number)

    world.comments(number, "wendy", "/pin 5d postponed")
    [notice] = [c for c in world.written(number) if c.body.startswith("<!-- greenroom:notice")]
    assert notice.minimized == "OUTDATED"
    world.later(days=4)
    assert pin_of(world, number) is not None
    assert len(told(world, number)) == 1


def test_without_an_answer_it_is_unpinned_and_that_is_told(world: World) -> None:
    number = pinned(world)
    world.later(days=14)
    world.later(days=3)
    assert held(world, number).expires_at == world.clock() + timedelta(hours=48)
    _, ended = told(world, number)
    assert ended.startswith("@wendy Nobody said that `")
    assert "it is pinned no more and expires 2026-03-21 12:00 UTC" in ended
    assert audited(world) == ["assignment.pinned", "assignment.pin_reviewed", "assignment.unpinned"]
    world.later(hours=49)
    assert world.held_by(number) == []


# Ends with what it is of


def test_it_ends_with_the_pull_request_and_does_not_come_back_with_it(world: World) -> None:
    number = pinned(world)
    world.github.close(REPO, number)
    world.work()
    assert world.held_by(number) == []
    world.github.reopen(REPO, number)
    world.work()
    assert pin_of(world, number) is None
    assert not held(world, number).is_immortal


def test_it_ends_when_the_environment_goes_to_another(world: World) -> None:
    number = pinned(world)
    issue = world.github.open_issue(REPO, "alice").number
    world.comments(number, "mona", f"/transition #{issue}")
    [moved] = world.held_by(issue, "issue")
    assert (moved.expires_at, "pin" in moved.extra) == (world.clock() + timedelta(hours=48), False)


def test_over_rest_an_end_ends_the_pin_and_metadata_pins_nothing(world: World) -> None:
    number = pinned(world)
    with world.database.transaction() as session:
        found = assignments.find_active(session, world.holder(number))
        assert found is not None
        extend(session, found, 5, TEST, now=world.clock(), is_immortal=False)
    assert "pin" not in held(world, number).extra
    with world.database.transaction() as session:
        found = assignments.find_active(session, world.holder(number))
        assert found is not None
        transition(session, found, world.holder(7), {"pin": {"owner": "mallory"}}, TEST, now=world.clock())
    assert "pin" not in held(world, 7).extra
    assert audited(world) == ["assignment.pinned", "assignment.unpinned"]


# By box and button


def test_a_tick_pins_and_unpins(world: World) -> None:
    world.pool()
    number = world.opens()
    ticks(world, number, "Pin", "wendy")
    assert pin_of(world, number) == Pin("wendy", "from the status comment", world.clock() + 14 * DAY)
    ticks(world, number, "Unpin", "wendy")
    assert pin_of(world, number) is None


def test_a_tick_needs_the_permission_of_its_command(world: World) -> None:
    world.pool()
    number = world.opens()
    ticks(world, number, "Pin", "trish")
    assert told(world, number) == [
        "@trish `/pin` is for write or above (maintain beyond the policy) here; you have triage permission."
    ]


def test_what_cannot_be_extended_offers_no_extension(world: World) -> None:
    number = pinned(world)
    assert "Extend" not in sticky(world, number).body
    assert [button["identifier"] for button in check(world, number).shown["actions"]] == ["release"]
    world.comments(number, "wendy", "/unpin")
    assert "Extend by 48 h" in sticky(world, number).body


def test_an_extension_offers_what_is_left(world: World) -> None:
    world.pool()
    number = world.opens()
    world.comments(number, "alice", "/extend 7d\n/extend 4d")
    ticks(world, number, "Extend by 24 h", "trish")
    assert held(world, number).expires_at == world.clock() + 14 * DAY
    assert "Extend" not in sticky(world, number).body


# By label


def labels(world: World, number: int) -> list[str]:
    return world.thread(number).labels


def label(world: World, number: int, by: str, name: str = "env:keep") -> None:
    world.github.label(REPO, number, name, by=by)
    world.work()


def unlabel(world: World, number: int, by: str) -> None:
    world.github.unlabel(REPO, number, "env:keep", by=by)
    world.work()


def test_the_label_pins_and_its_removal_unpins(world: World) -> None:
    world.pool()
    number = world.opens()
    label(world, number, "wendy")
    assert pin_of(world, number) == Pin("wendy", "from the label env:keep", world.clock() + 14 * DAY)
    unlabel(world, number, "wendy")
    assert (pin_of(world, number), labels(world, number)) == (None, [])
    assert (told(world, number), world.failures()) == ([], [])


def test_an_issue_is_pinned_by_it_as_well(world: World) -> None:
    world.pool()
    number = world.github.open_issue(REPO, "alice").number
    label(world, number, "trish", "env:deploy")
    label(world, number, "wendy")
    [assignment] = world.held_by(number, "issue")
    assert assignment.is_immortal


def test_it_mirrors_a_pin_and_our_own_change_of_it_is_none_of_anybodys(world: World) -> None:
    number = pinned(world)
    assert labels(world, number) == ["env:keep"]
    assert len(audited(world)) == 1
    world.comments(number, "wendy", "/unpin")
    assert labels(world, number) == []
    assert audited(world) == ["assignment.pinned", "assignment.unpinned"]
    assert told(world, number) == []


def test_it_goes_with_the_pull_request(world: World) -> None:
    number = pinned(world)
    world.github.close(REPO, number)
    world.work()
    assert labels(world, number) == []


def test_set_by_who_may_not_pin_it_is_removed_and_that_is_told(world: World) -> None:
    world.pool()
    number = world.opens()
    label(world, number, "trish")
    assert (held(world, number).is_immortal, labels(world, number)) == (False, [])
    [refused] = told(world, number)
    assert refused.startswith("@trish `/pin` is for write or above")


def test_removed_by_who_may_not_unpin_it_is_put_back_and_that_is_told(world: World) -> None:
    number = pinned(world)
    unlabel(world, number, "trish")
    assert (held(world, number).is_immortal, labels(world, number)) == (True, ["env:keep"])
    assert told(world, number) == [
        "@trish `/unpin` is for who has set it, maintain or above here; you have triage permission."
    ]


def test_set_where_nothing_is_held_it_is_removed_and_that_is_told(world: World) -> None:
    world.pool(max_total=1)
    world.opens("bob")
    number = world.opens()
    label(world, number, "wendy")
    assert labels(world, number) == []
    assert "There is no review environment here to pin" in told(world, number)[0]


def test_another_bot_pins_nothing(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.set_permission(REPO, "helpful[bot]", "admin")
    label(world, number, "helpful[bot]")
    assert (held(world, number).is_immortal, labels(world, number), told(world, number)) == (False, [], [])


def test_what_somebody_did_with_it_is_worked_before_it_is_reset(world: World) -> None:
    world.pool()
    number = world.opens()
    world.sink.holding = True
    world.github.label(REPO, number, "env:keep", by="wendy")
    world.sink.holding = False
    world.comments(number, "rita", "/status")
    assert labels(world, number) == ["env:keep"]
    for _ in range(2):
        world.sink.post(*world.sink.kept[0])
        world.work()
    assert pin_of(world, number) is not None
    assert audited(world) == ["assignment.pinned"]


def test_changed_while_nothing_was_heard_it_is_reset_and_the_author_told(world: World) -> None:
    world.pool()
    number = world.opens()
    world.sink.cut_off = True
    world.github.label(REPO, number, "env:keep", by="wendy")
    world.sink.cut_off = False
    world.github.webhooks.attempts.clear()
    world.later(minutes=6)
    assert (held(world, number).is_immortal, labels(world, number)) == (False, [])
    assert told(world, number) == [
        "@alice Nobody knows who changed the label `env:keep` while Greenroom did not hear of it: `/pin` says why."
    ]


def test_in_a_repository_without_pools_it_is_just_a_label(world: World) -> None:
    number = world.opens()
    label(world, number, "wendy")
    assert (labels(world, number), world.github.writes) == (["env:keep"], [])
