"""Every sentence about a comment that we could not follow: short, and what would be right.

What the user typed stands in code spans only, so that a sentence can neither run a command nor mention anybody.
"""

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 40
"""Characters of the user's text that a sentence repeats."""


def code(text: str) -> str:
    """A code span of one line with the user's text: without backticks, invisible characters and any great length."""
    visible = "".join(c if c.isprintable() else " " for c in text[: 4 * SHOWN] if c != "`")
    words = " ".join(visible.split())
    return f"`{words if len(words) <= SHOWN else words[:SHOWN] + '…'}`" if words else "`…`"


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A question to append to a sentence, or nothing when no choice is close."""
    close = get_close_matches(word[:SHOWN].lower(), [choice for choice in choices if choice != word], n=1)
    return f" Did you mean {code(close[0])}?" if close else ""


def in_backticks(command: str) -> str:
    return f"A command in backticks does not run: remove the backticks around {code(command)}."


def backticks_around(typed: str) -> str:
    return f"Write {code(typed)} without backticks."


def too_many(count: int, most: int) -> str:
    return f"The comment has {count} commands, and one comment runs at most {most}: write the others in another one."


def unknown_command(typed: str, namespace: str, names: Iterable[str]) -> str:
    known = sorted(names)
    listed = ", ".join(code(name) for name in known)
    return f"{code(f'/{namespace} {typed}')} is not a command.{did_you_mean(typed, known)} I know {listed}."


def unclosed_quote() -> str:
    return 'A quote is not closed: write `reason="like this"`.'


def unknown_argument(typed: str, usage: str, choices: Iterable[str]) -> str:
    key, equals, _ = typed.partition("=")
    return f"{code(typed)} does not belong here.{did_you_mean(key + equals, choices)} Write `{usage}`."


def given_twice(what: str, usage: str) -> str:
    return f"The {what} is given twice. Write `{usage}`."


def missing(what: str, usage: str) -> str:
    return f"The {what} is missing. Write `{usage}`."


def flag_with_value(key: str) -> str:
    return f"Write `--{key}` alone, without a value."


def option_in_reason(typed: str, usage: str) -> str:
    return f"{code(typed)} must stand before the reason. Write `{usage}`."


def no_unit(number: str) -> str:
    return f"{code(number)} has no unit: write {code(f'{number}h')} for hours (or `m`, `d`, `w`)."


def not_positive(typed: str) -> str:
    return f"{code(typed)} is not a time to come: write a duration such as `24h`, without a sign."


def not_a_duration(typed: str, corrected: str = "") -> str:
    hint = f"write {code(corrected)}" if corrected else "write for example `90m`, `24h`, `2d` or `1d12h`"
    return f"{code(typed)} is not a duration: {hint}."


def too_short(typed: str, least: str) -> str:
    return f"{code(typed)} is too short: the least is `{least}`."


def too_long(typed: str, most: str) -> str:
    return f"{code(typed)} is too long: the most is `{most}`."


def not_a_name(typed: str, what: str) -> str:
    return f"{code(typed)} cannot be the {what}: a name has letters, digits and `. _ - + / :`, 100 at most."


def not_a_target(typed: str) -> str:
    return f"{code(typed)} is not a target: write `#456`, `pr:12`, `issue:4`, `user:alice@example.com` or `custom:x`."


def long_reason(most: int) -> str:
    return f"The reason is too long: at most {most} characters."
