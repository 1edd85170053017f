"""P13, P14 and P16: a pool's sandboxes are given back, extended and deleted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict
from sqlalchemy.orm import Session

from bot.api.auth import CHANGE, OWN, READ, require_role
from bot.api.call import AnyCall, Call
from bot.api.errors import InvalidFields
from bot.api.fields import (
    Answer,
    Between,
    Body,
    InstanceStatus,
    Number,
    PoolAssignmentId,
    QueryBoolean,
    Timestamp,
    having,
)
from bot.api.instance import name_in, sandbox_id
from bot.api.pool_bodies import OfRepository, TagPath
from bot.api.router import Routes
from bot.api.visible import find_pool
from bot.deleting import carry_out
from operations.delete import delete
from operations.errors import (
    AssignmentExpired,
    EnvironmentInUse,
    InstanceNotFound,
    NotSandboxOwner,
    PoolNotFound,
    ProviderRefused,
    SandboxImmortal,
    SandboxTooYoung,
)
from operations.extend import extend
from operations.taken import find_taken, find_taken_environment, find_taken_living, is_own
from operations.unassign import unassign
from storage import environments
from storage.assignments import Assignment
from storage.environments import Environment
from storage.pools import Pool
from storage.tokens import Role

routes = Routes()


class UnassignSandboxBody(Body):
    """One of the two names it; given both, they must mean the same."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [having("sandboxId"), having("assignmentId")]})

    sandbox_id: Annotated[str, Between(1, 255)] | None = None
    assignment_id: PoolAssignmentId | None = None


class ExtendSandboxBody(Body):
    assignment_id: PoolAssignmentId
    extension_hours: Annotated[float, Between(1, 720)] | None = None
    is_immortal: bool | None = None


class SandboxPath(TagPath):
    sandbox_name: str


class DeletionQuery(OfRepository):
    force: QueryBoolean = False


class GivenBack(Answer):
    sandbox_id: str
    sandbox_name: str
    pool_tag: str


class GivenBackAnswer(Answer):
    status: Literal["unassigned"]
    message: str
    timestamp: Timestamp
    details: GivenBack


class NewExpiry(Answer):
    sandbox_id: str
    sandbox_name: str
    new_expires_at: Timestamp | None
    extension_hours: Number | None


class NewExpiryAnswer(Answer):
    status: Literal["expiry_extended"]
    message: str
    timestamp: Timestamp
    details: NewExpiry


class SandboxDeletion(Answer):
    """`deletionType` is scheduled until a query has proved it gone."""

    sandbox_name: str
    previous_status: InstanceStatus
    is_immortal: bool
    created_at: Timestamp
    deletion_type: Literal["immediate", "scheduled"]


class SandboxDeleted(Answer):
    status: Literal["sandbox_deleted", "sandbox_marked_for_deletion"]
    message: str
    timestamp: Timestamp
    details: SandboxDeletion


@routes.add(
    "POST", "/pools/{poolTag}/unassign", READ, "Unassign a sandbox from its user",
    refuses=(PoolNotFound, InstanceNotFound, NotSandboxOwner),
)  # fmt: skip
def unassign_sandbox(call: Call[TagPath, OfRepository, UnassignSandboxBody]) -> GivenBackAnswer:
    with call.transaction() as session:
        pool, _ = find_pool(session, call, call.query.repository_identifier, call.path.pool_tag)
        assignment = _find_named(session, pool, call.body)
        _require_own(call, assignment, (Role.OWNER,))
        done = unassign(session, assignment, call.actor, now=call.now)
    where = "returned to pool" if done.returned else "marked as expired"
    name = done.environment.name
    return GivenBackAnswer(
        status="unassigned",
        message=f"Sandbox successfully unassigned and {where}",
        timestamp=call.now,
        details=GivenBack(sandbox_id=sandbox_id(pool, done.environment), sandbox_name=name, pool_tag=pool.tag),
    )


@routes.add(
    "POST", "/pools/{poolTag}/extend", READ, "Extend a sandbox's expiration",
    refuses=(PoolNotFound, InstanceNotFound, AssignmentExpired, NotSandboxOwner),
)  # fmt: skip
def extend_sandbox(call: Call[TagPath, OfRepository, ExtendSandboxBody]) -> NewExpiryAnswer:
    """A member extends its own sandbox, but does not decide that it never expires."""
    with call.transaction() as session:
        pool, _ = find_pool(session, call, call.query.repository_identifier, call.path.pool_tag)
        body = call.body
        assignment = find_taken_living(session, pool, body.assignment_id)
        _require_own(call, assignment, CHANGE)
        if body.is_immortal is not None:
            require_role(call.caller, CHANGE)
        done = extend(session, assignment, body.extension_hours, call.actor, now=call.now, is_immortal=body.is_immortal)
        environment = session.get_one(Environment, assignment.environment_id)
    return NewExpiryAnswer(
        status="expiry_extended",
        message="Sandbox expiry extended successfully",
        timestamp=call.now,
        details=NewExpiry(
            sandbox_id=sandbox_id(pool, environment),
            sandbox_name=environment.name,
            new_expires_at=assignment.expires_at,
            extension_hours=None if assignment.is_immortal else done.hours,
        ),
    )


@routes.add(
    "DELETE", "/pools/{poolTag}/instances/{sandboxName}", OWN, "Delete a sandbox",
    refuses=(
        PoolNotFound, InstanceNotFound, SandboxTooYoung, SandboxImmortal, EnvironmentInUse, ProviderRefused,
    ),
)  # fmt: skip
def delete_sandbox(call: Call[SandboxPath, DeletionQuery, None]) -> SandboxDeleted:
    with call.transaction() as session:
        pool, repository = find_pool(session, call, call.query.repository_identifier, call.path.pool_tag)
        environment = environments.find_by_name(session, pool.id, call.path.sandbox_name)
        if environment is None:
            raise InstanceNotFound(call.path.sandbox_name, pool.tag)
        deletion = delete(session, environment, call.actor, now=call.now, force=call.query.force)
    gone = carry_out(call.context, repository, pool, deletion, call.actor)
    return SandboxDeleted(
        status="sandbox_deleted" if gone else "sandbox_marked_for_deletion",
        message=f"Sandbox {deletion.name} {'deleted' if gone else 'marked for deletion'}",
        timestamp=call.now,
        details=SandboxDeletion(
            sandbox_name=deletion.name,
            previous_status=deletion.previous.value,
            is_immortal=deletion.is_immortal,
            created_at=deletion.created_at,
            deletion_type="immediate" if gone else "scheduled",
        ),
    )


def _find_named(session: Session, pool: Pool, body: UnassignSandboxBody) -> Assignment:
    if body.sandbox_id is not None:
        found = find_taken_environment(session, pool, name_in(pool, body.sandbox_id))
        if body.assignment_id not in (None, found.pool_assignment_id):
            raise InvalidFields.one("assignmentId", "agreement", "must be the assignment of sandboxId")
        return found
    if body.assignment_id is None:
        raise InvalidFields.one("assignmentId", "required", "is required, or else sandboxId")
    return find_taken(session, pool, body.assignment_id)


def _require_own(call: AnyCall, assignment: Assignment, roles: tuple[Role, ...]) -> None:
    """Refuses with NotSandboxOwner unless it is the caller's own sandbox, or the caller has one of the roles."""
    if call.caller.role in roles or is_own(assignment, token_id=call.caller.id, email=call.caller.name):
        return
    raise NotSandboxOwner
