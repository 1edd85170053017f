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
    events,
    installations,
    key_values,
    locks,
    measurements,
    missed,
    notices,
    orgs,
    pools,
    rates,
    redeployments,
    releases,
    repositories,
    rules,
    schedules,
    submissions,
    surfaces,
    tasks,
    threads,
    tickets,
    tokens,
    users,
    webhooks,
)
from storage.database import Base

__all__ = [
    "answers", "apps", "artifacts", "assignments", "audit", "configurations", "decisions", "dedicated", "deliveries",
    "environments", "events", "installations", "key_values", "locks", "measurements", "metadata", "missed", "notices",
    "orgs", "pools", "rates", "redeployments", "releases", "repositories", "rules", "schedules", "submissions",
    "surfaces", "tasks", "threads", "tickets", "tokens", "users", "webhooks",
]  # fmt: skip

metadata = Base.metadata
