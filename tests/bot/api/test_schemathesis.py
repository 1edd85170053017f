"""Schemathesis asks for what the API's description allows, and for what it does not, as every role.

GREENROOM_EXAMPLES=500 makes it ask more, something new in each run, and adds the cases that cover each schema.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.core.parameters import ParameterLocation
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from sqlalchemy import delete, update

from bot.api.environment_examples import NEW as NEW_ENVIRONMENT
from bot.api.environment_examples import UNLOCKED
from bot.api.examples import KEY, NEW_POOL, POOL_ASSIGNMENT, REPOSITORY
from bot.api.openapi import BODIES, document
from bot.api.operations import OPERATIONS
from bot.api.router import PREFIX, Operation
from bot.context import Context
from storage.artifacts import InstalledArtifacts
from storage.database import Database
from storage.dedicated import DedicatedEnvironment
from storage.releases import Release
from tests.bot.api.client import Api
from tests.provider import Clock
from tests.world import World

EXAMPLES = int(os.environ.get("GREENROOM_EXAMPLES", "0"))
BOUNDED = settings(
    max_examples=EXAMPLES or 6,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

# What JSON Schema cannot say, because it is about two values, or about what there is: these may fit it and be refused.
BEYOND_THE_SCHEMA: Mapping[str, Callable[[dict[str, Any]], bool]] = {
    "POST /sfp/api/review/environments/transition": lambda given: (
        (given["fromAssignmentType"], given["fromAssignmentId"]) == (given["toAssignmentType"], given["toAssignmentId"])
    ),
    "POST /sfp/api/pools/configs": lambda given: given["minAvailableInstances"] > given["maxTotalInstances"],
    "PATCH /sfp/api/pools/configs/{poolTag}": lambda given: (
        not {"minAvailableInstances", "maxTotalInstances"}.isdisjoint(given)
    ),
    "POST /sfp/api/tasks": lambda given: any(
        given.get(name) is not None for name in ("scheduleType", "scheduledFor", "recurrenceConfig")
    ),
    "GET /sfp/api/pools/status": lambda given: "repositoryIdentifier" not in given,
    **{f"{method} /sfp/api/environments/orchestration-order": lambda _: True for method in ("PUT", "PATCH", "POST")},
    "POST /sfp/api/environments/{id}/releases": lambda given: (
        not {"publishedAt", "repositoryIdentifier"}.isdisjoint(given)
    ),
    "POST /sfp/api/webhooks": lambda given: True,  # where an address leads
    "PATCH /sfp/api/webhooks/{id}": lambda given: True,
    "POST /sfp/api/webhooks/{id}/deliver": lambda given: True,  # what was sent
}

# An environment's id goes with the name of its repository.
OF_ITS_REPOSITORY = (
    "POST {}/lock", "GET {}/lock/{{ticketId}}/wait", "POST {}/lock/{{ticketId}}/wait", "POST {}/wait",
    "POST {}/lock/{{ticketId}}/renew", "DELETE {}/lock/{{ticketId}}", "POST {}/unlock",
)  # fmt: skip


class Stage:
    """The application that schemathesis asks, which wants one before there is a world."""

    playing: Callable[[Any, Any], Iterable[bytes]]

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        return self.playing(environ, start_response)


class Visitors:
    """A member, an application and an owner, in a world that has what the description's examples speak of."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._last = ""

    def ask(self, case: Case[Any]) -> None:
        """Raises unless each of them is answered as described; the owner comes last, for whom most is done."""
        self._come_to(case.operation.label)
        unchecked: list[Any] = [positive_data_acceptance] if goes_beyond_the_schema(case) else []
        if is_without_token(case):
            unchecked.append(negative_data_rejection)
        for visitor in (self._api.member, self._api.application, self._api.owner):
            case.call_and_validate(headers={"Authorization": f"Bearer {visitor.secret}"}, excluded_checks=unchecked)

    def _come_to(self, operation: str) -> None:
        """Before each operation what others have deleted is made anew."""
        if operation == self._last:
            return
        self._last = operation
        owner = self._api.owner
        owner.post("/pools/configs", {**NEW_POOL, "poolTag": "core_dev", "provider": "mock"})
        owner.post("/pools/core_dev/provision", repositoryIdentifier=REPOSITORY)
        self._api.world.work()
        self._have_environment()
        owner.post("/review/pools/assign", BODIES["POST /sfp/api/review/pools/assign"])
        owner.post("/review/environments/assign", {**KEY, "poolTag": "core_dev"})
        owner.post("/pools/core_dev/fetch", {"assignmentId": POOL_ASSIGNMENT}, repositoryIdentifier=REPOSITORY)

    def _have_environment(self) -> None:
        """The dedicated one of the examples, with its id."""
        if self._api.owner.get(f"/environments/{UNLOCKED['id']}").status == 200:
            return
        with self._api.database.transaction() as session:
            for table in (Release, InstalledArtifacts, DedicatedEnvironment):
                session.execute(delete(table))
        self._api.owner.post("/environments", NEW_ENVIRONMENT)
        with self._api.database.transaction() as session:
            session.execute(update(DedicatedEnvironment).values(id=UNLOCKED["id"]))


def goes_beyond_the_schema(case: Case[Any]) -> bool:
    if case.operation.label in [name.format("/sfp/api/environments/{id}") for name in OF_ITS_REPOSITORY]:
        return True
    beyond = BEYOND_THE_SCHEMA.get(case.operation.label)
    fits = case.meta is not None and case.meta.generation.mode.is_positive
    given = case.body if isinstance(case.body, dict) else dict(case.query or {})
    return fits and beyond is not None and beyond(given)


def is_without_token(case: Case[Any]) -> bool:
    """The token is the only header that we describe, and the visitors put theirs on again."""
    header = case.meta.components.get(ParameterLocation.HEADER) if case.meta is not None else None
    return header is not None and header.mode.is_negative


STAGE = Stage()


@cache
def described() -> BaseSchema:
    load_all_checks()
    schema = schemathesis.openapi.from_dict(document(OPERATIONS, "http://localhost"))
    schema.app = STAGE
    return schema


@pytest.fixture(scope="module")
def visitors(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitors]:
    data = tmp_path_factory.mktemp("visited")
    shutil.copy(sqlite_template, data / "greenroom.db")
    world = World(Database(f"sqlite:///{data / 'greenroom.db'}"), data, Clock())
    mocked = replace(world.context.settings, sandbox_mode="mock")  # however many orgs are registered
    api = Api(world, context=Context.of(mocked, world.database, world.clock))
    STAGE.playing = api.app
    yield Visitors(api)
    world.database.dispose()


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_answer_is_as_described(visitors: Visitors, operation: Operation) -> None:
    path, method = f"{PREFIX}{operation.template}", operation.method
    takes_nothing = {operation.path, operation.query, operation.body} == {NoneType}
    cases = described()[path][method].as_strategy()
    if not takes_nothing:
        cases |= described()[path][method].as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @BOUNDED
    @given(case=cases)
    def ask(case: Case[Any]) -> None:
        visitors.ask(case)

    ask()


if EXAMPLES:

    @described().parametrize()
    @BOUNDED
    def test_every_corner_is_as_described(case: Case[Any], visitors: Visitors) -> None:
        visitors.ask(case)
