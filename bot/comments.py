"""Every sentence the bot says, but those about commands it could not follow (bot/mistakes.py)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.boxes import Box
from bot.commands import ALIASES, CommandSpec
from bot.levels import Level
from bot.lifetimes import can_be_extended, room
from bot.mistakes import code
from bot.policy.keys import PATH, Commands, Expiry, Policy
from bot.reasons import ON_MERGE
from bot.state import NOT_CONCERNED, State
from operations.end import EndReason
from operations.errors import (
    AmbiguousAssignment,
    AssignmentLocked,
    AssignmentNotFound,
    OperationError,
    PoolNotFound,
    SameAssignment,
)
from operations.lock_line import Line
from operations.review import answer_by
from operations.status import Awaited, Held, Locked, Status
from storage import pins
from storage.assignments import Assignment, Holder, HolderType
from storage.decisions import Decision, Reason
from storage.locks import Lock
from storage.pins import Pin
from storage.pools import Counts, Pool
from storage.redeployments import Redeployment
from storage.threads import Thread, ThreadState
from storage.tickets import BOT_CLASS, Ticket, TicketState

LONGEST = 65_535  # characters: of more than 65,536 GitHub takes no comment
LONGEST_DESCRIPTION = 140  # of a deployment
LONGEST_FOOTER = 500
STATUS_MARKER = "<!-- greenroom:status v1 key={holder} -->"
MOST_SHOWN = 10  # of those who wait for a lock
# Why there is none is told without being asked where nobody would expect it, and once.
TOLD = (
    Reason.CONFIG_INVALID, Reason.MODE_MANUAL, Reason.FORK_NEEDS_APPROVAL, Reason.FORK_NEVER, Reason.APPROVAL_LAPSED,
    Reason.QUOTA_REPOSITORY, Reason.QUOTA_AUTHOR, Reason.BUDGET,
)  # fmt: skip
NOTICE_MARKER = "<!-- greenroom:notice v1 id={id} -->"
ANSWER_MARKER = "<!-- greenroom:answer v1 comment={comment_id} -->"


def status_comment(
    thread: Thread, body: str | None, boxes: Sequence[Box], page: str, *, names_commit: bool
) -> str | None:
    """The sticky comment without its footer, a view of the rows; None when there is nothing to tell and nothing was
    told before. What is too long is cut, and `page` named, which has all of it.
    """
    if body is None:
        return None
    marker = STATUS_MARKER.format(holder=thread.holder)
    head = f"Head: {thread.head_sha[:7]}" if names_commit and thread.head_sha is not None else ""
    offers = "\n".join(map(str, boxes))
    fits = LONGEST - sum(map(len, (marker, head, offers))) - LONGEST_FOOTER
    return "\n\n".join(filter(None, [marker, cut(body, fits, page), head, offers]))


def cut(text: str, most: int, page: str) -> str:
    """The text if it has at most so many characters, else its beginning and where the rest is."""
    if len(text) <= most:
        return text
    rest = f"…\n\n[There is more]({page})"
    return text[: most - len(rest)] + rest


def footer(thread: Thread, status: Status) -> str:
    """Since when all this is known to be so, in times that stay true without an edit, and what was put right."""
    listed = [held.pool.listed_at for held in status.held if held.pool.listed_at is not None]
    parts = [
        f"GitHub confirmed {when(thread.confirmed_at)}" if thread.confirmed_at is not None else "",
        f"provider confirmed {when(min(listed))}" if listed else "",
        _repaired(status.repair) if status.repair is not None else "",
        "commands: `/env help`",
    ]
    return f"<sub>{' · '.join(filter(None, parts))}</sub>"


def _repaired(repair: Decision) -> str:
    missed = ", ".join(repair.inputs.get("missed", ()))
    return f"repaired {when(repair.at)}: {missed or 'what differed'}"


def status_body(
    thread: Thread, status: Status, policy: Policy, door: Callable[[str], str], *, was_told: bool
) -> str | None:
    """What the thread has, awaits or had; `door` gives the address that leads into an environment."""
    parts = [*(_held(held, policy, door) for held in status.held), *map(_awaited, status.awaited)]
    parts = parts or _without(thread, status, was_told=was_told)
    parts += ["  \n".join(map(_locked, status.locks))] if status.locks else []
    if status.held and status.decision is not None and status.decision.reason == Reason.APPROVAL_LAPSED:
        parts.append(f"⚠️ {status.decision.sentence}.")
    return "\n\n".join(map(unmentioned, parts)) or None


def _locked(locked: Locked) -> str:
    lock, name = locked.lock, f" of {code(locked.environment)}" if locked.environment else ""
    if locked.position:
        return f"⏳ Waits for the lock{name}: position {locked.position}"
    what = f"Has the lock{name}" if locked.environment else "Locked"
    return f"🔒 {what} until **{_until(lock)}**, by {lock.requested_by}{_reason(lock)}"


def _until(lock: Lock) -> str:
    assert lock.expires_at is not None, "who holds a lock has a lease"
    return when(lock.expires_at)


def _reason(lock: Lock) -> str:
    return f": {code(lock.reason)}" if lock.reason else ""


def _without(thread: Thread, status: Status, *, was_told: bool) -> list[str]:
    """Why there is nothing, and what would help."""
    heading = "### ⚪ No review environment"
    if status.moved_to is not None:
        return [f"{heading}\nIt was handed over to {named(status.moved_to)}."]
    if status.last is not None:
        decision = status.decision
        why = f" {decision.sentence}." if decision is not None and decision.rule == ON_MERGE else ""
        return [f"{_ended(thread, status)}{why}"]
    if thread.is_open and status.decision is not None and status.decision.reason in TOLD:
        return [f"{heading} yet\n{status.decision.sentence}."]
    if not was_told:
        return []
    return [f"{heading}\n`/assign` asks for one." if thread.is_open else f"{heading}\nThis was {_end_of(thread)}."]


def _held(held: Held, policy: Policy, door: Callable[[str], str]) -> str:
    assignment = held.assignment
    lines = [
        f"### 🟢 Review environment: {held.environment.name} ({_pool(held)})",
        f"Open: {door(held.environment.name)}",
        f"Since: {when(assignment.assigned_at)}, by {assignment.assigned_by}{_origin(assignment)}",
        _deployed(held.redeployment) if held.redeployment is not None else "",
        f"Expires: {_expiry(assignment, policy.expiry)}",
    ]
    pin = pins.of(assignment)
    return "  \n".join(filter(None, [*lines, _pinned(pin) if pin is not None else ""]))


def _deployed(redeployment: Redeployment) -> str:
    sha = redeployment.revision[:7]
    if redeployment.finished_at is None:
        return f"⏳ {sha} is being deployed, for {redeployment.asked_by}"
    if redeployment.error is None:
        return f"Deployed: {sha}, {when(redeployment.finished_at)}"
    return f"⚠️ {sha} could not be deployed: {redeployment.error}. `/env redeploy` tries again"


def deployed(redeployments: Sequence[Redeployment]) -> tuple[str, str] | None:
    """The deployment's state and description, as far as that is not only whether there is an environment."""
    for each in redeployments:
        if each.is_under_way:
            return "in_progress", f"{each.revision[:7]} is being deployed"
        if each.error is not None:
            return "failure", f"{each.revision[:7]} could not be deployed"
    return None


