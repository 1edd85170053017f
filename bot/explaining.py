"""/why: the last decision, and what would change it for who asks, found by asking the gates again without effect."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from bot import comments, serving
from bot.asked import Asked, is_permitted
from bot.gates import Case, Closed, cases, judge
from bot.surfaces import Place
from operations.assign import resolve
from storage import decisions, environments, tickets


def explain(session: Session, asked: Asked) -> str:
    """In a sentence or two. That somebody else was refused a command is nothing that decides about this."""
    decision = decisions.last_about(session, asked.holder, asked.login)
    return " ".join(filter(None, [comments.why(decision), _what_would_help(session, asked)]))


def page(asked: Asked) -> str:
    """Where every decision on this pull request or issue is listed."""
    place = Place(asked.repository.full_name, asked.look.context.settings.public_url)
    return place.decisions(asked.thread.number)


def _what_would_help(session: Session, asked: Asked) -> str:
    thread, spec = asked.thread, asked.policy.commands.specs["assign"]
    if not thread.is_open or serving.living(session, thread, now=asked.now):
        return ""
    waiting = tickets.all_open(session, asked.holder)
    if waiting:
        return comments.waits_at(tickets.position(session, waiting[0]))
    asker = asked.using(spec)
    if not is_permitted(spec, asker):
        return comments.not_permitted(spec, asker.level)
    return _assigned(session, asker, cases(replace(asked.case, asked=True))[0])


def _assigned(session: Session, asked: Asked, case: Case) -> str:
    verdict = judge(session, case)
    if isinstance(verdict, Closed):
        return comments.assign_would_not(verdict.sentence)
    pool = resolve(session, verdict)
    waiting = tickets.number_waiting(session, pool.id)
    is_free = environments.any_available(session, pool.id) and not waiting
    return comments.assign_would(asked.level, pool.tag, None if is_free else waiting + 1)
