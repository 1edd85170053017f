"""An environment of a pool as the API shows it: an instance (contract section 5)."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from bot.api.call import AnyCall
from bot.api.fields import Answer, InstanceStatus, Timestamp
from storage import assignments, environments
from storage.assignments import Assignment, HolderType
from storage.environments import Environment, EnvironmentState
from storage.pools import Pool
from storage.repositories import Repository


class InstanceAnswer(Answer):
    """`sfdxAuthUrl` appears for roles that may see credentials, if the instance is assigned."""

    sandbox_id: str
    sandbox_name: str
    pool_tag: str
    repository_identifier: str
    status: InstanceStatus
    assignment_id: str | None
    assigned_to_user_email: str | None
    is_immortal: bool
    flagged: bool
    expires_at: Timestamp | None
    instance_url: str | None
    login_url: str | None
    salesforce_org_id: str | None
    created_at: Timestamp
    last_error: str | None
    deletion_eligible_at: Timestamp | None
    sfdx_auth_url: str | None = None


def sandbox_id(pool: Pool, environment: Environment) -> str:
    """The other name of an environment: what follows the last `-` is its own name, which no other ever has."""
    return f"{_prefix(pool)}{environment.name}"


def name_in(pool: Pool, sandbox_id: str) -> str:
    """The environment's own name, out of its id."""
    return sandbox_id.removeprefix(_prefix(pool))


def _prefix(pool: Pool) -> str:
    return f"sb-{pool.tag.replace('_', '-')}-"


def show_instances(
    session: Session,
    call: AnyCall,
    pool: Pool,
    repository: Repository,
    *,
    status: str | None = None,
    assignment_id: str | None = None,
) -> list[InstanceAnswer]:
    """The pool's instances, the oldest first; only in this state, only the one of this assignment."""
    held = assignments.of_pool(session, pool.id)
    states = [status] if status is not None else []
    return [
        _show(call, pool, repository, environment, held.get(environment.id))
        for environment in environments.of_pool(session, pool.id, *states)
        if assignment_id is None or _is_of(held.get(environment.id), assignment_id)
    ]


def _is_of(assignment: Assignment | None, pool_assignment_id: str) -> bool:
    return assignment is not None and assignment.pool_assignment_id == pool_assignment_id


def _show(
    call: AnyCall, pool: Pool, repository: Repository, environment: Environment, assignment: Assignment | None
) -> InstanceAnswer:
    secret: dict[str, Any] = {}
    if call.secrets.allowed and environment.state == EnvironmentState.ASSIGNED:
        secret = {"sfdx_auth_url": call.secrets.sfdx_auth_url(environment)}
    user = assignment.holder_id if assignment is not None and assignment.holder_type == HolderType.USER else None
    return InstanceAnswer(
        sandbox_id=sandbox_id(pool, environment),
        sandbox_name=environment.name,
        pool_tag=pool.tag,
        repository_identifier=repository.full_name,
        status=environment.state,
        assignment_id=assignment.pool_assignment_id if assignment is not None else None,
        assigned_to_user_email=user,
        is_immortal=assignment is not None and assignment.is_immortal,
        flagged=environment.flagged,
        expires_at=assignment.expires_at if assignment is not None else None,
        instance_url=environment.instance_url,
        login_url=environment.login_url,
        salesforce_org_id=environment.org_id,
        created_at=environment.created_at,
        last_error=environment.last_error,
        deletion_eligible_at=environment.deletion_eligible_at,
        **secret,
    )
