"""A command as its action sees it: who asks for it, where, with what permission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.levels import Level
from bot.look import Look
from operations.threads import News
from storage.assignments import Holder
from storage.audit import Actor
from storage.repositories import Repository
from storage.threads import Thread


@dataclass(frozen=True)
class Asked:
    """Who asks for something, where, with what permission. `targets` are the threads that its numbers name."""

    look: Look
    repository: Repository
    thread: Thread
    login: str
    level: Level
    actor: Actor
    targets: Mapping[str, News | None]
    now: datetime

    @property
    def holder(self) -> Holder:
        return self.thread.holder


class Refused(Exception):
    """The bot's policy says no; the message says what would help."""
