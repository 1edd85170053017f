"""What a pull request or issue shows, all from the same rows: status comment, check run, deployment, label.

One fact is told in one place where that saves a write: which commit it is by the check run and the deployment, which
hang on it; times and the position in the queue by the comment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from bot import boxes, comments
from bot.policy.keys import Labels, Policy
from bot.state import State, needs_approval, state_of
from operations.status import Status
from operations.warn import next_at, reached
from storage.assignments import HolderType
from storage.threads import Thread

CHECK_NAME = "Greenroom"
SETTLED = timedelta(seconds=30)  # shorter waits are not shown by check run and deployment (bot-behaviour 5.5)


@dataclass(frozen=True)
class Button:
    """GitHub takes 20 characters of label and identifier, 40 of description."""

    identifier: str
    label: str
    description: str


EXTEND = Button("extend", "Extend", "Keep the environment for longer")
RELEASE = Button("release", "Release", "Give the environment back")
LEAVE = Button("release", "Leave the queue", "Do not wait any longer")
RETRY = Button("retry", "Retry", "Look again whether it can have one")

# Of each state: the check run's status and conclusion, the deployment's state, the buttons (bot-behaviour 5.2, 5.3).
CHECKS: dict[State, tuple[str, str | None, str | None, tuple[Button, ...]]] = {
    State.READY: ("completed", "success", "success", (EXTEND, RELEASE)),
    State.PREPARING: ("in_progress", None, "in_progress", (LEAVE,)),
    State.WAITING: ("queued", None, "queued", (LEAVE,)),
    State.PAUSED: ("completed", "neutral", "queued", (LEAVE,)),
    State.LOST: ("completed", "neutral", "failure", (RETRY,)),
    State.ENDED: ("completed", "neutral", None, (RETRY,)),
    State.MISSING: ("completed", "neutral", None, (RETRY,)),
    State.NOTHING: ("completed", "neutral", None, (RETRY,)),
    State.CLOSED: ("completed", "neutral", None, ()),
}
# In these an environment is missing, which a repository may require.
LACKING = (State.PAUSED, State.LOST, State.ENDED, State.MISSING)


@dataclass(frozen=True)
class CheckRun:
    sha: str
    external_id: str
    state: State
    title: str
    summary: str
    text: str | None
    buttons: tuple[Button, ...] = ()
    is_required: bool = False

    @property
    def status(self) -> str:
        return CHECKS[self.state][0]

    @property
    def conclusion(self) -> str | None:
        return "failure" if self.is_required and self.state in LACKING else CHECKS[self.state][1]

    @property
    def is_quiet(self) -> bool:
        """It tells nothing that a pull request of which nothing was told should show.

        A check that is required is shown all the same, or whoever needs no environment could not be merged.
        """
        return self.state is State.CLOSED or (self.state is State.NOTHING and not self.is_required)

    @property
    def content(self) -> dict[str, Any]:
        """As GitHub takes it, of a new one and of one that is there: https://docs.github.com/rest/checks/runs."""
        status = self.status
        output = {"title": self.title, "summary": self.summary} | ({"text": self.text} if self.text else {})
        ended = {"conclusion": self.conclusion} if self.conclusion else {}
        shown = [
            {"label": button.label, "description": button.description, "identifier": button.identifier}
            for button in self.buttons
        ]
        return {"name": CHECK_NAME, "status": status, **ended, "output": output, "actions": shown}


@dataclass(frozen=True)
class Deployment:
    sha: str
    task: str
    environment: str
    state: str
    description: str
    url: str | None


@dataclass(frozen=True)
class View:
    """None: it is not shown, or what is shown stays as it is."""

    state: State
    comment: str | None
    footer: str
    """What ends the comment: that it changes is no reason to write it."""
    check_run: CheckRun | None
    deployment: Deployment | None
    labels: frozenset[str] | None
    is_settling: bool
    """It waits, and not for so long yet that check run, deployment and labels say so."""
    changes_at: datetime | None
    """When time alone changes it."""


@dataclass(frozen=True)
class Place:
    """Where it is shown: how the repository is called, and where people reach Greenroom."""

    repository: str
    public_url: str

    def decisions(self, number: int) -> str:
        """The page with every decision on a pull request or issue, for who may read the repository."""
        return f"{self.public_url}/decisions?repository={quote(self.repository, safe='/')}&number={number}"

    def door(self, environment: str) -> str:
        """The page that leads into the environment who may: never a frontdoor, never a secret (rule 11)."""
        params = quote(f"targetOrg:{environment},repository:{self.repository}", safe=":,/")
        return f"{self.public_url}/sfp/api/auth/continue?action=frontdoorUrl&params={params}"


