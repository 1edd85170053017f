"""Tasks: claimed once, in order, taken over when their worker is gone, and coalesced (storage/tasks.py, queue.py)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy.orm import Session

from storage import queue, tasks
from storage.database import Database
from storage.queue import QueueName
from storage.tasks import CLAIM, ClaimLost, Task, TaskState
from tests.at_once import at_once, beside
from tests.provider import Clock

NORMAL = QueueName.NORMAL
SECOND = timedelta(seconds=1)


class Board:
    """Tasks as workers see them; each call is a transaction of its own."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock

    def enqueue(self, kind: str = "provision", **given: Any) -> str:
        with self.database.transaction() as session:
            return self.enqueue_in(session, kind, **given)

    def enqueue_in(self, session: Session, kind: str = "provision", **given: Any) -> str:
        return queue.enqueue(session, kind, **{"queue": NORMAL, "now": self.clock(), **given})

    def claim(self, worker: str = "w", *, limit: int = 20, name: str = NORMAL) -> list[Task]:
        with self.database.transaction() as session:
            return list(tasks.claim_due(session, name, worker, now=self.clock(), limit=limit))

    def claim_one(self, worker: str = "w") -> Task:
        [task] = self.claim(worker)
        return task

    def do(self, what: Callable[..., object], *given: Any, **more: Any) -> None:
        with self.database.transaction() as session:
            what(session, *given, **more)

    def complete(self, task: Task) -> None:
        self.do(tasks.complete, task, None, now=self.clock())

    def get(self, id: str) -> Task:
        with self.database.reading() as session:
            found = tasks.get(session, id)
            assert found is not None
            return found


@pytest.fixture
def board(database: Database, clock: Clock) -> Board:
    return Board(database, clock)


# Claims


def test_due_tasks_are_claimed_the_earliest_first(board: Board) -> None:
    now = board.clock()
    late, early, second = (board.enqueue(run_at=now - minutes * SECOND) for minutes in (1, 3, 1))
    board.enqueue(run_at=now + SECOND)
    board.enqueue(queue=QueueName.BATCH)
    claimed = board.claim("worker")
    assert [task.id for task in claimed] == [early, late, second]
    [first, *_] = claimed
    assert (first.state, first.claimed_by, first.claimed_until) == ("active", "worker", now + CLAIM)
    assert (first.attempts, first.fence, first.started_at) == (1, 1, now)
    assert board.claim() == []


def test_no_more_are_claimed_than_asked_for(board: Board) -> None:
    wanted = [board.enqueue() for _ in range(3)]
    assert [task.id for task in board.claim(limit=2)] == wanted[:2]
    assert [task.id for task in board.claim(limit=2)] == wanted[2:]


def test_two_workers_never_claim_the_same(board: Board) -> None:
    wanted = [board.enqueue() for _ in range(4)]
    with board.database.transaction() as session:
        first = tasks.claim_due(session, NORMAL, "one", now=board.clock(), limit=2)
        second = beside(board.database, lambda: board.claim("two"))
        at_once_on_postgresql = second.done()
    assert ([task.id for task in first], [task.id for task in second.result(10)]) == (wanted[:2], wanted[2:])
    assert at_once_on_postgresql is not board.database.is_sqlite


def test_many_workers_claim_each_task_once(board: Board) -> None:
    with board.database.transaction() as session:
        wanted = [board.enqueue_in(session, serial_key=f"key{number % 9}") for number in range(36)]

    def drain(worker: str) -> list[str]:
        worked: list[str] = []
        while claimed := board.claim(worker, limit=3):
            for task in claimed:
                board.complete(task)
                worked.append(task.id)
        return worked

    worked = [id for ids in at_once([partial(drain, name) for name in ("one", "two", "three")]) for id in ids]
    worked += drain("last")
    assert sorted(worked) == sorted(wanted)


# One at a time


def test_tasks_of_one_key_are_worked_one_at_a_time_in_order(board: Board) -> None:
    first, second, third = (board.enqueue(serial_key="pr1") for _ in range(3))
    other = board.enqueue(serial_key="pr2")
    claimed = board.claim()
    assert [task.id for task in claimed] == [first, other]
    assert board.claim() == []
    board.complete(claimed[0])
    [claimed_next] = board.claim()
    assert claimed_next.id == second
    board.complete(claimed_next)
    assert board.claim_one().id == third


def test_those_behind_wait_for_one_that_is_put_back(board: Board) -> None:
    first, second = board.enqueue(serial_key="pr1"), board.enqueue(serial_key="pr1")
    claimed = board.claim_one()
    board.do(tasks.put_back, claimed, run_at=board.clock() + SECOND, counted=True)
    assert board.claim() == []
    board.clock.advance(seconds=1)
    assert board.claim_one().id == first
    assert board.get(second).state == "pending"


