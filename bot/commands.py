"""The commands one may write in a comment: their table, COMMANDS, and the grammar that reads them."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from bot import mistakes
from bot.arguments import HOUR, Argument, Kind, Misread, Target, read
from bot.levels import Level
from bot.markdown import Line, spoken

MOST_COMMANDS = 5
"""Commands in one comment."""
ALIASES = frozenset(
    ("extend", "assign", "unassign", "transition", "status", "lock", "unlock", "pin", "unpin", "why"),
)
"""The commands that need no /env before them."""


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """What a command is: who may use it by default, what it takes, what it does."""

    verb: str
    effect: str
    level: Level
    arguments: tuple[Argument, ...] = ()
    examples: tuple[str, ...] = ()
    typed: str = ""
    """The words that one types, where they are not the verb."""
    synonyms: tuple[str, ...] = ()
    author: bool = False
    """The author of the pull request or issue may, at any level."""
    holder: bool = False
    """Who has set the lock or the pin may, at any level."""
    beyond: Level | None = None
    """The level that may go past the pool's policy."""
    teams: tuple[str, ...] = ()
    """Members of these teams may, as who may maintain; only a repository's policy names any."""
    closed: bool = False
    """It works on a closed pull request."""
    destructive: bool = False
    """It never guesses which of several environments is meant."""

    @property
    def words(self) -> str:
        return self.typed or self.verb

    @property
    def usage(self) -> str:
        return " ".join((self.words, *(argument.usage for argument in self.arguments)))

    @property
    def who(self) -> str:
        """Who may, in words."""
        level = "anyone" if self.level is Level.READ else f"{self.level.name.lower()} or above"
        people = ["the author"] * self.author + ["who has set it"] * self.holder
        people += [*(f"team {team}" for team in self.teams), level]
        beyond = f" ({self.beyond.name.lower()} beyond the policy)" if self.beyond else ""
        return ", ".join(people) + beyond


@dataclass(frozen=True, slots=True)
class Command:
    """A command to run. `verb` is a key of COMMANDS; what was not given is None or False."""

    line: int
    verb: str
    pool: str | None = None
    domain: str | None = None
    environment: str | None = None
    target: Target | None = None
    duration: timedelta | None = None
    reason: str | None = None
    discard: bool = False
    force: bool = False
    cancel: bool = False
    all: bool = False
    reclaimed: bool = False  # what answers our question; no comment can say so


