"""What each command does: the same operations as the REST API's, behind the bot's policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from sqlalchemy.orm import Session

from bot import comments, explaining, locking, pinning, serving
from bot.arguments import HOUR, Target
from bot.asked import Asked, Refused
from bot.commands import Command
from bot.gates import Case, Closed, cases, fork_gate, judge, wish_of
from bot.help import help_text
from bot.lifetimes import room, usual_extension
from bot.version import VERSION
from operations import notify, waiting
from operations.approve import approve_head, withdraw_approval
from operations.assign import resolve
from operations.close import close
from operations.end import EndReason, replenish_soon
from operations.extend import extend as extend_assignment
from operations.find import find_living, find_or_refuse
from operations.locked import refuse_if_locked
from operations.reconcile import refresh_soon
from operations.redeploy import redeploy as redeploy_head
from operations.status import status as status_of
from operations.threads import take_news
from operations.transition import transition as transition_assignment
from operations.unassign import unassign as unassign_assignment
from providers.provider import Capability
from storage import assignments, pins, pools, surfaces, tickets
from storage.assignments import Assignment, Holder, HolderType
from storage.decisions import Reason
from storage.environments import Environment
from storage.surfaces import Kind
from storage.tickets import Ticket

NUMBERED = (None, HolderType.PR, HolderType.ISSUE)  # targets that are threads; None is a plain #456


Action = Callable[[Session, Asked, Command], str | None]


def assign(session: Session, asked: Asked, command: Command) -> str | None:
    """An environment or a place in the queue, if the gates are open to who asks; who has one gets the same."""
    lifetime = asked.policy.expiry.max_lifetime
    if command.duration is not None and command.duration > lifetime:
        raise Refused(comments.lifetime_used_up(lifetime, lifetime))
    case = replace(asked.case, asked=True, pool_tag=command.pool, domain=command.domain)
    replies = [_assign_one(session, asked, each, command.duration) for each in cases(case)]
    return next(filter(None, replies), None)


def _assign_one(session: Session, asked: Asked, case: Case, duration: timedelta | None) -> str | None:
    verdict = judge(session, case)
    if isinstance(verdict, Closed):
        raise Refused(f"{verdict.sentence}.", case, verdict)
    wish = replace(verdict, hours=duration.total_seconds() / 3600 if duration else None)
    waited = tickets.find_open(session, wish.holder) is not None
    got = serving.request_environment(session, asked.look, case, wish, actor=asked.actor)
    return comments.already_waiting() if waited and isinstance(got, Ticket) else None


def approve(session: Session, asked: Asked, command: Command) -> str | None:
    """The commit that was the fork's head when the comment was written may have an environment; `cancel` ends that.

    What counts is when we were told of the head, since whoever pushes chooses what the commit says of its time
    (bot-behaviour 4.3, rule 13).
    """
    thread = asked.thread
    if command.cancel:
        return _cancel_approval(session, asked)
    if fork_gate(session, replace(asked.case, thread=thread)) is None or asked.policy.forks != "approval":
        raise Refused(comments.nothing_to_approve())
    if thread.head_sha is None or thread.head_seen_at is None or thread.head_seen_at > asked.said_at:
        raise Refused(comments.pushed_meanwhile(thread.head_sha or "", "approve"))
    approve_head(session, thread, asked.actor, now=asked.now)
    _decide(session, asked, "approve", f"{thread.head_sha[:7]} was approved by {asked.login}")
    shut = serving.serve_what_lacks(session, asked.look, asked.case)
    notify.refresh(session, thread, now=asked.now)
    return None if shut is None else f"{shut.sentence}."


def _cancel_approval(session: Session, asked: Asked) -> str | None:
    if asked.thread.approved_sha is None:
        raise Refused(comments.nothing_to_cancel())
    withdraw_approval(session, asked.thread, asked.actor, now=asked.now)
    close(session, asked.holder, asked.actor, now=asked.now, reason=EndReason.UNASSIGNED)
    shut = fork_gate(session, asked.case)
    if shut is not None:
        serving.refuse(session, asked.look, asked.case, shut, actor=asked.login)
    notify.refresh(session, asked.thread, now=asked.now)
    return None


def extend(session: Session, asked: Asked, command: Command) -> str | None:
    """Within the policy: at most its `extend_max` at once, and its `max_lifetime` in all. What never ends stays so."""
    held = serving.living(session, asked.thread, now=asked.now)
    held = held or [find_living(session, asked.holder, now=asked.now)]
    ending = [assignment for assignment in held if not assignment.is_immortal]
    if not ending:
        raise Refused(comments.nothing_to_extend(pins.of(held[0])))
    for assignment in ending:
        _extend_one(session, asked, command, assignment)
    return None


def redeploy(session: Session, asked: Asked, command: Command) -> str | None:
    """The commit that was the head when the comment was written is deployed once more into all that is held.

    As with an approval what counts is when we were told of the head; of a fork only an approved one is deployed.
    """
    thread = asked.thread
    held = serving.living(session, thread, now=asked.now) or [find_living(session, asked.holder, now=asked.now)]
    if thread.head_sha is None:
        raise Refused(comments.no_commit())
    shut = fork_gate(session, asked.case)
    if shut is not None:
        raise Refused(f"{shut.sentence}.", asked.case, shut)
    if thread.head_seen_at is None or thread.head_seen_at > asked.said_at:
        raise Refused(comments.pushed_meanwhile(thread.head_sha, "redeploy"))
    for assignment in held:
        refuse_if_locked(session, assignment, asked.login, now=asked.now)
        pool = pools.get(session, assignment.pool_id)
        if not asked.look.context.can(Capability.REDEPLOY, asked.repository, pool):
            raise Refused(comments.cannot_redeploy(pool.provider))
        redeploy_head(session, thread, assignment, asked.actor, now=asked.now)
    _decide(session, asked, "redeploy", f"{thread.head_sha[:7]} is deployed once more for {asked.login}")
    return None


def _extend_one(session: Session, asked: Asked, command: Command, assignment: Assignment) -> None:
    pool, expiry = pools.get(session, assignment.pool_id), asked.policy.expiry
    added = command.duration or usual_extension(assignment, pool, expiry)
    if added > expiry.extend_max:
        raise Refused(comments.extend_too_long(expiry.extend_max))
    left = room(assignment, expiry, now=asked.now)
    if not HOUR <= added <= left:
        raise Refused(comments.no_longer_extended(left, asked.policy))
    extend_assignment(session, assignment, added.total_seconds() / 3600, asked.actor, now=asked.now)
    _decide(session, asked, "extend", f"extended by {comments.span(added)} by {asked.login}")


def unassign(session: Session, asked: Asked, command: Command) -> str | None:
    """The environment goes back by the pool's setting, or is discarded; who only waits leaves the queue."""
    waiting_tickets = tickets.all_open(session, asked.holder)
    held = assignments.all_active(session, asked.holder)
    if not held and not waiting_tickets:
        raise Refused(comments.nothing_to_give_back())
    chosen = _named(session, held, command.environment)
    for ticket in waiting_tickets if command.environment is None else []:
        waiting.leave(session, ticket, "unassigned by a command", now=asked.now)
    for assignment in chosen:
        refuse_if_locked(session, assignment, asked.login, now=asked.now)
        returned = False if command.discard else None
        reason = EndReason.RECLAIMED if command.reclaimed else EndReason.UNASSIGNED
        unassign_assignment(session, assignment, asked.actor, now=asked.now, returned=returned, reason=reason)
    if command.reclaimed:
        sentence = f"{command.environment} was released by {asked.login}, as somebody waited for it"
        _decide(session, asked, "unassign", sentence, Reason.RECLAIMED)
    else:
        _decide(session, asked, "unassign", f"given back by {asked.login}")
    return None


