"""The one comment that shows what a pull request has: made once, edited when it changes, found again when lost."""

from __future__ import annotations

import pytest
from sqlalchemy import delete

from bot.comments import LONGEST, answer, cut, unmentioned
from demo.github_state import Comment
from demo.github_wire import LoggedRequest
from storage.surfaces import Surface
from storage.threads import Thread
from tests.world import REPO, World


@pytest.fixture(autouse=True)
def alone(world: World) -> None:
    """Check run and deployment, which say which commit it is, are tested elsewhere (tests/bot/test_surfaces.py)."""
    world.configure("surfaces: {check_run: false, deployments: false}")


def sticky(world: World, number: int) -> Comment:
    [comment] = [c for c in world.written(number) if c.body.startswith("<!-- greenroom:status")]
    return comment


def forget(world: World, number: int) -> None:
    """Our rows are lost, or from a backup that is older than the comment."""
    with world.database.transaction() as session:
        for thread in session.query(Thread).filter_by(number=number):
            session.execute(delete(Surface).where(Surface.thread_id == thread.id))


def test_a_quiet_life_costs_three_writes(world: World) -> None:
    world.pool()
    number = world.opens()
    first = sticky(world, number)
    world.github.push(REPO, number)
    world.work()
    world.github.close(REPO, number, merged=True)
    world.work()

    assert [(write.method, write.status) for write in world.github.writes] == [
        ("POST", 201),
        ("PATCH", 200),
        ("PATCH", 200),
    ]
    assert sticky(world, number) is first


def test_what_changes_nothing_in_it_writes_nothing(world: World) -> None:
    world.pool()
    number = world.opens()
    writes = len(world.github.writes)
    world.github.convert_to_draft(REPO, number)
    world.github.ready(REPO, number)
    world.github.unsuspend(world.installation)
    world.work()
    world.later(hours=1)
    assert len(world.github.writes) == writes


def test_many_changes_at_once_are_one_write(world: World) -> None:
    world.pool()
    number = world.opens()
    writes = len(world.github.writes)
    for _ in range(5):
        world.github.push(REPO, number)
    world.work()
    assert len(world.github.writes) == writes + 1
    assert world.github.pull_request(REPO, number).head_sha[:7] in sticky(world, number).body


def test_deleted_by_somebody_it_comes_back_at_the_next_change(world: World) -> None:
    world.pool()
    number = world.opens()
    world.github.delete_comment(sticky(world, number), by="mona")
    world.work()
    assert world.says(number) == ""
    world.github.push(REPO, number)
    world.work()
    assert "🟢" in world.says(number)


@pytest.mark.parametrize("lost", ["the connection", "a bad gateway"])
def test_when_githubs_answer_is_lost_it_is_looked_for_before_another_is_made(world: World, lost: str) -> None:
    world.pool()
    if lost == "the connection":
        world.github.lose_answer("POST", "/comments")
    else:
        world.github.fail("POST", "/comments", 502, after=True)
    number = world.opens()
    world.later(seconds=3)
    assert "🟢" in world.says(number)
    made = [r for r in world.github.requests if r.method == "POST" and r.path.endswith("/comments")]
    assert len(made) == 1
    assert world.failures() == []


def test_a_post_that_was_not_done_is_done_again(world: World) -> None:
    world.pool()
    world.github.fail("POST", "/comments", 502)
    number = world.opens()
    assert world.says(number) == ""
    world.later(seconds=3)
    assert "🟢" in world.says(number)


def test_when_our_rows_are_lost_it_is_found_among_all_the_others(world: World) -> None:
    world.pool()
    world.sink.holding = True
    number = world.github.open_pull_request(REPO, "alice").number
    for count in range(130):
        world.github.comment(REPO, number, "alice", f"Comment {count}")
    opened, *_ = world.sink.kept
    world.sink.holding = False
    world.sink.post(*opened)
    world.work()
    first = sticky(world, number)
    assert world.thread(number).comments.index(first) == 130, "it is on the second page"

    forget(world, number)
    world.github.push(REPO, number)
    world.work()
    assert sticky(world, number) is first
    assert world.github.pull_request(REPO, number).head_sha[:7] in first.body


