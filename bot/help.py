"""The help on the commands, made from their table."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from bot.commands import ALIASES, COMMANDS, CommandSpec

NO_NOTES: Mapping[str, str] = MappingProxyType({})


def help_text(
    commands: Mapping[str, CommandSpec] = COMMANDS,
    *,
    namespace: str = "env",
    aliases: Collection[str] = ALIASES,
    notes: Mapping[str, str] = NO_NOTES,
) -> str:
    """A Markdown table of these commands; `notes` adds to a command, by its verb, what is in force here.

    Commands stand in code spans only, so that a comment that shows this runs nothing. Where the policy changes who may,
    give the specs changed likewise.
    """
    rows = [_row(spec, namespace, notes.get(verb, "")) for verb, spec in commands.items()]
    short = [f"`/{spec.words}`" for spec in commands.values() if spec.words in aliases]
    closed = [f"`{spec.words}`" for spec in commands.values() if spec.closed]
    remarks = [
        f"Without `/{namespace}` too: {', '.join(short)}." if short else "",
        f"On a closed pull request only {', '.join(closed)} work." if closed else "",
        "A duration is written `90m`, `24h`, `2d`, `1w` or `1d12h`. A value with blanks goes in quotes.",
    ]
    return "\n".join(["| Command | Who may | Effect |", "| --- | --- | --- |", *rows, "", *filter(None, remarks)])


def _row(spec: CommandSpec, namespace: str, note: str) -> str:
    examples = ", ".join(f"`/{namespace} {example}`" for example in spec.examples)
    effect = " ".join(filter(None, (spec.effect, f"For example {examples}." if examples else "", note)))
    return f"| `/{namespace} {spec.usage}` | {spec.who} | {effect} |"
