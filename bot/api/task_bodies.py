"""What requests about tasks carry (contract section 9)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, PydanticCustomError

from bot.api.errors import InvalidFields
from bot.api.fields import (
    AssignmentId,
    AssignmentType,
    Between,
    Body,
    Count,
    Domain,
    Fields,
    Moment,
    PoolTag,
    QueryInteger,
    RepositoryIdentifier,
    Status,
    having,
)
from bot.api.review_bodies import Text
from bot.api.validation import checked
from operations.recurrence import Recurrence, is_cron, timezones
from operations.submit import Order, Retries
from storage.assignments import AssignmentStatus, HolderType
from storage.queue import QueueName
from storage.submissions import SubmissionType

LONGEST_WAIT = 86_400  # seconds
LONGEST_LEASE = 28_800  # seconds: what R6 allows
LONGEST_LOCK = 86_400_000  # milliseconds
SHORTEST_INTERVAL, LONGEST_INTERVAL = 60_000, 31_622_400_000  # milliseconds: a minute, a leap year
MOST_EXECUTIONS = 1_000_000

PRIORITIES: Mapping[str, QueueName] = {
    "low": QueueName.BATCH,
    "normal": QueueName.NORMAL,
    "high": QueueName.CRITICAL,
    "critical": QueueName.CRITICAL,
}

Legacy = Field(default=None, json_schema_extra={"deprecated": True})
Lease = Annotated[float, Between(1, LONGEST_LEASE)]


class RepositoryData(Body):
    """`repoId` is the former name of `repositoryIdentifier`, and anything (contract 13.13)."""

    repository_identifier: RepositoryIdentifier | None = None
    repo_id: Annotated[Text | None, Legacy] = None

    @property
    def repository(self) -> str | None:
        return self.repository_identifier or self.repo_id

    @classmethod
    def described(cls, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Its JSON Schema within another one: the handler alone would leave out what a class adds to its own."""
        return cls.__get_pydantic_json_schema__(cls.__pydantic_core_schema__, handler)


class KeyData(RepositoryData):
    """Who an environment is for; `issue` is the former name of `assignmentId`."""

    assignment_type: AssignmentType = HolderType.ISSUE
    assignment_id: AssignmentId | None = None
    issue: Annotated[AssignmentId | None, Legacy] = None
    domain: Domain | None = None

    @property
    def holder_id(self) -> str:
        return self.assignment_id or self.issue or ""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.repository is None:
            raise InvalidFields.one("repositoryIdentifier", "required", "is required")
        if not self.holder_id:
            raise InvalidFields.one("assignmentId", "required", "is required")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = super().__get_pydantic_json_schema__(schema, handler)
        handler.resolve_ref_schema(described)["allOf"] = [
            {"anyOf": [having("repositoryIdentifier"), having("repoId")]},
            {"anyOf": [having("assignmentId"), having("issue")]},
        ]
        return described


class FetchData(KeyData):
    """`wait` and `leasefor` are seconds: how long to wait at most, and for how long to acquire what came of it.

    `expirationHours` and `isImmortal` are R1's, and ours here: who waits may want what who does not wait may.
    """

    pool_tag: PoolTag | None = None
    pool: Annotated[PoolTag | None, Legacy] = None
    branch: Text | None = None
    domains: list[Domain] = Field(default=[])
    wait: Annotated[float, Between(0, LONGEST_WAIT)] = 1200
    leasefor: Lease | None = None
    expiration_hours: Annotated[float, Between(1, 720)] | None = None
    is_immortal: bool = False

    @property
    def tag(self) -> str | None:
        return self.pool_tag or self.pool

    @property
    def wanted_domains(self) -> list[str]:
        return self.domains or ([self.domain] if self.domain else [])


class ListData(RepositoryData):
    """What R8 filters by."""

    assignment_type: AssignmentType | None = None
    assignment_id: AssignmentId | None = None
    pool_tag: Text | None = None
    pool: Annotated[Text | None, Legacy] = None
    status: Status | None = None
    assigned_by: Text | None = None
    include_expired: bool = False
    limit: Annotated[Count, Between(1, 1000)] | None = None
    offset: Annotated[Count, Between(0, 1_000_000_000)] = 0

    @property
    def statuses(self) -> tuple[AssignmentStatus, ...]:
        if self.status is not None:
            return (self.status,)
        return (AssignmentStatus.ACTIVE, *((AssignmentStatus.EXPIRED,) if self.include_expired else ()))


class TransitionData(KeyData):
    """What it becomes: in use for `leasefor` seconds, available to other users again, or expired."""

    status: Literal["InUse", "Available", "Expired"]
    leasefor: Lease = 900


class UnassignData(KeyData):
    """Unless `returntopool` it is marked as expired."""

    returntopool: bool = False


Data = RepositoryData
DATA: Mapping[str, type[Data]] = {
    SubmissionType.FETCH: FetchData,
    SubmissionType.LIST: ListData,
    SubmissionType.CHECK: KeyData,
    SubmissionType.TRANSITION: TransitionData,
    SubmissionType.UNASSIGN: UnassignData,
}


class Backoff(Body):
    """`delay` counts milliseconds; exponential doubles it from attempt to attempt, up to a day."""

    type: Literal["fixed", "exponential"]
    delay: Annotated[Count, Between(0, 86_400_000)]


