"""Key-value: small values that pipelines share, each for a while or for good."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Text, case, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base

_DIALECTS: dict[str, Any] = {"sqlite": sqlite, "postgresql": postgresql}


class KeyValue(Base):
    __tablename__ = "key_values"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(Text)  # as JSON, which comes back as it was sent
    ttl: Mapped[int | None]  # seconds from updated_at; None: for good
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def content(self) -> Any:
        return json.loads(self.value)


def find(session: Session, key: str, *, now: datetime) -> KeyValue | None:
    """What the key leads to; nothing once it has expired."""
    return session.scalar(select(KeyValue).where(KeyValue.key == key, _living(now)))


def insert(session: Session, key: str, value: Any, ttl: int | None, *, now: datetime) -> KeyValue | None:
    """The key leads to the value; None if it leads to one already. One guarded statement."""
    statement, values = _insert(session, key, value, ttl, now)
    guarded = statement.on_conflict_do_update(index_elements=["key"], set_=values, where=KeyValue.expires_at <= now)
    return _returned(session, guarded)


def put(session: Session, key: str, value: Any, ttl: int | None, *, now: datetime) -> KeyValue:
    """The key leads to the value, whether or not it led to one before. One statement."""
    statement, values = _insert(session, key, value, ttl, now)
    kept = case((_living(now), KeyValue.created_at), else_=now)
    written = _returned(
        session, statement.on_conflict_do_update(index_elements=["key"], set_={**values, "created_at": kept})
    )
    assert written is not None, "an upsert without a condition writes its row"
    return written


def replace(session: Session, key: str, value: Any, ttl: int | None, *, now: datetime) -> KeyValue | None:
    """The key leads to the value instead of the one before; None if it led to none."""
    changes = {"value": json.dumps(value), "ttl": ttl, "expires_at": _end(ttl, now), "updated_at": now}
    return _returned(session, update(KeyValue).where(KeyValue.key == key, _living(now)).values(changes))


def remove(session: Session, key: str, *, now: datetime) -> bool:
    """The key leads to nothing; False if it did not lead to anything before."""
    gone = delete(KeyValue).where(KeyValue.key == key, _living(now)).returning(KeyValue.key)
    return session.execute(gone).first() is not None


def remove_expired(session: Session, *, before: datetime, limit: int = 1000) -> int:
    """Deletes up to `limit` that expired before then, and says how many."""
    old = select(KeyValue.key).where(KeyValue.expires_at <= before).limit(limit)
    return len(session.execute(delete(KeyValue).where(KeyValue.key.in_(old)).returning(KeyValue.key)).all())


def _insert(session: Session, key: str, value: Any, ttl: int | None, now: datetime) -> tuple[Any, dict[str, Any]]:
    values = {
        "value": json.dumps(value), "ttl": ttl, "expires_at": _end(ttl, now), "created_at": now, "updated_at": now,
    }  # fmt: skip
    return _DIALECTS[session.get_bind().dialect.name].insert(KeyValue).values(key=key, **values), values


def _returned(session: Session, statement: Any) -> KeyValue | None:
    return session.scalars(statement.returning(KeyValue), execution_options={"populate_existing": True}).first()


def _living(now: datetime) -> Any:
    return or_(KeyValue.expires_at.is_(None), KeyValue.expires_at > now)


def _end(ttl: int | None, now: datetime) -> datetime | None:
    return None if ttl is None else now + timedelta(seconds=ttl)
