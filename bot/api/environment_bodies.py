"""What requests about dedicated environments carry (contract section 6)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, RootModel, Strict, model_validator
from pydantic_core import CoreSchema, PydanticCustomError

from bot.api.credentials import AuthType
from bot.api.errors import InvalidFields
from bot.api.fields import (
    OF_EVERY_OBJECT,
    AnyUuid,
    Between,
    Body,
    Count,
    Fields,
    Matching,
    Metadata,
    QueryBoolean,
    RepositoryIdentifier,
    RoutedFields,
    optional_or_null,
)
from bot.api.validation import checked
from storage.dedicated import Category, DedicatedEnvironment, Filter

LARGEST_ORDER = 2**31 - 1

# The fields of EnvironmentBody and the columns that keep them as they are.
COLUMNS = {
    "name": "name",
    "category": "category",
    "branch": "branch",
    "description": "description",
    "salesforce_username": "salesforce_username",
    "dev_hub_username": "dev_hub_username",
    "is_active": "is_active",
    "is_default": "is_default",
    "metadata": "extra",
    "tags": "tags",
    "orchestration_order": "orchestration_order",
}

EnvironmentName = Annotated[
    str,
    Matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", "begin with a letter or digit and go on with those or _ . -", 63),
]
AnyCategory = Annotated[Category, Strict(False)]
Text = Annotated[str, Between(1, 255)]


class EnvironmentPath(RoutedFields):
    id: Annotated[AnyUuid, Field(examples=["456e7890-e89b-42d3-a456-426614174001"])]


class NamePath(Fields):
    name: str


class OfRepository(Fields):
    repository_identifier: RepositoryIdentifier


class ShowQuery(Fields):
    """With `authType`, which is for applications and owners, the answer has the way in."""

    auth_type: AuthType | None = None


class ShowNamedQuery(ShowQuery, OfRepository):
    pass


class ListQuery(Fields):
    """All of the `tags` must be there."""

    repository_identifier: RepositoryIdentifier | None = None
    category: AnyCategory | None = None
    is_active: QueryBoolean | None = None
    branch: str | None = None
    tags: list[str] = Field(default=[])

    def wanted(self) -> Filter:
        return Filter(self.repository_identifier, self.category, self.is_active, self.branch, self.tags)


class OrderQuery(OfRepository):
    category: AnyCategory
    include_inactive: QueryBoolean = False


class OrderBody(RootModel[list[str]]):
    """Names in their order: an array, or an object with `order`."""

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, given: Any) -> Any:
        order = given.get("order") if isinstance(given, dict) else given
        if not isinstance(order, list):
            raise PydanticCustomError("type", "must be an array of names, or an object with order")
        return order

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        names = handler(schema)
        wrapped = {"type": "object", "required": ["order"], "properties": {"order": names}}
        return {"anyOf": [names, wrapped]}


class EnvironmentBody(Body):
    """A new default takes the place of the one that its repository and category have."""

    repository_identifier: RepositoryIdentifier
    name: EnvironmentName
    category: AnyCategory
    branch: Text
    description: Annotated[str, Between(1, 500)]
    salesforce_username: Text
    dev_hub_username: Text | None = None
    is_active: bool = True
    is_default: bool = False
    metadata: Metadata = Field(default={})
    tags: list[Text] = Field(default=[])
    orchestration_order: Annotated[Count, Between(1, LARGEST_ORDER)] | None = None

    def columns(self) -> dict[str, Any]:
        """The values as DedicatedEnvironment's columns keep them."""
        given = self.model_dump(by_alias=False)
        return {column: given[field] for field, column in COLUMNS.items()}


class Version(Body):
    version: Count | None = None


class EnvironmentChanges(RootModel[dict[str, Any]]):
    """A part of EnvironmentBody: what is given takes the place of what was, and null clears.

    With `version` only of that.
    """

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = handler.resolve_ref_schema(handler(EnvironmentBody.__pydantic_core_schema__))
        fields = {**optional_or_null(described), "version": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}
        del fields["repositoryIdentifier"]
        return {**{name: described[name] for name in OF_EVERY_OBJECT}, "properties": fields}

    @property
    def version(self) -> int | None:
        return checked(Version, self.root).version

    def applied_to(self, environment: DedicatedEnvironment, repository_identifier: str) -> EnvironmentBody:
        """The environment's values with these changes, checked like a new one's. Its repository cannot be changed."""
        given = dict(self.root)
        named = given.pop("repositoryIdentifier", None)
        if named is not None and str(named).lower() != repository_identifier.lower():
            raise InvalidFields.one("repositoryIdentifier", "immutable", "cannot be changed")
        aliases = {name: field.alias or name for name, field in EnvironmentBody.model_fields.items()}
        present = {aliases[field]: getattr(environment, column) for field, column in COLUMNS.items()}
        return checked(EnvironmentBody, {"repositoryIdentifier": repository_identifier, **present, **given})
