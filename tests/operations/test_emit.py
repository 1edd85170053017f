"""What happens is told to the webhooks that listen: in the transaction of what it tells, and to nobody else."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from operations import environments as life
from operations.emit import emit
from operations.environments import Facts
from operations.events import DATA, EventType, LockEvent, TaskEvent
from operations.extend import extend
from operations.find import find_or_refuse
from operations.find_lock import find_lock
from operations.lock import Wanted, lock
from operations.replenish import age
from operations.transition import transition
from operations.unlock import unlock
from storage import events
from storage.environments import EnvironmentState
from storage.events import Dispatch, Event
from storage.locks import ResourceKind
from storage.webhooks import Webhook, WebhookStatus
from tests.operations.lines import LockRows
from tests.operations.rows import ACTOR, Rows

FACTS = Facts(b"sealed", None, "https://x.example", None, None, None)
LOCK = LockEvent("acme/shop", "named", "deploy", "ci", None, None)

# Whoever writes one of these into the audit log and tells nothing has forgotten it.
TOLD = {
    "assignment.created", "assignment.extended", "assignment.ended", "assignment.transitioned", "ticket.joined",
    "environment.failed", "lock.acquired", "lock.released", "lock.forced",
}  # fmt: skip


def listen(rows: Rows, *events: EventType, **values: Any) -> Webhook:
    """A webhook that hears of these events, or of all."""
    heard = [*events] or [*EventType]
    given = {"timeout_ms": 10_000, "retry_count": 3, "retry_delay_ms": 60_000, "created_by": "the owner", **values}
    with rows.transaction() as session:
        webhook = Webhook(target=b"sealed", events=heard, created_at=rows.clock(), updated_at=rows.clock(), **given)
        session.add(webhook)
    return webhook


def told(rows: Rows) -> list[tuple[str, dict[str, Any]]]:
    """What was told, in order."""
    with rows.database.reading() as session:
        sent = session.query(Dispatch).order_by(Dispatch.number)
        bodies = [json.loads(session.get_one(Event, dispatch.event_id).body) for dispatch in sent]
    return [(body["event"], body["data"]) for body in bodies]


def kinds(rows: Rows) -> list[str]:
    return [kind for kind, _ in told(rows)]


def test_an_assignment_is_told_from_its_beginning_to_its_end(rows: Rows) -> None:
    rows.pool(free=1)
    listen(rows)
    rows.assign(rows.holder(1), hours=24)
    with rows.transaction() as session:
        extend(session, find_or_refuse(session, rows.holder(1), now=rows.clock()), 24, ACTOR, now=rows.clock())
        found = find_or_refuse(session, rows.holder(1), now=rows.clock())
        transition(session, found, rows.holder(9, "issue"), {}, ACTOR, now=rows.clock())
    rows.unassign(rows.holder(9, "issue"))

    created, extended, transitioned, released, available = told(rows)
    assert created == (
        "assignment.created",
        {
            "repositoryIdentifier": "acme/shop",
            "assignmentType": "pr",
            "assignmentId": "1",
            "domain": None,
            "poolTag": "core",
            "sandboxName": "core0",
            "status": "active",
            "assignedBy": "dev@example.com",
            "assignedAt": "2026-03-02T12:00:00Z",
            "expiresAt": "2026-03-03T12:00:00Z",
            "previousExpiresAt": None,
            "previousAssignment": None,
            "reason": None,
        },
    )
    later = {"previousExpiresAt": "2026-03-03T12:00:00Z", "expiresAt": "2026-03-04T12:00:00Z"}
    assert extended == ("assignment.extended", {**created[1], **later})
    assert transitioned[0] == "assignment.transitioned"
    assert transitioned[1].items() >= {"assignmentType": "issue", "previousAssignment": "pr-1"}.items()
    assert released[0] == "assignment.released"
    assert released[1].items() >= {"status": "released", "reason": "unassigned"}.items()
    assert available[1] == {
        "repositoryIdentifier": "acme/shop", "poolTag": "core", "sandboxName": "core0", "status": "AVAILABLE",
        "reason": None,
    }  # fmt: skip


def test_what_is_not_given_back_has_expired(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder())
    listen(rows)
    rows.unassign(rows.holder(), returned=False)
    assert kinds(rows) == ["assignment.expired"]


def test_the_first_who_waits_is_why_a_pool_is_exhausted(rows: Rows) -> None:
    rows.pool(max_total=0)
    listen(rows)
    rows.join(rows.holder(1))
    rows.join(rows.holder(2))
    first, exhausted, second = told(rows)
    assert first[1].items() >= {"assignmentId": "1", "position": 1, "requestedBy": "dev@example.com"}.items()
    assert exhausted == (
        "pool.exhausted",
        {"repositoryIdentifier": "acme/shop", "poolTag": "core", "total": 0, "maxTotal": 0, "assigned": 0,
         "provisioning": 0, "waiting": 1},
    )  # fmt: skip
    assert second[1].items() >= {"assignmentId": "2", "position": 2}.items()


def test_who_waits_beside_a_free_environment_waits_for_no_exhausted_pool(rows: Rows) -> None:
    rows.pool(free=1)
    listen(rows)
    rows.join(rows.holder(1))
    assert kinds(rows) == ["assignment.queued"]


def test_an_instance_is_told_from_its_beginning_to_its_end(rows: Rows) -> None:
    environment = rows.environment(rows.pool(), "core0", EnvironmentState.PROVISIONING)
    listen(rows)
    with rows.transaction() as session:
        row = session.merge(environment)
        life.become_available(session, row, FACTS, now=rows.clock())
        life.fail(session, row, "It does not answer", now=rows.clock())
        life.flag(session, row, now=rows.clock())
        life.archive(session, row, now=rows.clock())
    assert kinds(rows) == ["instance.available", "instance.error", "instance.flagged", "instance.deleted"]
    assert told(rows)[1][1]["reason"] == "It does not answer"


def test_without_credentials_is_in_error(rows: Rows) -> None:
    pool = rows.pool(free=1)
    rows.environment(pool, "broken", credentials=None, available_at=rows.clock().replace(year=2020))
    listen(rows)
    rows.assign(rows.holder())
    assert kinds(rows) == ["instance.error", "assignment.created"]


@pytest.mark.parametrize(("strategy", "heard"), [("NOTIFY_ONLY", ["instance.flagged"]), ("DELETE_EXPIRED", [])])
def test_who_only_wants_to_be_told_is_told(rows: Rows, strategy: str, heard: list[str]) -> None:
    pool = rows.pool(strategy=strategy)
    rows.environment(pool, "old", available_at=rows.clock().replace(year=2020))
    listen(rows)
    with rows.transaction() as session:
        age(session, pool, now=rows.clock())
    assert kinds(rows) == heard


def test_a_lock_is_told_from_its_beginning_to_its_end(rows: Rows) -> None:
    listen(rows)
    lines = LockRows(rows.database, rows.clock, rows.repository.id)
    first, second, third = (lines.lock() for _ in range(3))
    lines.unlock(third)
    lines.unlock(first)
    with rows.transaction() as session:
        found = find_lock(session, lines.resource(), second.ticket, now=rows.clock())
        unlock(session, found, ACTOR, now=rows.clock(), is_forced=True)

    assert kinds(rows) == ["lock.acquired", "lock.released", "lock.acquired", "lock.forced"]
    assert told(rows)[-1][1] == {
        "repositoryIdentifier": "acme/shop", "kind": "named", "resource": "deploy", "lockedBy": "ci", "reason": None,
        "expiresAt": "2026-03-02T12:10:00Z", "endReason": "forced",
    }  # fmt: skip


def test_a_locked_environment_is_told_by_its_name_and_never_its_ticket(rows: Rows) -> None:
    rows.pool(free=1)
    held = rows.assign(rows.holder()).assignment
    listen(rows, EventType.LOCK_ACQUIRED)
    lines = LockRows(rows.database, rows.clock, rows.repository.id)
    wanted = Wanted(lines.resource(held.id, ResourceKind.ASSIGNMENT), timedelta(minutes=5), "ci")
    with rows.transaction() as session:
        ticket = lock(session, wanted, ACTOR, now=rows.clock()).ticket
    [(_, said)] = told(rows)
    assert (said["kind"], said["resource"]) == ("assignment", "core0")
    assert ticket not in str(said)


# Who hears


def test_nobody_listens_and_nothing_is_kept(rows: Rows) -> None:
    rows.pool(free=1)
    listen(rows, status=WebhookStatus.INACTIVE)
    listen(rows, EventType.LOCK_FORCED)
    rows.assign(rows.holder())
    assert told(rows) == []
    with rows.database.reading() as session:
        assert session.query(Event).count() == 0


def test_a_webhook_of_some_repositories_hears_of_no_other(rows: Rows) -> None:
    listen(rows, repositories=["acme/other"])
    own = listen(rows, repositories=["acme/shop"])
    everything = listen(rows)
    with rows.transaction() as session:
        emit(session, EventType.LOCK_ACQUIRED, lambda: LOCK, now=rows.clock())
        emit(session, EventType.TASK_FAILED, lambda: TaskEvent("1", "x", "failed", None), now=rows.clock())
    with rows.database.reading() as session:
        heard = [dispatch.webhook_id for dispatch in session.query(Dispatch).order_by(Dispatch.number)]
    assert sorted(heard[:2]) == sorted([own.id, everything.id])
    assert heard[2:] == [everything.id]


def test_what_is_told_once_is_told_once(rows: Rows) -> None:
    listen(rows)
    for _ in range(2):
        with rows.transaction() as session:
            emit(session, EventType.LOCK_ACQUIRED, lambda: LOCK, now=rows.clock(), once_key="once")
    assert len(told(rows)) == 1


def test_what_is_rolled_back_was_not_told(rows: Rows) -> None:
    listen(rows)
    with suppress(RuntimeError), rows.transaction() as session:
        emit(session, EventType.LOCK_ACQUIRED, lambda: LOCK, now=rows.clock())
        raise RuntimeError
    assert (told(rows), rows.pending("dispatch")) == ([], [])


def test_each_is_sent_by_a_task_of_its_own_in_the_webhooks_order(rows: Rows) -> None:
    webhook = listen(rows)
    with rows.transaction() as session:
        emit(session, EventType.LOCK_ACQUIRED, lambda: LOCK, now=rows.clock())
        emit(session, EventType.LOCK_RELEASED, lambda: LOCK, now=rows.clock())
    with rows.database.reading() as session:
        numbers = list(events.pending_of(session, webhook.id))
    tasks = rows.pending("dispatch")
    assert [task.payload["dispatch"] for task in tasks] == numbers
    assert {task.serial_key for task in tasks} == {f"webhook:{webhook.id}"}


def test_every_event_says_something() -> None:
    assert DATA.keys() == set(EventType)


def recorded(function: ast.FunctionDef) -> Iterator[str]:
    """The actions that it writes into the audit log, and the names of the functions that it calls."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield f"{called}()"
            if called == "record":
                yield from (str(given.value) for given in node.args if isinstance(given, ast.Constant))


def test_whoever_records_what_is_told_also_tells_it() -> None:
    functions = {
        f"{path.name}:{node.name}": set(recorded(node))
        for path in Path(emit.__code__.co_filename).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    recording = {name: found for name, found in functions.items() if found & TOLD}
    telling = {"emit()", "emit_assignment()", "emit_instance()", "_tell()", "_emit()"}
    assert recording.keys() >= {"assign.py:grant", "end.py:end", "waiting.py:join"}
    assert [name for name, found in recording.items() if not found & telling] == []