def transition(session: Session, asked: Asked, command: Command) -> str | None:
    """The environment is somebody else's in this repository: an open thread's, as GitHub knows it, or a person's."""
    assert command.target is not None
    source = replace(asked.holder, domain=command.domain or "")
    assignment = find_or_refuse(session, source, now=asked.now)
    refuse_if_locked(session, assignment, asked.login, now=asked.now)
    target = _target(session, asked, command.target)
    transition_assignment(session, assignment, target, {}, asked.actor, now=asked.now)
    environment = session.get_one(Environment, assignment.environment_id)
    sentence = f"{environment.name} handed over to {comments.named(target)} by {asked.login}"
    _decide(session, asked, "transition", sentence)
    return comments.handed_over(target, environment.name)


def _target(session: Session, asked: Asked, target: Target) -> Holder:
    if target.type is not None and target.type not in NUMBERED:
        return Holder(asked.repository.id, target.type, target.id)
    news = asked.targets.get(target.id)
    if news is None or target.type not in (None, news.type):
        raise Refused(comments.no_such_thread(target.type, target.id))
    thread = take_news(session, asked.repository, news, now=asked.now)
    if not thread.is_open:
        raise Refused(comments.closed_target(thread.number))
    shut = fork_gate(session, replace(asked.case, thread=thread))
    if shut is not None:
        raise Refused(comments.target_from_fork(thread.number))
    return thread.holder


