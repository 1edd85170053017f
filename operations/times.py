"""How times are written."""

from datetime import UTC, datetime


def iso(at: datetime) -> str:
    """ISO 8601 in UTC with seconds: 2025-01-01T12:00:00Z (contract section 1)."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_or_none(at: datetime | None) -> str | None:
    return None if at is None else iso(at)
