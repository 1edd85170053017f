"""Many environments in one pool: a list of them is answered with as few statements as a list of three."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert

from storage.assignments import Assignment
from storage.database import new_id
from storage.environments import Environment, EnvironmentState
from tests.bot.api.client import Api, secret_of
from tests.world import REPO

MANY = 500


def fill(api: Api, tag: str, number: int) -> None:
    """A pool with so many environments, each of them held."""
    pool, now = api.world.pool(tag, filled=False), api.world.clock()
    sealed = api.world.context.vault.seal({"sfdxAuthUrl": secret_of(tag)})
    ids = [new_id() for _ in range(number)]
    with api.database.transaction() as session:
        session.execute(insert(Environment), [
            {
                "id": id, "pool_id": pool.id, "name": f"{tag}{index}", "state": EnvironmentState.ASSIGNED, "fence": 1,
                "credentials": sealed, "created_at": now,
            }
            for index, id in enumerate(ids)
        ])  # fmt: skip
        session.execute(insert(Assignment), [
            {
                "repository_id": pool.repository_id, "pool_id": pool.id, "environment_id": id, "fence": 1,
                "holder_type": "custom", "holder_id": f"{tag}-{index}", "assigned_by": "test", "assigned_at": now,
                "expires_at": now + timedelta(days=2), "extra": {},
            }
            for index, id in enumerate(ids)
        ])  # fmt: skip


def ask(api: Api, path: str) -> tuple[int, Any]:
    """With how many statements it is answered, and the answer."""
    sent: list[Any] = []

    def sends(*statement: Any) -> None:
        sent.append(statement)

    event.listen(api.database.engine, "before_cursor_execute", sends)
    reply = api.owner.get(path)
    event.remove(api.database.engine, "before_cursor_execute", sends)
    assert reply.status == 200
    return len(sent), reply.body


@pytest.fixture
def filled(wire: Api) -> Api:
    fill(wire, "few", 3)
    fill(wire, "many", MANY)
    return wire


def test_a_long_list_takes_no_more_statements_than_a_short_one(filled: Api) -> None:
    of = f"repositoryIdentifier={REPO}"
    lists: dict[str, Callable[[Any], int]] = {
        "/pools/{}/instances?" + of: lambda body: len(body),
        "/pools/status?" + of + "&poolTag={}&instanceStatus=ASSIGNED": lambda body: len(body["instanceList"]),
        "/pools/status?" + of + "&poolTag={}": lambda body: body["instances"]["total"],
        "/review/environments/list?" + of + "&poolTag={}": lambda body: len(body["assignments"]),
        "/review/environments/list?" + of + "&poolTag={}&limit=1000&offset=1": lambda body: body["totalCount"],
    }
    for path, size in lists.items():
        (few, three), (many, all_of_them) = ask(filled, path.format("few")), ask(filled, path.format("many"))
        assert (size(three), size(all_of_them)) == (3, MANY), path
        assert 0 < many <= few, path
