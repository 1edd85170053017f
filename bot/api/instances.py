"""P10–P12: a pool's instances are listed, provisioned and fetched."""

from __future__ import annotations

from typing import Literal

from sqlalchemy.orm import Session

from bot.api.auth import CHANGE, READ
from bot.api.call import AnyCall, Call
from bot.api.fields import Answer, Timestamp
from bot.api.instance import InstanceAnswer, sandbox_id, show_instances
from bot.api.pool_bodies import FetchBody, OfRepository, TagPath
from bot.api.router import Routes
from bot.api.visible import find_pool, find_repository
from bot.replenishing import provision_runs
from operations.assign import Assigned, Wish, assign
from operations.errors import PoolExhausted, PoolNotFound, RunInProgress
from operations.provision import provision
from storage import pools
from storage.assignments import Holder, HolderType
from storage.database import new_id
from storage.pools import Pool

EVERY_POOL = "all"

routes = Routes()


class Quota(Answer):
    """The counts are those before the run."""

    pool_capacity: int
    available_instances: int
    provisioning_instances: int
    instances_to_be_created: int


class PoolQuota(Quota):
    pool_tag: str


class Quotas(Quota):
    """`pools` appears for the tag `all`; the counts are its sums."""

    pools: list[PoolQuota] | None = None


class ProvisioningAnswer(Answer):
    status: Literal["provisioning_started"]
    message: str
    timestamp: Timestamp
    details: Quotas


class Fetched(Answer):
    sandbox_id: str
    sandbox_name: str
    instance_url: str | None
    login_url: str | None
    expires_at: Timestamp | None
    is_reused: bool
    sfdx_auth_url: str | None


class FetchedAnswer(Answer):
    status: Literal["sandbox_assigned"]
    message: str
    timestamp: Timestamp
    details: Fetched


@routes.add("GET", "/pools/{poolTag}/instances", READ, "List pool instances", refuses=(PoolNotFound,))
def list_instances(call: Call[TagPath, OfRepository, None]) -> list[InstanceAnswer]:
    with call.revealing() as session:
        pool, repository = find_pool(session, call, call.query.repository_identifier, call.path.pool_tag)
        return show_instances(session, call, pool, repository)


@routes.add(
    "POST", "/pools/{poolTag}/provision", CHANGE, "Provision pool instances", refuses=(PoolNotFound, RunInProgress)
)
def provision_pool(call: Call[TagPath, OfRepository, None]) -> ProvisioningAnswer:
    tag = call.path.pool_tag
    with call.reading() as session:
        found = _to_provision(session, call)
    transaction, clock = call.context.database.transaction, call.context.clock
    with provision_runs(transaction, clock, new_id(), [pool.id for pool in found]), call.transaction() as session:
        each = [_provision(session, call, pool) for pool in found]
    quotas = _sum_of(each) if tag == EVERY_POOL else Quotas(**each[0].model_dump(exclude={"pool_tag"}))
    which = "all pools" if tag == EVERY_POOL else f"pool {tag}"
    return ProvisioningAnswer(
        status="provisioning_started",
        message=f"Provisioning {quotas.instances_to_be_created} new instances for {which}",
        timestamp=call.now,
        details=quotas,
    )


@routes.add(
    "POST", "/pools/{poolTag}/fetch", CHANGE, "Fetch and assign a sandbox from a pool",
    refuses=(PoolNotFound, PoolExhausted),
)  # fmt: skip
def fetch_sandbox(call: Call[TagPath, OfRepository, FetchBody]) -> FetchedAnswer:
    """The assignment is a custom holder's whose id is the caller's UUID, and so known to R2–R8 as well.

    The UUID is also the assignment's poolAssignmentId. It follows the sandbox when R5 moves it to another holder: the
    same UUID again gives the same sandbox wherever it has gone. The caller owns it from then on (P13, P14).
    """
    with call.asking() as session:
        pool, repository = find_pool(session, call, call.query.repository_identifier, call.path.pool_tag)
        assignment_id = call.body.assignment_id or new_id()
        wish = Wish(
            holder=Holder(repository.id, HolderType.CUSTOM, assignment_id),
            pool_tag=pool.tag,
            is_immortal=call.body.is_immortal,
            pool_assignment_id=assignment_id,
            taken_by=call.caller.id,
        )
        got = assign(session, wish, call.actor, now=call.now)
        return FetchedAnswer(
            status="sandbox_assigned",
            message="Sandbox successfully assigned",
            timestamp=call.now,
            details=_fetched(call, got),
        )


def _to_provision(session: Session, call: Call[TagPath, OfRepository, None]) -> list[Pool]:
    """The pool of this tag; for `all` every active one of the repository, of which there may be none (13.5)."""
    name, tag = call.query.repository_identifier, call.path.pool_tag
    if tag != EVERY_POOL:
        return [find_pool(session, call, name, tag)[0]]
    repository = find_repository(session, call, name)
    return [pool for pool in pools.of_repository(session, repository.id) if pool.is_active] if repository else []


def _provision(session: Session, call: AnyCall, pool: Pool) -> PoolQuota:
    filled = provision(session, pools.get(session, pool.id), call.actor, now=call.now)
    return PoolQuota(
        pool_tag=pool.tag,
        pool_capacity=pool.min_available,
        available_instances=filled.available,
        provisioning_instances=filled.provisioning,
        instances_to_be_created=len(filled.names),
    )


def _sum_of(each: list[PoolQuota]) -> Quotas:
    sums = {name: sum(getattr(quota, name) for quota in each) for name in Quota.model_fields}
    return Quotas(**sums, pools=each)


def _fetched(call: AnyCall, got: Assigned) -> Fetched:
    environment = got.environment
    return Fetched(
        sandbox_id=sandbox_id(got.pool, environment),
        sandbox_name=environment.name,
        instance_url=environment.instance_url,
        login_url=environment.login_url,
        expires_at=got.assignment.expires_at,
        is_reused=got.is_reused,
        sfdx_auth_url=call.secrets.sfdx_auth_url(environment),
    )
