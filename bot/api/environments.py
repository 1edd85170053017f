"""E1–E10: dedicated environments are listed, made, ordered, shown, changed and deleted."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

from sqlalchemy.orm import Session

from bot.api.auth import CHANGE, OWN, READ, require_role
from bot.api.call import AnyCall, Call
from bot.api.credentials import fields_of, log_in
from bot.api.environment import EnvironmentAnswer, find_addressed, show_environment, show_environments
from bot.api.environment_bodies import (
    EnvironmentBody,
    EnvironmentChanges,
    EnvironmentPath,
    ListQuery,
    NamePath,
    OfRepository,
    OrderBody,
    OrderQuery,
    ShowNamedQuery,
    ShowQuery,
)
from bot.api.errors import RepositoryNotFound, RoleRequired
from bot.api.fields import Answer
from bot.api.router import Routes
from bot.api.visible import find_repository
from operations.access import Access, record_access
from operations.dedicated import create_environment, delete_environment, update_environment
from operations.errors import (
    EnvironmentExists,
    EnvironmentLocked,
    EnvironmentNotFound,
    InvalidEnvironmentNames,
    OrgNotFound,
    ProviderRefused,
    UsernameRegistered,
    VersionConflict,
)
from operations.orchestration import order_of, set_order
from operations.orgs import find_org
from storage import dedicated

SHOWING = (EnvironmentNotFound, ProviderRefused, RoleRequired)
CHANGING = (EnvironmentNotFound, OrgNotFound, EnvironmentExists, UsernameRegistered, VersionConflict)
DELETING = (EnvironmentNotFound, EnvironmentLocked)

routes = Routes()


class GroupedEnvironments(Answer):
    dev: list[EnvironmentAnswer]
    test: list[EnvironmentAnswer]
    snapshot: list[EnvironmentAnswer]
    release: list[EnvironmentAnswer]


class EnvironmentDeleted(Answer):
    message: Literal["Environment deleted successfully"]
    id: str
    name: str


@routes.add("GET", "/environments", READ, "List environments")
def list_dedicated(call: Call[None, ListQuery, None]) -> GroupedEnvironments | list[EnvironmentAnswer]:
    """By category; those of one category as an array."""
    with call.reading() as session:
        found = dedicated.listed(session, seen=call.caller.repositories, wanted=call.query.wanted())
        shown = show_environments(session, call, found)
    if call.query.category is not None:
        return shown
    grouped = {name: [one for one in shown if one.category == name] for name in GroupedEnvironments.model_fields}
    return GroupedEnvironments(**grouped)


@routes.add(
    "POST", "/environments", CHANGE, "Create an environment",
    refuses=(RepositoryNotFound, OrgNotFound, EnvironmentExists, UsernameRegistered), status=HTTPStatus.CREATED,
)  # fmt: skip
def add_dedicated(call: Call[None, None, EnvironmentBody]) -> EnvironmentAnswer:
    body = call.body
    with call.transaction() as session:
        repository = find_repository(session, call, body.repository_identifier)
        if repository is None:
            raise RepositoryNotFound(body.repository_identifier)
        values = {**body.columns(), "salesforce_username": _username(session, call, body.salesforce_username)}
        environment = create_environment(session, repository, values, call.actor, now=call.now)
        return show_environment(session, call, (environment, repository))


@routes.add("GET", "/environments/orchestration-order", READ, "Get the orchestration order of environments")
def get_order(call: Call[None, OrderQuery, None]) -> list[str]:
    """Those that have a place in the order, then the others by name."""
    with call.reading() as session:
        return _order(session, call)


@routes.add(
    "PUT", "/environments/orchestration-order", CHANGE, "Set the orchestration order of environments",
    refuses=(InvalidEnvironmentNames,),
)  # fmt: skip
@routes.add(
    "PATCH", "/environments/orchestration-order", CHANGE, "Set the orchestration order, as PUT does",
    refuses=(InvalidEnvironmentNames,),
)  # fmt: skip
@routes.add(
    "POST", "/environments/orchestration-order", CHANGE, "Set the orchestration order, as PUT does",
    refuses=(InvalidEnvironmentNames,),
)  # fmt: skip
def change_order(call: Call[None, OrderQuery, OrderBody]) -> list[str]:
    """Whatever is left out has no place in the order any more."""
    with call.transaction() as session:
        names = call.body.root
        repository = find_repository(session, call, call.query.repository_identifier)
        if repository is not None:
            set_order(session, repository, call.query.category, names, call.actor, now=call.now)
        elif names:
            raise InvalidEnvironmentNames(names)
        return _order(session, call)


@routes.add("GET", "/environments/by-name/{name}", READ, "Get an environment by its name", refuses=SHOWING)
def get_dedicated_by_name(call: Call[NamePath, ShowNamedQuery, None]) -> EnvironmentAnswer:
    return _get(call)


@routes.add("DELETE", "/environments/by-name/{name}", OWN, "Delete an environment by its name", refuses=DELETING)
def remove_dedicated_by_name(call: Call[NamePath, OfRepository, None]) -> EnvironmentDeleted:
    return _remove(call)


@routes.add("PATCH", "/environments/by-name/{name}", CHANGE, "Update an environment by its name", refuses=CHANGING)
def change_dedicated_by_name(call: Call[NamePath, OfRepository, EnvironmentChanges]) -> EnvironmentAnswer:
    return _change(call)


@routes.add("GET", "/environments/{id}", READ, "Get an environment", refuses=SHOWING)
def get_dedicated(call: Call[EnvironmentPath, ShowQuery, None]) -> EnvironmentAnswer:
    return _get(call)


@routes.add("DELETE", "/environments/{id}", OWN, "Delete an environment", refuses=DELETING)
def remove_dedicated(call: Call[EnvironmentPath, None, None]) -> EnvironmentDeleted:
    """Refused while somebody holds its lock; whoever waits for it waits no longer."""
    return _remove(call)


@routes.add("PATCH", "/environments/{id}", CHANGE, "Update an environment", refuses=CHANGING)
def change_dedicated(call: Call[EnvironmentPath, None, EnvironmentChanges]) -> EnvironmentAnswer:
    return _change(call)


def _get(call: Call[Any, Any, None]) -> EnvironmentAnswer:
    """The org is asked between two transactions; what it gave is revealed in the second one, on the record."""
    auth_type = call.query.auth_type
    if auth_type is not None:
        require_role(call.caller, CHANGE)
    with call.reading() as session:
        environment, repository = find_addressed(session, call)
        if auth_type is None:
            return show_environment(session, call, (environment, repository))
    credentials = log_in(call.context, environment)
    with call.transaction() as session:
        asked = environment.salesforce_username
        environment, repository = find_addressed(session, call)
        if environment.salesforce_username != asked:
            raise ProviderRefused("the environment has got another org meanwhile")
        record_access(session, environment, Access.CREDENTIALS, call.actor, now=call.now, auth_type=auth_type)
        return show_environment(session, call, (environment, repository), **fields_of(credentials, auth_type))


def _change(call: Call[Any, Any, EnvironmentChanges]) -> EnvironmentAnswer:
    with call.transaction() as session:
        environment, repository = find_addressed(session, call)
        columns = call.body.applied_to(environment, repository.full_name).columns()
        changes = {column: value for column, value in columns.items() if value != getattr(environment, column)}
        if "salesforce_username" in changes:
            changes["salesforce_username"] = _username(session, call, changes["salesforce_username"])
        changed = update_environment(
            session, environment, repository, changes, call.actor, now=call.now, version=call.body.version
        )
        return show_environment(session, call, (changed, repository))


def _remove(call: Call[Any, Any, None]) -> EnvironmentDeleted:
    with call.transaction() as session:
        environment, _ = find_addressed(session, call)
        delete_environment(session, environment, call.actor, now=call.now)
    return EnvironmentDeleted(message="Environment deleted successfully", id=environment.id, name=environment.name)


def _order(session: Session, call: Call[None, OrderQuery, Any]) -> list[str]:
    query = call.query
    repository = find_repository(session, call, query.repository_identifier)
    if repository is None:
        return []
    return order_of(session, repository, query.category, include_inactive=query.include_inactive)


def _username(session: Session, call: AnyCall, named: str) -> str:
    """The username of a registered org, which may be named by its alias; on the mock service every name is known."""
    return find_org(session, named).username if call.context.mode.read() == "real" else named
