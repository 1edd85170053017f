"""Whoever waits for a pool gets what is free, in order."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from bot.gates import Case, Closed, fork_gate, judge
from bot.github.errors import GitHubError
from bot.look import news_of_issue, news_of_pull_request
from bot.measured import ETA_ERROR, WAIT
from bot.policy.configuration import in_force
from jobs.workshop import Workshop
from operations import waiting
from operations.close import close
from operations.threads import News, take_news
from storage import decisions, pools, submissions, threads, tickets
from storage.assignments import HolderType
from storage.audit import BOT, Actor
from storage.decisions import Reason
from storage.repositories import Repository
from storage.tasks import Task
from storage.threads import Thread
from storage.tickets import Ticket, TicketState

log = structlog.get_logger(__name__)


def serve(shop: Workshop, task: Task) -> None:
    """Tickets are served, the first first, until nobody waits or nothing is free.

    Before its turn a pull request is read from GitHub once more: one that was closed unnoticed, or that the policy
    does not serve any more, leaves the queue instead, and the next one is served (bot-behaviour 6.1).
    """
    while True:
        with shop.step(task) as session:
            ticket = waiting.next_in_line(session, task.payload["pool_id"])
            if ticket is None:
                return
            thread = threads.of_holder(session, ticket.holder)
            repository = session.get_one(Repository, ticket.repository_id)
        news = None if thread is None else _present(shop, repository, thread)
        if not _serve_one(shop, task, ticket, repository, news):
            return


def _serve_one(shop: Workshop, task: Task, ticket: Ticket, repository: Repository, news: News | None) -> bool:
    """Whether to go on with the next in line."""
    now, trigger = shop.clock(), f"task:{task.id}"
    found, rule, inputs = None, None, None
    with shop.step(task) as session:
        thread = threads.of_holder(session, ticket.holder)
        if news is not None:
            thread = take_news(session, repository, news, now=now)
        shut = None if thread is None else _shut(session, repository, thread, ticket, now)
        if shut is None:
            found = waiting.serve(session, ticket.id, request=trigger, now=now)
            if found is None:
                return False
            reason, sentence = Reason.OK, f"{found.environment.name} from pool {found.pool.tag}, after waiting"
        elif not _pass_over(session, ticket, shut, Actor(BOT, request=trigger), now=now):
            return True
        else:
            reason, sentence, rule, inputs = shut.reason, shut.sentence, shut.rule, shut.inputs
        decisions.record(
            session, ticket.holder, reason, sentence, operation="serve", actor=BOT, trigger=trigger, now=now,
            rule=rule, inputs=inputs, config_sha=in_force(session, repository.id).sha,
        )  # fmt: skip
    if found is not None:
        _measure(shop, ticket, {"repository": repository.full_name, "pool": found.pool.tag}, now=now)
    log.info("turn came", ticket=ticket.id, holder=str(ticket.holder), reason=reason)
    return True


def _shut(session: Session, repository: Repository, thread: Thread, ticket: Ticket, now: datetime) -> Closed | None:
    """Why it is not served any more, now that its turn has come.

    Whom a task of the REST API waits for, no gate was asked about; but nobody runs what was pushed after an approval.
    """
    if not thread.is_open:
        return Closed(Reason.CLOSED, "state", "It was closed when its turn came")
    pool = pools.get(session, ticket.pool_id)
    if pool.deleted_at is not None:
        return None  # it has left the queue
    case = Case(repository, thread, in_force(session, repository.id), now, asked=ticket.requested_by != BOT,
                pool_tag=pool.tag, domain=ticket.domain or None)  # fmt: skip
    if submissions.waiting_by(session, ticket.id):
        shut = fork_gate(session, case)
        return shut if shut is not None and shut.reason == Reason.APPROVAL_LAPSED else None
    verdict = judge(session, case, its_turn=True)
    return verdict if isinstance(verdict, Closed) else None


def _pass_over(session: Session, ticket: Ticket, shut: Closed, actor: Actor, *, now: datetime) -> bool:
    """Who was closed gives up everything, a draft keeps its time, everybody else leaves; False: it waits no more."""
    waits = tickets.lock(session, ticket.id)
    if waits is None or waits.state != TicketState.WAITING:
        return False
    if shut.reason == Reason.CLOSED:
        close(session, waits.holder, actor, now=now)
    elif shut.reason == Reason.DRAFT:
        waiting.pause(session, waits, now=now)
    else:
        waiting.leave(session, waits, shut.reason, now=now)
    return True


def _measure(shop: Workshop, ticket: Ticket, labels: dict[str, str], *, now: datetime) -> None:
    """How long it had waited, and how far off the first estimate was that it was shown."""
    shop.tally.observe(WAIT, (now - ticket.joined_at).total_seconds(), **labels)
    if ticket.promised_at is not None:
        shop.tally.observe(ETA_ERROR, (now - ticket.promised_at).total_seconds(), **labels)


def _present(shop: Workshop, repository: Repository, thread: Thread) -> News | None:
    """The thread as GitHub has it now; None when GitHub does not tell: then what we know counts."""
    if repository.installation_id is None:
        return None
    try:
        github = shop.installation(repository.installation_id)
        if thread.type == HolderType.PR:
            return news_of_pull_request(github.pull_request(repository.full_name, thread.number))
        return news_of_issue(github.issue(repository.full_name, thread.number))
    except GitHubError as error:
        log.info("served as known", thread=f"{repository.full_name}#{thread.number}", reason=str(error))
        return None
