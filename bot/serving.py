"""The gates in front of an environment, and what a pull request or issue has behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.events import IssueFacts, PullRequestFacts
from bot.look import Look, Seen, news_of_issue, news_of_pull_request
from operations import notify, waiting
from operations.assign import Assigned, Wish, assign
from operations.close import close
from operations.end import EndReason
from operations.errors import NoPoolMatch, PoolExhausted
from operations.expire import is_past_due
from operations.extend import keep_alive
from operations.reconcile import note_worked
from operations.threads import take_news
from storage import assignments, decisions, installations, pools, threads, tickets
from storage.assignments import Assignment, Holder, HolderType
from storage.audit import Actor
from storage.decisions import Reason
from storage.installations import InstallationStatus
from storage.repositories import Repository
from storage.threads import Thread, ThreadState
from storage.tickets import BOT_CLASS, HUMAN_CLASS, Ticket, TicketState

DEPLOY_LABEL = "env:deploy"
ACTIVITY_FLOOR = timedelta(hours=8)
MAX_LIFETIME = timedelta(days=14)


@dataclass(frozen=True)
class Closed:
    """A gate that is shut: why, in a sentence that says what would open it."""

    reason: Reason
    sentence: str


# What makes a pull request that holds nothing be served; other events only change what is shown.
ASKING = ("opened", "reopened", "ready_for_review", "labeled", "synchronize")


def serve_pull_request(
    session: Session, look: Look, repository: Repository, facts: PullRequestFacts, action: str, *, now: datetime
) -> None:
    """The pull request has what its present state entitles it to; working twice changes nothing more (I9)."""
    known = threads.find(session, repository.id, facts.number)
    was_draft = known is not None and known.draft
    thread = take_news(session, repository, news_of_pull_request(facts), now=now)
    if not thread.is_open:
        _close(session, look, thread, now=now)
    else:
        _follow_draft(session, thread, was_draft, now)
        held = living(session, thread, now=now)
        if held and action == "synchronize":
            for assignment in held:
                room = max(assignment.assigned_at + MAX_LIFETIME - now, timedelta(0))
                keep_alive(session, assignment, min(ACTIVITY_FLOOR, room), look.actor, now=now)
        elif not held and action in ASKING and not tickets.all_open(session, thread.holder):
            _serve_if_open(session, look, repository, thread, now=now)
    note_worked(thread)
    notify.refresh(session, thread, now=now)


def serve_issue(
    session: Session, look: Look, repository: Repository, seen: Seen[IssueFacts], *, now: datetime, asked: bool
) -> None:
    """An open issue with the deploy label has an environment; without the label, or closed, it has none.

    `asked` says that this event is what asks for it: other labels on a labelled issue bring nothing back. One that
    GitHub does not show is gone, whatever was told of it late, and gets nothing.
    """
    thread = take_news(session, repository, news_of_issue(seen.facts), now=now)
    note_worked(thread)
    if not thread.is_open:
        _close(session, look, thread, now=now)
        notify.refresh(session, thread, now=now)
    elif asked and DEPLOY_LABEL in thread.labels:
        if seen.shown:
            _serve_if_open(session, look, repository, thread, now=now)
    elif asked:
        close(session, thread.holder, look.actor, now=now, reason=EndReason.UNASSIGNED)


def forget_issue(session: Session, look: Look, repository: Repository, facts: IssueFacts, *, now: datetime) -> None:
    """The issue is not in this repository any more, whatever is told of it late."""
    thread = take_news(session, repository, news_of_issue(facts), now=now)
    thread.state = ThreadState.CLOSED
    note_worked(thread)
    close(session, thread.holder, look.actor, now=now)


def living(session: Session, thread: Thread, *, now: datetime) -> list[Assignment]:
    """What the thread holds, without what is past its end and only waits for the sweep."""
    held = assignments.all_active(session, thread.holder)
    return [assignment for assignment in held if not is_past_due(assignment, now=now)]


def request_environment(
    session: Session, look: Look, thread: Thread, wish: Wish, *, now: datetime, actor: Actor | None = None
) -> Assigned | Ticket:
    """The thread's holder has an environment or a place in the queue; the decision is written down.

    Refuses with PoolNotFound and NoPoolMatch.
    """
    who = actor or look.actor
    try:
        got = assign(session, wish, who, now=now)
    except PoolExhausted as refused:
        priority = BOT_CLASS if thread.author_is_bot else HUMAN_CLASS
        ticket = waiting.join(session, wish, who, now=now, priority=priority)
        decide(session, look, thread.holder, Reason.QUEUED, refused.message, now=now, actor=who.name)
        return ticket
    reason = Reason.REUSED if got.is_reused else Reason.OK
    sentence = f"{got.environment.name} from pool {got.pool.tag}"
    decide(session, look, thread.holder, reason, sentence, now=now, actor=who.name)
    notify.refresh(session, thread, now=now)
    return got


def wish_of(thread: Thread, repository: Repository) -> Wish:
    """What the thread asks for by itself: the pool of its base branch, an issue's of the default branch."""
    described = {"prTitle": thread.title, "labels": thread.labels, "author": thread.author}
    if thread.head_sha is None:
        described["issueTitle"] = described.pop("prTitle")
        return Wish(thread.holder, branch=repository.default_branch, extra=described)
    return Wish(thread.holder, branch=thread.base_ref, extra={**described, "headSha": thread.head_sha})


