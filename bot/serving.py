"""What a pull request or issue has: served through the gates, kept, given up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot import reasons
from bot.events import AccountFacts, IssueFacts, PullRequestFacts
from bot.gates import Case, Closed, cases, fork_gate, has_label, judge
from bot.lifetimes import note_activity
from bot.look import Look, Seen, news_of_issue, news_of_pull_request
from bot.policy.configuration import in_force
from bot.policy.keys import Labels, Policy
from bot.policy.replay import CASE, on_record
from operations import notify, waiting
from operations.assign import Assigned, Wish, assign
from operations.close import close
from operations.end import EndReason
from operations.errors import PoolExhausted, TargetAlreadyAssigned
from operations.expire import is_past_due
from operations.reconcile import note_worked
from operations.threads import take_news
from operations.transition import transition
from storage import assignments, decisions, pools, threads, tickets
from storage.assignments import Assignment, Holder
from storage.audit import Actor
from storage.decisions import Reason
from storage.environments import Environment
from storage.repositories import Repository
from storage.threads import Thread, ThreadState
from storage.tickets import BOT_CLASS, HUMAN_CLASS, Ticket, TicketState

# What makes a pull request that holds nothing be served; other events only change what is shown.
RETRY = "retry"  # no event's action: a button
ASKING = ("opened", "reopened", "ready_for_review", "synchronize", RETRY)

# Where an environment goes at the end, as operations are told it: None is the pool's setting.
RETURNED = {"pool": None, "return": True, "discard": False}


@dataclass(frozen=True)
class Told:
    """What a delivery says beside the state: what happened, of which label, by whom, and when we were told."""

    action: str
    label: str | None = None
    sender: AccountFacts | None = None
    head_sha: str | None = None
    received_at: datetime | None = None
    files: tuple[str, ...] | None = None
    """The files that the pull request changes, where somebody looked."""
    closes: tuple[IssueFacts, ...] = ()
    """The open issues that its merge closes, where the policy hands over to one."""
    head_before: str | None = None
    """The head that a push replaced."""

    def is_about(self, label: str) -> bool:
        return self.label is not None and self.label.lower() == label.lower()

    def asks(self, labels: Labels) -> bool:
        """Whether it makes a pull request be served that holds nothing."""
        if self.action == "labeled":
            return self.is_about(labels.deploy)
        return self.is_about(labels.off) if self.action == "unlabeled" else self.action in ASKING


def serve_pull_request(
    session: Session, look: Look, repository: Repository, facts: PullRequestFacts, told: Told, *, now: datetime
) -> Thread:
    """The pull request has what its present state entitles it to; working twice changes nothing more (I9)."""
    known = threads.find(session, repository.id, facts.number)
    was_draft = known is not None and known.draft
    news, head_told_at = news_of_pull_request(facts), None
    if told.head_sha == facts.head_sha:
        news, head_told_at = replace(news, head_before=told.head_before), told.received_at
    thread = take_news(session, repository, news, now=now, head_told_at=head_told_at)
    case = Case(repository, thread, in_force(session, repository.id), now, told.files)
    if not thread.is_open:
        kept_back = _hand_over(session, look, case, told.closes)
        _close(session, look, thread, case.policy, now=now)
        if kept_back is not None:
            decide(session, look, thread.holder, Reason.REFUSED, kept_back, now=now, operation="transition",
                   rule=reasons.ON_MERGE, config_sha=case.in_force.sha)  # fmt: skip
    else:
        _note_label(thread, case.policy, told)
        _follow_draft(session, thread, was_draft, case.policy, now)
        if (withdrawn := _withdrawn(case, told)) is not None:
            _give_up(session, look, case, withdrawn)
        else:
            _keep(session, look, case, told)
            if told.asks(case.policy.labels):
                serve_what_lacks(session, look, case)
    note_worked(thread)
    notify.refresh(session, thread, now=now)
    return thread


def serve_issue(
    session: Session, look: Look, repository: Repository, seen: Seen[IssueFacts], told: Told, *, now: datetime
) -> None:
    """An open issue with the deploy label has an environment; without the label, or closed, it has none.

    Other labels on a labelled issue bring nothing back. One that GitHub does not show is gone, whatever was told of
    it late, and gets nothing.
    """
    thread = take_news(session, repository, news_of_issue(seen.facts), now=now)
    note_worked(thread)
    case = Case(repository, thread, in_force(session, repository.id), now)
    labels = case.policy.labels
    if not thread.is_open:
        _close(session, look, thread, case.policy, now=now)
        notify.refresh(session, thread, now=now)
    elif told.action != "reopened" and not told.is_about(labels.deploy) and not told.is_about(labels.off):
        return
    elif case.has(labels.deploy) and not case.has(labels.off):
        if seen.shown:
            serve_what_lacks(session, look, case)
    else:
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
    session: Session, look: Look, case: Case, wish: Wish, *, actor: Actor | None = None
) -> Assigned | Ticket:
    """The wish's holder has an environment or a place in the queue; the decision is written down.

    Refuses with PoolNotFound and NoPoolMatch.
    """
    who, now, inputs = actor or look.actor, case.now, {CASE: on_record(case)}
    try:
        got = assign(session, wish, who, now=now)
    except PoolExhausted as refused:
        priority = BOT_CLASS if case.thread.author_is_bot else HUMAN_CLASS
        ticket = waiting.join(session, wish, who, now=now, priority=priority)
        decide(session, look, wish.holder, Reason.QUEUED, refused.message, now=now, actor=who.name,
               config_sha=case.in_force.sha, inputs=inputs)  # fmt: skip
        return ticket
    reason = Reason.REUSED if got.is_reused else Reason.OK
    sentence = f"{got.environment.name} from pool {got.pool.tag}"
    decide(session, look, wish.holder, reason, sentence, now=now, actor=who.name, config_sha=case.in_force.sha,
           inputs=inputs)  # fmt: skip
    notify.refresh(session, case.thread, now=now)
    return got


def serve_what_lacks(session: Session, look: Look, case: Case) -> Closed | None:
    """What the thread should have and neither has nor awaits is asked for; the last gate that is shut, if any is.

    Silent in a repository without pools: making one is how a repository opts in.
    """
    if not pools.of_repository(session, case.repository.id):
        return None
    has = {assignment.domain for assignment in living(session, case.thread, now=case.now)}
    has |= {ticket.domain for ticket in tickets.all_open(session, case.thread.holder)}
    shut = None
    for each in cases(case):
        is_there = each.domain in has if each.domain else bool(has)
        if not is_there:
            shut = _serve(session, look, each) or shut
    return shut


def refuse(
    session: Session, look: Look, case: Case, shut: Closed, *, actor: str | None = None, operation: str = "assign"
) -> None:
    """The shut gate is written down."""
    holder = replace(case.thread.holder, domain=case.domain or "")
    decide(session, look, holder, shut.reason, shut.sentence, now=case.now, operation=operation, actor=actor,
           rule=shut.rule, config_sha=case.in_force.sha, inputs={**shut.inputs, CASE: on_record(case)})  # fmt: skip


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
    rule: str | None = None,
    config_sha: str | None = None,
    inputs: dict[str, Any] | None = None,
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
        rule=rule,
        config_sha=config_sha,
        inputs=inputs,
        now=now,
    )


def _serve(session: Session, look: Look, case: Case) -> Closed | None:
    verdict = judge(session, case)
    if isinstance(verdict, Closed):
        refuse(session, look, case, verdict)
        return verdict
    request_environment(session, look, case, verdict)
    return None


def _keep(session: Session, look: Look, case: Case, told: Told) -> None:
    """A push keeps alive what is held; where it ends a fork's approval, that is written down, and it waits no more."""
    if told.action != "synchronize":
        return
    now = case.now
    note_activity(session, living(session, case.thread, now=now), case.policy.expiry, look.actor, now=now)
    shut = fork_gate(session, case)
    if shut is None or shut.reason != Reason.APPROVAL_LAPSED:
        return
    for ticket in tickets.all_open(session, case.thread.holder):
        waiting.leave(session, ticket, shut.reason, now=now)
    if living(session, case.thread, now=now):
        refuse(session, look, case, shut)


