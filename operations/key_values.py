"""Key-value: small values are kept under keys, replaced and removed, each on the record without what it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from operations.errors import KeyExists, KeyNotFound
from storage import audit, key_values
from storage.audit import Actor
from storage.key_values import KeyValue


def add_key(session: Session, key: str, value: Any, ttl: int | None, actor: Actor, *, now: datetime) -> KeyValue:
    """The key leads to the value, for `ttl` seconds or for good (contract 10.3). Refuses with KeyExists."""
    added = key_values.insert(session, key, value, ttl, now=now)
    if added is None:
        raise KeyExists
    audit.record(session, "key.created", key, actor, now=now, ttl=ttl)
    return added


def put_key(session: Session, key: str, value: Any, ttl: int | None, actor: Actor, *, now: datetime) -> KeyValue:
    """The key leads to the value, whether or not it led to one before; its time begins anew."""
    put = key_values.put(session, key, value, ttl, now=now)
    audit.record(session, "key.put", key, actor, now=now, ttl=ttl)
    return put


def replace_key(session: Session, key: str, value: Any, ttl: int | None, actor: Actor, *, now: datetime) -> KeyValue:
    """The key leads to the value instead of the one before; its time begins anew. Refuses with KeyNotFound."""
    replaced = key_values.replace(session, key, value, ttl, now=now)
    if replaced is None:
        raise KeyNotFound
    audit.record(session, "key.updated", key, actor, now=now, ttl=ttl)
    return replaced


def remove_key(session: Session, key: str, actor: Actor, *, now: datetime) -> None:
    """The key leads to nothing. Refuses with KeyNotFound."""
    if not key_values.remove(session, key, now=now):
        raise KeyNotFound
    audit.record(session, "key.deleted", key, actor, now=now)
