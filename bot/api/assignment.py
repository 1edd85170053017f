"""An assignment as the API shows it (contract section 5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Protocol

from sqlalchemy.orm import Session

from bot.api.call import Secrets
from bot.api.fields import Answer, Timestamp
from storage import pools
from storage.assignments import Assignment, AssignmentStatus, HolderType
from storage.environments import Environment
from storage.repositories import Repository


class Viewer(Protocol):
    """Who is shown an assignment, and when: a call over HTTP, or a task."""

    @property
    def now(self) -> datetime: ...

    @property
    def secrets(self) -> Secrets: ...


class EnvironmentDetails(Answer):
    """`sfdxAuthUrl` appears for roles that may see credentials."""

    instance_url: str | None
    login_url: str | None
    sfdx_auth_url: str | None = None


class Usage(Answer):
    state: Literal["idle", "in_use"]
    used_by: str | None
    acquired_at: Timestamp | None
    in_use_until: Timestamp | None


class AssignmentAnswer(Answer):
    assignment_type: HolderType
    assignment_id: str
    repository_identifier: str
    domain: str | None
    pool_tag: str
    sandbox_name: str
    pool_assignment_id: str
    status: AssignmentStatus
    assigned_by: str
    assigned_at: Timestamp
    expires_at: Timestamp | None
    is_immortal: bool
    metadata: dict[str, Any]
    environment_details: EnvironmentDetails
    usage: Usage
    version: int


def show_assignment(session: Session, viewer: Viewer, assignment: Assignment) -> AssignmentAnswer:
    """The assignment as this viewer may see it; what has ended gives no way into an environment of others."""
    environment = session.get_one(Environment, assignment.environment_id)
    return AssignmentAnswer(
        assignment_type=HolderType(assignment.holder_type),
        assignment_id=assignment.holder_id,
        repository_identifier=session.get_one(Repository, assignment.repository_id).full_name,
        domain=assignment.domain or None,
        pool_tag=pools.get(session, assignment.pool_id).tag,
        sandbox_name=environment.name,
        pool_assignment_id=assignment.pool_assignment_id,
        status=AssignmentStatus(assignment.status),
        assigned_by=assignment.assigned_by,
        assigned_at=assignment.assigned_at,
        expires_at=assignment.expires_at,
        is_immortal=assignment.is_immortal,
        metadata=assignment.extra,
        environment_details=_details(viewer, assignment, environment),
        usage=_usage(assignment, viewer.now),
        version=assignment.version,
    )


def _details(viewer: Viewer, assignment: Assignment, environment: Environment) -> EnvironmentDetails:
    instance_url, login_url = environment.instance_url, environment.login_url
    if not viewer.secrets.allowed:
        return EnvironmentDetails(instance_url=instance_url, login_url=login_url)
    active = assignment.status == AssignmentStatus.ACTIVE
    secret = viewer.secrets.sfdx_auth_url(environment) if active else None
    return EnvironmentDetails(instance_url=instance_url, login_url=login_url, sfdx_auth_url=secret)


def _usage(assignment: Assignment, now: datetime) -> Usage:
    """In use while a lease is running; one that has run out is idle."""
    lease = assignment.lease(now)
    if lease is None:
        return Usage(state="idle", used_by=None, acquired_at=None, in_use_until=None)
    return Usage(state="in_use", used_by=lease.used_by, acquired_at=assignment.acquired_at, in_use_until=lease.until)
