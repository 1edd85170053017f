"""README shows no command that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
from markdown_it import MarkdownIt

from app import main

ROOT = Path(__file__).parents[1]


def commands_in_readme() -> Iterator[list[str]]:
    """The words after `greenroom` in everything that README shows as code, up to the first that is not a command's."""
    for token in MarkdownIt().parse((ROOT / "README.md").read_text()):
        for code in [token, *(token.children or [])]:
            if code.type in {"fence", "code_block", "code_inline"}:
                for words in re.findall(r"(?:^|[\s/])greenroom((?: +[a-z][\w-]*)+)", code.content, re.MULTILINE):
                    yield words.split()


def test_every_command_in_readme_exists() -> None:
    shown = list(commands_in_readme())
    in_script = set(re.findall(r"^    ([a-z]+)\)$", (ROOT / "greenroom").read_text(), re.MULTILINE))
    assert in_script == {"test", "requirements"}
    missing = [words for words in shown if words[0] not in in_script and not exists(main, words)]
    assert shown
    assert missing == []


def exists(command: click.Command, words: list[str]) -> bool:
    """Whether the words lead to a command; what follows a command that has no subcommands is its arguments."""
    if not words or not isinstance(command, click.Group):
        return True
    return words[0] in command.commands and exists(command.commands[words[0]], words[1:])
