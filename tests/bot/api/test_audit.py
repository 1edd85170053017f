"""Every operation that changes something writes its one row into the audit log, in the transaction of the change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from sqlalchemy import event

from bot.api.operations import OPERATIONS
from bot.passes import Purpose
from storage import users
from storage.audit import Audit
from storage.database import Database
from tests.bot.api.client import ENVIRONMENT, OF_SHOP, POOL, Api, Rest, key
from tests.world import REPO

FETCHED = "550e8400-e29b-41d4-a716-446655440000"
HUB = "hub@acme.example"
ORG = {"username": HUB, "sfdxAuthUrl": "force://PlatformCLI::secret@acme.my.salesforce.com"}
RULE = {"repositoryIdentifier": REPO, "poolTag": "core", "branchPattern": "main", "priority": 1}
TASK = {"type": "listAssignedReviewEnvironments", "data": {}}
WEBHOOK = {"url": "https://hooks.example/x", "events": ["pool.exhausted"]}
MOVED = {
    "repositoryIdentifier": REPO,
    "fromAssignmentType": "pr",
    "fromAssignmentId": "123",
    "toAssignmentType": "issue",
    "toAssignmentId": "9",
}


class Asked(NamedTuple):
    path: str
    body: Any = None
    query: dict[str, str] = {}  # noqa: RUF012


def of_shop(path: str, body: Any = None, **query: str) -> Asked:
    return Asked(path, body, {**OF_SHOP, **query})


def with_assignment(asked: Asked) -> Callable[[Api], Asked]:
    def prepare(api: Api) -> Asked:
        api.spare()
        api.assign("123")
        return asked

    return prepare


def with_lease(api: Api) -> Asked:
    api.spare()
    api.assign("123")
    api.application.post("/review/environments/acquire", key(duration=5, usedBy="ci"))
    return Asked("/review/environments/release", key())


def with_pool(asked: Asked) -> Callable[[Api], Asked]:
    def prepare(api: Api) -> Asked:
        api.spare()
        return asked

    return prepare


def with_fetched(asked: Asked) -> Callable[[Api], Asked]:
    def prepare(api: Api) -> Asked:
        api.spare()
        api.application.post("/pools/core/fetch", {"assignmentId": FETCHED}, **OF_SHOP)
        return asked

    return prepare


def with_org(asked: Asked) -> Callable[[Api], Asked]:
    def prepare(api: Api) -> Asked:
        api.application.post("/auth/salesforce/register", ORG)
        return asked

    return prepare


def with_rule(body: Any = None) -> Callable[[Api], Asked]:
    def prepare(api: Api) -> Asked:
        api.spare()
        rule = api.application.post("/review/pools/assign", RULE).body
        return Asked(f"/review/pools/assign/{rule['id']}", body)

    return prepare


def with_key(asked: Asked) -> Callable[[Api], Asked]:
    def prepare(api: Api) -> Asked:
        api.owner.post("/key-value", {"key": "k", "value": 1})
        return asked

    return prepare


def with_webhook(path: str = "", body: Any = None) -> Callable[[Api], Asked]:
    def prepare(api: Api) -> Asked:
        made = api.owner.post("/webhooks", WEBHOOK).body
        api.owner.post("/webhooks/trigger", {"event": "pool.exhausted"})
        return Asked(f"/webhooks/{made['id']}{path}", body)

    return prepare


def with_token(api: Api) -> Asked:
    return Asked(f"/application-tokens/{api.owner.post('/application-tokens', {'name': 'x'}).body['id']}")


def with_user(api: Api) -> Asked:
    with api.database.transaction() as session:
        user = users.log_in(session, 1, "alice", None, now=api.world.clock())
    api.world.clock.advance(minutes=1)
    token, _ = api.world.context.passes.issue(Purpose.REFRESH, user.id)
    return Asked("/auth/refresh", {"refreshToken": token})


def with_made_environment(api: Api) -> Asked:
    pool = api.world.pool()
    [environment] = api.world.environments(pool)
    return of_shop(f"/pools/core/instances/{environment.name}")


def with_task(**schedule: Any) -> Callable[[Api], Asked]:
    def prepare(api: Api) -> Asked:
        task = api.application.post("/tasks", {**TASK, **schedule}).body["operationId"]
        return Asked(f"/tasks/{task}/stop-recurring" if schedule else f"/tasks/{task}")

    return prepare


def with_repository(asked: Asked) -> Callable[[Api], Asked]:
    def prepare(api: Api) -> Asked:
        api.known()
        return asked

    return prepare


def with_environment(path: str, body: Any = None, **query: str) -> Callable[[Api], Asked]:
    """A dedicated one named prod; its id stands for the ID in the path."""

    def prepare(api: Api) -> Asked:
        return Asked(f"/environments/{path.replace('ID', api.dedicated('prod')['id'])}", body, query)

    return prepare


ASKED: dict[str, Callable[[Api], Asked]] = {
    "POST /review/environments/assign": with_pool(Asked("/review/environments/assign", key(poolTag="core"))),
    "POST /review/environments/extend": with_assignment(Asked("/review/environments/extend", key(extensionHours=1))),
    "POST /review/environments/unassign": with_assignment(Asked("/review/environments/unassign", key())),
    "POST /review/environments/transition": with_assignment(Asked("/review/environments/transition", MOVED)),
    "POST /review/environments/acquire": with_assignment(
        Asked("/review/environments/acquire", key(duration=5, usedBy="ci"))
    ),
    "POST /review/environments/release": with_lease,
    "POST /pools/configs": lambda _: Asked("/pools/configs", POOL),
    "PATCH /pools/configs/{poolTag}": with_pool(of_shop("/pools/configs/core", {"name": "Changed"})),
    "DELETE /pools/configs/{poolTag}": with_pool(of_shop("/pools/configs/core")),
    "POST /pools/{poolTag}/provision": with_pool(of_shop("/pools/core/provision")),
    "POST /pools/{poolTag}/fetch": with_pool(of_shop("/pools/core/fetch", {})),
    "POST /pools/{poolTag}/unassign": with_fetched(of_shop("/pools/core/unassign", {"assignmentId": FETCHED})),
    "POST /pools/{poolTag}/extend": with_fetched(of_shop("/pools/core/extend", {"assignmentId": FETCHED})),
    "DELETE /pools/{poolTag}/instances/{sandboxName}": with_made_environment,
    "POST /pools/{poolTag}/replenish": with_pool(of_shop("/pools/core/replenish")),
    "POST /environments": with_repository(Asked("/environments", ENVIRONMENT)),
    **{
        f"{method} /environments/orchestration-order": with_environment(
            "orchestration-order", ["prod"], category="release", **OF_SHOP
        )
        for method in ("PUT", "PATCH", "POST")
    },
    "PATCH /environments/by-name/{name}": with_environment("by-name/prod", {"branch": "next"}, **OF_SHOP),
    "DELETE /environments/by-name/{name}": with_environment("by-name/prod", **OF_SHOP),
    "PATCH /environments/{id}": with_environment("ID", {"branch": "next"}),
    "DELETE /environments/{id}": with_environment("ID"),
    "POST /environments/{id}/releases": with_environment("ID/releases", {"releaseName": "core-2026-03"}),
    "POST /review/pools/assign": with_pool(Asked("/review/pools/assign", RULE)),
    "PUT /review/pools/assign/{id}": with_rule({"priority": 2}),
    "PATCH /review/pools/assign/{id}": with_rule({"priority": 2}),
    "DELETE /review/pools/assign/{id}": with_rule(),
    "POST /webhooks": lambda _: Asked("/webhooks", WEBHOOK),
    "PATCH /webhooks/{id}": with_webhook(body={"timeout": 5000}),
    "DELETE /webhooks/{id}": with_webhook(),
    "POST /webhooks/trigger": lambda _: Asked("/webhooks/trigger", {"event": "pool.exhausted"}),
    "POST /webhooks/{id}/deliver": with_webhook("/deliver", {}),
    "POST /key-value": lambda _: Asked("/key-value", {"key": "k", "value": 1}),
    "POST /key-value/upsert": with_key(Asked("/key-value/upsert", {"key": "k", "value": 2})),
    "PUT /key-value/{key}": with_key(Asked("/key-value/k", {"value": 2})),
    "DELETE /key-value/{key}": with_key(Asked("/key-value/k")),
    "POST /tasks": lambda _: Asked("/tasks", TASK),
    "DELETE /tasks/{operationId}": with_task(),
    "POST /tasks/{operationId}/stop-recurring": with_task(
        scheduleType="recurring", recurrenceConfig={"intervalMs": 60_000}
    ),
    "POST /application-tokens": lambda _: Asked("/application-tokens", {"name": "x"}),
    "DELETE /application-tokens/{token}": with_token,
    "POST /auth/refresh": with_user,
    "POST /auth/salesforce/register": lambda _: Asked("/auth/salesforce/register", ORG),
    "DELETE /auth/salesforce/org": with_org(Asked("/auth/salesforce/org", None, {"username": HUB})),
    "POST /auth/salesforce/test-connection": lambda _: Asked("/auth/salesforce/test-connection", {"username": HUB}),
}

# These change nothing: one looks for a match, the other removes row by row, each with a row of its own.
WITHOUT_ONE = {"POST /review/pools/assign/match", "POST /pools/cleanup-zombies"}

# These write a row for each ticket that is asked for, gets its lock or ends, also of others: test_locks.py has them.
OF_LOCKS = re.compile("/(locks?|wait|unlock)(/|$)")

# These work in steps, each a transaction of its own: calls to the provider, and the run that others see, lie between.
IN_STEPS = {
    "DELETE /pools/{poolTag}/instances/{sandboxName}",
    "POST /pools/{poolTag}/provision",
    "POST /pools/{poolTag}/replenish",
}


@contextmanager
def committed(database: Database) -> Iterator[list[set[str]]]:
    """The tables that each transaction which changed something has written."""
    written: dict[int, set[str]] = {}
    found: list[set[str]] = []

    def executed(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        change = re.match(r"\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)", statement)
        if change:
            written.setdefault(id(connection), set()).add(change[1])

    def commit(connection: Any) -> None:
        if id(connection) in written:
            found.append(written.pop(id(connection)))

    listeners: list[tuple[str, Callable[..., Any]]] = [("before_cursor_execute", executed), ("commit", commit)]
    for name, listener in listeners:
        event.listen(database.engine, name, listener)
    yield found
    for name, listener in listeners:
        event.remove(database.engine, name, listener)


def test_every_operation_that_changes_something_is_tried_here() -> None:
    changing = {str(operation).replace("/sfp/api", "") for operation in OPERATIONS if operation.method != "GET"}
    assert ASKED.keys() | WITHOUT_ONE == {operation for operation in changing if not OF_LOCKS.search(operation)}


@pytest.mark.parametrize("operation", ASKED)
def test_one_row_in_the_transaction_of_the_change(api: Api, operation: str) -> None:
    asked = ASKED[operation](api)
    client: Rest = api.anonymous if operation == "POST /auth/refresh" else api.owner

    with committed(api.database) as transactions:
        reply = client.send(operation.split()[0], asked.path, asked.body, query=asked.query)

    assert reply.status in (200, 201, 204), reply.text
    rows = [row for row in api.world.rows(Audit) if row.request == reply.headers["X-Request-Id"]]
    [row] = [row for row in rows if row.action != "credentials.revealed"]
    assert row.actor == ("alice" if client is api.anonymous else "the owner")
    if operation not in IN_STEPS:
        assert len(transactions) == 1, transactions
        assert "audit" in transactions[0]


def test_what_is_refused_leaves_no_row(api: Api) -> None:
    api.spare(free=1)
    api.assign("123")
    before = len(api.world.rows(Audit))

    api.assign("124")
    api.application.post("/review/environments/extend", key("9"))
    api.owner.delete("/application-tokens/nothing")
    api.member.post("/pools/configs", POOL)

    assert len(api.world.rows(Audit)) == before
