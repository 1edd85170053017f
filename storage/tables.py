"""Every table, so that migrations see all of them."""

from storage import (
    answers,
    apps,
    assignments,
    audit,
    decisions,
    deliveries,
    environments,
    installations,
    locks,
    pools,
    repositories,
    rules,
    schedules,
    tasks,
    threads,
    tickets,
    tokens,
)
from storage.database import Base

__all__ = [
    "answers", "apps", "assignments", "audit", "decisions", "deliveries", "environments", "installations", "locks",
    "metadata", "pools", "repositories", "rules", "schedules", "tasks", "threads", "tickets", "tokens",
]  # fmt: skip

metadata = Base.metadata
