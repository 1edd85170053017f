"""What a release process has brought into a dedicated environment is recorded."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from operations.errors import EnvironmentNotFound
from storage import audit, dedicated
from storage.audit import Actor
from storage.dedicated import DedicatedEnvironment
from storage.releases import Release


def record_release(
    session: Session, environment: DedicatedEnvironment, release: Release, actor: Actor, *, now: datetime
) -> Release:
    """The environment has this release among its own (contract E22). Refuses with EnvironmentNotFound if it is gone."""
    if dedicated.lock(session, environment.id) is None:
        raise EnvironmentNotFound
    release.recorded_by = actor.name
    release.recorded_at = now
    session.add(release)
    session.flush()
    audit.record(session, "release.recorded", release.id, actor, now=now, repository_id=environment.repository_id,
                 environment=environment.name, release=release.name, domain=release.domain)  # fmt: skip
    return release
