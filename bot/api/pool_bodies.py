"""What requests about pools carry (contract section 8)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    RootModel,
    Strict,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from bot.api.errors import InvalidFields
from bot.api.fields import (
    OF_EVERY_OBJECT,
    Between,
    Body,
    Count,
    Fields,
    InstanceStatus,
    Metadata,
    PoolAssignmentId,
    PoolTag,
    QueryBoolean,
    RepositoryIdentifier,
    having,
    optional_or_null,
)
from bot.api.validation import checked
from storage.pools import Pool, Strategy

RESERVED_TAGS = ("all", "configs", "status", "mode", "monitoring-jobs", "cleanup-zombies")
LICENSES = ("Developer", "Developer_Pro", "Partial", "Full")
LONGEST_REATTACH = 7 * 24 * 60  # minutes
LONGEST_CREATION = 365 * 24 * 60  # minutes

# The fields of PoolBody and the columns that keep them as they are.
COLUMNS = {
    "name": "name",
    "provider": "provider",
    "dev_hub_username": "dev_hub_username",
    "branch_pattern": "branch_pattern",
    "domain_patterns": "domain_patterns",
    "min_available_instances": "min_available",
    "max_total_instances": "max_total",
    "days_to_keep_unassigned_available": "days_to_keep_available",
    "refresh_or_delete_strategy": "strategy",
    "default_expiration_hours": "default_expiration_hours",
    "extended_expiration_hours": "extended_expiration_hours",
    "average_org_creation_time": "average_creation_minutes",
    "return_to_pool_on_unassign": "return_on_unassign",
    "is_active": "is_active",
    "additional_config": "additional_config",
    "metadata": "extra",
}
IMMUTABLE = ("poolTag", "repositoryIdentifier", "provider")
PROVIDERS = ["local", "mock", "salesforce"]

# What a new pool is, and is not, for its JSON schema.
WITHOUT_HUB: dict[str, Any] = {"required": ["provider"], "properties": {"provider": {"enum": ["local", "mock"]}}}
TWO_ORIGINS: dict[str, Any] = {
    "required": ["sourceSandboxName", "sandboxDefinition"],
    "properties": {"sourceSandboxName": {"type": "string"}, "sandboxDefinition": having("licenseType")},
}


def _canonical(license_type: Any) -> Any:
    """The published form of a licence, whatever its case."""
    forms = {form.lower(): form for form in LICENSES}
    return forms.get(license_type.lower(), license_type) if isinstance(license_type, str) else license_type


def _not_reserved(tag: str) -> str:
    if tag in RESERVED_TAGS:
        raise PydanticCustomError("reserved", f"must not be one of {', '.join(RESERVED_TAGS)}")
    return tag


Name = Annotated[str, Between(1, 100)]
Text = Annotated[str, Between(1, 255)]
Hours = Annotated[float, Between(1, 720)]


class TagPath(Fields):
    pool_tag: str


class OfRepository(Fields):
    repository_identifier: RepositoryIdentifier


class OfAnyRepository(Fields):
    repository_identifier: RepositoryIdentifier | None = None


class DeleteQuery(OfRepository):
    if_unused: QueryBoolean = False


class StatusQuery(OfAnyRepository):
    pool_tag: str | None = None
    instance_status: InstanceStatus | None = None
    assignment_id: PoolAssignmentId | None = None


class FetchBody(Body):
    assignment_id: PoolAssignmentId | None = None
    is_immortal: bool = False


class SandboxDefinition(Body):
    """What to make an environment of: a licence from production, or a sandbox to clone."""

    model_config = ConfigDict(json_schema_extra={"not": having("licenseType", "sourceSandboxName")})

    license_type: Annotated[Literal["Developer", "Developer_Pro", "Partial", "Full"], BeforeValidator(_canonical)] = (
        "Developer"
    )
    source_sandbox_name: Text | None = None
    auto_activate: bool | None = None
    description: str | None = None
    sandbox_name: list[Name] | None = None

    @model_validator(mode="after")
    def _licence_or_source(self) -> Self:
        if self.source_sandbox_name is not None and "license_type" in self.model_fields_set:
            raise PydanticCustomError("exclusive", "must have licenseType or sourceSandboxName, not both")
        return self

    def kept(self) -> dict[str, Any]:
        """What was given, with the licence that stands for nothing given."""
        given = self.model_dump(by_alias=True, exclude_unset=True)
        return given if self.source_sandbox_name is not None else {"licenseType": self.license_type, **given}


class AdditionalConfig(Body):
    """The keys that Greenroom knows; others are kept for their owners, the providers among them."""

    model_config = ConfigDict(extra="allow")

    users_to_activate: list[Text] | None = None
    data_seed_plan: str | None = None
    post_creation_script: str | None = None
    reattach_minutes: Annotated[float, Between(0, LONGEST_REATTACH)] | None = None
    trust: Literal["trusted", "untrusted"] | None = None


class LegacyFields(Body):
    """Published once, kept and shown, and without effect."""

    refresh_strategy: str | None = None
    refresh_interval_hours: float | None = None
    min_active_instances: float | None = None
    max_active_instances: float | None = None
    min_retention_days: float | None = None


class PoolBody(LegacyFields):
    """A pool of `salesforce`, the default, needs its hub; `sourceSandboxName` is deprecated for sandboxDefinition's."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [having("devHubUsername"), WITHOUT_HUB], "not": TWO_ORIGINS})

    repository_identifier: RepositoryIdentifier
    name: Name
    pool_tag: Annotated[PoolTag, AfterValidator(_not_reserved)]
    pool_type: Literal["SANDBOX"] = "SANDBOX"
    provider: Annotated[str, WithJsonSchema({"type": "string", "enum": PROVIDERS})] = "salesforce"
    dev_hub_username: Text | None = None
    min_available_instances: Annotated[Count, Between(0, 500)]
    max_total_instances: Annotated[Count, Between(1, 500)]
    days_to_keep_unassigned_available: Annotated[Count, Between(1, 365)]
    refresh_or_delete_strategy: Annotated[Strategy, Strict(False)]
    is_active: bool
    sandbox_definition: SandboxDefinition = SandboxDefinition()
    source_sandbox_name: Annotated[Text | None, Field(deprecated=True)] = None
    branch_pattern: Text | None = None
    domain_patterns: list[Text] = Field(default=[])
    default_expiration_hours: Hours = 24
    extended_expiration_hours: Hours | None = None
    average_org_creation_time: Annotated[float, Between(1, LONGEST_CREATION)] | None = None
    return_to_pool_on_unassign: bool = False
    metadata: Metadata = Field(default={})
    additional_config: AdditionalConfig = AdditionalConfig()

    @model_validator(mode="before")
    @classmethod
    def _take_deprecated_source(cls, given: Any) -> Any:
        """The deprecated top-level sourceSandboxName stands for the one in sandboxDefinition."""
        if not isinstance(given, dict) or given.get("sourceSandboxName") is None:
            return given
        definition = given.get("sandboxDefinition")
        if definition is not None and not isinstance(definition, dict):
            return given
        return {**given, "sandboxDefinition": {"sourceSandboxName": given["sourceSandboxName"], **(definition or {})}}

    def columns(self) -> dict[str, Any]:
        """The values as Pool's columns keep them."""
        given = self.model_dump(by_alias=False, exclude={"sandbox_definition", "additional_config"})
        columns = {column: given[field] for field, column in COLUMNS.items() if field in given}
        return {
            **columns,
            "sandbox_definition": self.sandbox_definition.kept(),
            "additional_config": self.additional_config.model_dump(by_alias=True, exclude_unset=True),
            "legacy": self.model_dump(by_alias=True, exclude_unset=True, include=set(LegacyFields.model_fields)),
        }


