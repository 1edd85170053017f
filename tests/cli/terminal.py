"""Commands as they are typed, and what they print."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from click.testing import CliRunner

from app import main
from cli.remote import Clock
from storage import tokens
from storage.tokens import Role
from tests.running import Running


@dataclass(frozen=True)
class Seen:
    out: str
    err: str
    code: int

    @property
    def json(self) -> Any:
        """All of stdout, which must be JSON and nothing else."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[list[str]]:
        """The columns of a plain table, which two blanks divide."""
        return [[part.strip() for part in line.split("  ") if part.strip()] for line in self.out.splitlines()]


@dataclass
class Terminal:
    """Somebody who types; `meanwhile` happens, one after the other, while a command waits."""

    greenroom: Running
    repo: str
    """The tests share the Greenroom that runs, but no repository."""
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    waited: float = 0.0
    environment: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environment = {
            "GREENROOM_URL": self.greenroom.address,
            "GREENROOM_TOKEN": self.token(Role.OWNER, repositories=[self.repo, f"{self.repo}-2"]),
            "GREENROOM_REPOSITORY": self.repo,
            "NO_PROXY": "127.0.0.1",
        }

    def token(self, role: Role, *, days: float = 1, repositories: list[str] | None = None) -> str:
        now = datetime.now(UTC)
        with self.greenroom.database.transaction() as session:
            _, secret = tokens.create(
                session, name=f"the {role}", role=role, repositories=repositories,
                expires_at=now + timedelta(days=days), now=now,
            )  # fmt: skip
        return secret

    def type(self, command: str, *, stdin: str | None = None, **environment: str | None) -> Seen:
        """What follows `greenroom`, in an environment with these variables changed; None is not set."""
        seen = CliRunner().invoke(
            main,
            shlex.split(command),
            input=stdin,
            env={**self.environment, **environment},
            obj=Clock(lambda: self.waited, self._sleep),
        )
        assert seen.exception is None or isinstance(seen.exception, SystemExit), seen.exception
        assert "Traceback" not in seen.output
        for secret in (value for name, value in {**self.environment, **environment}.items() if "TOKEN" in name):
            assert not secret or secret not in seen.output
        return Seen(seen.stdout, seen.stderr, seen.exit_code)

    def pool(self, size: int = 1) -> None:
        """The pool `core`, with so many environments that are ready."""
        made = self.type(f"pool create core --provider mock --min {size} --max {size} --return")
        assert made.code == 0, made.err
        assert self.type("pool provision core").code == 0
        until(lambda: self.type("pool status core --json").json["instances"]["available"] == size)

    def _sleep(self, seconds: float) -> None:
        """Time passes, and with it what happens meanwhile."""
        assert seconds > 0
        self.waited += seconds
        if self.meanwhile:
            self.meanwhile.pop(0)()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Returns when it is so: the workers of the running Greenroom are threads of their own."""
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    while not condition():
        assert datetime.now(UTC) < end, "it did not come about"
