"""A repository's policy: every key of its `.github/greenroom.yml`, with its default (bot-behaviour section 2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import available_timezones

from croniter import croniter
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from bot.arguments import LONGEST, Misread, duration, spelled
from bot.commands import ALIASES, COMMANDS, CommandSpec
from bot.levels import LEVELS
from bot.mistakes import code

PATH = ".github/greenroom.yml"
MOST_ENTRIES = 100

Mode = Literal["automatic", "manual", "off"]
Branch = Literal["base", "head"]
Drafts = Literal["on_command", "none", "auto"]
Forks = Literal["approval", "no_secrets", "never", "unrestricted"]
Bots = Literal["on_label", "never", "auto"]
OnMerge = Literal["unassign", "transition"]
OnClose = Literal["pool", "return", "discard"]
LevelName = Literal["read", "triage", "write", "maintain", "admin"]


def wrong(sentence: str) -> PydanticCustomError:
    """The error of a value, in a sentence that goes on after its key."""
    return PydanticCustomError("wrong", "{sentence}", {"sentence": sentence})


class Within:
    """A duration such as 24h, within these bounds."""

    def __init__(self, least: timedelta, most: timedelta = LONGEST) -> None:
        self.least, self.most = least, most

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(spelled)
        return core_schema.no_info_plain_validator_function(self._read, serialization=written)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": "^([1-9][0-9]*[mhdw])+$", "examples": ["90m", "24h", "1d12h"]}

    def _read(self, given: object) -> timedelta:
        if isinstance(given, timedelta):
            return given
        if isinstance(given, bool) or not isinstance(given, str | int):
            raise wrong("must be a duration such as `24h`")
        try:
            read = duration(str(given), self.least)
        except Misread as misread:
            raise wrong(f"is wrong: {misread}") from None
        if read > self.most:
            raise wrong(f"is too long: the most is `{spelled(self.most)}`")
        return read


def _distinct(given: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = [item for place, item in enumerate(given) if item in given[:place]]
    if twice:
        raise wrong(f"has {code(str(twice[0]))} twice")
    return given


def _is_command(given: str) -> str:
    return _one_of(given, "a command", COMMANDS)


def _is_alias(given: str) -> str:
    return _one_of(given, "a command that can stand without the namespace", ALIASES)


def _is_timezone(given: str) -> str:
    return _one_of(given, "a time zone", available_timezones())


def _one_of(given: str, what: str, known: Collection[str]) -> str:
    if given not in known:
        raise PydanticCustomError("unknown", "unknown", {"given": given, "what": what, "known": sorted(known)})
    return given


def _is_cron(given: str) -> str:
    if not croniter.is_valid(given) or len(given.split()) != 5:
        raise wrong("must be five fields of cron, such as `0 7 * * 1-5`")
    return given


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=1, le=1000)]
Glob = Annotated[str, Field(min_length=1, max_length=255)]
Label = Annotated[str, Field(min_length=1, max_length=50)]
Name = Annotated[str, Field(pattern=r"^\w[\w .:/+-]{0,99}$")]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,19}$")]
Team = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")]
Lifetime = Annotated[timedelta, Within(HOUR)]


class Section(BaseModel):
    """A part of the file: nothing in it is unknown, nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Labels(Section):
    deploy: Label = "env:deploy"
    """Asks for an environment, whatever the mode."""
    off: Label = "env:off"
    """Keeps a pull request from having one, and gives back what it has."""
    keep: Label = "env:keep"
    """Pins the environment while it is set."""
    needs_approval: Label = "env:needs-approval"
    """Shows that a fork's pull request waits for approval, where `outputs` is on."""
    required: Flag = False
    """Whether a pull request is served only with the label `deploy`."""
    outputs: Flag = False
    """Whether Greenroom shows the state as `needs_approval` and one of the next three labels."""
    active: Label = "env:active"
    queued: Label = "env:queued"
    expiring: Label = "env:expiring"

    @model_validator(mode="after")
    def _one_meaning_each(self) -> Self:
        _distinct((self.deploy, self.off, self.keep, self.needs_approval, self.active, self.queued, self.expiring))
        return self


class Expiry(Section):
    warn: Annotated[tuple[Lifetime, ...], Field(max_length=5), AfterValidator(_distinct)] = (24 * HOUR, 2 * HOUR)
    """How long before its end the author is told."""
    extend_default: Lifetime | None = None
    """What `/extend` without a duration adds; the pool's extension when not given."""
    extend_max: Lifetime = 7 * DAY
    """The most that one `/extend` adds."""
    max_lifetime: Lifetime = 14 * DAY
    """How long an environment lives at most, with every extension."""
    activity_floor: Lifetime = 8 * HOUR
    """What a push, a command or a visit leaves at least."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.extend_default is not None and self.extend_default > self.extend_max:
            raise wrong("has an `extend_default` above its `extend_max`")
        if self.extend_max > self.max_lifetime or self.activity_floor > self.max_lifetime:
            raise wrong("has an `extend_max` or `activity_floor` above its `max_lifetime`")
        return self


class Pin(Section):
    quota: Annotated[int, Strict(), Field(ge=0, le=1000)] = 2
    """How many pins the repository may have at once."""
    review_after: Lifetime = 14 * DAY
    """When a pin without a duration is asked about."""


class Lock(Section):
    default: Annotated[timedelta, Within(timedelta(minutes=1))] = HOUR
    """How long `/lock` without a duration holds."""
    max: Annotated[timedelta, Within(timedelta(minutes=1))] = DAY
    """The longest a lock holds."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.default > self.max:
            raise wrong("has a `default` above its `max`")
        return self


