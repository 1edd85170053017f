"""OPERATIONS: everything that is served under /sfp/api."""

from __future__ import annotations

from bot.api import health, instances, monitoring, pools, review
from bot.api.router import Operation

OPERATIONS: tuple[Operation, ...] = (
    *health.routes.operations,
    *review.routes.operations,
    *pools.routes.operations,
    *instances.routes.operations,
    *monitoring.routes.operations,
)
