"""Who must be told of something is told by a comment of its own, which is folded away when it is true no more."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from bot import comments
from bot.github.errors import Forbidden, Invalid, NotFound
from bot.policy.keys import Commands
from bot.surfaces import SETTLED
from jobs.pins import review_key
from jobs.place import Place
from operations.end import EndReason
from operations.status import Held, Status
from storage import notices, pins, tickets
from storage.notices import Notice, NoticeKind
from storage.threads import Thread

NEWS = timedelta(hours=1)  # what happened longer ago is nothing that anybody must be told of
ANSWERED = timedelta(days=1)  # a refusal, or that a lock is gone, is of interest for so long
GONE = (Forbidden, NotFound, Invalid)

log = structlog.get_logger(__name__)


def give_notice(place: Place, thread: Thread, status: Status, commands: Commands, *, now: datetime) -> None:
    """What has just happened is told once; what is true no more is folded away. Raises GitHubError."""
    with place.shop.step(place.task) as session:
        if thread.is_open:
            _intend(session, thread, status, now)
        pending = notices.unfinished(session, thread.id)
    for notice in pending:
        if notice.comment_id is None and not thread.locked:
            _write(place, notice, commands, now)
        if _is_outdated(thread, status, notice, now):
            _fold(place, notice, now)


def _intend(session: Session, thread: Thread, status: Status, now: datetime) -> None:
    for held in status.held:
        waited = tickets.waited_for(session, held.assignment.id)
        if waited is not None and waited >= SETTLED and now < held.assignment.assigned_at + NEWS:
            _tell(session, thread, NoticeKind.READY, held, comments.ready_after_a_wait(held), now)
    last = status.last
    if last is None or status.held or status.awaited or last.assignment.end_reason != EndReason.EXPIRED:
        return
    if last.assignment.ended_at is not None and now < last.assignment.ended_at + NEWS:
        _tell(session, thread, NoticeKind.EXPIRED, last, comments.has_expired(last), now)


def _tell(session: Session, thread: Thread, kind: NoticeKind, about: Held, sentence: str, now: datetime) -> None:
    notices.tell(session, thread.id, kind, about.assignment.id, told=thread.author, sentence=sentence, now=now)


def _is_outdated(thread: Thread, status: Status, notice: Notice, now: datetime) -> bool:
    match NoticeKind(notice.kind):
        case NoticeKind.READY:
            return notice.key not in [held.assignment.id for held in status.held]
        case NoticeKind.EXPIRED:
            return not thread.is_open or bool(status.held or status.awaited)
        case NoticeKind.PIN_REVIEW:
            return notice.key not in [review_key(a := held.assignment, pins.of(a)) for held in status.held]
        case NoticeKind.REFUSED | NoticeKind.UNLOCKED | NoticeKind.UNPINNED:
            return not thread.is_open or notice.created_at + ANSWERED <= now


def _write(place: Place, notice: Notice, commands: Commands, now: datetime) -> None:
    is_first_try = place.task.fence == 1
    marker = comments.NOTICE_MARKER.format(id=notice.id)
    found = None if is_first_try else place.find(marker)
    try:
        sentence = comments.as_called_here(notice.sentence, commands)
        notice.comment_id = found or place.create(comments.notice(notice.id, notice.told, sentence))
    except GONE as error:
        log.warning("notice not written", thread=str(place), reason=str(error))
        notice.finished_at = now
    _keep(place, notice)


def _fold(place: Place, notice: Notice, now: datetime) -> None:
    if notice.comment_id is not None:
        try:
            place.github.minimize_comment(place.repo, notice.comment_id)
        except GONE as error:
            log.info("notice not folded away", thread=str(place), reason=str(error))
    notice.finished_at = now
    _keep(place, notice)


def _keep(place: Place, notice: Notice) -> None:
    with place.shop.step(place.task) as session:
        row = session.get_one(Notice, notice.id)
        row.comment_id, row.finished_at = notice.comment_id, notice.finished_at