class Quotas(Section):
    """Limits of what is held at once and used in a month; without one there is none."""

    per_repository: Count | None = None
    """Environments that the repository's pull requests and issues hold at once."""
    per_author: Count | None = None
    """Environments that the pull requests and issues of one author hold at once."""
    per_pool_month_budget: Annotated[timedelta, Within(HOUR, 1000 * LONGEST)] | None = None
    """How long each pool's environments may be held, added up over a calendar month in UTC, such as `400h`."""


class Permission(Section):
    """Who may use a command; written as a level alone, its author may as before."""

    level: LevelName | None = None
    """This level and those above may."""
    author: Flag | None = None
    """Whether the author of the pull request or issue may, at any level."""
    teams: Annotated[tuple[Team, ...], Field(max_length=10), AfterValidator(_distinct)] = ()
    """Teams of the organisation whose members may, as if they could maintain; the App needs `members: read` for it."""

    @model_validator(mode="before")
    @classmethod
    def _level_alone(cls, given: Any) -> Any:
        return {"level": given} if isinstance(given, str) else given

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [{"type": "string", "enum": list(get_args(LevelName))}, described]}


class Commands(Section):
    namespace: Word = "env"
    """The word after the slash: `/env extend`."""
    aliases: Annotated[tuple[Annotated[str, AfterValidator(_is_alias)], ...], AfterValidator(_distinct)] = tuple(
        sorted(ALIASES)
    )
    """The commands that need no namespace: `/extend`."""
    mention: Flag = True
    """Whether `@greenroom extend` is read, too."""
    permissions: Mapping[Annotated[str, AfterValidator(_is_command)], Permission] = Field(default={})
    """Who may, by command, where it is not the default."""

    @property
    def teams(self) -> frozenset[str]:
        """All that are named."""
        return frozenset(team for permission in self.permissions.values() for team in permission.teams)

    @property
    def specs(self) -> Mapping[str, CommandSpec]:
        """COMMANDS as they are in force here."""
        return {verb: _permitted(spec, self.permissions.get(verb)) for verb, spec in COMMANDS.items()}


class Surfaces(Section):
    sticky: Flag = True
    """The status comment."""
    checkboxes: Flag = True
    """The check-boxes in it."""
    check_run: Flag = True
    check_required: Flag = False
    """Whether the check run fails, instead of being neutral, where an environment is missing, as who requires the
    check to pass wants it."""
    deployments: Flag = True
    environment_name: Annotated[str, Field(min_length=1, max_length=255)] = "review"
    """The name of the GitHub environment that deployments are of."""


class Queue(Section):
    fair_share: Flag = False
    """Whether who has had less of a pool is served first, instead of who came first."""


class Target(Section):
    """From each time on that the cron pattern names, the pool keeps this many environments ready."""

    pool: Name
    cron: Annotated[str, AfterValidator(_is_cron)]
    timezone: Annotated[str, AfterValidator(_is_timezone)] = "UTC"
    ready: Annotated[int, Strict(), Field(ge=0, le=500)]


class PoolPolicy(Section):
    """What is different for one pool."""

    mode: Mode | None = None
    drafts: Drafts | None = None


class Policy(Section):
    """How Greenroom behaves in a repository: the file's keys, and for those that are not given the defaults."""

    mode: Mode = "automatic"
    """Whether pull requests are served by themselves, only when asked for, or not at all."""
    branch_for_rules: Branch = "base"
    """The branch by which the pool is found."""
    paths: Annotated[tuple[Glob, ...], Field(max_length=MOST_ENTRIES)] = ()
    """Only pull requests that change one of these files are served; `!` before a pattern takes files out again."""
    domains: Mapping[Glob, Name] = Field(default={}, max_length=MOST_ENTRIES)
    """The domain of the files that fit a pattern; the first pattern that fits counts."""
    per_domain: Flag = False
    """Whether a pull request has an environment for each domain that it touches."""
    drafts: Drafts = "on_command"
    """Whether drafts are served: when asked for, not at all, or like others."""
    forks: Forks = "approval"
    """What a pull request from a fork needs."""
    bots: Bots = "on_label"
    """Whether pull requests of bots are served: with the label `deploy`, never, or like others."""
    labels: Labels = Labels()
    on_merge: OnMerge = "unassign"
    """What becomes of the environment at a merge; `transition` hands it to the one open issue that this closes."""
    on_close: OnClose = "pool"
    """Where it goes: as the pool says, back into the pool, or nowhere."""
    expiry: Expiry = Expiry()
    pin: Pin = Pin()
    lock: Lock = Lock()
    quotas: Quotas = Quotas()
    commands: Commands = Commands()
    surfaces: Surfaces = Surfaces()
    schedule: Annotated[tuple[Target, ...], Field(max_length=MOST_ENTRIES)] = ()
    """How many environments pools keep ready, by time of day."""
    queue: Queue = Queue()
    pools: Mapping[Name, PoolPolicy] = Field(default={}, max_length=MOST_ENTRIES)
    """What is different for a pool, by its tag."""

    def of_pool(self, tag: str | None) -> Policy:
        """The policy with what is different for this pool."""
        other = self.pools.get(tag or "", PoolPolicy())
        return self.model_copy(update=other.model_dump(exclude_none=True))


DEFAULTS = Policy()


def _permitted(spec: CommandSpec, permission: Permission | None) -> CommandSpec:
    if permission is None:
        return spec
    return replace(
        spec,
        level=spec.level if permission.level is None else LEVELS[permission.level],
        author=spec.author if permission.author is None else permission.author,
        teams=permission.teams,
    )
