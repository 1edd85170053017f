"""The help on the commands, made from their table: for a comment, for the page and for programs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bot.commands import ALIASES, COMMANDS, CommandSpec


@dataclass(frozen=True)
class Entry:
    """A command as people use it."""

    usage: str
    short: str | None
    """What works without the namespace."""
    who: str
    effect: str
    examples: tuple[str, ...]
    works_when_closed: bool


def entries(
    commands: Mapping[str, CommandSpec] = COMMANDS, *, namespace: str = "env", aliases: Collection[str] = ALIASES
) -> list[Entry]:
    """Every command in the order of the table. Where the policy changes who may, give the specs changed likewise."""
    return [
        Entry(
            usage=f"/{namespace} {spec.usage}",
            short=f"/{spec.words}" if spec.words in aliases else None,
            who=spec.who,
            effect=spec.effect,
            examples=tuple(f"/{namespace} {example}" for example in spec.examples),
            works_when_closed=spec.closed,
        )
        for spec in commands.values()
    ]


def help_text(
    commands: Mapping[str, CommandSpec] = COMMANDS, *, namespace: str = "env", aliases: Collection[str] = ALIASES
) -> str:
    """A Markdown table of these commands, which stand in code spans only, so that a comment that shows this runs
    nothing.
    """
    rows = [_row(entry) for entry in entries(commands, namespace=namespace, aliases=aliases)]
    short = [f"`/{spec.words}`" for spec in commands.values() if spec.words in aliases]
    closed = [f"`{spec.words}`" for spec in commands.values() if spec.closed]
    remarks = [
        f"Without `/{namespace}` too: {', '.join(short)}." if short else "",
        f"On a closed pull request only {', '.join(closed)} work." if closed else "",
        "A duration is written `90m`, `24h`, `2d`, `1w` or `1d12h`. A value with blanks goes in quotes.",
    ]
    return "\n".join(["| Command | Who may | Effect |", "| --- | --- | --- |", *rows, "", *filter(None, remarks)])


def _row(entry: Entry) -> str:
    examples = ", ".join(f"`{example}`" for example in entry.examples)
    effect = " ".join(filter(None, (entry.effect, f"For example {examples}." if examples else "")))
    return f"| `{entry.usage}` | {entry.who} | {effect} |"
