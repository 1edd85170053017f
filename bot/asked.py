"""A command as its action sees it: who asks for it, where, with what permission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bot.commands import CommandSpec
from bot.gates import Case, Closed
from bot.levels import Level
from bot.look import Look
from bot.policy.keys import Policy
from operations.threads import News
from storage.assignments import Holder
from storage.audit import Actor
from storage.decisions import Reason
from storage.repositories import Repository
from storage.threads import Thread


@dataclass(frozen=True)
class Asked:
    """Who asks for something, where, with what permission. `targets` are the threads that its numbers name."""

    look: Look
    case: Case
    login: str
    level: Level
    actor: Actor
    targets: Mapping[str, News | None]
    said_at: datetime
    """When it was written, by GitHub's clock."""
    teams: frozenset[str] = frozenset()
    """Those of the teams named in the policy that they are in."""

    def using(self, spec: CommandSpec) -> Asked:
        """The same, for this command: with the level that a team gives them."""
        by_team = Level.MAINTAIN if self.teams.intersection(spec.teams) else Level.NONE
        return replace(self, level=max(self.level, by_team))

    @property
    def repository(self) -> Repository:
        return self.case.repository

    @property
    def thread(self) -> Thread:
        return self.case.thread

    @property
    def holder(self) -> Holder:
        return self.thread.holder

    @property
    def policy(self) -> Policy:
        return self.case.policy

    @property
    def now(self) -> datetime:
        return self.case.now


class Refused(Exception):
    """The bot's policy says no, and the message what would help; a shut gate goes into the decision log as it is."""

    def __init__(
        self, message: str, case: Case | None = None, shut: Closed | None = None, reason: Reason = Reason.REFUSED
    ) -> None:
        super().__init__(message)
        self.case = case
        self.shut = shut
        self.reason = reason


def is_permitted(spec: CommandSpec, asked: Asked) -> bool:
    """Whether who asks may give the command; who has set a lock or a pin only its action can see."""
    return asked.level >= spec.level or (spec.author and asked.login == asked.thread.author) or spec.holder
