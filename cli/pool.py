"""greenroom pool: pools are listed, made, looked at and filled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

import click

from cli import screen
from cli.failures import EXIT_CODES, Failure, Misuse
from cli.remote import Remote, in_repository, of_repository, remote
from cli.server import segment
from cli.text import moment, until

STRATEGIES = ("DELETE_EXPIRED", "AUTO_REFRESH_EXPIRED", "FLAG_EXPIRED", "NOTIFY_ONLY")

# What a new pool is unless its file or the options say otherwise; the API itself requires these.
UNSAID = {
    "minAvailableInstances": 1,
    "maxTotalInstances": 5,
    "daysToKeepUnassignedAvailable": 30,
    "refreshOrDeleteStrategy": STRATEGIES[0],
    "isActive": True,
}

COLUMNS = (
    "REPOSITORY", "POOL", "PROVIDER", "STATUS", "FREE", "ASSIGNED", "MAKING", "EXPIRED", "ERROR", "TOTAL", "WAITING",
)  # fmt: skip


@click.group(epilog=EXIT_CODES)
def pool() -> None:
    """Pools of ready environments."""


@pool.command("list")
@of_repository
@remote
def list_pools(at: Remote, repo: str | None) -> None:
    """What each pool has, and how many wait for it."""
    pools = at.server.ask("GET", "/pools/status", query={"repositoryIdentifier": repo})
    at.show(pools, lambda: screen.table(COLUMNS, [_row(status) for status in pools], nothing="There are no pools."))


@pool.command("status")
@click.argument("tag", metavar="POOL")
@in_repository
@remote
def show_pool(at: Remote, tag: str, repo: str) -> None:
    """What a pool has and how it is set up."""
    status = at.server.ask("GET", "/pools/status", query={"poolTag": tag, "repositoryIdentifier": repo})
    at.show(status, lambda: _show(status))


@pool.command("instances")
@click.argument("tag", metavar="POOL")
@in_repository
@remote
def list_instances(at: Remote, tag: str, repo: str) -> None:
    """The environments of a pool, each with its state."""
    query = {"repositoryIdentifier": repo}
    instances = at.server.ask("GET", f"/pools/{segment(tag)}/instances", query=query)
    rows = [
        (one["sandboxName"], one["status"], _end(one), moment(one["createdAt"]), one["instanceUrl"], one["lastError"])
        for one in instances
    ]
    columns = ("ENVIRONMENT", "STATUS", "EXPIRES", "CREATED", "ADDRESS", "ERROR")
    at.show(instances, lambda: screen.table(columns, rows, nothing="The pool has no environments."))


@pool.command("create")
@click.argument("tag", metavar="POOL", required=False)
@click.option("--file", "given", type=click.File(), help="The pool as JSON, as the API takes it; - for stdin.")
@click.option("--name", help="For people. Else the pool's tag.")
@click.option("--provider", help="salesforce (as the API has it, if nothing is said), mock or local.")
@click.option("--hub", help="The org that sandboxes are made in; salesforce needs it.")
@click.option("--min", "minimum", type=int, help="How many to keep ready.  [default: 1]")
@click.option("--max", "maximum", type=int, help="How many there may be in all.  [default: 5]")
@click.option("--days", type=int, help="How long one is kept that nobody takes.  [default: 30]")
@click.option("--strategy", type=click.Choice(STRATEGIES), help="What becomes of the old.  [default: DELETE_EXPIRED]")
@click.option("--active/--inactive", default=None, help="Inactive pools are left alone.  [default: active]")
@click.option("--hours", type=float, help="How long one is lent, if nothing else is said.")
@click.option("--branch", help="Serve these branches: feature/*")
@click.option("--domain", "domains", multiple=True, help="Serve these domains: sales-*; repeatable.")
@click.option("--return/--no-return", "returned", default=None, help="Given back, it is lent again.")
@in_repository
@remote
def create_pool(at: Remote, tag: str | None, given: IO[str] | None, repo: str, **options: Any) -> None:
    """Make a pool, of its options, of a file, or of both: an option wins. Its environments are made by `provision`."""
    said = _of_options(tag, options)
    kept = _of_file(given)
    body = {**UNSAID, "repositoryIdentifier": repo, **kept, **said}
    if "poolTag" not in body:
        raise Misuse("How is the pool to be called? Say greenroom pool create POOL")
    made = at.server.ask("POST", "/pools/configs", body={"name": body["poolTag"], **body})
    at.show(made, lambda: _show_new(made))


@pool.command("provision")
@click.argument("tag", metavar="POOL")
@in_repository
@remote
def provision(at: Remote, tag: str, repo: str) -> None:
    """Make what the pool is short of; `all` for every active pool of the repository."""
    answer = at.server.ask("POST", f"/pools/{segment(tag)}/provision", query={"repositoryIdentifier": repo})
    at.show(answer, lambda: screen.say(answer["message"]))


@pool.command("replenish")
@click.argument("tag", metavar="POOL")
@in_repository
@remote
def replenish(at: Remote, tag: str, repo: str) -> None:
    """Compare with the provider, let go of the old, make what is missing. Exit code 1 if a step failed."""
    answer = at.server.ask(
        "POST", f"/pools/{segment(tag)}/replenish", query={"repositoryIdentifier": repo}, seconds=300
    )
    steps = answer["steps"].values()
    at.show(answer, lambda: screen.lines(step["message"] for step in steps))
    if not all(step["success"] for step in steps):
        raise Failure("A step failed", "The provider's answer is above; the next run tries again.")


def _row(status: Mapping[str, Any]) -> tuple[Any, ...]:
    counts, config = status["instances"], status["config"]
    return (
        status["repositoryIdentifier"], status["poolTag"], config["provider"], status["status"], counts["available"],
        counts["assigned"], counts["provisioning"], counts["expired"], counts["error"],
        f"{counts['total']}/{config['maxTotalInstances']}", counts["waiting"],
    )  # fmt: skip


def _show(status: Mapping[str, Any]) -> None:
    counts, config = status["instances"], status["config"]
    screen.say(f"{status['poolTag']} of {status['repositoryIdentifier']} is {status['status']}")
    screen.facts({
        "free": f"{counts['available']}, of {config['minAvailableInstances']} to keep ready",
        "assigned": counts["assigned"],
        "making": counts["provisioning"],
        "expired": counts["expired"],
        "error": counts["error"],
        "deleting": counts["deleting"],
        "total": f"{counts['total']}, of {config['maxTotalInstances']} at most",
        "waiting": counts["waiting"],
        "provider": config["provider"],
        "hub": config["devHubUsername"],
        "serves": ", ".join(filter(None, [config["branchPattern"], *config["domainPatterns"]])) or None,
        "lends for": f"{config['defaultExpirationHours']:g} h",
        "strategy": config["refreshOrDeleteStrategy"],
        "looked after": moment(config["lastMonitoredAt"]),
        "run": config["currentMonitorRunId"] or config["currentProvisionRunId"],
    })  # fmt: skip


def _show_new(made: Mapping[str, Any]) -> None:
    screen.say(f"Made the pool {made['poolTag']} of {made['repositoryIdentifier']}")
    screen.note(f"Its environments are made by: greenroom pool provision {made['poolTag']}")


def _end(instance: Mapping[str, Any]) -> str | None:
    if instance["assignmentId"] is None:
        return None
    return until(instance["expiresAt"])


def _of_file(given: IO[str] | None) -> dict[str, Any]:
    if given is None:
        return {}
    try:
        body = json.load(given)
    except ValueError as error:
        raise Misuse(f"{given.name} is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Misuse(f"{given.name} must be a JSON object, as POST /pools/configs takes it")
    return body


def _of_options(tag: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    fields = {
        "poolTag": tag,
        "name": options["name"],
        "provider": options["provider"],
        "devHubUsername": options["hub"],
        "minAvailableInstances": options["minimum"],
        "maxTotalInstances": options["maximum"],
        "daysToKeepUnassignedAvailable": options["days"],
        "refreshOrDeleteStrategy": options["strategy"],
        "isActive": options["active"],
        "defaultExpirationHours": options["hours"],
        "branchPattern": options["branch"],
        "domainPatterns": list(options["domains"]) or None,
        "returnToPoolOnUnassign": options["returned"],
    }
    return {name: value for name, value in fields.items() if value is not None}
