"""What requests about review environments are answered with (contract section 7)."""

from __future__ import annotations

from typing import Literal

from sqlalchemy.orm import Session

from bot.api.assignment import AssignmentAnswer, Viewer, show_assignment
from bot.api.fields import Answer, Number, Timestamp
from operations.assign import Assigned
from operations.extend import Extended
from operations.search import Sought, search
from operations.unassign import Unassigned
from storage.assignments import Assignment, AssignmentStatus, HolderType
from storage.environments import Environment
from storage.repositories import Repository


class AssignedAnswer(Answer):
    status: Literal["environment_assigned"]
    message: str
    timestamp: Timestamp
    is_reused: bool
    assignment: AssignmentAnswer


class ChangedAnswer(Answer):
    status: Literal["environment_transitioned", "environment_acquired", "environment_released"]
    message: str
    timestamp: Timestamp
    assignment: AssignmentAnswer


class Extension(Answer):
    assignment_type: HolderType
    assignment_id: str
    repository_identifier: str
    sandbox_name: str
    previous_expires_at: Timestamp | None
    new_expires_at: Timestamp | None
    extension_hours: Number | None
    is_immortal: bool
    version: int


class ExtendedAnswer(Answer):
    status: Literal["environment_extended"]
    message: str
    timestamp: Timestamp
    assignment: Extension


class Unassignment(Answer):
    assignment_type: HolderType
    assignment_id: str
    repository_identifier: str
    pool_tag: str
    sandbox_name: str
    returned_to_pool: bool
    final_status: AssignmentStatus


class UnassignedAnswer(Answer):
    status: Literal["environment_unassigned"]
    message: str
    timestamp: Timestamp
    details: Unassignment


class ListAnswer(Answer):
    assignments: list[AssignmentAnswer]
    total_count: int
    timestamp: Timestamp


def assigned(session: Session, viewer: Viewer, got: Assigned) -> AssignedAnswer:
    return AssignedAnswer(
        status="environment_assigned",
        message=f"Review environment successfully assigned from pool {got.pool.tag}",
        timestamp=viewer.now,
        is_reused=got.is_reused,
        assignment=show_assignment(session, viewer, got.assignment),
    )


def acquired(session: Session, viewer: Viewer, assignment: Assignment, minutes: float) -> ChangedAnswer:
    message = f"Environment successfully acquired for {minutes:g} minutes"
    return changed(session, viewer, assignment, "environment_acquired", message)


def released(session: Session, viewer: Viewer, assignment: Assignment) -> ChangedAnswer:
    return changed(session, viewer, assignment, "environment_released", "Environment successfully released")


def listed(session: Session, viewer: Viewer, sought: Sought, limit: int | None, offset: int) -> ListAnswer:
    """The page of what is sought, and how many there are."""
    rows, total = search(session, sought, limit=limit, offset=offset)
    shown = [show_assignment(session, viewer, row.assignment) for row in rows]
    return ListAnswer(assignments=shown, total_count=total, timestamp=viewer.now)


def changed(
    session: Session,
    viewer: Viewer,
    assignment: Assignment,
    status: Literal["environment_transitioned", "environment_acquired", "environment_released"],
    message: str,
) -> ChangedAnswer:
    shown = show_assignment(session, viewer, assignment)
    return ChangedAnswer(status=status, message=message, timestamp=viewer.now, assignment=shown)


def extended_by(session: Session, viewer: Viewer, extended: Extended) -> ExtendedAnswer:
    """What never expires was not extended by any hours."""
    assignment = extended.assignment
    hours = None if assignment.is_immortal else extended.hours
    by = "Review environment never expires"
    if hours is not None:
        by = f"Review environment expiration extended by {hours:g} hours"
    extension = Extension(
        assignment_type=HolderType(assignment.holder_type),
        assignment_id=assignment.holder_id,
        repository_identifier=session.get_one(Repository, assignment.repository_id).full_name,
        sandbox_name=session.get_one(Environment, assignment.environment_id).name,
        previous_expires_at=extended.previous_expires_at,
        new_expires_at=assignment.expires_at,
        extension_hours=hours,
        is_immortal=assignment.is_immortal,
        version=assignment.version,
    )
    return ExtendedAnswer(status="environment_extended", message=by, timestamp=viewer.now, assignment=extension)


def given_back(session: Session, viewer: Viewer, done: Unassigned) -> UnassignedAnswer:
    assignment = done.assignment
    where = "returned to pool" if done.returned else "marked as expired"
    return UnassignedAnswer(
        status="environment_unassigned",
        message=f"Review environment successfully unassigned and {where}",
        timestamp=viewer.now,
        details=Unassignment(
            assignment_type=HolderType(assignment.holder_type),
            assignment_id=assignment.holder_id,
            repository_identifier=session.get_one(Repository, assignment.repository_id).full_name,
            pool_tag=done.pool.tag,
            sandbox_name=done.environment.name,
            returned_to_pool=done.returned,
            final_status=AssignmentStatus(assignment.status),
        ),
    )