def closed_gate(thread: Thread, repository: Repository) -> Closed | None:
    """The first gate that keeps a pull request from being served unasked (bot-behaviour section 1), or None.

    An issue has none: who may label it has asked.
    """
    if thread.type == HolderType.ISSUE:
        return None
    if thread.author_is_bot and DEPLOY_LABEL not in thread.labels:
        return Closed(Reason.BOT_AUTHOR, f"A bot opened it: set the label `{DEPLOY_LABEL}`, or write `/assign`")
    if (thread.head_repository or "").lower() != repository.name_key:
        return Closed(Reason.FORK_NEEDS_APPROVAL, "It comes from a fork: who may write here can write `/assign`")
    if thread.draft:
        return Closed(Reason.DRAFT, "It is a draft: mark it ready for review, or write `/assign`")
    return None


def decide(
    session: Session,
    look: Look,
    holder: Holder,
    reason: Reason,
    sentence: str,
    *,
    now: datetime,
    operation: str = "assign",
    actor: str | None = None,
) -> None:
    """The decision log has a row for /why."""
    decisions.record(
        session,
        holder,
        reason,
        sentence,
        operation=operation,
        actor=actor or look.actor.name,
        trigger=look.trigger,
        now=now,
    )


def _serve_if_open(session: Session, look: Look, repository: Repository, thread: Thread, *, now: datetime) -> None:
    """Silent in a repository without pools: making one is how a repository opts in.

    Silent too where the App is not installed (any more), as nobody would see the environment there.
    """
    if not _is_installed(session, repository) or not pools.of_repository(session, repository.id):
        return
    shut = closed_gate(thread, repository)
    if shut is not None:
        decide(session, look, thread.holder, shut.reason, shut.sentence, now=now)
        return
    try:
        request_environment(session, look, thread, wish_of(thread, repository), now=now)
    except NoPoolMatch as refused:
        decide(session, look, thread.holder, Reason.NO_POOL_MATCH, refused.message, now=now)


def _close(session: Session, look: Look, thread: Thread, *, now: datetime) -> None:
    for ended in close(session, thread.holder, look.actor, now=now):
        sentence = f"{ended.environment.name} was taken back when this was {thread.state}"
        decide(session, look, thread.holder, Reason.CLOSED, sentence, now=now, operation="close")


def _is_installed(session: Session, repository: Repository) -> bool:
    if repository.installation_id is None:
        return False
    installation = installations.find(session, repository.installation_id)
    return installation is not None and installation.status == InstallationStatus.ACTIVE


def _follow_draft(session: Session, thread: Thread, was_draft: bool, now: datetime) -> None:
    """Who becomes a draft is passed over and keeps its time; who asked as a draft waits like others."""
    for ticket in tickets.all_open(session, thread.holder):
        if thread.draft and not was_draft and ticket.state == TicketState.WAITING:
            waiting.pause(session, ticket, now=now)
        elif not thread.draft and ticket.state == TicketState.PAUSED:
            waiting.resume(session, ticket, now=now)