def test_the_order_of_a_key_holds_over_queues(board: Board) -> None:
    board.enqueue(serial_key="pr1", queue=QueueName.CRITICAL)
    board.enqueue(serial_key="pr1")
    assert board.claim() == []
    [critical] = board.claim(name=QueueName.CRITICAL)
    assert board.claim() == []
    board.complete(critical)
    assert len(board.claim()) == 1


def test_a_key_is_not_worked_twice_even_if_its_older_task_appears_later(board: Board) -> None:
    """Numbers are given before the commit: the younger may be claimed while the older is not there yet."""
    if board.database.is_sqlite:
        return  # one writer at a time gives numbers in the order of commits
    with board.database.transaction() as uncommitted:
        older = board.enqueue_in(uncommitted, serial_key="pr1")
        younger = board.enqueue(serial_key="pr1")
        assert board.claim_one().id == younger
    assert board.claim() == []
    board.complete(board.get(younger))
    assert board.claim_one().id == older


def test_who_finds_a_key_taken_at_this_very_moment_gets_nothing(board: Board) -> None:
    if board.database.is_sqlite:
        return  # there are no two claims at one moment
    with ExitStack() as first_claim:
        with board.database.transaction() as uncommitted:
            board.enqueue_in(uncommitted, serial_key="pr1")
            younger = board.enqueue(serial_key="pr1")
            session = first_claim.enter_context(board.database.transaction())
            assert [t.id for t in tasks.claim_due(session, NORMAL, "one", now=board.clock(), limit=9)] == [younger]
        second = beside(board.database, lambda: board.claim("two"))
        assert not second.done()
    with pytest.raises(ClaimLost):
        second.result(10)
    assert board.get(younger).claimed_by == "one"


# Taking over


def test_a_task_whose_worker_is_gone_is_taken_over(board: Board) -> None:
    id = board.enqueue(serial_key="pr1")
    board.enqueue(serial_key="pr1")
    lost = board.claim_one("dead")
    board.clock.advance(seconds=CLAIM.total_seconds())
    assert board.claim("living") == []
    board.clock.advance(seconds=1)
    taken = board.claim_one("living")
    assert (taken.id, taken.claimed_by, taken.fence, taken.attempts) == (id, "living", 2, 2)
    now = board.clock()
    with pytest.raises(ClaimLost):
        board.do(tasks.hold, lost)
    with pytest.raises(ClaimLost):
        board.do(tasks.complete, lost, None, now=now)
    with pytest.raises(ClaimLost):
        board.do(tasks.fail, lost, "X", "x", now=now)
    with pytest.raises(ClaimLost):
        board.do(tasks.put_back, lost, run_at=now, counted=True)
    assert (board.get(id).state, board.get(id).claimed_by) == ("active", "living")
    board.do(tasks.hold, taken)
    board.complete(taken)
    with pytest.raises(ClaimLost):
        board.do(tasks.hold, taken)


def test_the_same_worker_taking_over_from_itself_loses_its_former_claim(board: Board) -> None:
    board.enqueue()
    stopped = board.claim_one("w")
    board.clock.advance(seconds=13)
    again = board.claim_one("w")
    with pytest.raises(ClaimLost):
        board.do(tasks.hold, stopped)
    board.do(tasks.hold, again)


def test_a_renewed_claim_goes_on(board: Board) -> None:
    board.enqueue()
    board.enqueue()
    [mine] = board.claim("mine", limit=1)
    [theirs] = board.claim("theirs", limit=1)
    board.clock.advance(seconds=10)
    board.do(tasks.renew, "mine", now=board.clock())
    board.clock.advance(seconds=10)
    assert board.claim_one("other").id == theirs.id
    board.complete(mine)


def test_a_held_task_is_not_taken_over_until_its_step_ends(board: Board) -> None:
    board.enqueue()
    mine = board.claim_one("mine")
    board.clock.advance(seconds=13)
    with board.database.transaction() as session:
        tasks.hold(session, mine)
        other = beside(board.database, lambda: board.claim("other"))
        assert not (other.done() and other.result())
    taken = other.result(10) or board.claim("other")
    assert [task.fence for task in taken] == [2]


# How it ends


def test_completed_it_has_its_result(board: Board) -> None:
    id = board.enqueue()
    board.do(tasks.complete, board.claim_one(), {"sandboxName": "a"}, now=board.clock())
    done = board.get(id)
    assert (done.state, done.progress, done.result, done.finished_at) == (
        "completed", 100, {"sandboxName": "a"}, board.clock()
    )  # fmt: skip
    assert (done.claimed_by, done.claimed_until) == (None, None)


def test_failed_it_says_why(board: Board) -> None:
    id = board.enqueue()
    board.do(tasks.fail, board.claim_one(), "OUTSIDE_FAILED", "No answer", now=board.clock())
    failed = board.get(id)
    assert (failed.state, failed.error_code, failed.error) == ("failed", "OUTSIDE_FAILED", "No answer")
    assert failed.finished_at == board.clock()