class PoolChanges(RootModel[dict[str, Any]]):
    """A part of PoolBody: what is given takes the place of what was, and null clears."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = handler.resolve_ref_schema(handler(PoolBody.__pydantic_core_schema__))
        fields = {name: field for name, field in optional_or_null(described).items() if name not in IMMUTABLE}
        return {**{name: described[name] for name in OF_EVERY_OBJECT}, "properties": fields, "not": TWO_ORIGINS}

    def applied_to(self, pool: Pool, repository_identifier: str) -> PoolBody:
        """The pool's values with these changes, checked like a new pool's. Refuses to change what is immutable."""
        given = self.root
        present = _values(pool, repository_identifier)
        for name in IMMUTABLE:
            if given.get(name) is not None and str(given[name]).lower() != present[name].lower():
                raise InvalidFields.one(name, "immutable", "cannot be changed")
        if given.get("sourceSandboxName") is not None and "sandboxDefinition" not in given:
            present["sandboxDefinition"].pop("licenseType", None)
        return checked(PoolBody, {**present, **given, **{name: present[name] for name in IMMUTABLE}})


def _values(pool: Pool, repository_identifier: str) -> dict[str, Any]:
    """The pool as a request would give it."""
    aliases = {name: field.alias or name for name, field in PoolBody.model_fields.items()}
    return {
        "repositoryIdentifier": repository_identifier,
        "poolTag": pool.tag,
        **{aliases[field]: getattr(pool, column) for field, column in COLUMNS.items()},
        "sandboxDefinition": dict(pool.sandbox_definition),
        **pool.legacy,
    }