def _pinned(pin: Pin) -> str:
    asked = f"review on **{when(pin.review_at)}**"
    if pin.asked_at is not None:
        asked = f"until **{when(answer_by(pin))}**, unless somebody says that it is still needed"
    return f"📌 Pinned by {pin.owner}: {code(pin.reason)} · {asked}"


def _origin(assignment: Assignment) -> str:
    if assignment.transitioned_from is None:
        return ""
    type, _, id = assignment.transitioned_from.partition("-")
    return f"; handed over from {named(Holder(assignment.repository_id, type, id))}"


def check_run(state: State, thread: Thread, status: Status) -> tuple[str, str]:
    """The check run's title, and its summary: which requirement is missing, where one is. No name calls anybody."""
    title, summary = _check_run(state, thread, status)
    return unmentioned(title), unmentioned(summary)


def _check_run(state: State, thread: Thread, status: Status) -> tuple[str, str]:
    names = _listed([held.environment.name for held in status.held])
    pools = _listed([awaited.pool.tag for awaited in status.awaited])
    match state:
        case State.READY:
            is_ready = "is ready" if len(status.held) == 1 else "are ready"
            return f"{names} {is_ready}", f"`{names}` {is_ready}. The status comment leads there and says for how long."
        case State.PREPARING:
            return f"{pools}: an environment is being made", "It goes to this pull request when it is ready."
        case State.WAITING:
            return f"Waiting in {pools}", "No environment is free. The status comment shows the position in the queue."
        case State.PAUSED:
            return "Paused: draft", f"It keeps its place in the queue of `{pools}` until it is ready for review."
        case State.MISSING:
            assert status.decision is not None
            return "No review environment yet", f"{status.decision.sentence}."
        case State.LOST | State.ENDED:
            return _check_of_ended(thread, status)
        case State.CLOSED:
            return "No review environment", f"This was {_end_of(thread)}."
        case State.NOTHING if status.decision is not None and status.decision.reason in NOT_CONCERNED:
            return "No review environment", f"{status.decision.sentence}."
    return "No review environment", "`/assign` asks for one."


