"""The command: `app`'s; but what speaks to a server starts without the house, which takes a second to load."""

from __future__ import annotations

import sys

from cli.commands import COMMANDS


def main() -> None:
    """Runs what was typed, and exits."""
    name, *rest = sys.argv[1:] or [""]
    for command in COMMANDS:
        if command.name == name:
            command.main(rest, prog_name=f"greenroom {name}", help_option_names=["-h", "--help"])
    from app import main as main_of_house

    main_of_house(prog_name="greenroom")