def view(
    thread: Thread, status: Status, policy: Policy, place: Place, *, was_told: bool, redeploys: bool, now: datetime
) -> View:
    """What the thread shows in its present state. `was_told`: it has a status comment already; `redeploys`: the
    provider of what it holds can deploy its head once more.
    """
    state, shown, commands = state_of(thread, status), policy.surfaces, policy.commands
    body = comments.status_body(thread, status, policy, place.door, was_told=was_told)
    body = None if body is None else comments.as_called_here(body, commands)
    title, summary = (comments.as_called_here(text, commands) for text in comments.check_run(state, thread, status))
    has_comment = shown.sticky and not thread.locked
    settles_at = _settles_at(state, status)
    is_settling = settles_at is not None and now < settles_at
    sha = None if is_settling or thread.type != HolderType.PR else thread.head_sha
    text = None if has_comment or body is None else comments.cut(body, comments.LONGEST, place.decisions(thread.number))
    is_required = shown.check_required and status.decision is not None  # without one nobody has asked for us
    before = policy.expiry.warn
    warns_at = min(filter(None, (next_at(held.assignment, before, now=now) for held in status.held)), default=None)
    return View(
        state=state,
        comment=_comment(thread, status, body, policy, place, redeploys=redeploys) if has_comment else None,
        footer=comments.as_called_here(comments.footer(thread, status), commands),
        check_run=CheckRun(
            sha, str(thread.holder), state, title, summary, text, _buttons(state, status, policy), is_required
        )
        if sha is not None and shown.check_run
        else None,
        deployment=_deployment(thread, sha, state, status, title, shown.environment_name, place)
        if sha is not None and shown.deployments
        else None,
        labels=None if is_settling else _labels(state, status, policy, now),
        is_settling=is_settling,
        changes_at=settles_at if is_settling else warns_at,
    )


def _comment(
    thread: Thread, status: Status, body: str | None, policy: Policy, place: Place, *, redeploys: bool
) -> str | None:
    shown = policy.surfaces
    offered = boxes.offered(thread, status, policy, redeploys=redeploys) if shown.checkboxes else []
    names_commit = not (shown.check_run or shown.deployments)
    return comments.status_comment(thread, body, offered, place.decisions(thread.number), names_commit=names_commit)


def _settles_at(state: State, status: Status) -> datetime | None:
    """When a wait is long enough to be shown on the commit."""
    if state not in (State.WAITING, State.PREPARING):
        return None
    return min(awaited.ticket.joined_at for awaited in status.awaited) + SETTLED


def _buttons(state: State, status: Status, policy: Policy) -> tuple[Button, ...]:
    can_extend = bool(boxes.extension(status.held, policy))
    return tuple(button for button in CHECKS[state][3] if button is not EXTEND or can_extend)


def superseded(thread: Thread, sha: str) -> CheckRun:
    """The check run of a commit that is not the head any more: it must not look as if it went on."""
    title, summary = comments.superseded()
    return CheckRun(sha, str(thread.holder), State.CLOSED, title, summary, None)


def _deployment(
    thread: Thread, sha: str, state: State, status: Status, title: str, environment: str, place: Place
) -> Deployment | None:
    deployed = CHECKS[state][2]
    if deployed is None:
        return None
    url = place.door(status.held[0].environment.name) if status.held else None
    again = [held.redeployment for held in status.held if held.redeployment is not None]
    deployed, says = comments.deployed([each for each in again if each.revision == sha]) or (deployed, title)
    description = says[: comments.LONGEST_DESCRIPTION]
    return Deployment(sha, f"greenroom:{thread.holder}", environment, deployed, description, url)


def output_labels(labels: Labels) -> frozenset[str]:
    """The labels by which we show the state; none where that is off."""
    ours = (labels.active, labels.queued, labels.expiring, labels.needs_approval)
    return frozenset(ours) if labels.outputs else frozenset()


def _labels(state: State, status: Status, policy: Policy, now: datetime) -> frozenset[str] | None:
    """The output labels; None where they are off."""
    names, before = policy.labels, policy.expiry.warn
    if not names.outputs:
        return None
    asked = frozenset((names.needs_approval,)) if needs_approval(state, status) else frozenset()
    if state in (State.WAITING, State.PREPARING, State.PAUSED):
        return asked | {names.queued}
    if state is not State.READY:
        return asked
    is_expiring = any(reached(held.assignment, before, now=now) is not None for held in status.held)
    return asked | {names.expiring if is_expiring else names.active}
