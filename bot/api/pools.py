"""P1–P6 and P8: pools are made, shown, changed and deleted."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Literal

from sqlalchemy.orm import Session

from bot.api.auth import CHANGE, OWN, READ
from bot.api.call import AnyCall, Call
from bot.api.errors import InvalidFields, MissingParameter, RepositoryNotFound
from bot.api.fields import Answer, Timestamp
from bot.api.instance import InstanceAnswer, show_instances
from bot.api.pool_bodies import (
    DeleteQuery,
    OfAnyRepository,
    OfRepository,
    PoolBody,
    PoolChanges,
    StatusQuery,
    TagPath,
)
from bot.api.pool_config import PoolConfig, show_pool, show_pools
from bot.api.router import Routes
from bot.api.visible import find_pool
from operations.errors import EnvironmentInUse, OrgNotFound, PoolExists, PoolNotFound
from operations.orgs import find_org
from operations.pools import create_pool, delete_pool, update_pool
from providers.registry import check_options
from storage import pools, repositories
from storage.pools import Counts, Pool
from storage.repositories import Repository

MODE_DESCRIPTIONS = {
    "mock": "Using the mock sandbox service",
    "real": "Using the real Salesforce sandbox service",
}

routes = Routes()


class PoolDeleted(Answer):
    message: str
    deleted_at: Timestamp


class ModeAnswer(Answer):
    mode: Literal["mock", "real"]
    description: str
    mock_mode_env_var: Literal["GREENROOM_SANDBOX_MODE"]


class InstanceCounts(Answer):
    total: int
    available: int
    assigned: int
    provisioning: int
    error: int
    expired: int
    deleting: int
    waiting: int


class PoolStatus(Answer):
    """`instanceList` appears when a filter asks for it; the counters are always those of the whole pool."""

    pool_tag: str
    repository_identifier: str
    status: Literal["active", "inactive"]
    instances: InstanceCounts
    config: PoolConfig
    instance_list: list[InstanceAnswer] | None = None


@routes.add("GET", "/pools/configs", READ, "Get all pool configurations")
def list_pools(call: Call[None, OfAnyRepository, None]) -> list[PoolConfig]:
    with call.reading() as session:
        found = pools.listed(session, seen=call.caller.repositories, repository=call.query.repository_identifier)
        return show_pools(session, found)


@routes.add(
    "POST", "/pools/configs", CHANGE, "Create a pool configuration",
    refuses=(PoolExists, OrgNotFound, RepositoryNotFound), status=HTTPStatus.CREATED,
)  # fmt: skip
def add_pool(call: Call[None, None, PoolBody]) -> PoolConfig:
    body = call.body
    _check_provider(call, body)
    if not call.caller.sees(body.repository_identifier):
        raise RepositoryNotFound(body.repository_identifier)
    with call.transaction() as session:
        _check_hub(session, call, body)
        repository = repositories.register(session, body.repository_identifier, now=call.now)
        pool = create_pool(session, repository, body.pool_tag, body.columns(), call.actor, now=call.now)
        return show_pool(session, pool, repository)


@routes.add("GET", "/pools/configs/{poolTag}", READ, "Get a pool configuration", refuses=(PoolNotFound,))
def get_pool(call: Call[TagPath, OfRepository, None]) -> PoolConfig:
    with call.reading() as session:
        return show_pool(session, *find_pool(session, call, call.query.repository_identifier, call.path.pool_tag))


@routes.add(
    "PATCH", "/pools/configs/{poolTag}", CHANGE, "Update a pool configuration", refuses=(PoolNotFound, OrgNotFound)
)
def change_pool(call: Call[TagPath, OfRepository, PoolChanges]) -> PoolConfig:
    with call.transaction() as session:
        pool, repository = find_pool(session, call, call.query.repository_identifier, call.path.pool_tag)
        body = call.body.applied_to(pool, repository.full_name)
        _check_provider(call, body)
        _check_hub(session, call, body)
        changes = {column: value for column, value in body.columns().items() if value != getattr(pool, column)}
        update_pool(session, pool, changes, call.actor, now=call.now)
        return show_pool(session, pool, repository)


@routes.add(
    "DELETE", "/pools/configs/{poolTag}", OWN, "Delete a pool configuration and all its environments",
    refuses=(PoolNotFound, EnvironmentInUse),
)  # fmt: skip
def remove_pool(call: Call[TagPath, DeleteQuery, None]) -> PoolDeleted:
    with call.transaction() as session:
        pool, _ = find_pool(session, call, call.query.repository_identifier, call.path.pool_tag)
        delete_pool(session, pool, call.actor, now=call.now, if_unused=call.query.if_unused)
    return PoolDeleted(message=f"Pool configuration {pool.tag} deleted successfully", deleted_at=call.now)


@routes.add("GET", "/pools/status", READ, "Get pool status", refuses=(PoolNotFound, MissingParameter))
def get_status(call: Call[None, StatusQuery, None]) -> PoolStatus | list[PoolStatus]:
    query = call.query
    with call.revealing() as session:
        found = pools.listed(
            session, seen=call.caller.repositories, repository=query.repository_identifier, tag=query.pool_tag
        )
        counts = pools.counts(session, [pool.id for pool, _ in found])
        shown = zip(found, show_pools(session, found), strict=True)
        statuses = [_status(config, counts[pool.id]) for (pool, _), config in shown]
        if query.pool_tag is None:
            return statuses
        pool, repository = _only(found)
        [status] = statuses
        if query.instance_status is None and query.assignment_id is None:
            return status
        return status.model_copy(update={"instance_list": _filtered(session, call, pool, repository)})


@routes.add("GET", "/pools/mode", READ, "Get the sandbox service's mode")
def get_mode(call: Call[None, None, None]) -> ModeAnswer:
    """As GREENROOM_SANDBOX_MODE says; where it is not set, `mock` until an org is registered, and `real` then."""
    mode = call.context.mode.read()
    return ModeAnswer(mode=mode, description=MODE_DESCRIPTIONS[mode], mock_mode_env_var="GREENROOM_SANDBOX_MODE")


def _check_provider(call: AnyCall, body: PoolBody) -> None:
    """The pool can run here: its provider is set up, its hub is named if it needs one, its options make sense."""
    available = call.context.providers.available()
    problems = [
        {"field": path, "rule": "provider", "message": message}
        for path, message in check_options(body.columns()["additional_config"])
    ]
    if body.provider not in available:
        message = f"must be one of {', '.join(available)}, which are set up here"
        problems.insert(0, {"field": "provider", "rule": "enum", "message": message})
    elif body.provider == "salesforce" and body.dev_hub_username is None:
        message = "is required for the provider salesforce"
        problems.insert(0, {"field": "devHubUsername", "rule": "required", "message": message})
    if problems:
        raise InvalidFields(problems)


def _check_hub(session: Session, call: AnyCall, body: PoolBody) -> None:
    """On the mock service every hub is known; in real mode it is a registered org."""
    hub = body.dev_hub_username
    if body.provider == "salesforce" and hub is not None and call.context.mode.read() == "real":
        find_org(session, hub)


def _status(config: PoolConfig, counts: Counts) -> PoolStatus:
    return PoolStatus(
        pool_tag=config.pool_tag,
        repository_identifier=config.repository_identifier,
        status="active" if config.is_active else "inactive",
        instances=InstanceCounts(**asdict(counts)),
        config=config,
    )


def _only(found: list[tuple[Pool, Repository]]) -> tuple[Pool, Repository]:
    """The one pool of that tag; in which repository has to be said if there are several."""
    if not found:
        raise PoolNotFound
    if len(found) > 1:
        raise MissingParameter("repositoryIdentifier", repositories=[repository.full_name for _, repository in found])
    return found[0]


def _filtered(
    session: Session, call: Call[None, StatusQuery, None], pool: Pool, repository: Repository
) -> list[InstanceAnswer]:
    query = call.query
    return show_instances(
        session, call, pool, repository, status=query.instance_status, assignment_id=query.assignment_id
    )
