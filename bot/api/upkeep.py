"""P7 and P15: pools are compared with their provider, and brought to what they should be, in the request."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from bot import replenishing, zombies
from bot.api.auth import CHANGE, OWN, require_role
from bot.api.call import Call
from bot.api.fields import Answer, Between, Body, InstanceStatus
from bot.api.pool_bodies import OfRepository, TagPath
from bot.api.router import Routes
from bot.api.visible import find_pool
from bot.replenishing import Run
from bot.zombies import Zombie
from operations.errors import OrgNotFound, PoolNotFound, ProviderRefused, RunInProgress
from operations.orgs import find_org
from storage import audit, pools
from storage.database import new_id

routes = Routes()


class CleanupBody(Body):
    dev_hub_username: Annotated[str, Between(1, 255)]
    dry_run: bool = True


class Orphan(Answer):
    """`status` is what it was when it was found."""

    sandbox_name: str
    pool_tag: str
    status: InstanceStatus
    reason: Literal["Not found in Salesforce"]


class CleanupAnswer(Answer):
    message: str
    orphaned_instances: list[Orphan]
    dry_run: bool


class ReplenishStep(Answer):
    """`duration` is in milliseconds."""

    success: bool
    message: str
    duration: int


class QuotaStep(ReplenishStep):
    """The counts are those before it."""

    available_instances: int
    error_instances: int
    instances_to_be_created: int


class Steps(Answer):
    reconciliation: ReplenishStep
    lifecycle_processing: ReplenishStep
    quota_maintenance: QuotaStep


class ReplenishAnswer(Answer):
    pool_tag: str
    steps: Steps
    summary: str
    total_duration: int


@routes.add(
    "POST", "/pools/cleanup-zombies", CHANGE, "Find or remove instances that are not in Salesforce any more",
    refuses=(OrgNotFound, ProviderRefused, RunInProgress),
)  # fmt: skip
def clean_up_zombies(call: Call[None, None, CleanupBody]) -> CleanupAnswer:
    """Anybody who may change something may look; only an owner removes."""
    body, context = call.body, call.context
    if not body.dry_run:
        require_role(call.caller, OWN)
    with call.reading() as session:
        listed = pools.listed(session, seen=call.caller.repositories)
    found = [(pool, repository) for pool, repository in listed if pool.dev_hub_username == body.dev_hub_username]
    if not found and context.mode.read() == "real":
        with call.reading() as session:
            find_org(session, body.dev_hub_username)
    orphans = zombies.find(context, found) if body.dry_run else zombies.remove(context, found, new_id(), call.actor)
    return CleanupAnswer(
        message=_found(len(orphans), dry_run=body.dry_run),
        orphaned_instances=[_orphan(zombie) for zombie in orphans],
        dry_run=body.dry_run,
    )


@routes.add(
    "POST", "/pools/{poolTag}/replenish", CHANGE, "Run the complete pool replenishment workflow",
    refuses=(PoolNotFound, RunInProgress),
)  # fmt: skip
def replenish_pool(call: Call[TagPath, OfRepository, None]) -> ReplenishAnswer:
    """What the provider has to do is only started here."""
    with call.reading() as session:
        pool, _ = find_pool(session, call, call.query.repository_identifier, call.path.pool_tag)
    run = replenishing.replenish(call.context, pool.id, new_id(), call.context.database.transaction)
    with call.transaction() as session:
        audit.record(session, "pool.replenished", pool.id, call.actor, now=call.now,
                     repository_id=pool.repository_id, tag=pool.tag, environments=run.filled.names)  # fmt: skip
    return ReplenishAnswer(
        pool_tag=pool.tag,
        steps=Steps(
            reconciliation=_reconciliation(run),
            lifecycle_processing=ReplenishStep(
                success=True,
                message="Lifecycle processing completed successfully",
                duration=_milliseconds(run.lifecycle),
            ),
            quota_maintenance=_quota(run),
        ),
        summary=_summary(run),
        total_duration=_milliseconds(run.reconciliation + run.lifecycle + run.quota),
    )


def _found(number: int, *, dry_run: bool) -> str:
    if number and not dry_run:
        return f"Deleted {number} orphaned instances."
    advice = " Run with dryRun=false to delete them." if number else ""
    return f"Found {number} orphaned instances.{advice}"


def _orphan(zombie: Zombie) -> Orphan:
    return Orphan(
        sandbox_name=zombie.environment.name,
        pool_tag=zombie.pool.tag,
        status=zombie.environment.state,
        reason="Not found in Salesforce",
    )


def _reconciliation(run: Run) -> ReplenishStep:
    message = "State reconciliation completed successfully"
    if run.unlisted is not None:
        message = f"State reconciliation failed: {run.unlisted.message}"
    return ReplenishStep(success=run.unlisted is None, message=message, duration=_milliseconds(run.reconciliation))


def _quota(run: Run) -> QuotaStep:
    making = len(run.filled.names)
    message = f"Quota maintenance completed. {making} instances will be created."
    if run.unlisted is not None:
        message = "Quota maintenance skipped: without reconciliation it could create too many."
    return QuotaStep(
        success=run.unlisted is None,
        message=message,
        available_instances=run.filled.available,
        error_instances=run.filled.error,
        instances_to_be_created=making,
        duration=_milliseconds(run.quota),
    )


def _summary(run: Run) -> str:
    if run.unlisted is not None:
        return "Replenishment completed with errors. Reconciliation: ✗, Lifecycle: ✓, Quota: ✗ (skipped)"
    making = len(run.filled.names)
    return f"Replenishment completed successfully. Reconciliation: ✓, Lifecycle: ✓, Quota: ✓ ({making} new instances)"


def _milliseconds(took: timedelta) -> int:
    return round(took.total_seconds() * 1000)