@pytest.mark.parametrize(("counted", "attempts"), [(True, 1), (False, 0)])
def test_put_back_it_is_due_later(board: Board, counted: bool, attempts: int) -> None:
    id = board.enqueue()
    later = board.clock() + SECOND
    board.do(tasks.put_back, board.claim_one(), run_at=later, counted=counted, error="No answer")
    back = board.get(id)
    assert (back.state, back.run_at, back.attempts, back.error) == ("pending", later, attempts, "No answer")
    assert (back.claimed_by, back.claimed_until) == (None, None)


# Coalescing


def test_many_wishes_for_the_same_are_one_task(board: Board) -> None:
    now = board.clock()
    first = board.enqueue(once_key="thread1", run_at=now + 5 * SECOND)
    assert board.enqueue(once_key="thread1", run_at=now + 9 * SECOND) == first
    assert board.get(first).run_at == now + 5 * SECOND
    assert board.enqueue(once_key="thread1", run_at=now + SECOND) == first
    assert board.get(first).run_at == now + SECOND
    assert board.enqueue(once_key="thread2") != first
    assert board.enqueue("refresh", once_key="thread1") != first


def test_a_wish_while_the_task_is_worked_is_a_second_task(board: Board) -> None:
    first = board.enqueue(once_key="thread1", serial_key="thread1")
    working = board.claim_one()
    second = board.enqueue(once_key="thread1", serial_key="thread1")
    assert second != first
    assert board.claim() == []
    board.complete(working)
    assert board.claim_one().id == second


def test_a_task_that_is_put_back_behind_its_successor_is_done(board: Board) -> None:
    first = board.enqueue(once_key="thread1")
    working = board.claim_one()
    second = board.enqueue(once_key="thread1")
    board.do(tasks.put_back, working, run_at=board.clock() + SECOND, counted=True, error="No answer")
    assert (board.get(first).state, board.get(second).state) == ("completed", "pending")


def test_a_task_that_is_put_back_while_its_successor_appears_is_done(board: Board) -> None:
    first = board.enqueue(once_key="thread1")
    working = board.claim_one()
    with board.database.transaction() as session:
        second = board.enqueue_in(session, once_key="thread1")
        putting = beside(
            board.database, lambda: board.do(tasks.put_back, working, run_at=board.clock() + SECOND, counted=True)
        )
    putting.result(10)
    assert (board.get(first).state, board.get(second).state) == ("completed", "pending")


def test_two_wishes_at_once_are_one_task(board: Board) -> None:
    ids = at_once([lambda: board.enqueue(once_key="thread1")] * 4)
    assert len(set(ids)) == 1


# The doorbell


def test_the_bell_rings_after_the_commit_and_only_for_what_is_due(database_url: str, clock: Clock) -> None:
    rung: list[frozenset[str]] = []
    board = Board(Database(database_url, ring=rung.append), clock)
    with board.database.transaction() as session:
        board.enqueue_in(session)
        board.enqueue_in(session, queue=QueueName.CRITICAL)
        assert rung == []
    assert rung == [{"normal", "critical"}]
    board.enqueue(run_at=clock() + SECOND)
    with suppress(ZeroDivisionError), board.database.transaction() as session:
        board.enqueue_in(session)
        raise ZeroDivisionError
    assert len(rung) == 1
    board.database.dispose()


def due_queues(board: Board) -> set[str]:
    with board.database.reading() as session:
        return set(tasks.queues_with_due_work(session, now=board.clock()))


def test_queues_with_due_or_orphaned_work_are_found(board: Board) -> None:
    board.enqueue(run_at=board.clock() + SECOND)
    assert due_queues(board) == set()
    board.clock.advance(seconds=1)
    assert due_queues(board) == {"normal"}
    working = board.claim_one()
    assert due_queues(board) == set()
    board.clock.advance(seconds=13)
    assert due_queues(board) == {"normal"}
    board.complete(working)
    assert due_queues(board) == set()


def test_what_ended_long_ago_is_removed_in_batches(board: Board) -> None:
    def ended_at(state: TaskState, at: datetime | None) -> None:
        with board.database.transaction() as session:
            id = board.enqueue_in(session)
            session.flush()
            task = tasks.get(session, id)
            assert task is not None
            task.state, task.finished_at = state, at

    before = board.clock()
    for state in (TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED):
        ended_at(state, before - SECOND)
        ended_at(state, before)
    ended_at(TaskState.PENDING, None)

    def remove() -> int:
        with board.database.transaction() as session:
            return tasks.remove_finished(session, before=before, limit=2)

    assert [remove() for _ in range(3)] == [2, 1, 0]
    with board.database.reading() as session:
        assert session.query(Task).count() == 4
