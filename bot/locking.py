"""/lock, /lock info and /unlock: the same locks as over REST, bound to the pull request (bot-behaviour 6.5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot import comments, serving
from bot.asked import Asked, Refused
from bot.commands import Command
from bot.levels import Level
from operations import notify
from operations.errors import LockAlreadyHeld
from operations.find_lock import find_lock
from operations.lock import Wanted
from operations.lock import lock as lock_resource
from operations.lock_line import Line, line_of
from operations.locked import lock_of
from operations.unlock import unlock as unlock_ticket
from storage import dedicated, notices, threads
from storage.assignments import Holder
from storage.decisions import Reason
from storage.environments import Environment
from storage.locks import Lock, LockStatus, Resource
from storage.notices import NoticeKind


@dataclass(frozen=True)
class Place:
    """What a command means: an environment that the thread holds until `ends_at`, or a dedicated one."""

    resource: Resource
    name: str
    is_own: bool
    ends_at: datetime | None = None


def lock(session: Session, asked: Asked, command: Command) -> str | None:
    """The thread has the lock, or a place in line. It ends with the thread, and at the latest with what it locks."""
    place = _place(session, asked, command.environment)
    policy = asked.policy.lock
    lease = command.duration or policy.default
    if lease > policy.max:
        raise Refused(comments.lock_too_long(policy.max))
    left = place.ends_at - asked.now if place.ends_at is not None else lease
    wanted = Wanted(
        place.resource, min(lease, left), requested_by=asked.login, reason=command.reason,
        sole_key=str(asked.holder), holder=asked.holder,
    )  # fmt: skip
    try:
        ticket = lock_resource(session, wanted, asked.actor, now=asked.now)
    except LockAlreadyHeld as refused:
        raise Refused(comments.lock_info(place.name, line_of(session, place.resource, now=asked.now))) from refused
    line = line_of(session, place.resource, now=asked.now)
    _decide(session, asked, "lock", f"{place.name} locked by {asked.login}")
    if ticket.status == LockStatus.QUEUED:
        return comments.lock_awaited(place.name, line)
    if left < lease:
        return comments.lock_cut(place.name, ticket)
    return None if place.is_own else comments.lock_acquired(place.name, ticket)


def lock_info(session: Session, asked: Asked, command: Command) -> str | None:
    """Who holds it, why, since when and until when, and who waits."""
    place = _place(session, asked, command.environment)
    return comments.lock_info(place.name, line_of(session, place.resource, now=asked.now))


def unlock(session: Session, asked: Asked, command: Command) -> str | None:
    """The thread's lock, or its place in line, is given up by who took it; `--force` ends anybody's."""
    place = _place(session, asked, command.environment)
    line = line_of(session, place.resource, now=asked.now)
    ticket = _of_thread(line, asked) or line.holder
    if ticket is None:
        raise Refused(comments.not_locked(place.name))
    is_mine = ticket.requested_by == asked.login and _is_of(ticket, asked)
    if not is_mine and asked.level < Level.MAINTAIN:
        raise Refused(
            comments.not_permitted(asked.policy.commands.specs["unlock"], asked.level), reason=Reason.PERMISSION
        )
    if not is_mine and not command.force:
        raise Refused(comments.lock_of_another(place.name, ticket))
    seen = find_lock(session, place.resource, ticket.ticket, now=asked.now)
    unlock_ticket(session, seen, asked.actor, now=asked.now, is_forced=not is_mine)
    _decide(session, asked, "unlock", f"{place.name} unlocked by {asked.login}")
    if is_mine:
        return None
    _tell_owner(session, asked, place, ticket)
    return comments.lock_forced(place.name, ticket)


def _tell_owner(session: Session, asked: Asked, place: Place, ended: Lock) -> None:
    """Who set it is told where that was (bot-behaviour 4.3, rule 19); a pipeline hears of it by its webhooks."""
    if ended.holder_type is None or ended.holder_id is None:
        return
    thread = threads.of_holder(session, Holder(ended.repository_id, ended.holder_type, ended.holder_id))
    if thread is not None:
        sentence = comments.your_lock_forced(place.name, asked.login)
        notices.tell(session, thread.id, NoticeKind.UNLOCKED, ended.ticket, told=ended.requested_by,
                     sentence=sentence, now=asked.now)  # fmt: skip
        notify.refresh(session, thread, now=asked.now)


def _place(session: Session, asked: Asked, name: str | None) -> Place:
    """Refuses what is neither here nor a dedicated environment, and to guess which of several is meant."""
    held = serving.living(session, asked.thread, now=asked.now)
    own = {
        environment.name: Place(lock_of(assignment), environment.name, True, assignment.expires_at)
        for assignment in held
        for environment in [session.get_one(Environment, assignment.environment_id)]
    }
    if name is None and len(own) == 1:
        return next(iter(own.values()))
    if name is None:
        raise Refused(comments.several_to_lock(sorted(own)) if own else comments.nothing_to_lock())
    found = dedicated.find_by_name(session, asked.repository.id, name)
    if name in own:
        return own[name]
    if found is None:
        raise Refused(comments.no_dedicated_environment(name))
    return Place(found.resource, found.name, is_own=False)


def _of_thread(line: Line, asked: Asked) -> Lock | None:
    tickets = [line.holder, *(waiting.lock for waiting in line.queued)]
    return next((ticket for ticket in tickets if ticket is not None and _is_of(ticket, asked)), None)


def _is_of(ticket: Lock, asked: Asked) -> bool:
    return (ticket.holder_type, ticket.holder_id) == (asked.holder.type, asked.holder.id)


def _decide(session: Session, asked: Asked, operation: str, sentence: str) -> None:
    serving.decide(session, asked.look, asked.holder, Reason.OK, sentence, now=asked.now, operation=operation,
                   actor=asked.login)  # fmt: skip
