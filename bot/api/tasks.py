"""T1–T6: tasks are submitted, followed, cancelled and stopped (contract section 9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.orm import Session

from bot.api.auth import CHANGE, READ
from bot.api.call import AnyCall, Call
from bot.api.errors import RoleRequired
from bot.api.fields import Answer, Timestamp
from bot.api.router import Routes
from bot.api.task_bodies import SubmitBody, TaskPath, TasksQuery
from operations.cancel import cancel
from operations.errors import (
    OperationError,
    TaskAlreadyStopped,
    TaskNotCancellable,
    TaskNotFound,
    TaskNotRecurring,
)
from operations.fetch import progress
from operations.repeat import stop_repeating
from operations.submit import submit
from storage import submissions
from storage.submissions import Sight, Submission, SubmissionType
from storage.tasks import KEPT, TaskState
from storage.tokens import Role

routes = Routes()


class TaskError(Answer):
    message: str
    code: str


class StatusAnswer(Answer):
    """`progress` is a percentage; of a task that waits for an environment, how far it has come in the queue."""

    status: TaskState
    progress: int
    error: TaskError | None = None


class ResultAnswer(StatusAnswer):
    """`result` is null until the task is completed, and never has credentials in it."""

    result: dict[str, Any] | None


class ExecutionAnswer(ResultAnswer):
    operation_id: str
    started_at: Timestamp | None


class TaskAnswer(StatusAnswer):
    """`runAt` is when it is due, or its next execution; `parentId` is the recurring task whose execution it is."""

    operation_id: str
    type: SubmissionType
    repository_identifier: str | None
    recurring: bool
    parent_id: str | None
    submitted_by: str
    run_at: Timestamp
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None


class SubmittedAnswer(Answer):
    operation_id: str
    type: SubmissionType


class CancelledAnswer(Answer):
    message: Literal["Task cancelled successfully"]


class StoppedAnswer(Answer):
    message: Literal["Recurring task stopped successfully"]
    operation_id: str
    stopped_at: Timestamp
    total_executions: int
    last_execution_at: Timestamp | None
    original_end_date: Timestamp | None


@routes.add("POST", "/tasks", CHANGE, "Submit a new task", status=HTTPStatus.CREATED)
def submit_task(call: Call[None, None, SubmitBody]) -> SubmittedAnswer:
    order = call.body.order()
    with call.transaction() as session:
        submission = submit(session, order, call.actor, call.caller.repositories, now=call.now)
    return SubmittedAnswer(operation_id=submission.id, type=order.type)


@routes.add("GET", "/tasks", READ, "List tasks")
def list_tasks(call: Call[None, TasksQuery, None]) -> list[TaskAnswer]:
    """The newest first, with the executions of recurring ones."""
    query = call.query
    before = None if query.before is None else _id(query.before)
    if query.before is not None and before is None:
        return []
    with call.reading() as session:
        found = submissions.page(
            session,
            _sight(call),
            status=query.status,
            repository=query.repository_identifier,
            before=before,
            limit=query.limit,
        )
        return [_show(session, submission) for submission in found]


@routes.add("GET", "/tasks/{operationId}/status", READ, "Get task status", refuses=(TaskNotFound,))
def get_task_status(call: Call[TaskPath, None, None]) -> StatusAnswer:
    with call.reading() as session:
        return StatusAnswer(**_status(session, _find(session, call)))


@routes.add("GET", "/tasks/{operationId}/result", READ, "Get task result", refuses=(TaskNotFound,))
def get_task_result(call: Call[TaskPath, None, None]) -> ResultAnswer:
    with call.reading() as session:
        submission = _find(session, call)
        return ResultAnswer(**_status(session, submission), result=submission.result)


@routes.add(
    "DELETE", "/tasks/{operationId}", READ, "Cancel a task", refuses=(TaskNotFound, RoleRequired, TaskNotCancellable)
)
def cancel_task(call: Call[TaskPath, None, None]) -> CancelledAnswer:
    """For its submitter and owners. Of a recurring task the present execution is cancelled, and the series goes on."""
    with call.transaction() as session:
        cancel(session, _lock(session, call, TaskNotFound), call.actor, now=call.now)
    return CancelledAnswer(message="Task cancelled successfully")


@routes.add(
    "POST", "/tasks/{operationId}/stop-recurring", READ, "Stop a recurring task",
    refuses=(TaskNotRecurring, RoleRequired, TaskAlreadyStopped),
)  # fmt: skip
def stop_recurring_task(call: Call[TaskPath, None, None]) -> StoppedAnswer:
    """For its submitter and owners. No execution begins any more; one that has begun goes on."""
    with call.transaction() as session:
        series = _lock(session, call, TaskNotRecurring)
        if series.recurrence is None:
            raise TaskNotRecurring
        stop_repeating(session, series, call.actor, now=call.now)
        end = series.recurrence["endAt"]
        return StoppedAnswer(
            message="Recurring task stopped successfully",
            operation_id=series.id,
            stopped_at=call.now,
            total_executions=series.executions,
            last_execution_at=series.last_execution_at,
            original_end_date=None if end is None else datetime.fromisoformat(end),
        )


@routes.add(
    "GET", "/tasks/{operationId}/recurring-instances", READ, "Get all instances of a recurring task",
    refuses=(TaskNotFound,),
)  # fmt: skip
def list_recurring_instances(call: Call[TaskPath, None, None]) -> list[ExecutionAnswer]:
    """Those that are kept, in the order in which they began; none if the task is not a recurring one."""
    with call.reading() as session:
        return [_execution(session, each) for each in submissions.executions_of(session, _find(session, call).id)]


def _find(session: Session, call: Call[TaskPath, Any, Any]) -> Submission:
    """Refuses with TaskNotFound also what the caller does not see, and what ended too long ago."""
    id = _id(call.path.operation_id)
    found = None if id is None else submissions.find(session, id)
    if found is None or not _sight(call).covers(found):
        raise TaskNotFound
    if found.finished_at is not None and found.finished_at <= call.now - KEPT:
        raise TaskNotFound
    return found


def _lock(session: Session, call: Call[TaskPath, Any, Any], missing: Callable[[], OperationError]) -> Submission:
    """What the caller may end, held alone. Refuses as _find(), in these words, and others with RoleRequired (13.9)."""
    try:
        found = submissions.lock(session, _find(session, call).id)
    except TaskNotFound:
        found = None
    if found is None:
        raise missing()
    if call.caller.role != Role.OWNER and found.submitter_id != call.caller.id:
        raise RoleRequired((Role.OWNER,))
    return found


def _sight(call: AnyCall) -> Sight:
    return Sight(call.caller.id, call.caller.repositories)


def _id(given: str) -> str | None:
    """An id as the database has it; None for what cannot be one."""
    try:
        id = str(UUID(given))
    except ValueError:
        return None
    return id if id == given.lower() else None


def _status(session: Session, submission: Submission) -> dict[str, Any]:
    shown: dict[str, Any] = {"status": TaskState(submission.status), "progress": progress(session, submission)}
    if submission.status == TaskState.FAILED:
        shown["error"] = TaskError(message=submission.error or "", code=submission.error_code or "")
    return shown


def _execution(session: Session, execution: Submission) -> ExecutionAnswer:
    return ExecutionAnswer(
        **_status(session, execution),
        result=execution.result,
        operation_id=execution.id,
        started_at=execution.started_at,
    )


def _show(session: Session, submission: Submission) -> TaskAnswer:
    return TaskAnswer(
        **_status(session, submission),
        operation_id=submission.id,
        type=SubmissionType(submission.type),
        repository_identifier=submission.repository,
        recurring=submission.is_recurring,
        parent_id=submission.parent_id,
        submitted_by=submission.submitted_by,
        run_at=submission.run_at,
        created_at=submission.created_at,
        started_at=submission.started_at,
        finished_at=submission.finished_at,
    )
