"""What requests about assignment rules carry (contract 10.1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, RootModel, WithJsonSchema, model_validator
from pydantic_core import CoreSchema

from bot.api.errors import InvalidFields
from bot.api.fields import (
    OF_EVERY_OBJECT,
    Between,
    Body,
    Count,
    Domain,
    Fields,
    QueryBoolean,
    RepositoryIdentifier,
    having,
    optional_or_null,
)
from bot.api.validation import checked
from operations.errors import PoolNotFound, UnsupportedTarget
from operations.rules import LONGEST_PATTERN
from storage.rules import Rule

# What operations/rules accepts, and what is supported yet.
PATTERN = {
    "type": "string", "minLength": 1, "maxLength": LONGEST_PATTERN, "pattern": r"^[^\s\u0000-\u001f\u007f\u0085]+$",
}  # fmt: skip
TARGET = {"type": "string", "enum": ["pool"]}
NOT_YET = {"type": "null", "description": "Not supported yet."}

Text = Annotated[str, Between(1, 255)]
Pattern = Annotated[str, WithJsonSchema(PATTERN)]


class RulePath(Fields):
    id: str


class RulesQuery(Fields):
    """Of a pattern a part is enough, in any case."""

    repository_identifier: RepositoryIdentifier | None = None
    pool_tag: str | None = None
    target_type: Literal["pool", "environment"] | None = None
    is_active: QueryBoolean | None = None
    branch_pattern_search: str = ""
    domain_pattern_search: str = ""

    def wants(self, rule: Rule) -> bool:
        branch, domain = self.branch_pattern_search.lower(), self.domain_pattern_search.lower()
        in_domains = not domain or any(domain in pattern.lower() for pattern in rule.domain_patterns)
        return branch in rule.branch_pattern.lower() and in_domains


class RuleBody(Body):
    """What leads where: to a pool; an `environmentName` is for later. No `domainPatterns` are any domain."""

    model_config = ConfigDict(json_schema_extra={"allOf": [having("poolTag")]})

    repository_identifier: RepositoryIdentifier
    target_type: Annotated[Literal["pool", "environment"], WithJsonSchema(TARGET)] | None = None
    pool_tag: Text | None = None
    environment_name: Annotated[Text | None, WithJsonSchema(NOT_YET)] = None
    pool_type: Literal["SANDBOX", "SCRATCH_ORG"] = "SANDBOX"
    branch_pattern: Pattern
    domain_patterns: list[Pattern] = Field(default=[])
    domain_pattern: Annotated[Pattern | None, Field(deprecated=True)] = None
    priority: Annotated[Count, Between(0, 1000)]
    description: Annotated[str, Between(0, 500)] | None = None
    is_active: bool = True

    @model_validator(mode="before")
    @classmethod
    def _append_deprecated(cls, given: Any) -> Any:
        """The deprecated domainPattern is one of the domainPatterns."""
        if not isinstance(given, dict) or given.get("domainPattern") is None:
            return given
        patterns = [] if given.get("domainPatterns") is None else given["domainPatterns"]
        if not isinstance(patterns, list) or given["domainPattern"] in patterns:
            return given
        return {**given, "domainPatterns": [*patterns, given["domainPattern"]]}

    def columns(self) -> dict[str, Any]:
        """The values as Rule's columns keep them.

        Refuses with UnsupportedTarget, and with PoolNotFound for a scratch-org pool: there are none.
        """
        if self.pool_tag is not None and self.environment_name is not None:
            raise InvalidFields.one("environmentName", "exclusive", "must not be given together with poolTag")
        if self.environment_name is not None or self.target_type == "environment":
            raise UnsupportedTarget("environment")
        if self.pool_tag is None:
            raise InvalidFields.one("poolTag", "required", "is required")
        if self.pool_type == "SCRATCH_ORG":
            raise PoolNotFound
        return {
            "pool_tag": self.pool_tag,
            "branch_pattern": self.branch_pattern,
            "domain_patterns": self.domain_patterns,
            "priority": self.priority,
            "description": self.description,
            "is_active": self.is_active,
        }


class Version(Body):
    version: Count | None = None


class RuleChanges(RootModel[dict[str, Any]]):
    """A part of RuleBody: what is given takes the place of what was, and null clears. With `version` only of that."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = handler.resolve_ref_schema(handler(RuleBody.__pydantic_core_schema__))
        fields = {**optional_or_null(described), "version": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}
        del fields["repositoryIdentifier"]
        return {**{name: described[name] for name in OF_EVERY_OBJECT}, "properties": fields}

    @property
    def version(self) -> int | None:
        return checked(Version, self.root).version

    def applied_to(self, rule: Rule, repository_identifier: str) -> RuleBody:
        """The rule's values with these changes, checked like a new rule's. Its repository cannot be changed."""
        given = dict(self.root)
        named = given.pop("repositoryIdentifier", None)
        if named is not None and str(named).lower() != repository_identifier.lower():
            raise InvalidFields.one("repositoryIdentifier", "immutable", "cannot be changed")
        present = {
            "repositoryIdentifier": repository_identifier,
            "poolTag": None if given.get("environmentName") else rule.pool_tag,
            "branchPattern": rule.branch_pattern,
            "domainPatterns": rule.domain_patterns,
            "priority": rule.priority,
            "description": rule.description,
            "isActive": rule.is_active,
        }
        return checked(RuleBody, {**present, **given})


class MatchBody(Body):
    repository_identifier: RepositoryIdentifier
    branch: Text
    domain: Domain | None = None
    domains: list[Domain] = Field(default=[])

    @property
    def wanted_domains(self) -> list[str]:
        return [*self.domains, *([] if self.domain is None else [self.domain])]
