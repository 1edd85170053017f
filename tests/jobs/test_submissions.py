"""Submitted tasks: they wait in the bot's queue without a worker, give back what they got, and are tried again."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from jobs.worker import Worker
from operations.cancel import cancel
from operations.errors import TaskNotCancellable
from operations.recurrence import Recurrence
from operations.repeat import stop_repeating
from operations.submit import Order, Retries, submit
from operations.unassign import unassign
from storage import assignments, submissions, tasks
from storage.assignments import Assignment, AssignmentStatus, Holder
from storage.audit import Actor
from storage.queue import QueueName
from storage.submissions import Submission, SubmissionType
from storage.tasks import CLAIM, Task, TaskState
from storage.tickets import Ticket, TicketState
from tests import history
from tests.at_once import at_once
from tests.world import REPO, World

CI = Actor("ci", token_id="a token")


class Desk:
    """Somebody submits, and looks at what becomes of it."""

    def __init__(self, world: World) -> None:
        self.world = world

    def submit(self, type: SubmissionType, data: dict[str, Any], **order: Any) -> str:
        given = Order(type, {"repositoryIdentifier": REPO, **data}, REPO, **order)
        with self.world.database.transaction() as session:
            return submit(session, given, CI, None, now=self.world.clock()).id

    def fetch(self, id: str, *, wait: float = 600, **order: Any) -> str:
        data = {"poolTag": "core", "assignmentId": id, "wait": wait}
        return self.submit(SubmissionType.FETCH, data, **order)

    def cancel(self, id: str) -> None:
        with self.world.database.transaction() as session:
            found = submissions.lock(session, id)
            assert found is not None
            cancel(session, found, CI, now=self.world.clock())

    def get(self, id: str) -> Submission:
        with self.world.session() as session:
            found: Submission | None = submissions.find(session, id)
        assert found is not None
        return found

    def status(self, id: str) -> str:
        return self.get(id).status

    def holders(self) -> list[str]:
        return sorted(a.holder_id for a in self.world.rows(Assignment) if a.status == AssignmentStatus.ACTIVE)

    def waiting(self) -> list[str]:
        return [ticket.holder_id for ticket in self.world.rows(Ticket) if ticket.state == TicketState.WAITING]

    def frees(self, id: str, type: str = "issue") -> None:
        """Its holder gives its environment back to the pool."""
        holder = self.world.holder(0)
        with self.world.database.transaction() as session:
            held = assignments.find_active(session, Holder(holder.repository_id, type, id))
            assert held is not None
            unassign(session, held, CI, now=self.world.clock(), returned=True)
        self.world.work()


@pytest.fixture
def desk(world: World) -> Desk:
    """One environment for all, which issue 1 has."""
    world.pool(max_total=1)
    desk = Desk(world)
    desk.fetch("1")
    world.work()
    assert desk.holders() == ["1"]
    return desk


# Waiting


def test_a_fetch_waits_among_pull_requests_in_the_order_in_which_they_came(desk: Desk) -> None:
    world = desk.world
    world.opens("alice")
    waiting = desk.fetch("7")
    world.work()
    second = world.opens("bob", head="other")
    assert desk.waiting() == ["1", "7", str(second)]

    desk.frees("1")
    assert (desk.holders(), desk.status(waiting)) == (["1"], "active")
    desk.frees("1", "pr")
    assert (desk.holders(), desk.status(waiting)) == (["7"], "completed")
    assert world.failures() == []


def test_while_it_waits_no_worker_has_it(desk: Desk) -> None:
    waiting = desk.fetch("7")
    desk.world.work()
    assert desk.status(waiting) == TaskState.ACTIVE
    assert [task.state for task in desk.world.rows(Task) if task.kind == "fulfil"] == ["completed", "pending"]


def test_it_gives_up_when_it_has_waited_as_long_as_it_wanted_to(desk: Desk) -> None:
    waiting = desk.fetch("7", wait=90)
    desk.world.work()
    desk.world.later(seconds=89)
    assert (desk.status(waiting), desk.waiting()) == (TaskState.ACTIVE, ["7"])
    desk.world.later(seconds=1)
    failed = desk.get(waiting)
    assert (failed.status, failed.error_code) == (TaskState.FAILED, "POOL_EXHAUSTED")
    assert failed.error == (
        "No environment is available in pool core (0 available, 1 assigned, 0 provisioning, 1 of 1 used)"
    )
    assert desk.waiting() == []


def test_one_that_does_not_want_to_wait_fails_at_once(desk: Desk) -> None:
    impatient = desk.fetch("7", wait=0)
    desk.world.work()
    assert desk.get(impatient).error_code == "POOL_EXHAUSTED"
    assert desk.world.rows(Ticket) == []


def test_it_is_tried_again_and_waits_anew_as_often_as_was_asked(desk: Desk) -> None:
    retries = Retries(max_attempts=3, backoff=timedelta(minutes=1), doubles=True)
    waiting = desk.fetch("7", wait=10, retries=retries)
    desk.world.work()
    states = []
    for seconds in (10, 60, 10, 120, 10):
        desk.world.later(seconds=seconds - 1)
        before = desk.status(waiting)
        desk.world.later(seconds=1)
        states.append((before, desk.status(waiting), len(desk.waiting())))
    assert states == [
        ("active", "pending", 0), ("pending", "active", 1), ("active", "pending", 0), ("pending", "active", 1),
        ("active", "failed", 0),
    ]  # fmt: skip
    assert desk.get(waiting).attempts == 3


def test_a_retry_that_gets_one_is_completed_and_shows_no_error(desk: Desk) -> None:
    again = desk.fetch("7", wait=0, retries=Retries(max_attempts=2, backoff=timedelta(seconds=5)))
    desk.world.work()
    desk.frees("1")
    desk.world.later(seconds=5)
    done = desk.get(again)
    assert (done.status, done.error_code, done.attempts) == (TaskState.COMPLETED, None, 2)


def test_two_for_the_same_key_share_a_place_and_an_environment(desk: Desk) -> None:
    first, second = desk.fetch("7"), desk.fetch("7")
    desk.world.work()
    assert desk.waiting() == ["7"]
    desk.frees("1")
    assert [desk.status(id) for id in (first, second)] == ["completed", "completed"]
    assert desk.holders() == ["7"]


def test_whose_pull_request_is_closed_waits_no_longer_and_is_not_tried_again(desk: Desk) -> None:
    number = desk.world.opens("alice")
    data = {"poolTag": "core", "assignmentType": "pr", "assignmentId": str(number)}
    waiting = desk.submit(SubmissionType.FETCH, data, retries=Retries(max_attempts=5))
    desk.world.work()
    desk.world.github.close(REPO, number)
    desk.world.work()
    ended = desk.get(waiting)
    assert (ended.status, ended.error_code) == (TaskState.FAILED, "POOL_EXHAUSTED")
    assert ended.error == "The place in the queue of pool core was given up: closed"


# Cancelled


def test_who_is_cancelled_leaves_the_queue_to_those_behind(desk: Desk) -> None:
    first, second = desk.fetch("7"), desk.fetch("8")
    desk.world.work()
    desk.cancel(first)
    assert desk.waiting() == ["8"]
    desk.frees("1")
    assert [desk.status(id) for id in (first, second)] == ["cancelled", "completed"]
    desk.world.later(hours=1)
    assert desk.holders() == ["8"]


def test_who_is_cancelled_after_its_turn_came_gives_back_what_it_brought(desk: Desk) -> None:
    waiting = desk.fetch("7")
    desk.world.work()
    holder = desk.world.holder(0)
    with desk.world.database.transaction() as session:
        held = assignments.find_active(session, Holder(holder.repository_id, "issue", "1"))
        assert held is not None
        unassign(session, held, CI, now=desk.world.clock(), returned=True)
    desk.world.workers[QueueName.CRITICAL].drain()  # it is served, and its task, of another queue, not yet worked
    assert (desk.holders(), desk.status(waiting)) == (["7"], "active")
    desk.cancel(waiting)
    desk.world.work()
    assert (desk.holders(), desk.status(waiting)) == ([], "cancelled")
    with desk.world.session() as session:
        history.check_rows(session)


def test_what_another_with_the_same_key_waits_for_is_not_given_away(desk: Desk) -> None:
    number = desk.world.opens("alice")
    data = {"poolTag": "core", "assignmentType": "pr", "assignmentId": str(number)}
    waiting = desk.submit(SubmissionType.FETCH, data)
    desk.world.work()
    desk.cancel(waiting)
    assert desk.waiting() == [str(number)]


def test_who_shares_the_place_of_one_that_is_cancelled_waits_on(desk: Desk) -> None:
    first, second = desk.fetch("7"), desk.fetch("7")
    desk.world.work()
    desk.cancel(first)
    desk.world.work()
    assert (desk.status(second), desk.waiting()) == ("active", ["7"])
    desk.frees("1")
    assert (desk.status(second), desk.holders()) == ("completed", ["7"])


def test_cancelled_and_worked_at_once_it_ends_in_one_way(desk: Desk) -> None:
    desk.frees("1")
    waiting = desk.fetch("7")
    worker = Worker(desk.world.new_shop(), QueueName.BATCH)

    def cancelling() -> int:
        with suppress(TaskNotCancellable):
            desk.cancel(waiting)
        return 1

    at_once([worker.drain, cancelling])
    desk.world.work()
    assert (desk.status(waiting), desk.holders()) in [("completed", ["7"]), ("cancelled", [])]


# Workers that die


def test_a_dead_worker_is_relieved_within_seconds_and_what_it_did_not_finish_happens_once(desk: Desk) -> None:
    desk.frees("1")
    waiting = desk.fetch("7")
    with desk.world.database.transaction() as session:
        tasks.claim_due(session, QueueName.BATCH, "dead", now=desk.world.clock(), limit=1)
    desk.world.later(seconds=CLAIM.total_seconds())
    assert desk.status(waiting) == "pending"
    desk.world.later(seconds=1)
    assert (desk.status(waiting), desk.holders()) == ("completed", ["7"])


def test_a_stuck_worker_keeps_it_for_its_lock_duration_and_no_longer(desk: Desk) -> None:
    desk.fetch("7", lock=timedelta(seconds=20))
    now = desk.world.clock()
    with desk.world.database.transaction() as session:
        [task] = tasks.claim_due(session, QueueName.BATCH, "stuck", now=now, limit=1)
        tasks.lock(session, task, until=now + timedelta(seconds=20))
    kept = []
    for _ in range(8):
        desk.world.clock.advance(seconds=3)
        with desk.world.database.transaction() as session:
            tasks.renew(session, "stuck", now=desk.world.clock())
            others = tasks.claim_due(session, QueueName.BATCH, "another", now=desk.world.clock(), limit=1)
        kept.append(not others)
    assert kept == [True] * 6 + [False, True]


def test_a_short_lock_duration_shortens_the_claim(desk: Desk) -> None:
    desk.fetch("7", lock=timedelta(seconds=1))
    now = desk.world.clock()
    with desk.world.database.transaction() as session:
        [task] = tasks.claim_due(session, QueueName.BATCH, "dead", now=now, limit=1)
        tasks.lock(session, task, until=now + timedelta(seconds=1))
    desk.world.clock.advance(seconds=2)
    with desk.world.database.transaction() as session:
        assert tasks.claim_due(session, QueueName.BATCH, "another", now=desk.world.clock(), limit=1)


def test_one_that_no_worker_ever_comes_to_an_end_with_fails_visibly(desk: Desk) -> None:
    waiting = desk.fetch("7")
    with desk.world.database.transaction() as session:
        for task in session.query(Task).where(Task.kind == "fulfil", Task.state == TaskState.PENDING):
            task.attempts = task.max_attempts
    with capture_logs():
        desk.world.work()
    failed = desk.get(waiting)
    assert (failed.status, failed.error_code) == (TaskState.FAILED, "INTERNAL")


def test_what_cannot_be_worked_fails_visibly(desk: Desk) -> None:
    unreadable = desk.submit(SubmissionType.FETCH, {"assignmentId": "7", "wait": "long"})
    desk.world.work()
    failed = desk.get(unreadable)
    assert (failed.status, failed.error_code) == (TaskState.FAILED, "VALIDATION_FAILED")


# Again and again


def recurring(desk: Desk) -> str:
    return desk.fetch("7", wait=3600, recurrence=Recurrence(interval=timedelta(minutes=10)))


def executions(desk: Desk, series: str) -> list[str]:
    with desk.world.session() as session:
        return [each.status for each in submissions.executions_of(session, series)]


def test_no_execution_is_begun_beside_one_that_has_not_ended(desk: Desk) -> None:
    series = recurring(desk)
    desk.world.later(minutes=10)
    desk.world.later(minutes=10)
    assert executions(desk, series) == ["active"]
    desk.frees("1")
    desk.world.later(minutes=10)
    assert executions(desk, series) == ["completed", "completed"]
    assert desk.get(series).executions == 2


def test_what_was_missed_is_made_up_for_once_and_then_by_the_interval(desk: Desk) -> None:
    desk.frees("1")
    series = recurring(desk)
    desk.world.later(minutes=35)
    assert executions(desk, series) == ["completed"]
    desk.world.later(minutes=4)
    assert len(executions(desk, series)) == 1
    desk.world.later(minutes=1)
    assert len(executions(desk, series)) == 2


def test_after_the_last_execution_the_series_is_completed(desk: Desk) -> None:
    often = partial(Recurrence, interval=timedelta(minutes=10))
    end = desk.world.clock() + timedelta(minutes=25)
    limited = desk.submit(SubmissionType.LIST, {}, recurrence=often(max_executions=2))
    ending = desk.submit(SubmissionType.LIST, {}, recurrence=often(end_at=end))
    for _ in range(4):
        desk.world.later(minutes=10)
    assert [desk.get(id).executions for id in (limited, ending)] == [2, 2]
    assert [desk.status(id) for id in (limited, ending)] == ["completed", "completed"]


def test_cancelling_a_series_ends_its_present_execution_only(desk: Desk) -> None:
    series = recurring(desk)
    desk.cancel(series)
    desk.world.later(minutes=10)
    assert desk.waiting() == ["7"]
    desk.cancel(series)
    assert (executions(desk, series), desk.waiting()) == (["cancelled"], [])
    desk.world.later(minutes=10)
    assert executions(desk, series) == ["cancelled", "active"]


def test_a_stopped_series_lets_its_execution_go_on_and_begins_no_other(desk: Desk) -> None:
    series = recurring(desk)
    desk.world.later(minutes=10)
    with desk.world.database.transaction() as session:
        found = submissions.lock(session, series)
        assert found is not None
        stop_repeating(session, found, CI, now=desk.world.clock())
    desk.frees("1")
    for _ in range(3):
        desk.world.later(minutes=10)
    assert (desk.status(series), executions(desk, series)) == ("cancelled", ["completed"])


def test_over_a_change_of_the_clock_it_runs_once_a_day(world: World) -> None:
    world.clock.now = world.clock.now.replace(month=3, day=7)
    desk = Desk(world)
    nightly = Recurrence(cron="30 2 * * *", timezone="America/New_York")
    series = desk.submit(SubmissionType.CHECK, {"assignmentId": "7"}, recurrence=nightly)
    for day in (8, 9, 10):
        world.clock.now = world.clock.now.replace(day=day, hour=5, minute=30)
        for _ in range(5):
            world.later(minutes=30)
    with world.session() as session:
        began = [f"{each.created_at:%d %H:%M}" for each in submissions.executions_of(session, series)]
    assert began == ["08 07:00", "09 06:30", "10 06:30"]
