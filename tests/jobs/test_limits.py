"""GitHub's limits: all workers of a Greenroom together stay within them, and whoever has to wait is put back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.github.errors import RateLimited
from jobs.limits import SWEEPS
from jobs.worker import Worker
from jobs.workshop import Workshop
from storage import installations, rates
from storage.installations import WRITE, Installation
from storage.queue import QueueName
from storage.rates import Rate
from storage.tasks import Task
from tests.github import WireTo
from tests.world import REPO, World

SECOND = timedelta(seconds=1)


@pytest.fixture
def paced(world: World) -> World:
    """Its workers write once a second."""
    world.pace = SECOND
    world.shop = world.new_shop()
    world.workers = {queue: Worker(world.shop, queue) for queue in QueueName}
    world.work()
    return world


def another_worker(world: World) -> Workshop:
    return Workshop(world.context, transport=WireTo(world.github), pace=SECOND)


def comment(shop: Workshop, world: World, number: int) -> None:
    shop.installation(world.installation.id).create_comment(REPO, number, "Hello")


# Writes


def test_one_writes_at_a_time_and_the_next_a_second_later_in_whatever_process(paced: World) -> None:
    number = paced.github.open_pull_request(REPO, "alice").number
    comment(paced.shop, paced, number)
    with pytest.raises(RateLimited) as refused:
        comment(another_worker(paced), paced, number)
    assert refused.value.retry_at == paced.clock() + SECOND

    paced.clock.advance(seconds=1)
    comment(another_worker(paced), paced, number)


def test_those_who_wait_are_sent_to_different_times(paced: World) -> None:
    number = paced.github.open_pull_request(REPO, "alice").number
    comment(paced.shop, paced, number)
    times = []
    for _ in range(3):
        with pytest.raises(RateLimited) as refused:
            comment(paced.shop, paced, number)
        times.append(refused.value.retry_at - paced.clock())
    assert times == [SECOND, 2 * SECOND, 3 * SECOND]


def test_reading_waits_for_nobody(paced: World) -> None:
    number = paced.github.open_pull_request(REPO, "alice").number
    comment(paced.shop, paced, number)
    assert paced.shop.installation(paced.installation.id).pull_request(REPO, number).number == number


def test_a_process_that_dies_in_a_write_holds_the_others_up_for_seconds_only(paced: World) -> None:
    with paced.database.transaction() as session:
        assert installations.begin_write(session, paced.installation.id, SECOND, now=paced.clock()) is None
    number = paced.github.open_pull_request(REPO, "alice").number
    with pytest.raises(RateLimited):
        comment(paced.shop, paced, number)
    paced.clock.advance(seconds=WRITE.total_seconds())
    comment(paced.shop, paced, number)


def test_everything_is_said_in_the_end_a_write_a_second(paced: World) -> None:
    paced.pool(max_total=3, min_available=3)
    numbers = [paced.github.open_pull_request(REPO, "alice").number for _ in range(3)]
    paced.work()
    command = paced.github.comment(REPO, numbers[0], "wendy", "/unassign dev1")
    written: list[int] = []
    for _ in range(60):
        before = len(paced.github.writes)
        paced.later(seconds=1)
        written.append(len([w for w in paced.github.writes[before:] if w.path != "/graphql"]))
    assert max(written) == 1
    assert all(paced.says(number) for number in numbers)
    assert [r for r in paced.reactions(command) if r != "eyes"] == ["-1"]
    assert len(paced.replies(numbers[0])) == 1
    assert paced.failures() == []


def test_who_writes_several_things_writes_none_of_them_again_while_it_waits(paced: World) -> None:
    paced.configure("labels: {outputs: true}\nsurfaces: {check_run: false, deployments: false}")
    paced.pool(max_total=1)
    first, second = paced.opens("bob"), paced.opens()
    paced.later(seconds=30)
    for _ in range(6):
        paced.later(seconds=1)
    paced.comments(first, "bob", "/unassign")
    for _ in range(8):
        paced.later(seconds=1)
    assert paced.thread(second).labels == ["env:active"]
    assert len(paced.written(second)) == 2, "the status comment, and the notice that it is ready"
    of_second = [w for w in paced.github.writes if f"/issues/{second}/" in w.path]
    assert sorted(f"{w.method} {w.path.rsplit('/', 1)[-1]}" for w in of_second) == [
        "DELETE env:queued", "POST comments", "POST comments", "POST labels", "POST labels",
    ]  # fmt: skip
    assert paced.failures() == []


# The hour


def test_with_nothing_left_of_the_hour_nobody_asks_until_the_next(world: World) -> None:
    world.configure("surfaces: {check_run: false, deployments: false}")
    world.pool()
    number = world.opens()
    world.github.spend(world.installation.id, "core", world.github.left(world.installation.id, "core") - 1)
    world.clock.advance(seconds=11)
    world.github.push(REPO, number)
    world.work()
    asked = len(world.github.requests)
    world.github.push(REPO, number)
    world.work()
    assert len(world.github.requests) == asked, "the answer before said that it was the last"

    world.later(hours=1)
    assert world.github.pull_request(REPO, number).head_sha[:7] in world.says(number)
    assert world.failures() == []


def test_what_is_left_is_known_to_all(world: World) -> None:
    world.pool()
    world.opens()
    [rate] = [rate for rate in world.rows(Rate) if rate.resource == "core"]
    assert (rate.most, rate.installation_id) == (5000, world.installation.id)
    assert 4900 < rate.remaining < 5000


def test_sweeps_use_a_fifth_of_it_at_most(sqlite_world: World) -> None:
    world = sqlite_world
    world.pool()
    world.github.an_hour = 100
    for _ in range(30):
        world.later(minutes=1)
    swept = [r for r in world.github.requests if r.path == "/graphql"]
    assert 0 < len(swept) <= 100 * SWEEPS
    world.github.an_hour = 20
    world.later(hours=1)
    before = len([r for r in world.github.requests if r.path == "/graphql"])
    for _ in range(50):
        world.later(minutes=1)
    assert len([r for r in world.github.requests if r.path == "/graphql"]) - before <= 20 * SWEEPS / 2 + 1
    assert [task.error for task in world.rows(Task) if task.state == "failed"] == []


# Told to be slower


def test_without_a_time_the_pauses_grow(world: World) -> None:
    world.configure("surfaces: {check_run: false, deployments: false}")
    world.pool()
    number = world.opens()
    world.github.fail("GET", "/pulls/", 403, times=3, body='{"message": "You have exceeded a secondary rate limit"}')
    world.github.push(REPO, number)
    world.work()
    pauses = []
    for _ in range(3):
        [row] = [row for row in world.rows(Installation) if row.id == world.installation.id]
        assert row.paused_until is not None
        pauses.append((row.paused_until - world.clock()).total_seconds())
        world.later(seconds=pauses[-1])
    assert pauses == [60, 120, 240]
    assert world.github.pull_request(REPO, number).head_sha[:7] in world.says(number)


# Asked again


def test_what_has_not_changed_costs_nothing(world: World) -> None:
    number = world.opens()
    github = world.shop.installation(world.installation.id)
    first = github.pull_request(REPO, number)
    left = world.github.left(world.installation.id, "core")
    assert github.pull_request(REPO, number) == first
    assert world.github.left(world.installation.id, "core") == left
    assert world.github.requests[-1].status == 304

    world.github.push(REPO, number)
    assert github.pull_request(REPO, number).head_sha == world.github.pull_request(REPO, number).head_sha


def test_another_token_asks_anew(world: World) -> None:
    number = world.opens()
    github = world.shop.installation(world.installation.id)
    github.pull_request(REPO, number)
    world.github.revoke_tokens()
    assert github.pull_request(REPO, number).number == number
    assert world.github.requests[-1].status == 200


def test_a_new_hour_forgets_what_was_swept(world: World) -> None:
    world.work()
    at = world.clock()
    with world.database.transaction() as session:
        for reset_at, swept in ((at, 9), (at, 1), (at + timedelta(hours=1), 2)):
            rates.note(session, 7, "graphql", most=5000, remaining=9, reset_at=reset_at, swept=swept)
    [rate] = [rate for rate in world.rows(Rate) if rate.installation_id == 7]
    assert rate.swept == 2
