"""Accesses to dedicated environments are on the record: who did what, from where (contract E17)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from storage import audit
from storage.audit import Actor
from storage.dedicated import DedicatedEnvironment


class Access(StrEnum):
    LOCK = "lock"
    UNLOCK = "unlock"
    CREDENTIALS = "credentials"
    FRONTDOOR = "frontdoor"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


PAST: Mapping[Access, str] = {
    Access.LOCK: "locked",
    Access.UNLOCK: "unlocked",
    Access.CREDENTIALS: "credentials_revealed",
    Access.FRONTDOOR: "opened",
    Access.CREATE: "created",
    Access.UPDATE: "updated",
    Access.DELETE: "deleted",
}


def record_access(
    session: Session, environment: DedicatedEnvironment, access: Access, actor: Actor, *, now: datetime, **details: Any
) -> None:
    """One audit row, in the transaction of what it tells; `details` are its access_details. Never give it a secret."""
    origin = {name: actor.details.get(name) for name in ("ip_address", "user_agent")}
    is_application = bool(actor.details.get("is_application"))
    audit.record(session, f"dedicated.{PAST[access]}", environment.id, actor, now=now,
                 repository_id=environment.repository_id, access=access, is_application=is_application,
                 **origin, details=details)  # fmt: skip