def _note_label(thread: Thread, policy: Policy, told: Told) -> None:
    """Who asked by the label is remembered: that of a bot does not open the gate for bots."""
    if told.action == "labeled" and told.is_about(policy.labels.deploy):
        thread.deploy_by = None if told.sender is None or told.sender.is_bot else told.sender.login
    elif not has_label(thread, policy.labels.deploy):
        thread.deploy_by = None


def _withdrawn(case: Case, told: Told) -> Closed | None:
    """Why what the thread has is given back, if it is a label that says so."""
    labels = case.policy.labels
    if told.action == "labeled" and told.is_about(labels.off) and case.has(labels.off):
        return Closed(Reason.LABEL_OFF, f"labels.off: {labels.off}", reasons.label_off(labels.off))
    by_label = labels.required or case.policy.mode == "manual"  # so it may have been what brought the environment
    gone = told.action == "unlabeled" and told.is_about(labels.deploy) and not case.has(labels.deploy)
    if by_label and gone:
        return Closed(Reason.LABEL_MISSING, f"labels.deploy: {labels.deploy}", reasons.withdrawn(labels.deploy))
    return None


def _give_up(session: Session, look: Look, case: Case, why: Closed) -> None:
    if pools.of_repository(session, case.repository.id):
        close(session, case.thread.holder, look.actor, now=case.now, reason=EndReason.UNASSIGNED)
        refuse(session, look, case, why)


