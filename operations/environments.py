"""An environment's life beside its holders: ready, failed, refreshed, deleted, gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sqlalchemy.orm import Session

from operations.emit import emit_instance
from operations.end import offer, replenish_soon
from operations.events import EventType
from storage import audit, environments, pools, queue
from storage.audit import SWEEP
from storage.environments import IN_MOTION, Environment, EnvironmentState
from storage.queue import QueueName

# What webhooks hear of it.
TOLD = {
    "environment.available": EventType.INSTANCE_AVAILABLE,
    "environment.failed": EventType.INSTANCE_ERROR,
    "environment.flagged": EventType.INSTANCE_FLAGGED,
    "environment.archived": EventType.INSTANCE_DELETED,
}
ENOUGH_CREATIONS = 5  # before the measured time replaces the configured one (contract P2)


@dataclass(frozen=True)
class Facts:
    """What the provider says of an environment that answered a login check; `credentials` are encrypted."""

    credentials: bytes
    provider_id: str | None
    instance_url: str | None
    login_url: str | None
    org_id: str | None
    deletion_eligible_at: datetime | None


def drive(session: Session, environment: Environment, *, now: datetime, run_at: datetime | None = None) -> None:
    """A task does with the provider what the environment's state asks for (jobs/provision.py)."""
    queue.enqueue(
        session,
        "provision",
        queue=QueueName.NORMAL,
        now=now,
        run_at=run_at,
        payload={"environment_id": environment.id},
        serial_key=f"environment:{environment.id}",
        once_key=environment.id,
    )


def requested(session: Session, environment: Environment, *, now: datetime) -> None:
    """The provider has accepted the call of this state; it is not made again."""
    environment.requested_at = now
    session.flush()


def become_available(session: Session, environment: Environment, facts: Facts, *, now: datetime) -> None:
    """It answered a login check and may be handed out; whoever waits is served."""
    first_time = environment.state == EnvironmentState.PROVISIONING
    environment.credentials = facts.credentials
    environment.provider_id = facts.provider_id
    environment.instance_url = facts.instance_url
    environment.login_url = facts.login_url
    environment.org_id = facts.org_id
    environment.deletion_eligible_at = facts.deletion_eligible_at
    environment.available_at = now
    environment.ready_at = now if first_time else environment.ready_at
    environment.requested_at = environment.expired_at = environment.failed_at = environment.last_error = None
    environment.flagged = False
    _forget_holder(environment)
    _change(session, environment, EnvironmentState.AVAILABLE, "environment.available", now=now)
    if first_time:
        _learn_creation_time(session, environment.pool_id)
    offer(session, environment.pool_id, now=now)


def fail(session: Session, environment: Environment, why: str, *, now: datetime) -> None:
    """It is in ERROR, with the provider's reason; it counts to the pool's total until it is deleted."""
    environment.last_error = why
    environment.failed_at = environment.failed_at or now
    _change(session, environment, EnvironmentState.ERROR, "environment.failed", now=now, error=why)


def start_refresh(session: Session, environment: Environment, *, now: datetime) -> None:
    environment.requested_at = None
    environment.credentials = None
    _forget_holder(environment)
    _change(session, environment, EnvironmentState.REFRESHING, "environment.refreshing", now=now)
    drive(session, environment, now=now)


def start_deletion(session: Session, environment: Environment, *, now: datetime) -> None:
    _forget_holder(environment)
    intend_deletion(session, environment, now=now)
    drive(session, environment, now=now)


def intend_deletion(session: Session, environment: Environment, *, now: datetime) -> None:
    """It is DELETING, and the caller asks the provider; should that fail, the sweep finds no task and drives it."""
    environment.requested_at = None
    _change(session, environment, EnvironmentState.DELETING, "environment.deleting", now=now)


def deletion_refused(session: Session, environment: Environment, why: str, *, now: datetime) -> None:
    """It stays in the pool as EXPIRED and is tried again at the next run; a tombstone stays DELETING."""
    environment.last_error = why
    environment.requested_at = None
    if environment.tombstone:
        session.flush()
        return
    environment.expired_at = now
    _change(session, environment, EnvironmentState.EXPIRED, "environment.deletion_refused", now=now, error=why)


def take_back_deletion(
    session: Session, environment: Environment, state: EnvironmentState, why: str, *, now: datetime
) -> None:
    """The provider refused, and it is in the state it was in before the deletion was intended."""
    _change(session, environment, state, "environment.deletion_refused", now=now, error=why)
    if state in IN_MOTION:
        drive(session, environment, now=now)


def entomb(
    session: Session, environment: Environment, why: str, eligible_at: datetime | None, *, now: datetime
) -> None:
    """The tombstone stays, and counts to the maximum; its deletion is tried again at `eligible_at`."""
    environment.last_error = why
    environment.deletion_eligible_at = eligible_at or environment.deletion_eligible_at
    _change(session, environment, EnvironmentState.DELETING, "environment.entombed", now=now, error=why)
    drive(session, environment, now=now, run_at=eligible_at)


def archive(session: Session, environment: Environment, *, now: datetime) -> None:
    """A query proved it gone: it no longer counts, and its name is never used again."""
    environment.credentials = None
    environment.archived_at = now
    _change(session, environment, EnvironmentState.ARCHIVED, "environment.archived", now=now)
    replenish_soon(session, environment.pool_id, now=now)


def flag(session: Session, environment: Environment, *, now: datetime) -> None:
    """FLAG_EXPIRED: a person decides what becomes of it."""
    environment.flagged = True
    _change(session, environment, EnvironmentState.EXPIRED, "environment.flagged", now=now)


def _change(
    session: Session, environment: Environment, state: EnvironmentState, action: str, *, now: datetime, **details: str
) -> None:
    environment.state = state
    environment.fence += 1
    environment.version += 1
    session.flush()
    audit.record(session, action, environment.id, SWEEP, now=now, environment=environment.name,
                 fence=environment.fence, **details)  # fmt: skip
    if action in TOLD:
        emit_instance(session, TOLD[action], environment, now=now, reason=details.get("error"))


def _forget_holder(environment: Environment) -> None:
    environment.last_holder_type = environment.last_holder_id = environment.last_holder_domain = None
    environment.reattach_until = None


def _learn_creation_time(session: Session, pool_id: str) -> None:
    minutes = environments.creation_minutes(session, pool_id)
    if len(minutes) >= ENOUGH_CREATIONS:
        pools.get(session, pool_id).average_creation_minutes = max(1, round(median(minutes), 1))
        session.flush()
