"""What requests about review environments carry (contract section 7)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bot.api.fields import (
    AssignmentId,
    AssignmentType,
    Between,
    Body,
    Domain,
    Fields,
    Metadata,
    PoolTag,
    QueryBoolean,
    QueryInteger,
    RepositoryIdentifier,
    Status,
)
from storage.assignments import AssignmentStatus

Text = Annotated[str, Between(1, 255)]


class Key(Body):
    """Who an environment is for (contract section 5)."""

    assignment_type: AssignmentType
    assignment_id: AssignmentId
    repository_identifier: RepositoryIdentifier
    domain: Domain | None = None


class AssignBody(Key):
    pool_tag: PoolTag | None = None
    branch: Text | None = None
    domains: list[Domain] = Field(default=[])
    expiration_hours: Annotated[float, Between(1, 720)] | None = None
    is_immortal: bool = False
    metadata: Metadata = Field(default={})
    override: bool = False

    @property
    def wanted_domains(self) -> list[str]:
        """What a pool must serve: the domain of the assignment itself if no others are named."""
        return self.domains or ([self.domain] if self.domain else [])


class ExtendBody(Key):
    extension_hours: Annotated[float, Between(1, 168)] | None = None
    is_immortal: bool | None = None


class UnassignBody(Key):
    return_to_pool: bool = True


class TransitionBody(Body):
    repository_identifier: RepositoryIdentifier
    from_assignment_type: AssignmentType
    from_assignment_id: AssignmentId
    to_assignment_type: AssignmentType
    to_assignment_id: AssignmentId
    metadata: Metadata = Field(default={})
    domain: Domain | None = None

    @property
    def source(self) -> tuple[str, str]:
        return self.from_assignment_type, self.from_assignment_id

    @property
    def target(self) -> tuple[str, str]:
        return self.to_assignment_type, self.to_assignment_id


class AcquireBody(Key):
    duration: Annotated[float, Between(1, 480)]  # minutes
    used_by: Text


class ReleaseBody(Key):
    used_by: Text | None = None


class KeyPath(Fields):
    assignment_type: AssignmentType
    assignment_id: AssignmentId


class KeyQuery(Fields):
    repository_identifier: RepositoryIdentifier
    domain: Domain | None = None


class ListQuery(Fields):
    repository_identifier: RepositoryIdentifier | None = None
    assignment_type: AssignmentType | None = None
    assignment_id: AssignmentId | None = None
    pool_tag: str | None = None
    status: Status | None = None
    assigned_by: str | None = None
    include_expired: QueryBoolean = False
    limit: Annotated[QueryInteger, Between(1, 1000)] | None = None
    offset: Annotated[QueryInteger, Between(0, 1_000_000_000)] = 0

    @property
    def statuses(self) -> tuple[AssignmentStatus, ...]:
        """Active ones, unless others are asked for by name (contract section 7, semantics 9)."""
        if self.status is not None:
            return (self.status,)
        expired = (AssignmentStatus.EXPIRED,) if self.include_expired else ()
        return (AssignmentStatus.ACTIVE, *expired)
