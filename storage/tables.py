"""Every table, so that migrations see all of them."""

from storage import (
    answers,
    apps,
    artifacts,
    assignments,
    audit,
    configurations,
    decisions,
    dedicated,
    deliveries,
    environments,
    installations,
    locks,
    orgs,
    pools,
    releases,
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
    "answers", "apps", "artifacts", "assignments", "audit", "configurations", "decisions", "dedicated", "deliveries",
    "environments", "installations", "locks", "metadata", "orgs", "pools", "releases", "repositories", "rules",
    "schedules", "tasks", "threads", "tickets", "tokens", "users",
]  # fmt: skip

metadata = Base.metadata