class RetryConfig(Body):
    max_attempts: Annotated[Count, Between(1, 10)] = 1
    backoff: Backoff = Backoff(type="fixed", delay=0)

    def retries(self) -> Retries:
        backoff = timedelta(milliseconds=self.backoff.delay)
        return Retries(self.max_attempts, backoff, doubles=self.backoff.type == "exponential")


def _cron(pattern: str) -> str:
    if not is_cron(pattern):
        raise PydanticCustomError("cron", "must be the five fields of cron, as in 30 2 * * 1-5")
    return pattern


def _zone(name: str) -> str:
    if name not in timezones():
        raise PydanticCustomError("timezone", "must be a timezone's name, as in Europe/Berlin")
    return name


class RecurrenceConfig(Body):
    """Exactly one of `cron` and `intervalMs`."""

    cron: Annotated[str, Between(9, 255), AfterValidator(_cron)] | None = None
    interval_ms: Annotated[Count, Between(SHORTEST_INTERVAL, LONGEST_INTERVAL)] | None = None
    start_date: Moment | None = None
    end_date: Moment | None = None
    max_executions: Annotated[Count, Between(1, MOST_EXECUTIONS)] | None = None
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.cron is None and self.interval_ms is None:
            raise InvalidFields.one("recurrenceConfig.cron", "required", "is required, or intervalMs")
        if self.cron is not None and self.interval_ms is not None:
            raise InvalidFields.one("recurrenceConfig.intervalMs", "exclusive", "must not be given together with cron")
        if self.start_date is not None and self.end_date is not None and self.end_date < self.start_date:
            raise InvalidFields.one("recurrenceConfig.endDate", "range", "must not be before startDate")
        return self

    def recurrence(self) -> Recurrence:
        interval = None if self.interval_ms is None else timedelta(milliseconds=self.interval_ms)
        return Recurrence(self.cron, interval, self.timezone, self.start_date, self.end_date, self.max_executions)


class SubmitBody(Body):
    """A task: what is to be done, and when.

    `data` may also be wrapped, as `{"value": {…}, "description": "…"}`. `lockDuration` counts milliseconds: for so long
    a worker may keep the task; one that dies is relieved within seconds. `scheduledFor` belongs to `scheduled`,
    `recurrenceConfig` to `recurring`.
    """

    type: Literal[
        "fetchReviewEnvironment",
        "listAssignedReviewEnvironments",
        "checkReviewEnvironment",
        "transitionReviewEnvironment",
        "unassignReviewEnvironment",
    ]
    data: dict[str, Any]
    lock_duration: Annotated[Count, Between(1000, LONGEST_LOCK)] = 300_000
    priority: Literal["low", "normal", "high", "critical"] = "low"
    schedule_type: Literal["immediate", "scheduled", "recurring"] = "immediate"
    scheduled_for: Moment | None = None
    retry_config: RetryConfig = RetryConfig()
    recurrence_config: RecurrenceConfig | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        read_data(self.type, self.data)
        self._belongs("scheduledFor", self.scheduled_for, "scheduled")
        self._belongs("recurrenceConfig", self.recurrence_config, "recurring")
        return self

    def _belongs(self, field: str, value: object, schedule_type: str) -> None:
        if value is None and self.schedule_type == schedule_type:
            raise InvalidFields.one(field, "required", f"is required with scheduleType {schedule_type}")
        if value is not None and self.schedule_type != schedule_type:
            wanted = f"must not be given unless scheduleType is {schedule_type}"
            raise InvalidFields.one(field, "exclusive", wanted)

    @property
    def repository_identifier(self) -> str | None:
        """The repository that the task is about."""
        return read_data(self.type, self.data).repository

    def order(self) -> Order:
        data = read_data(self.type, self.data)
        return Order(
            type=SubmissionType(self.type),
            data=data.model_dump(mode="json", by_alias=True, exclude_none=True),
            repository=data.repository,
            queue=PRIORITIES[self.priority],
            lock=timedelta(milliseconds=self.lock_duration),
            retries=self.retry_config.retries(),
            run_at=self.scheduled_for,
            recurrence=None if self.recurrence_config is None else self.recurrence_config.recurrence(),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = super().__get_pydantic_json_schema__(schema, handler)
        handler.resolve_ref_schema(described)["anyOf"] = [
            {"properties": {"type": {"const": type}, "data": _or_wrapped(model.described(handler))}}
            for type, model in DATA.items()
        ]
        return described


def _or_wrapped(data: dict[str, Any]) -> dict[str, Any]:
    wrapped = {"properties": {"value": data, "description": {}}, "required": ["value"], "additionalProperties": False}
    return {"anyOf": [data, {"type": "object", **wrapped}]}


def read_data(type: str, given: dict[str, Any]) -> Data:
    """The data of a task of this type, unwrapped. Raises InvalidFields with the names that they have in the body."""
    if isinstance(given.get("value"), dict) and given.keys() <= {"value", "description"}:
        given = given["value"]
    try:
        return checked(DATA[type], given)
    except InvalidFields as invalid:
        problems = [{**problem, "field": f"data.{problem['field']}"} for problem in invalid.details["errors"]]
        raise InvalidFields(problems) from invalid


class TaskPath(Fields):
    operation_id: str


class TasksQuery(Fields):
    """`before` is the `operationId` of the last task of the page before."""

    status: Literal["pending", "active", "completed", "failed", "cancelled"] | None = None
    repository_identifier: RepositoryIdentifier | None = None
    before: str | None = None
    limit: Annotated[QueryInteger, Between(1, 1000)] = 50
