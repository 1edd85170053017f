"""Delete: one environment goes for good, as far as its provider lets it (contract P16, 11.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from operations import environments as life
from operations.end import EndReason, end, replenish_soon
from operations.errors import EnvironmentInUse, InstanceNotFound, SandboxImmortal, SandboxTooYoung
from storage import assignments, audit, environments, pools
from storage.assignments import Assignment
from storage.audit import Actor
from storage.environments import Environment, EnvironmentState


@dataclass(frozen=True)
class Deletion:
    """What the provider is to be asked, at which fence; `previous` is the state the environment was in before."""

    environment_id: str
    name: str
    fence: int
    previous: EnvironmentState
    is_immortal: bool
    is_forced: bool
    created_at: datetime
    reason: EndReason


def delete(
    session: Session,
    environment: Environment,
    actor: Actor,
    *,
    now: datetime,
    force: bool = False,
    reason: EndReason = EndReason.DELETED,
) -> Deletion:
    """The provider may be asked to delete it; accepted() or refused() records what came of that.

    With `force`, or in ERROR, it has left the pool and its holder whatever the provider will say. Else its holder
    keeps it until the provider has accepted, and it refuses, the first that applies: SandboxTooYoung,
    SandboxImmortal, EnvironmentInUse (contract 13.6). Refuses with InstanceNotFound what is gone already.
    """
    environment, assignment = _hold(session, environment.id)
    if environment.state == EnvironmentState.ARCHIVED:
        raise InstanceNotFound(environment.name, pools.get(session, environment.pool_id).tag)
    is_forced = force or environment.state == EnvironmentState.ERROR
    if not is_forced:
        _refuse(environment, assignment, now)
    previous = EnvironmentState(environment.state)
    is_immortal = assignment is not None and assignment.is_immortal
    if assignment is None or is_forced:
        environment.tombstone = environment.tombstone or is_forced
        _take(session, environment, assignment, actor, reason, now=now)
    else:
        environment.fence += 1
        environment.version += 1
        session.flush()
    audit.record(session, "environment.deletion_requested", environment.id, actor, now=now,
                 environment=environment.name, fence=environment.fence, was=previous, forced=is_forced)  # fmt: skip
    return Deletion(
        environment.id, environment.name, environment.fence, previous, is_immortal, is_forced, environment.created_at,
        reason,
    )  # fmt: skip


def accepted(session: Session, deletion: Deletion, actor: Actor, *, gone: bool, now: datetime) -> None:
    """Nobody holds it any more; it is ARCHIVED if a query proved it gone, else a task looks until it is."""
    environment, assignment = _hold(session, deletion.environment_id)
    if environment.state == EnvironmentState.ARCHIVED:
        return
    _take(session, environment, assignment, actor, deletion.reason, now=now)
    if gone:
        life.archive(session, environment, now=now)
    else:
        life.requested(session, environment, now=now)
        life.drive(session, environment, now=now)
        replenish_soon(session, environment.pool_id, now=now)


def refused(session: Session, deletion: Deletion, why: str, eligible_at: datetime | None, *, now: datetime) -> None:
    """It is as it was before, or, if that was forced, a tombstone; `eligible_at` is when the provider will do it."""
    environment, _ = _hold(session, deletion.environment_id)
    if environment.state != EnvironmentState.DELETING or environment.fence != deletion.fence:
        return
    if deletion.is_forced:
        life.entomb(session, environment, why, eligible_at, now=now)
        replenish_soon(session, environment.pool_id, now=now)
    else:
        life.take_back_deletion(session, environment, deletion.previous, why, now=now)


def _hold(session: Session, environment_id: str) -> tuple[Environment, Assignment | None]:
    """The environment and who has it, both held alone; the assignment first, as whoever ends one does."""
    assignments.lock_of_environment(session, environment_id)
    environment = environments.lock(session, environment_id)
    return environment, assignments.lock_of_environment(session, environment_id)


def _refuse(environment: Environment, assignment: Assignment | None, now: datetime) -> None:
    if environment.deletion_eligible_at is not None and environment.deletion_eligible_at > now:
        raise SandboxTooYoung(environment.name, environment.deletion_eligible_at)
    if assignment is None:
        return
    if assignment.is_immortal:
        raise SandboxImmortal(environment.name)
    lease = assignment.lease(now)
    if lease is not None:
        raise EnvironmentInUse(lease.used_by, lease.until)


def _take(
    session: Session,
    environment: Environment,
    assignment: Assignment | None,
    actor: Actor,
    reason: EndReason,
    *,
    now: datetime,
) -> None:
    """Nobody holds it, and it is DELETING."""
    if assignment is not None:
        end(session, assignment, returned=True, reason=reason, actor=actor, now=now)
    if assignment is not None or environment.state != EnvironmentState.DELETING:
        life.intend_deletion(session, environment, now=now)
