"""E20–E23: what is installed in dedicated environments, and what was released to them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import Field

from bot.api.auth import CHANGE, READ
from bot.api.call import Call
from bot.api.environment import find_addressed
from bot.api.environment_bodies import EnvironmentPath, NamePath, OfRepository
from bot.api.errors import InvalidFields
from bot.api.fields import (
    Answer,
    Between,
    Body,
    Domain,
    Fields,
    Metadata,
    Moment,
    QueryBoolean,
    QueryInteger,
    RepositoryIdentifier,
    Timestamp,
)
from bot.api.router import Page, Routes
from operations.errors import ArtifactsUnavailable, EnvironmentNotFound
from operations.releases import record_release
from operations.times import iso
from providers.org import Artifact
from providers.provider import ProviderError
from storage import artifacts, dedicated, releases
from storage.artifacts import InstalledArtifacts
from storage.dedicated import DedicatedEnvironment
from storage.releases import Release
from storage.repositories import Repository

KNOWN_FOR = timedelta(hours=1)
READING = (EnvironmentNotFound, ArtifactsUnavailable)

routes = Routes()


class ArtifactsQuery(Fields):
    force_refresh: QueryBoolean = False


class NamedArtifactsQuery(ArtifactsQuery, OfRepository):
    pass


class ReleasesQuery(Fields):
    domain: str | None = None
    limit: Annotated[QueryInteger, Between(1, 1000)] = 50
    offset: Annotated[QueryInteger, Between(0, 2**31 - 1)] = 0


class NamedReleasesQuery(ReleasesQuery, OfRepository):
    pass


class NewRelease(Body):
    """What a release process tells; published now unless it says when."""

    release_name: Annotated[str, Between(1, 255)]
    domain: Domain | None = None
    published_at: Moment | None = None
    repository_identifier: RepositoryIdentifier | None = None
    metadata: Metadata = Field(default={})


class ArtifactAnswer(Answer):
    name: str
    version: str
    commit_id: str | None
    installed_at: Timestamp


class ReleaseAnswer(Answer):
    id: str
    release_name: str
    domain: str | None
    published_at: Timestamp
    repository_identifier: str
    metadata: dict[str, Any]


@routes.add("GET", "/environments/{id}/artifacts", READ, "List what is installed in an environment", refuses=READING)
def list_artifacts(call: Call[EnvironmentPath, ArtifactsQuery, None]) -> list[ArtifactAnswer]:
    """As it was read within the last hour; `forceRefresh` reads it now."""
    return _artifacts(call)


@routes.add(
    "GET", "/environments/by-name/{name}/artifacts", READ, "List what is installed in an environment, by its name",
    refuses=READING,
)  # fmt: skip
def list_artifacts_by_name(call: Call[NamePath, NamedArtifactsQuery, None]) -> list[ArtifactAnswer]:
    return _artifacts(call)


@routes.add(
    "GET", "/environments/{id}/releases", READ, "List releases to an environment", refuses=(EnvironmentNotFound,)
)
def list_releases(call: Call[EnvironmentPath, ReleasesQuery, None]) -> list[ReleaseAnswer]:
    """The newest first."""
    return _releases(call)


@routes.add(
    "GET", "/environments/by-name/{name}/releases", READ, "List releases to an environment, by its name",
    refuses=(EnvironmentNotFound,),
)  # fmt: skip
def list_releases_by_name(call: Call[NamePath, NamedReleasesQuery, None]) -> list[ReleaseAnswer]:
    return _releases(call)


@routes.add(
    "POST", "/environments/{id}/releases", CHANGE, "Record a release to an environment",
    refuses=(EnvironmentNotFound,), status=HTTPStatus.CREATED,
)  # fmt: skip
def add_release(call: Call[EnvironmentPath, None, NewRelease]) -> ReleaseAnswer:
    with call.transaction() as session:
        environment, repository = find_addressed(session, call)
        body = call.body
        if (body.repository_identifier or repository.full_name).lower() != repository.full_name.lower():
            raise InvalidFields.one("repositoryIdentifier", "agreement", "must be the environment's repository")
        release = Release(
            dedicated_id=environment.id,
            name=body.release_name,
            domain=body.domain,
            published_at=body.published_at or call.now,
            extra=body.metadata,
        )
        record_release(session, environment, release, call.actor, now=call.now)
        return _show(release, repository)


def _artifacts(call: Call[Any, Any, None]) -> list[ArtifactAnswer]:
    """The org is asked between two transactions."""
    with call.reading() as session:
        environment, _ = find_addressed(session, call)
        known = artifacts.of_environment(session, environment.id)
    if known is not None and not call.query.force_refresh and _is_good(known, environment, now=call.now):
        return _shown(known)
    try:
        found = call.context.org(environment).artifacts()
    except ProviderError as error:
        raise ArtifactsUnavailable(error.message) from error
    read = InstalledArtifacts(
        dedicated_id=environment.id,
        username=environment.salesforce_username,
        items=[_kept(artifact) for artifact in found],
        read_at=call.now,
    )
    with call.transaction() as session:
        if dedicated.lock(session, environment.id) is None:
            raise EnvironmentNotFound
        artifacts.remember(session, read)
    return _shown(read)


def _is_good(known: InstalledArtifacts, environment: DedicatedEnvironment, *, now: datetime) -> bool:
    """Read not long ago, and from the org that the environment has now."""
    return known.username == environment.salesforce_username and known.read_at <= now < known.read_at + KNOWN_FOR


def _kept(artifact: Artifact) -> dict[str, Any]:
    return {**asdict(artifact), "installed_at": iso(artifact.installed_at)}


def _shown(known: InstalledArtifacts) -> list[ArtifactAnswer]:
    return [
        ArtifactAnswer(**{**item, "installed_at": datetime.fromisoformat(item["installed_at"])}) for item in known.items
    ]


def _releases(call: Call[Any, Any, None]) -> list[ReleaseAnswer]:
    query = call.query
    with call.reading() as session:
        environment, repository = find_addressed(session, call)
        page, total = releases.of_environment(
            session, environment.id, domain=query.domain, limit=query.limit, offset=query.offset
        )
    return Page([_show(release, repository) for release in page], total)


def _show(release: Release, repository: Repository) -> ReleaseAnswer:
    return ReleaseAnswer(
        id=release.id,
        release_name=release.name,
        domain=release.domain,
        published_at=release.published_at,
        repository_identifier=repository.full_name,
        metadata=release.extra,
    )
