"""A dedicated environment as the API shows it, with its lock (contract section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from bot.api.call import AnyCall
from bot.api.environment_bodies import EnvironmentPath
from bot.api.fields import Answer, Timestamp
from bot.api.visible import find_environment, find_environment_by_name
from operations.lock_line import InLine, Line, lines_of, seconds_left
from storage.dedicated import Category, DedicatedEnvironment
from storage.repositories import Repository

Found = tuple[DedicatedEnvironment, Repository]


class CurrentLock(Answer):
    """Who holds it. The ticket is not shown: whoever has it may unlock."""

    locked_by: str
    lock_reason: str | None
    expires_at: Timestamp
    expires_in_seconds: int


class QueuedLock(Answer):
    """The tickets of others are shown to applications and owners only."""

    position: int
    requested_by: str
    ticket_id: str | None = None
    estimated_wait_seconds: int


class LockStatus(Answer):
    is_locked: bool
    current_lock: CurrentLock | None
    queued_locks: list[QueuedLock]


class EnvironmentAnswer(Answer):
    """With `authType` it has `accessToken` and `instanceUrl`, or `sfdxAuthUrl`."""

    id: str
    repository_identifier: str
    repository_name: str
    name: str
    description: str
    category: Category
    salesforce_username: str
    dev_hub_username: str | None
    is_active: bool
    is_default: bool
    is_locked: bool
    locked_by: str | None
    lock_expires_at: Timestamp | None
    lock_expires_in_seconds: int | None
    lock_status: LockStatus
    metadata: dict[str, Any]
    tags: list[str]
    branch: str
    orchestration_order: int | None
    created_at: Timestamp
    updated_at: Timestamp
    created_by: str
    updated_by: str
    version: int
    access_token: str | None = None
    instance_url: str | None = None
    sfdx_auth_url: str | None = None


def find_addressed(session: Session, call: AnyCall) -> Found:
    """The environment that the path names, by its id or by its name. Refuses with EnvironmentNotFound."""
    if isinstance(call.path, EnvironmentPath):
        return find_environment(session, call, call.path.id)
    return find_environment_by_name(session, call, call.query.repository_identifier, call.path.name)


def show_environment(session: Session, call: AnyCall, found: Found, **credentials: str | None) -> EnvironmentAnswer:
    return show_environments(session, call, [found])[0].model_copy(update=credentials)


def show_environments(session: Session, call: AnyCall, found: Sequence[Found]) -> list[EnvironmentAnswer]:
    lines = lines_of(session, [environment.resource for environment, _ in found], now=call.now)
    return [
        _show(environment, repository, _status(lines[environment.resource], call)) for environment, repository in found
    ]


def _status(line: Line, call: AnyCall) -> LockStatus:
    held, queued = line.holder, [_queued(place, call) for place in line.queued]
    if held is None or held.expires_at is None:
        return LockStatus(is_locked=False, current_lock=None, queued_locks=queued)
    current = CurrentLock(
        locked_by=held.requested_by,
        lock_reason=held.reason,
        expires_at=held.expires_at,
        expires_in_seconds=seconds_left(held, now=call.now),
    )
    return LockStatus(is_locked=True, current_lock=current, queued_locks=queued)


def _queued(place: InLine, call: AnyCall) -> QueuedLock:
    shown = QueuedLock(
        position=place.position,
        requested_by=place.lock.requested_by,
        estimated_wait_seconds=place.estimated_wait_seconds,
    )
    is_own = call.caller.id is not None and place.lock.requester_id == call.caller.id
    if call.caller.may_see_secrets or is_own:
        return shown.model_copy(update={"ticket_id": place.lock.ticket})
    return shown


def _show(environment: DedicatedEnvironment, repository: Repository, status: LockStatus) -> EnvironmentAnswer:
    held = status.current_lock
    return EnvironmentAnswer(
        id=environment.id,
        repository_identifier=repository.full_name,
        repository_name=repository.name,
        name=environment.name,
        description=environment.description,
        category=Category(environment.category),
        salesforce_username=environment.salesforce_username,
        dev_hub_username=environment.dev_hub_username,
        is_active=environment.is_active,
        is_default=environment.is_default,
        is_locked=status.is_locked,
        locked_by=held.locked_by if held else None,
        lock_expires_at=held.expires_at if held else None,
        lock_expires_in_seconds=held.expires_in_seconds if held else None,
        lock_status=status,
        metadata=environment.extra,
        tags=environment.tags,
        branch=environment.branch,
        orchestration_order=environment.orchestration_order,
        created_at=environment.created_at,
        updated_at=environment.updated_at,
        created_by=environment.created_by,
        updated_by=environment.updated_by,
        version=environment.version,
    )