def _hand_over(session: Session, look: Look, case: Case, closes: tuple[IssueFacts, ...]) -> str | None:
    """What a merged pull request has is the one issue's that its merge closes, or why it is not (bot-behaviour 6.6).

    GitHub itself closes that issue with a merge into the default branch, unless the repository's settings say not to;
    and what is closed holds nothing.
    """
    held = living(session, case.thread, now=case.now)
    if case.thread.state != ThreadState.MERGED or case.policy.on_merge != "transition" or not held:
        return None
    if len(closes) != 1:
        return reasons.closes_several([issue.number for issue in closes]) if closes else reasons.closes_none()
    issue = take_news(session, case.repository, news_of_issue(closes[0]), now=case.now)
    if not issue.is_open:
        return reasons.closes_none()
    kept_back = [_hand_one(session, look, case, assignment, issue) for assignment in held]
    return next(filter(None, kept_back), None)


def _hand_one(session: Session, look: Look, case: Case, assignment: Assignment, issue: Thread) -> str | None:
    pull = case.thread
    try:
        transition(session, assignment, issue.holder, {"issueTitle": issue.title}, look.actor, now=case.now)
    except TargetAlreadyAssigned:
        return reasons.has_one_already(issue.number)
    name = session.get_one(Environment, assignment.environment_id).name
    for of, sentence in (
        (issue, f"{name} handed over by the merge of #{pull.number}"),
        (pull, f"{name} handed over to #{issue.number} by the merge"),
    ):
        decide(session, look, of.holder, Reason.OK, sentence, now=case.now, operation="transition",
               rule=reasons.ON_MERGE, config_sha=case.in_force.sha)  # fmt: skip
    return None


def _close(session: Session, look: Look, thread: Thread, policy: Policy, *, now: datetime) -> None:
    for ended in close(session, thread.holder, look.actor, now=now, returned=RETURNED[policy.on_close]):
        sentence = f"{ended.environment.name} was taken back when this was {thread.state}"
        decide(session, look, thread.holder, Reason.CLOSED, sentence, now=now, operation="close")


def _follow_draft(session: Session, thread: Thread, was_draft: bool, policy: Policy, now: datetime) -> None:
    """Who becomes a draft is passed over and keeps its time; who asked as a draft waits like others."""
    for ticket in tickets.all_open(session, thread.holder):
        drafts = policy.of_pool(pools.get(session, ticket.pool_id).tag).drafts
        if thread.draft and not was_draft and drafts != "auto" and ticket.state == TicketState.WAITING:
            waiting.pause(session, ticket, now=now)
        elif not thread.draft and ticket.state == TicketState.PAUSED:
            waiting.resume(session, ticket, now=now)