def _check_of_ended(thread: Thread, status: Status) -> tuple[str, str]:
    if status.moved_to is not None:
        return "No review environment any more", f"It was handed over to {named(status.moved_to)}."
    assert status.last is not None
    name, how = status.last.environment.name, _how_it_ended(thread, status.last)
    return f"{name} {how}", f"`{name}` {how}. {_again(status)}."


def superseded() -> tuple[str, str]:
    """The title and summary of the check run of a commit that is not the head any more."""
    return "Superseded", "The pull request has a newer commit, with a check run of its own."


def over() -> str:
    """The description of a deployment that is not the present one any more."""
    return "Nothing of this commit is there any more"


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _expiry(assignment: Assignment, expiry: Expiry) -> str:
    """When, and how much more the policy allows; without any time that passes, which would have to be edited."""
    if assignment.expires_at is None:
        return "never"
    can = can_be_extended(assignment, expiry)
    more = f" · `/extend` adds up to {span(room(assignment, expiry))} more" if can else ""
    return f"**{when(assignment.expires_at)}**{more}"


def _awaited(awaited: Awaited) -> str:
    if awaited.ticket.state == TicketState.PAUSED:
        return f"### ⏸️ Paused: draft\nIt keeps its place in the queue of `{awaited.pool.tag}`."
    made = {0: "", 1: "; 1 is being made"}.get(awaited.making, f"; {awaited.making} are being made")
    lines = [
        f"### 🟡 Waiting for a review environment\n"
        f"Position {awaited.position} of {awaited.waiting} in `{awaited.pool.tag}`{made}.",
        _expected(awaited.ticket),
        _next(awaited.expiring) if awaited.expiring is not None else "",
    ]
    return "  \n".join(filter(None, lines))


def _expected(ticket: Ticket) -> str:
    """Between the moments by which one in two and nine in ten are served."""
    if ticket.likely_at is None or ticket.late_at is None:
        return "No estimate yet"
    likely, late = _coarse(ticket.likely_at, up=False), _coarse(ticket.late_at, up=True)
    same_day = likely.date() == late.date()
    return f"Expected: **{when(likely)}** to **{late.strftime('%H:%M UTC') if same_day else when(late)}** (p50–p90)"


def _coarse(at: datetime, *, up: bool) -> datetime:
    """To five minutes, as nobody plans by less."""
    step = timedelta(minutes=5)
    past = (at.astimezone(UTC) - datetime.min.replace(tzinfo=UTC)) % step
    return at.astimezone(UTC) - past + (step if up and past else timedelta())


def _next(expiring: Assignment) -> str:
    assert expiring.expires_at is not None
    return f"Next to expire: that of {named(expiring.holder)}, {when(expiring.expires_at)}"


def _ended(thread: Thread, status: Status) -> str:
    last = status.last
    assert last is not None and last.assignment.ended_at is not None
    heading = f"### ⚪ Review environment {last.environment.name} {_how_it_ended(thread, last)}"
    told = f"{heading}\nat {when(last.assignment.ended_at)}."
    return f"{told} {_again(status)}." if thread.is_open else told


def _how_it_ended(thread: Thread, last: Held) -> str:
    return {
        EndReason.CLOSED: f"was taken back when this was {_end_of(thread)}",
        EndReason.EXPIRED: "expired",
        EndReason.RECLAIMED: "was released, as somebody waited for it",
        EndReason.POOL_DELETED: "went with its pool",
        EndReason.DELETED: "was deleted",
        EndReason.LOST: "was lost: it is no longer where it was made",
    }.get(EndReason(last.assignment.end_reason or EndReason.UNASSIGNED), "was given back")


