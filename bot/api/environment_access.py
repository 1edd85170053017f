"""E17–E19: who had access to dedicated environments, and the link that logs one person in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict

from bot.api.auth import CHANGE
from bot.api.call import AnyCall, Call
from bot.api.environment import find_addressed
from bot.api.environment_bodies import EnvironmentPath, OfRepository
from bot.api.fields import Answer, Between, Fields, QueryBoolean, QueryInteger, RepositoryIdentifier, Timestamp
from bot.api.router import Page, Redirect, Routes
from bot.api.visible import find_repository
from operations.access import Access, record_access
from operations.errors import EnvironmentNotFound, FrontdoorUnavailable
from providers.provider import ProviderError
from storage import audit
from storage.audit import Audit
from storage.repositories import Repository

routes = Routes()

Limit = Annotated[QueryInteger, Between(1, 1000)]


class AuditQuery(Fields):
    limit: Limit = 100


class RepositoryAuditQuery(OfRepository):
    limit: Limit = 100


class RepositoryPath(Fields):
    repository: RepositoryIdentifier


class FrontdoorQuery(Fields):
    redirect: QueryBoolean = True


class AccessRow(BaseModel):
    """The one shape of the API in snake_case, as it was published."""

    model_config = ConfigDict(frozen=True)

    id: str
    environment_id: str
    repository_identifier: str
    accessed_by: str
    accessed_by_application: str | None
    access_type: Literal["lock", "unlock", "credentials", "frontdoor", "create", "update", "delete"]
    access_details: dict[str, Any]
    ip_address: str | None
    user_agent: str | None
    accessed_at: Timestamp


class FrontdoorAnswer(Answer):
    url: str


@routes.add(
    "GET", "/environments/{id}/audit", CHANGE, "List accesses to an environment", refuses=(EnvironmentNotFound,)
)
def list_accesses(call: Call[EnvironmentPath, AuditQuery, None]) -> list[AccessRow]:
    """The newest first."""
    with call.reading() as session:
        environment, repository = find_addressed(session, call)
        rows, total = audit.of_dedicated(session, repository.id, environment.id, limit=call.query.limit)
    return Page([_show(row, repository) for row in rows], total)


@routes.add("GET", "/environments/audit", CHANGE, "List accesses to a repository's environments")
def list_repository_accesses(call: Call[None, RepositoryAuditQuery, None]) -> list[AccessRow]:
    """The newest first, those to environments that were deleted among them."""
    return _of_repository(call, call.query.repository_identifier)


@routes.add("GET", "/environments/audit/{repository}", CHANGE, "List accesses to one repository's environments")
def list_one_repositorys_accesses(call: Call[RepositoryPath, AuditQuery, None]) -> list[AccessRow]:
    return _of_repository(call, call.path.repository)


@routes.add(
    "GET", "/environments/{id}/frontdoor", CHANGE, "Open an environment",
    refuses=(EnvironmentNotFound, FrontdoorUnavailable),
)  # fmt: skip
def open_dedicated(call: Call[EnvironmentPath, FrontdoorQuery, None]) -> FrontdoorAnswer | Redirect:
    """A link that logs one person in, once, and soon lapses: followed, or shown with `redirect=false`. Audited."""
    with call.reading() as session:
        environment, _ = find_addressed(session, call)
    try:
        url = call.context.org(environment).login_link()
    except ProviderError as error:
        raise FrontdoorUnavailable(error.message) from error
    with call.transaction() as session:
        asked = environment.salesforce_username
        environment, _ = find_addressed(session, call)
        if environment.salesforce_username != asked:
            raise FrontdoorUnavailable("the environment has got another org meanwhile")
        record_access(session, environment, Access.FRONTDOOR, call.actor, now=call.now, redirect=call.query.redirect)
    return Redirect(url) if call.query.redirect else FrontdoorAnswer(url=url)


def _of_repository(call: AnyCall, name: str) -> list[AccessRow]:
    with call.reading() as session:
        repository = find_repository(session, call, name)
        if repository is None:
            return []
        rows, total = audit.of_dedicated(session, repository.id, limit=call.query.limit)
    return Page([_show(row, repository) for row in rows], total)


def _show(row: Audit, repository: Repository) -> AccessRow:
    kept = row.details
    return AccessRow(
        id=f"audit{row.id}",
        environment_id=row.subject_id,
        repository_identifier=repository.full_name,
        accessed_by=row.actor,
        accessed_by_application=row.actor if kept["is_application"] else None,
        access_type=kept["access"],
        access_details={"action": f"environment_{row.action.partition('.')[2]}", **kept["details"]},
        ip_address=kept["ip_address"],
        user_agent=kept["user_agent"],
        accessed_at=row.at,
    )
