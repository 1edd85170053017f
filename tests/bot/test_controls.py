"""Ticks in the status comment, buttons of the check run, and what people do to what is ours."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot import boxes
from demo.github_state import CheckRun, Comment
from storage.decisions import Decision
from storage.notices import Notice
from tests.world import REPO, World


def sticky(world: World, number: int) -> Comment:
    [comment] = [c for c in world.written(number) if c.body.startswith("<!-- greenroom:status")]
    return comment


def check(world: World, number: int) -> CheckRun:
    return world.github.check_runs(REPO, world.github.pull_request(REPO, number).head_sha)[-1]


def told(world: World, number: int) -> list[str]:
    """The notices, without their markers."""
    ours = [c.body for c in world.written(number) if c.body.startswith("<!-- greenroom:notice")]
    return [body.partition("\n")[2] for body in ours]


def ticks(world: World, number: int, box: str, by: str) -> None:
    world.github.tick(sticky(world, number), box, by)
    world.work()


def presses(world: World, number: int, button: str, by: str) -> None:
    world.github.press(check(world, number), button, by)
    world.work()


# Check-boxes


def test_a_tick_extends_and_the_box_is_empty_again(world: World) -> None:
    world.pool()
    number = world.opens()
    [before] = world.held_by(number)
    ticks(world, number, "Extend", "trish")
    [held] = world.held_by(number)
    assert before.expires_at is not None
    assert held.expires_at == before.expires_at + timedelta(hours=48)
    assert "[x]" not in world.says(number)
    assert (told(world, number), world.failures()) == ([], [])
    assert world.rows(Decision)[-1].actor == "trish"


def test_a_tick_releases_and_asks_again(world: World) -> None:
    world.pool()
    number = world.opens()
    ticks(world, number, "Release", "wendy")
    assert world.held_by(number) == []
    ticks(world, number, "Ask for one", "wendy")
    assert len(world.held_by(number)) == 1


def test_a_tick_leaves_the_queue(world: World) -> None:
    world.pool(max_total=1)
    world.opens("bob")
    number = world.opens()
    ticks(world, number, "Leave the queue", "alice")
    assert "No review environment" in world.says(number)


def test_of_several_environments_the_named_one_is_released(world: World) -> None:
    world.pool(min_available=2)
    number = world.opens(draft=True)
    world.comments(number, "wendy", "/assign domain=sales\n/assign domain=service")
    name = world.says(number).split("Release ")[1].split("\n")[0]
    ticks(world, number, f"Release {name}", "wendy")
    assert len(world.held_by(number)) == 1
    assert name not in world.says(number)


def test_a_tick_needs_the_permission_of_its_command(world: World) -> None:
    world.pool()
    number = world.opens()
    ticks(world, number, "Release", "trish")
    assert len(world.held_by(number)) == 1
    assert told(world, number) == [
        "@trish `/unassign` is for the author, write or above here; you have triage permission."
    ]
    assert "[x]" not in world.says(number)


def test_the_same_delivery_twice_extends_once(world: World) -> None:
    world.pool()
    number = world.opens()
    world.sink.holding = True
    world.github.tick(sticky(world, number), "Extend", "trish")
    world.sink.holding = False
    for _ in range(2):
        world.sink.post(*world.sink.kept[0])
        world.work()
    [held] = world.held_by(number)
    assert held.expires_at == world.clock() + timedelta(hours=96)


def test_any_other_edit_is_taken_back_and_runs_nothing(world: World) -> None:
    world.pool()
    number = world.opens()
    comment = sticky(world, number)
    before = comment.body
    both = before.replace("[ ]", "[x]")
    for body in (f"{before}\n/unassign", before.replace("core", "prod"), both, f"{both}\nand more"):
        world.github.edit_comment(comment, body, by="wendy")
        world.work()
        assert comment.body == before
    assert len(world.held_by(number)) == 1


def test_an_app_ticks_nothing(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.set_permission(REPO, "helpful[bot]", "admin")
    ticks(world, number, "Release", "helpful[bot]")
    assert len(world.held_by(number)) == 1


def test_edits_of_what_others_wrote_mean_nothing(world: World) -> None:
    world.pool()
    number = world.opens()
    copied = world.comments(number, "wendy", world.says(number))
    before = len(world.github.requests)
    world.github.tick(copied, "Release", "wendy")
    world.work()
    assert len(world.github.requests) == before
    assert len(world.held_by(number)) == 1


def test_boxes_can_be_switched_off(world: World) -> None:
    world.configure("surfaces: {checkboxes: false}")
    world.pool()
    assert "[ ]" not in world.says(world.opens())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("- [ ] {x} Extend", "- [ ] {x} Extend"),
        ("- [x] {x} Extend", "- [ ] {x} Extend"),
        ("- [ ] {x} Extend", "- [x] {x} Extend!"),
        ("", "- [x] {x} Extend"),
        ("- [ ] Extend", "- [x] Extend"),
    ],
)
def test_what_is_no_tick(before: str, after: str) -> None:
    mark = boxes.MARK.format(key="extend")
    assert boxes.ticked(before.format(x=mark), after.format(x=mark)) is None


def test_github_may_write_the_lines_anew() -> None:
    mark = boxes.MARK.format(key="extend")
    assert boxes.ticked(f"One\n- [ ] {mark} Extend\nTwo\n", f"One\r\n- [x] {mark} Extend\r\nTwo") == "extend"


def test_nobody_ticks_a_box_that_is_not_known() -> None:
    assert boxes.command("format everything") is None
    assert boxes.command("release ") is None


# Buttons


def test_buttons_extend_and_release(world: World) -> None:
    world.pool()
    number = world.opens()
    presses(world, number, "extend", "trish")
    [held] = world.held_by(number)
    assert held.expires_at == world.clock() + timedelta(hours=96)
    presses(world, number, "release", "wendy")
    assert world.held_by(number) == []
    assert check(world, number).shown["conclusion"] == "neutral"


def test_a_button_needs_the_permission_of_its_command(world: World) -> None:
    world.pool()
    number = world.opens()
    presses(world, number, "release", "rita")
    assert len(world.held_by(number)) == 1
    assert "you have read permission" in told(world, number)[0]


def test_retry_asks_the_gates_again(world: World) -> None:
    world.pool()
    number = world.opens()
    world.comments(number, "alice", "/unassign")
    presses(world, number, "retry", "rita")
    assert world.held_by(number) == []
    presses(world, number, "retry", "trish")
    assert len(world.held_by(number)) == 1


def test_retry_opens_no_gate(world: World) -> None:
    world.pool()
    number = world.opens("mallory", fork="mallory/shop")
    presses(world, number, "retry", "mona")
    assert world.held_by(number) == []


def test_the_buttons_of_a_fork_find_their_pull_request(world: World) -> None:
    world.pool()
    number = world.opens("mallory", fork="mallory/shop")
    world.comments(number, "wendy", "/assign")
    presses(world, number, "release", "wendy")
    assert world.held_by(number) == []


def test_asked_for_again_the_check_run_is_completed_again(world: World) -> None:
    world.pool()
    number = world.opens("mallory", fork="mallory/shop")
    run = check(world, number)
    world.github.rerun(run, "wendy")
    world.work()
    assert run.shown["conclusion"] == "neutral"

    run.shown = {**run.shown, "status": "queued", "conclusion": None}
    world.github.rerun_all(REPO, run.head_sha, "wendy")
    world.work()
    assert run.shown["conclusion"] == "neutral"


def test_another_apps_check_run_is_none_of_ours(world: World) -> None:
    world.pool()
    number = world.opens()
    run = check(world, number)
    run.shown = {**run.shown, "name": "Another"}
    presses(world, number, "release", "wendy")
    assert len(world.held_by(number)) == 1


# Notices


def test_who_has_waited_is_told_and_the_notice_folded_when_it_is_over(world: World) -> None:
    world.pool(max_total=1)
    first, second = world.opens("bob"), world.opens()
    world.later(minutes=5)
    world.github.close(REPO, first)
    world.work()
    [notice] = told(world, second)
    assert notice.startswith("@alice The review environment `")
    assert "is ready, until" in notice

    world.comments(second, "alice", "/unassign")
    [comment] = [c for c in world.written(second) if c.body.startswith("<!-- greenroom:notice")]
    assert comment.minimized == "OUTDATED"
    assert [row.finished_at is not None for row in world.rows(Notice)] == [True]


def test_who_got_one_at_once_is_not_told(world: World) -> None:
    world.pool()
    assert told(world, world.opens()) == []


def test_who_lost_theirs_by_time_is_told_once(world: World) -> None:
    world.pool()
    number = world.opens()
    world.later(hours=49)
    world.later(minutes=5)
    [notice] = told(world, number)
    assert "has expired: its time ended 2026-03-04 12:00 UTC. `/assign` within 30 minutes" in notice


def test_a_notice_whose_answer_was_lost_is_told_once(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.lose_answer("POST", "/comments")
    world.later(hours=49)
    world.later(seconds=3)
    assert len(told(world, number)) == 1
    assert world.failures() == []