def _again(status: Status) -> str:
    if status.is_spared and status.last is not None:
        minutes = int(status.last.pool.reattach_window.total_seconds() // 60)
        return f"`/assign` within {minutes} minutes usually gets the same one back"
    return "`/assign` brings a new one"


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
    return f"{marker}\n@{asked_by}{gap}{unmentioned(sentences)}"[:LONGEST]


def notice(id: str, told: str, sentence: str) -> str:
    """A comment that tells somebody something, and can be found by its marker."""
    return f"{NOTICE_MARKER.format(id=id)}\n@{told} {unmentioned(sentence)}"[:LONGEST]


def ready_after_a_wait(held: Held) -> str:
    end = held.assignment.expires_at
    until = f", until {when(end)}" if end is not None else ""
    return f"The review environment {code(held.environment.name)} is ready{until}. The status comment leads there."


def expires_soon(held: Held, policy: Policy) -> str:
    """When, and how it lives on: by the box below, a command, or a pin."""
    assignment, name = held.assignment, code(held.environment.name)
    assert assignment.expires_at is not None, "what never ends has no warning"
    told = f"The review environment {name} expires **{when(assignment.expires_at)}**, with all that is in it."
    if not can_be_extended(assignment, policy.expiry):
        return f"{told} It cannot be extended any more. {who_may_pin(policy)}"
    return f"{told} `/extend` adds up to {span(room(assignment, policy.expiry))} more."


def with_boxes(sentence: str, offered: Sequence[Box], policy: Policy) -> str:
    """The sentence with boxes below it, where the policy has them."""
    shown = "\n".join(map(str, offered)) if policy.surfaces.checkboxes else ""
    return f"{sentence}\n\n{shown}" if shown else sentence


def could_be_released(name: str, ticket: Ticket, pool: Pool) -> str:
    waits = f"{named(ticket.holder)} waits for an environment of {code(pool.tag)} since {when(ticket.joined_at)}"
    return f"{waits}, and {code(name)} seems idle. `/unassign` gives it back; without an answer nothing changes."


def has_expired(status: Status) -> str:
    last = status.last
    assert last is not None, "it had one"
    name, end = code(last.environment.name), last.assignment.expires_at
    why = f": its time ended {when(end)}" if end is not None else ""
    return f"The review environment {name} has expired{why}. {_again(status)}."


_CODE = re.compile(r"(`[^`\n]*`)")


def unmentioned(text: str) -> str:
    """The text, reading the same, but notifying nobody: names in it come from branches, pools and other people."""
    parts = _CODE.split(text)
    return "".join(part if part.startswith("`") else part.replace("@", "@\u2060") for part in parts)


_CALLED = re.compile(r"`/(?:env (?P<verb>[a-z]+)|(?P<alias>[a-z]+))(?=[ `])")


def as_called_here(text: str, commands: Commands) -> str:
    """The text with our commands by the names that they have in this repository."""

    def called(found: re.Match[str]) -> str:
        verb = found["verb"] or found["alias"]
        if found["alias"] is not None and (verb not in ALIASES or verb in commands.aliases):
            return found[0]
        return f"`/{commands.namespace} {verb}"

    return _CALLED.sub(called, text)


def named(holder: Holder) -> str:
    numbered = holder.type in (HolderType.PR, HolderType.ISSUE)
    return f"#{holder.id}" if numbered else f"{holder.type} {code(holder.id)}"


def refusal(refused: OperationError) -> str:
    """What the operation refused, for people on a pull request."""
    match refused:
        case AssignmentNotFound():
            return "There is no review environment here; `/assign` asks for one."
        case AmbiguousAssignment():
            listed = ", ".join(code(f"domain={domain}") for domain in refused.details["domains"])
            return f"There are several environments here. Say which one is meant: {listed}."
        case PoolNotFound():
            return "There is no such pool here."
        case AssignmentLocked():
            locked, reason = refused.details, refused.details["lockReason"]
            why = f": {code(reason)}" if reason else ""
            return f"It is locked by {code(locked['lockedBy'])} until {when(refused.until)}{why}."
        case SameAssignment():
            return "That is where it is already."
    return f"{refused.message}."


def not_permitted(spec: CommandSpec, level: Level) -> str:
    yours = level.name.lower() if level else "no"
    return f"{_command(spec)} is for {spec.who} here; you have {yours} permission."


def closed_thread(spec: CommandSpec) -> str:
    return f"{_command(spec)} does nothing here any more: this is closed. Reopen it first."


def _command(spec: CommandSpec) -> str:
    return f"`/{spec.words}`" if spec.words in ALIASES else f"`/env {spec.words}`"


def extend_too_long(longest: timedelta) -> str:
    return f"One `/extend` adds at most {span(longest)}."


def lifetime_used_up(room: timedelta, lifetime: timedelta) -> str:
    left = f"at most {span(room)} can be added now" if room >= timedelta(hours=1) else "that is used up"
    return f"An environment lives at most {span(lifetime)}: {left}."


def no_longer_extended(left: timedelta, policy: Policy) -> str:
    return f"{lifetime_used_up(left, policy.expiry.max_lifetime)} {who_may_pin(policy)}"


def who_may_pin(policy: Policy) -> str:
    return f"`/pin` keeps it for longer, for {policy.commands.specs['pin'].level.name.lower()} or above."


def nothing_to_pin() -> str:
    return "There is no review environment here to pin; `/assign` asks for one."


def nothing_pinned() -> str:
    return "Nothing is pinned here."


def pinned_by_another(pin: Pin) -> str:
    return f"It is pinned by {code(pin.owner)}: {code(pin.reason)}. They can change that, and who may maintain."


def pin_of(holder: Holder, pin: Pin) -> str:
    return f"{named(holder)} by {code(pin.owner)}"


def pinned_by_label(label: str) -> str:
    return f"from the label {label}"


def label_by_nobody(label: str) -> str:
    return f"Nobody knows who changed the label {code(label)} while Greenroom did not hear of it: `/pin` says why."


def pinned_without_words() -> str:
    """The reason of a pin that was asked for by a check-box."""
    return "from the status comment"


def nothing_to_extend(pin: Pin | None) -> str:
    if pin is None:
        return "It never expires: there is nothing to extend."
    return f"It is pinned by {code(pin.owner)} and does not expire: there is nothing to extend."


def is_still_needed(environment: str, pin: Pin) -> str:
    end = when(answer_by(pin))
    asked = f"The review environment {code(environment)} is pinned: {code(pin.reason)}. Is it still needed?"
    return f"{asked} `/pin` with a reason keeps it; without an answer the pin ends {end}."


def is_unpinned(environment: str, pin: Pin, expires_at: datetime | None) -> str:
    ends = f" and expires {when(expires_at)}" if expires_at is not None else ""
    asked = f"Nobody said that {code(environment)} is still needed ({code(pin.reason)})"
    return f"{asked}: it is pinned no more{ends}."


def several_environments(names: list[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in names)
    return f"There are several environments here: {listed}. Name the one you mean: `/unassign {names[0]}`."


def no_such_environment(names: list[str]) -> str:
    return f"There is no such environment here; there is {', '.join(f'`{name}`' for name in names)}."


def nothing_to_give_back() -> str:
    return "There is no environment here and no place in a queue."


def handed_over(target: Holder, environment: str) -> str:
    return f"{environment} belongs to {named(target)} now."


def nothing_to_approve() -> str:
    return "There is nothing to approve here."


def nothing_to_cancel() -> str:
    return "Nothing is approved here."


def pushed_meanwhile(sha: str, verb: str) -> str:
    return f"It may have been pushed to while you wrote. Look at {sha[:7]}, and write `/env {verb}` again."


def no_commit() -> str:
    return "An issue has no commit that could be deployed."


def cannot_redeploy(provider: str) -> str:
    return f"Environments of {code(provider)} deploy nothing by themselves, so that there is nothing to repeat."


def not_redeployed(sha: str) -> str:
    return f"{code(sha[:7])} was not deployed once more, as it was pushed to before. Write `/env redeploy` again."


def target_from_fork(number: int) -> str:
    return f"#{number} comes from a fork and is not approved: `/env approve` there comes first."


def no_such_thread(type: str | None, number: str) -> str:
    wanted = {"pr": "pull request", "issue": "issue"}.get(type or "", "issue or pull request")
    return f"There is no {wanted} {number} in this repository."


def closed_target(number: int) -> str:
    return f"#{number} is closed, and what is closed holds no environment."


def status_link(url: str) -> str:
    return f"The status is up to date: {url}"


def nothing_yet() -> str:
    return "There is no review environment here, and nobody waits for one. `/assign` asks for one."


def queue(pool: Pool, counts: Counts, line: Sequence[Ticket], thread: Thread) -> str:
    """Who waits for the pool, the next first: those shown first, and this one wherever it is."""
    states = f"{counts.available} available, {counts.assigned} held, {counts.provisioning} being made"
    if not line:
        return f"Nobody waits for {code(pool.tag)} ({states})."
    places = [(place, ticket) for place, ticket in enumerate(line, 1)]
    shown = [at for at in places if at[0] <= MOST_SHOWN or at[1].holder == replace(thread.holder, domain=at[1].domain)]
    more = f"\n\nand {len(line) - len(shown)} more" if len(line) > len(shown) else ""
    rows = [f"| {place} | {_waiter(ticket, thread)} | {_place(ticket)} |" for place, ticket in shown]
    table = "\n".join(["| | who | since | expected |", "|---|---|---|---|", *rows])
    return f"{len(line)} {'wait' if len(line) > 1 else 'waits'} for {code(pool.tag)} ({states}):\n\n{table}{more}"


def _waiter(ticket: Ticket, thread: Thread) -> str:
    """What another repository does is not told."""
    if ticket.repository_id != thread.repository_id:
        return "another repository"
    kind = " (bot, after people)" if ticket.priority == BOT_CLASS else ""
    domain = f", {code(ticket.domain)}" if ticket.domain else ""
    return f"{named(ticket.holder)}{domain}{kind}"


def _place(ticket: Ticket) -> str:
    return f"{when(ticket.joined_at)} | {_expected(ticket).removeprefix('Expected: ')}"


def lock_too_long(longest: timedelta) -> str:
    return f"One `/lock` holds at most {span(longest)}."


def lock_acquired(name: str, lock: Lock) -> str:
    return f"{code(name)} is locked for this until {_until(lock)}."


def lock_cut(name: str, lock: Lock) -> str:
    return f"{code(name)} is locked until {_until(lock)}, when it expires; `/extend` it first to lock it for longer."


def lock_info(name: str, line: Line) -> str:
    """Who holds it, why, since when and until when, and who waits."""
    if line.holder is None:
        return not_locked(name)
    holder = line.holder
    since = when(holder.acquired_at) if holder.acquired_at is not None else ""
    held = f"{code(name)} is locked by {_owner(holder)} since {since} until {_until(holder)}{_reason(holder)}."
    waiting = [f"{place.position}. {_owner(place.lock)}" for place in line.queued[:MOST_SHOWN]]
    more = f" and {len(line.queued) - MOST_SHOWN} more" if len(line.queued) > MOST_SHOWN else ""
    return f"{held} Waiting: {', '.join(waiting)}{more}." if waiting else held


def lock_awaited(name: str, line: Line) -> str:
    place = f"This waits in line for it, at position {len(line.queued)}."
    return f"{place} {lock_info(name, line)}"


def _owner(lock: Lock) -> str:
    by = code(lock.requested_by)
    return f"{by} on #{lock.holder_id}" if lock.holder_id is not None else by


def lock_of_another(name: str, lock: Lock) -> str:
    return f"{code(name)} is locked by {_owner(lock)}{_reason(lock)}. `/unlock --force` ends that."


def lock_forced(name: str, lock: Lock) -> str:
    return f"The lock of {code(name)} by {_owner(lock)} is ended."


def your_lock_forced(name: str, by: str) -> str:
    return f"Your lock of {code(name)} was ended by {code(by)}."


def not_locked(name: str) -> str:
    return f"{code(name)} is not locked."


def nothing_to_lock() -> str:
    return "There is no review environment here. Name a dedicated one: `/lock env=name 1h reason`."


def several_to_lock(names: list[str]) -> str:
    listed = ", ".join(code(f"env={name}") for name in names)
    return f"There are several environments here. Say which one is meant: {listed}."


def no_dedicated_environment(name: str) -> str:
    return f"There is no environment {code(name)} in this repository."


def already_waiting() -> str:
    return "It waits in the queue already; the status comment shows the position."


def why(decision: Decision | None) -> str:
    if decision is None:
        return "Nothing has been decided here yet."
    rule = f" by `{decision.rule}`" if decision.rule else ""
    return f"{decision.sentence} (`{decision.reason}`{rule}, {when(decision.at)}, {decision.trigger})."


def all_decisions(page: str) -> str:
    return f"Every decision here: {page}"


def waits_at(position: int) -> str:
    return f"It waits at position {position}."


def assign_would(level: Level, pool: str, position: int | None) -> str:
    """What `/assign` would bring; `position` None: an environment at once."""
    then = f"you would be position {position} in {code(pool)}" if position else f"one is free in {code(pool)}"
    return f"`/assign` would work for you ({level.name.lower()}): {then}."


def assign_would_not(sentence: str) -> str:
    return f"`/assign` would not work for you now. {sentence}."


def done() -> str:
    return "Done."


def pong() -> str:
    return "I am here."


def version(number: str, policy_sha: str | None) -> str:
    policy = f"`{PATH}` {policy_sha[:7]}" if policy_sha is not None else "the usual policy"
    return f"Greenroom {number}, with {policy}."
