"""The check-boxes in what we write: what each asks for, and which one somebody has ticked."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.arguments import HOUR
from bot.commands import Command
from bot.lifetimes import can_be_extended, usual_extension
from bot.policy.keys import Policy
from operations.status import Held, Status
from storage.threads import Thread

MARK = "<!-- greenroom:box {key} -->"  # tells it from the pull request's own tasks, and says what it asks for
_BOX = re.compile(r"^- \[(?P<tick>[ xX])\] <!-- greenroom:box (?P<key>[^>]*?) -->", re.MULTILINE)


@dataclass(frozen=True)
class Box:
    key: str
    label: str

    def __str__(self) -> str:
        return f"- [ ] {MARK.format(key=self.key)} {self.label}"


KEEP, KEPT = "keep", 2 * HOUR  # the answer that it is still needed
PIN, UNPIN, REDEPLOY = Box("pin", "Pin"), Box("unpin", "Unpin"), Box("redeploy", "Redeploy")
PIN_AGAIN = Box("pin", "Still needed: keep it pinned")


def offered(thread: Thread, status: Status, policy: Policy, *, redeploys: bool) -> list[Box]:
    """What can be asked for now. An environment to release is named, so that a late tick never hits another one.

    `redeploys`: the provider of what it holds can deploy a commit once more.
    """
    if not thread.is_open:
        return []
    if status.held:
        names = [held.environment.name for held in status.held]
        release = [Box(f"release {name}", f"Release {name}" if len(names) > 1 else "Release") for name in names]
        redeploy = [REDEPLOY] if redeploys else []
        return [*extension(status.held, policy), *redeploy, UNPIN if status.is_pinned else PIN, *release]
    if status.awaited:
        return [Box("leave", "Leave the queue")]
    return [Box("assign", "Ask for one")] if status.last is not None or status.moved_to is not None else []


def extension(held: list[Held], policy: Policy) -> list[Box]:
    """The box that extends, while anything of it can be extended."""
    added = [
        usual_extension(each.assignment, each.pool, policy.expiry)
        for each in held
        if can_be_extended(each.assignment, policy.expiry)
    ]
    return [Box("extend", f"Extend by {added[0] / HOUR:g} h")] if added else []


def answers(name: str) -> list[Box]:
    """What can be answered to the question whether an environment can be given to somebody else."""
    return [Box(f"reclaim {name}", "Release now"), Box(KEEP, f"Keep {KEPT / HOUR:g} h")]


def command(key: str) -> Command | None:
    """The command that a tick stands for; None for a box that we do not know."""
    verb, _, name = key.partition(" ")
    match verb:
        case "extend" | "assign" | "pin" | "unpin" | "redeploy":
            return Command(1, verb)
        case "release" if name:
            return Command(1, "unassign", environment=name)
        case "reclaim" if name:
            return Command(1, "unassign", environment=name, reclaimed=True)
        case "leave" | "keep" if not name:  # to keep it is to refuse that
            return Command(1, "unassign")
    return None


def ticked(before: str, after: str) -> str | None:
    """The key of the one box that was ticked, where nothing else was changed; None for any other edit."""
    before, after = _even(before), _even(after)
    new = [key for key in _ticked_in(after) if key not in _ticked_in(before)]
    if len(new) != 1 or _BOX.sub(_unticked, before) != _BOX.sub(_unticked, after):
        return None
    return new[0]


def _ticked_in(body: str) -> list[str]:
    return [found["key"] for found in _BOX.finditer(body) if found["tick"] != " "]


def _unticked(found: re.Match[str]) -> str:
    return f"- [ ] {MARK.format(key=found['key'])}"


def _even(body: str) -> str:
    """GitHub's page writes lines anew with CRLF, and without blanks at the end."""
    return body.replace("\r\n", "\n").rstrip()
