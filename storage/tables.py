"""Every table, so that migrations see all of them."""

from storage import (
    answers,
    apps,
    assignments,
    audit,
    configurations,
    decisions,
    deliveries,
    environments,
    installations,
    locks,
    orgs,
    pools,
    repositories,
    rules,
    schedules,
    tasks,
    threads,
    tickets,
    tokens,
    users,
)
from storage.database import Base

__all__ = [
    "answers", "apps", "assignments", "audit", "configurations", "decisions", "deliveries", "environments",
    "installations", "locks", "metadata", "orgs", "pools", "repositories", "rules", "schedules", "tasks", "threads",
    "tickets", "tokens", "users",
]  # fmt: skip

metadata = Base.metadata
