"""OPERATIONS: everything that is served under /sfp/api."""

from __future__ import annotations

from bot.api import (
    environment_access,
    environment_contents,
    environment_locks,
    environments,
    health,
    instances,
    key_values,
    locks,
    monitoring,
    orgs,
    pools,
    repository,
    review,
    rules,
    sandboxes,
    tasks,
    tokens,
    upkeep,
    users,
    webhooks,
)
from bot.api.router import Operation

OPERATIONS: tuple[Operation, ...] = (
    *health.routes.operations,
    *review.routes.operations,
    *pools.routes.operations,
    *instances.routes.operations,
    *monitoring.routes.operations,
    *sandboxes.routes.operations,
    *upkeep.routes.operations,
    *rules.routes.operations,
    *environments.routes.operations,
    *environment_access.routes.operations,
    *environment_contents.routes.operations,
    *environment_locks.routes.operations,
    *locks.routes.operations,
    *key_values.routes.operations,
    *tasks.routes.operations,
    *tokens.routes.operations,
    *users.routes.operations,
    *webhooks.routes.operations,
    *repository.routes.operations,
    *orgs.routes.operations,
)
