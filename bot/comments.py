"""Every sentence the bot says, but those about commands it could not follow (bot/mistakes.py)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.commands import CommandSpec
from bot.levels import Level
from operations.end import EndReason
from operations.status import Awaited, Held, Status
from storage.decisions import Decision, Reason
from storage.threads import Thread, ThreadState
from storage.tickets import TicketState

LONGEST = 65_536  # characters GitHub takes in a comment
STATUS_MARKER = "<!-- greenroom:status v1 key={holder} -->"
ANSWER_MARKER = "<!-- greenroom:answer v1 comment={comment_id} -->"


def status_comment(thread: Thread, status: Status) -> str | None:
    """The sticky comment, a view of the rows; None when there is nothing to tell."""
    parts = [*map(_held, status.held), *map(_awaited, status.awaited)]
    if not parts and status.last is not None:
        parts = [_ended(thread, status.last)]
    if not parts and status.decision is not None and status.decision.reason == Reason.FORK_NEEDS_APPROVAL:
        parts = [f"### ⚪ No review environment yet\n{status.decision.sentence}."]
    if not parts:
        return None
    if status.held and thread.head_sha is not None:
        parts.append(f"Head: {thread.head_sha[:7]}")
    footer = "<sub>Commands: `/env help`</sub>"
    return "\n\n".join([STATUS_MARKER.format(holder=thread.holder), *parts, footer])


def _held(held: Held) -> str:
    assignment = held.assignment
    lines = [
        f"### 🟢 Review environment: {held.environment.name} ({_pool(held)})",
        f"Open: {held.environment.instance_url}",
        f"Since: {when(assignment.assigned_at)}, by {assignment.assigned_by}",
        "Expires: never" if assignment.expires_at is None else f"Expires: **{when(assignment.expires_at)}**",
    ]
    return "  \n".join(lines)


def _awaited(awaited: Awaited) -> str:
    if awaited.ticket.state == TicketState.PAUSED:
        return f"### ⏸️ Paused: draft\nIt keeps its place in the queue of `{awaited.pool.tag}`."
    made = {0: "none is being made", 1: "1 is being made"}.get(awaited.making, f"{awaited.making} are being made")
    return (
        f"### 🟡 Waiting for a review environment\n"
        f"Position {awaited.position} of {awaited.waiting} in `{awaited.pool.tag}`; {made}."
    )


def _ended(thread: Thread, last: Held) -> str:
    assignment = last.assignment
    assert assignment.ended_at is not None
    ended = {
        EndReason.CLOSED: f"was taken back when this was {_end_of(thread)}",
        EndReason.EXPIRED: "expired",
        EndReason.POOL_DELETED: "went with its pool",
    }.get(EndReason(assignment.end_reason or EndReason.UNASSIGNED), "was given back")
    heading = f"### ⚪ Review environment {last.environment.name} {ended}\nat {when(assignment.ended_at)}."
    if not thread.is_open:
        return heading
    again = "`/assign` brings a new one"
    if assignment.end_reason == EndReason.EXPIRED and last.pool.reattach_window:
        minutes = int(last.pool.reattach_window.total_seconds() // 60)
        again = f"`/assign` within {minutes} minutes usually gets the same one back"
    return f"{heading} {again}."


def _end_of(thread: Thread) -> str:
    return "merged" if thread.state == ThreadState.MERGED else "closed"


def _pool(held: Held) -> str:
    domain = held.assignment.domain
    return f"{held.pool.tag}, {domain}" if domain else held.pool.tag


def when(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def span(delta: timedelta) -> str:
    """3 d 4 h, 5 h 30 min, 40 min; rounded down to minutes."""
    minutes = int(delta.total_seconds() // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "d"), (hours, "h"), (rest if not days else 0, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 min"


def answer(asked_by: str, sentences: str, comment_id: int) -> str:
    """A reply to a comment with commands; the marker lets us find it again if GitHub's answer is lost."""
    marker = ANSWER_MARKER.format(comment_id=comment_id)
    gap = "\n\n" if sentences.startswith("|") else " "  # a table needs a line of its own
    return f"{marker}\n@{asked_by}{gap}{sentences}"[:LONGEST]


def not_permitted(spec: CommandSpec, level: Level) -> str:
    yours = level.name.lower() if level else "no"
    return f"`/{spec.words}` is for {spec.who} here; you have {yours} permission."


def closed_thread(spec: CommandSpec) -> str:
    return f"`/{spec.words}` does nothing here any more: this is closed. Reopen it first."


def extended(expires_at: datetime | None, room: timedelta) -> str:
    if expires_at is None:
        return "The environment never expires."
    return f"Expires {when(expires_at)}; up to {span(room)} more can be added."


def extend_too_long(longest: timedelta) -> str:
    return f"One `/extend` adds at most {span(longest)}."


def lifetime_used_up(room: timedelta, lifetime: timedelta) -> str:
    left = f"at most {span(room)} can be added now" if room >= timedelta(hours=1) else "that is used up"
    return f"An environment lives at most {span(lifetime)}: {left}."


def several_environments(names: list[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in names)
    return f"There are several environments here: {listed}. Name the one you mean: `/unassign {names[0]}`."


def no_such_environment(names: list[str]) -> str:
    return f"There is no such environment here; there is {', '.join(f'`{name}`' for name in names)}."


def nothing_to_give_back() -> str:
    return "There is no environment here and no place in a queue."


def handed_over(target: str, environment: str) -> str:
    return f"{environment} belongs to {target} now."


def no_such_thread(number: str) -> str:
    return f"There is no issue or pull request {number} in this repository."


def status_link(url: str) -> str:
    return f"The status is up to date: {url}"


def nothing_yet() -> str:
    return "There is no review environment here, and nobody waits for one. `/assign` asks for one."


def already_waiting() -> str:
    return "It waits in the queue already; the status comment shows the position."


def why(decision: Decision | None) -> str:
    if decision is None:
        return "Nothing has been decided here yet."
    return f"{decision.sentence} (`{decision.reason}`, {when(decision.at)}, {decision.trigger})."


def done() -> str:
    return "Done."


def pong() -> str:
    return "I am here."


def version(number: str) -> str:
    return f"Greenroom {number}."