@dataclass(frozen=True, slots=True)
class Mistake:
    """A line of ours that cannot be followed, and the sentence that says what would be right."""

    line: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a comment wants: commands to run in order, or mistakes to answer with; neither when it is not for us."""

    commands: tuple[Command, ...] = ()
    mistakes: tuple[Mistake, ...] = ()


POOL = Argument("pool", Kind.NAME, "pool", "pool", positional=True)
DOMAIN = Argument("domain", Kind.NAME, "domain", "domain=x")
ENVIRONMENT = Argument("environment", Kind.NAME, "env", "env=name")
NAME = Argument("environment", Kind.NAME, "env", "name", positional=True)
TARGET = Argument("target", Kind.TARGET, "target", "target", positional=True, required=True)
LIFETIME = Argument("duration", Kind.DURATION, "for", "for=48h", least=HOUR)
EXTENSION = Argument("duration", Kind.DURATION, "for", "duration", positional=True, least=HOUR)
DURATION = Argument("duration", Kind.DURATION, "for", "duration", positional=True)
COMMENT = Argument("reason", Kind.REASON, "reason", "reason", positional=True)
REASON = Argument("reason", Kind.REASON, "reason", "reason", positional=True, required=True)
DISCARD = Argument("discard", Kind.FLAG, "discard", "--discard")
FORCE = Argument("force", Kind.FLAG, "force", "--force")
CANCEL = Argument("cancel", Kind.WORD, "cancel", "cancel", positional=True)
ALL = Argument("all", Kind.WORD, "all", "all", positional=True)

_TABLE = (
    CommandSpec(
        "extend",
        "Keeps the environment for longer; says the new end and what is left of the allowance.",
        Level.TRIAGE,
        (EXTENSION, COMMENT),
        ("extend 24h", "extend 1d12h the demo is on Friday"),
        author=True,
    ),
    CommandSpec(
        "assign",
        "Gives this pull request or issue an environment, or a place in the queue.",
        Level.WRITE,
        (POOL, DOMAIN, LIFETIME),
        ("assign", "assign core_dev for=48h", "assign domain=sales"),
    ),
    CommandSpec(
        "unassign",
        "Gives the environment back, or leaves the queue; with `--discard` nobody else gets it.",
        Level.WRITE,
        (NAME, DISCARD),
        ("unassign", "unassign dev123456 --discard"),
        synonyms=("release",),
        author=True,
        destructive=True,
    ),
    CommandSpec(
        "transition",
        "Hands the environment over to another pull request, issue or user.",
        Level.MAINTAIN,
        (TARGET, DOMAIN),
        ("transition #456", "transition user:alice@example.com"),
        destructive=True,
    ),
    CommandSpec("status", "Refreshes the status comment and links to it.", Level.READ, closed=True),
    CommandSpec(
        "why",
        "Says the last decision and what would change it; `all` links to every decision.",
        Level.READ,
        (ALL,),
        ("why", "why all"),
        closed=True,
    ),
    CommandSpec("queue", "Shows who waits for the pool.", Level.READ, closed=True),
    CommandSpec(
        "redeploy",
        "Deploys the recorded head commit once more.",
        Level.TRIAGE,
        author=True,
    ),
    CommandSpec(
        "refresh",
        "Compares this pull request with GitHub and the provider now, and repairs.",
        Level.TRIAGE,
        closed=True,
    ),
    CommandSpec(
        "pin",
        "Keeps the environment until a review date, whatever its end was.",
        Level.WRITE,
        (DURATION, REASON),
        ("pin 2w customer demo", "pin waiting for the audit"),
        beyond=Level.MAINTAIN,
    ),
    CommandSpec("unpin", "Ends the pin.", Level.MAINTAIN, holder=True, closed=True),
    CommandSpec(
        "lock",
        "Keeps everybody else from changing the environment.",
        Level.WRITE,
        (ENVIRONMENT, DURATION, REASON),
        ("lock 2h load test", "lock env=staging hotfix"),
    ),
    CommandSpec(
        "lock-info",
        "Shows who holds the lock, why, until when, and who waits.",
        Level.READ,
        (ENVIRONMENT,),
        ("lock info", "lock info env=staging"),
        typed="lock info",
        closed=True,
    ),
    CommandSpec(
        "unlock",
        "Ends the lock; `--force` ends somebody else's.",
        Level.MAINTAIN,
        (ENVIRONMENT, FORCE),
        ("unlock", "unlock env=staging --force"),
        holder=True,
        closed=True,
    ),
    CommandSpec(
        "approve",
        "Lets a fork's pull request have an environment for the commit shown; `cancel` withdraws it.",
        Level.MAINTAIN,
        (CANCEL,),
        ("approve", "approve cancel"),
    ),
    CommandSpec("help", "Shows this.", Level.READ, closed=True),
    CommandSpec("ping", "Answers when Greenroom is alive.", Level.READ, closed=True),
    CommandSpec("version", "Shows the versions of Greenroom and its policy.", Level.READ, closed=True),
)

COMMANDS: Mapping[str, CommandSpec] = MappingProxyType({spec.verb: spec for spec in _TABLE})
"""Every command by its verb, in the order of the help."""


def parse(
    body: str,
    *,
    namespace: str = "env",
    mention: str | None = "greenroom",
    aliases: Collection[str] = ALIASES,
    commands: Mapping[str, CommandSpec] = COMMANDS,
) -> Parsed:
    """What a comment wants of us; never both commands and mistakes, and nothing for a comment that is not ours.

    Reads only lines that begin with /namespace, @mention or a slash and an alias (None: no mention). Nothing runs when
    one line of ours is a mistake, nor when there are more than MOST_COMMANDS. Takes any text.
    """
    grammar = _Grammar(namespace, mention, aliases, commands)
    if not grammar.ours.search(body):
        return Parsed()
    quoted = _IN_BACKTICKS.fullmatch(body.strip())
    if quoted:
        return grammar.in_backticks(quoted["text"], body)
    calls = [call for line in spoken(body) if (call := grammar.call(line))]
    if len(calls) > MOST_COMMANDS:
        return Parsed(mistakes=(Mistake(calls[MOST_COMMANDS].number, mistakes.too_many(len(calls), MOST_COMMANDS)),))
    answers = [grammar.answer(call) for call in calls]
    wrong = tuple(answer for answer in answers if isinstance(answer, Mistake))
    return Parsed(mistakes=wrong) if wrong else Parsed(tuple(a for a in answers if isinstance(a, Command)))


_IN_BACKTICKS = re.compile(r"(?P<ticks>`+)(?P<text>[^`\r\n]+)(?P=ticks)")
_NOTHING = "(?!)"


class _Grammar:
    """How a line of ours begins here, and what may follow."""

    def __init__(
        self, namespace: str, mention: str | None, aliases: Collection[str], commands: Mapping[str, CommandSpec]
    ) -> None:
        self.namespace = namespace
        self.specs = {name: spec for spec in commands.values() for name in (spec.words, *spec.synonyms)}
        prefix = re.escape(namespace)
        alias = "|".join(re.escape(name) for name in sorted(aliases) if name in self.specs) or _NOTHING
        called = re.escape(mention) if mention else _NOTHING
        # ASCII, so that no letter that only folds to one of ours counts.
        self.ours = re.compile(rf"/(?:{prefix}|{alias})|@{called}", re.ASCII | re.IGNORECASE)
        self.opening = re.compile(
            rf"[ ]{{0,3}}(?:/{prefix}(?!\S)|/(?P<alias>{alias})(?!\S)|@{called}(?=\s+\S))\s*(?P<rest>.*)",
            re.ASCII | re.IGNORECASE,
        )

    def call(self, line: Line) -> Line | None:
        """What follows the opening in a line of ours: the command's name and arguments."""
        found = self.opening.match(line.text)
        if not found:
            return None
        rest = found["rest"].strip()
        if not found["alias"]:
            return Line(line.number, rest or "help")
        # `/assign @alice` speaks to another bot.
        return None if rest.startswith("@") else Line(line.number, f"{found['alias']} {rest}")

    def in_backticks(self, text: str, body: str) -> Parsed:
        """The mistake of a comment that is this code and nothing else."""
        if not any(self.call(line) for line in spoken(text)):
            return Parsed()
        line = body.count("\n", 0, body.index("`")) + 1
        return Parsed(mistakes=(Mistake(line, mistakes.in_backticks(text)),))

    def answer(self, call: Line) -> Command | Mistake:
        spec, rest = self._spec(call.text)
        if spec is None:
            typed = call.text.split()[0]
            unknown = mistakes.unknown_command(typed, self.namespace, self.specs)
            return Mistake(call.number, mistakes.backticks_around(typed) if "`" in typed else unknown)
        try:
            return Command(call.number, spec.verb, **read(rest, spec.arguments, f"/{self.namespace} {spec.usage}"))
        except Misread as misread:
            return Mistake(call.number, str(misread))

    def _spec(self, text: str) -> tuple[CommandSpec | None, str]:
        """The command that a text begins with, by the longest name, and the rest of the text."""
        words = text.split(maxsplit=2)
        for length in (2, 1):
            name = " ".join(words[:length])
            if name.isascii() and (spec := self.specs.get(name.lower())):
                return spec, " ".join(text.split(maxsplit=length)[length:])
        return None, text
