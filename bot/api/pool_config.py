"""A pool's configuration as the API shows it: one full shape everywhere (contract section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy.orm import Session

from bot.api.fields import Answer, Number, Timestamp
from storage import rules
from storage.pools import Pool, Strategy
from storage.repositories import Repository


class PoolConfig(Answer):
    """`hasAssignmentRules` counts the pool's own patterns, too. The last five fields are legacy and drive nothing."""

    account_id: str
    repository_identifier: str
    name: str
    pool_tag: str
    pool_type: Literal["SANDBOX"]
    provider: str
    branch_pattern: str | None
    domain_patterns: list[str]
    has_assignment_rules: bool
    dev_hub_username: str | None
    sandbox_definition: dict[str, Any]
    min_available_instances: int
    max_total_instances: int
    days_to_keep_unassigned_available: int
    refresh_or_delete_strategy: Strategy
    default_expiration_hours: Number
    extended_expiration_hours: Number | None
    average_org_creation_time: Number | None
    return_to_pool_on_unassign: bool
    is_active: bool
    additional_config: dict[str, Any]
    metadata: dict[str, Any]
    last_monitored_at: Timestamp | None
    last_provisioned_at: Timestamp | None
    current_provision_run_id: str | None
    current_monitor_run_id: str | None
    refresh_strategy: str
    refresh_interval_hours: Number
    min_active_instances: Number
    max_active_instances: Number
    min_retention_days: Number


def show_pool(session: Session, pool: Pool, repository: Repository) -> PoolConfig:
    return show_pools(session, [(pool, repository)])[0]


def show_pools(session: Session, found: Sequence[tuple[Pool, Repository]]) -> list[PoolConfig]:
    served = rules.served_tags(session, {repository.id for _, repository in found})
    return [_show(pool, repository, is_served=(repository.id, pool.tag) in served) for pool, repository in found]


def _show(pool: Pool, repository: Repository, *, is_served: bool) -> PoolConfig:
    legacy = pool.legacy
    return PoolConfig(
        account_id=repository.full_name.split("/")[0],
        repository_identifier=repository.full_name,
        name=pool.name,
        pool_tag=pool.tag,
        pool_type="SANDBOX",
        provider=pool.provider,
        branch_pattern=pool.branch_pattern,
        domain_patterns=pool.domain_patterns,
        has_assignment_rules=is_served or pool.branch_pattern is not None or bool(pool.domain_patterns),
        dev_hub_username=pool.dev_hub_username,
        sandbox_definition=pool.sandbox_definition,
        min_available_instances=pool.min_available,
        max_total_instances=pool.max_total,
        days_to_keep_unassigned_available=pool.days_to_keep_available,
        refresh_or_delete_strategy=Strategy(pool.strategy),
        default_expiration_hours=pool.default_expiration_hours,
        extended_expiration_hours=pool.extended_expiration_hours,
        average_org_creation_time=pool.average_creation_minutes,
        return_to_pool_on_unassign=pool.return_on_unassign,
        is_active=pool.is_active,
        additional_config=pool.additional_config,
        metadata=pool.extra,
        last_monitored_at=pool.last_monitored_at,
        last_provisioned_at=pool.last_provisioned_at,
        current_provision_run_id=pool.provision_run_id,
        current_monitor_run_id=pool.monitor_run_id,
        refresh_strategy=legacy.get("refreshStrategy", "ALWAYS"),
        refresh_interval_hours=legacy.get("refreshIntervalHours", 24),
        min_active_instances=legacy.get("minActiveInstances", pool.min_available),
        max_active_instances=legacy.get("maxActiveInstances", pool.max_total),
        min_retention_days=legacy.get("minRetentionDays", 7),
    )