def status(session: Session, asked: Asked, command: Command) -> str | None:
    """A link to the sticky comment; all that is shown is written anew in case somebody changed or deleted it."""
    thread = asked.thread
    surfaces.write_anew(session, thread.id)
    notify.refresh(session, thread, now=asked.now)
    comment = surfaces.find(session, thread.id, Kind.COMMENT)
    if comment is not None and comment.external_id is not None:
        return comments.status_link(f"{thread.url}#issuecomment-{comment.external_id}")
    found = status_of(session, thread, now=asked.now)
    return None if found.held or found.awaited else comments.nothing_yet()


def queue(session: Session, asked: Asked, command: Command) -> str | None:
    """Who waits for the pools that this has or awaits something of, else for the one that would serve it."""
    has = [ticket.pool_id for ticket in tickets.all_open(session, asked.holder)]
    has += [assignment.pool_id for assignment in assignments.all_active(session, asked.holder)]
    found = [pools.get(session, id) for id in dict.fromkeys(has)]
    parts = []
    for pool in found or [resolve(session, wish_of(asked.case))]:
        counts = pools.counts(session, [pool.id])[pool.id]
        parts.append(comments.queue(pool, counts, tickets.in_line(session, pool.id), asked.thread))
    return "\n\n".join(parts)


def refresh(session: Session, asked: Asked, command: Command) -> str | None:
    """Compared with GitHub and the provider soon, repaired where it differs, and shown anew."""
    for assignment in assignments.all_active(session, asked.holder):
        replenish_soon(session, assignment.pool_id, now=asked.now)
    refresh_soon(session, asked.thread, now=asked.now)
    return None


def why(session: Session, asked: Asked, command: Command) -> str | None:
    """The last decision and what would change it; `all` leads to every one."""
    return comments.all_decisions(explaining.page(asked)) if command.all else explaining.explain(session, asked)


def show_help(session: Session, asked: Asked, command: Command) -> str | None:
    commands = asked.policy.commands
    specs = {verb: spec for verb, spec in commands.specs.items() if verb in ACTIONS}
    return help_text(specs, namespace=commands.namespace, aliases=commands.aliases)


def ping(session: Session, asked: Asked, command: Command) -> str | None:
    return comments.pong()


def version(session: Session, asked: Asked, command: Command) -> str | None:
    return comments.version(VERSION, asked.case.in_force.sha)


def _named(session: Session, held: list[Assignment], name: str | None) -> list[Assignment]:
    """The one that is meant; with several, a name is needed (bot-behaviour 4.3, rule 17)."""
    names = {session.get_one(Environment, a.environment_id).name: a for a in held}
    if name is not None and name not in names:
        raise Refused(comments.no_such_environment(sorted(names)) if names else comments.nothing_to_give_back())
    if name is None and len(held) > 1:
        raise Refused(comments.several_environments(sorted(names)))
    return [names[name]] if name is not None else held


def _decide(session: Session, asked: Asked, operation: str, sentence: str, reason: Reason = Reason.OK) -> None:
    serving.decide(session, asked.look, asked.holder, reason, sentence, now=asked.now, operation=operation,
                   actor=asked.login)  # fmt: skip


ACTIONS: Mapping[str, Action] = {
    "extend": extend,
    "assign": assign,
    "redeploy": redeploy,
    "unassign": unassign,
    "transition": transition,
    "approve": approve,
    "status": status,
    "queue": queue,
    "refresh": refresh,
    "why": why,
    "pin": pinning.pin,
    "unpin": pinning.unpin,
    "lock": locking.lock,
    "lock-info": locking.lock_info,
    "unlock": locking.unlock,
    "help": show_help,
    "ping": ping,
    "version": version,
}