def test_a_copy_of_it_by_somebody_else_is_not_it(world: World) -> None:
    world.pool()
    number = world.opens()
    first, body = sticky(world, number), world.says(number)
    comments = world.thread(number).comments
    copies = [world.github.comment(REPO, number, author, body) for author in ("mallory", "copycat[bot]")]
    quoted = world.github.add_comment(world.thread(number), world.github.app.bot, f"As I said:\n{body}")
    comments[:] = [*copies, quoted, first]
    forget(world, number)
    world.github.push(REPO, number)
    world.work()

    assert [copy.body for copy in copies] == [body, body]
    head = world.github.pull_request(REPO, number).head_sha[:7]
    assert [comment for comment in comments if head in comment.body] == [first]


def test_each_pull_request_has_its_own(world: World) -> None:
    world.pool(min_available=2)
    one, two = world.opens(), world.opens()
    assert "key=pr-1 " in world.says(one)
    assert "key=pr-2 " in world.says(two)
    assert sticky(world, one).thread is not sticky(world, two).thread


def test_where_comments_are_locked_the_work_goes_on(world: World) -> None:
    world.pool()
    world.sink.holding = True
    number = world.github.open_pull_request(REPO, "alice").number
    world.thread(number).locked = True
    world.sink.holding = False
    world.sink.post(*world.sink.kept[0])
    world.work()
    assert len(world.held_by(number)) == 1
    assert world.says(number) == ""
    assert world.failures() == []

    world.thread(number).locked = False
    world.github.push(REPO, number)
    world.work()
    assert "🟢" in world.says(number)


def test_it_says_since_when_all_that_is_known_to_be_so(world: World) -> None:
    world.pool()
    number = world.opens()
    at = "2026-03-02 12:00 UTC"
    footer = f"<sub>GitHub confirmed {at} · provider confirmed {at} · commands: `/env help`</sub>"
    assert world.says(number).endswith(footer)

    writes = len(world.github.writes)
    world.later(minutes=30)
    assert len(world.github.writes) == writes, "that it was confirmed once more is no reason to write"
    world.github.push(REPO, number)
    world.work()
    assert "GitHub confirmed 2026-03-02 12:30 UTC" in world.says(number)


def test_it_shows_what_was_repaired(world: World) -> None:
    world.pool()
    number = world.opens()
    world.sink.cut_off = True
    world.github.webhooks.remembers = False
    world.github.close(REPO, number)
    world.later(minutes=6)
    assert "· repaired 2026-03-02 12:06 UTC: closed · commands" in world.says(number)


def test_what_is_too_long_is_cut_and_says_where_the_rest_is() -> None:
    page = "http://127.0.0.1:8000/decisions?repository=acme/shop&number=1"
    text = cut("word " * LONGEST, LONGEST, page)
    assert (len(text), text.endswith(f"…\n\n[There is more]({page})")) == (LONGEST, True)
    assert cut("word", 4, page) == "word"


def of_repository(world: World) -> list[LoggedRequest]:
    return [request for request in world.github.requests if request.path.startswith(f"/repos/{REPO}/")]


def test_a_rate_limit_postpones_it_and_everything_of_its_installation(world: World) -> None:
    world.pool()
    world.github.fail("POST", "/comments", 403, headers={"Retry-After": "60"})
    number = world.opens()
    requests = of_repository(world)
    assert world.says(number) == ""
    world.later(seconds=59)
    assert of_repository(world) == requests
    world.later(seconds=2)
    assert "🟢" in world.says(number)
    assert world.failures() == []


def test_it_calls_nobody() -> None:
    assert unmentioned("by @alice in `@org/repo`") == "by @\u2060alice in `@org/repo`"


def test_no_answer_is_longer_than_github_takes() -> None:
    assert len(answer("alice", "word " * LONGEST, 7)) == LONGEST
