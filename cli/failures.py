"""How a command can fail: a sentence, what would help, and an exit code that a script can go by."""

from __future__ import annotations

from enum import IntEnum

import click


class Exit(IntEnum):
    REFUSED = 1
    USAGE = 2
    NOT_NOW = 3
    TIMED_OUT = 4
    AWAY = 5


EXIT_CODES = (
    "Exit codes: 0 done; 1 refused; 2 wrongly typed; 3 not now (nothing is free, or somebody else has it); "
    "4 the --timeout of a --wait passed; 5 the server cannot be reached or does not work."
)


class Failure(click.ClickException):
    """Shown as one sentence, with what would help on a line of its own; never with a traceback."""

    exit_code = Exit.REFUSED

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice

    def format_message(self) -> str:
        return f"{self.message}\n{self.advice}" if self.advice else self.message


class Misuse(Failure):
    exit_code = Exit.USAGE
