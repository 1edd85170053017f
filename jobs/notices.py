"""Who must be told of something is told by a comment of its own, which is folded away when it is true no more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from bot import boxes, comments
from bot.github.errors import Forbidden, Invalid, NotFound
from bot.policy.keys import Policy
from bot.surfaces import SETTLED
from jobs.pins import review_key
from jobs.place import Place
from operations.end import EndReason
from operations.reclaim import is_still_wanted
from operations.status import Held, Status
from operations.warn import reached, told_once
from providers.provider import Capability, ProviderError
from storage import notices, pins, tickets
from storage.notices import Notice, NoticeKind
from storage.repositories import Repository
from storage.threads import Thread

NEWS = timedelta(hours=1)  # what happened longer ago is nothing that anybody must be told of
ANSWERED = timedelta(days=1)  # a refusal, or that a lock is gone, is of interest for so long
GONE = (Forbidden, NotFound, Invalid)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class About:
    """What a thread has, by whose policy, and where it is told."""

    place: Place
    repository: Repository
    thread: Thread
    status: Status
    policy: Policy
    now: datetime

    def expiring(self) -> dict[str, Held]:
        """What ends soon, by the keys of the notices that say so."""
        before = self.policy.expiry.warn
        due = [(held, reached(held.assignment, before, now=self.now)) for held in self.status.held]
        return {told_once(held.assignment, threshold): held for held, threshold in due if threshold is not None}


def give_notice(about: About) -> None:
    """What has just happened, or is about to, is told once; what is true no more is folded away. Raises GitHubError."""
    place, thread = about.place, about.thread
    needless = _warned_needlessly(about) if thread.is_open else []
    with place.shop.step(place.task) as session:
        if thread.is_open:
            _intend(session, about)
            _warn(session, about, needless)
        pending = notices.unfinished(session, thread.id)
        answered = [notice for notice in pending if _is_answered(session, thread, notice)]
    for notice in pending:
        if notice.comment_id is None and not thread.locked:
            _write(about, notice)
        elif notice.stale and notice.comment_id is not None:
            _write_anew(about, notice, notice.comment_id)
        if notice in answered or _is_outdated(about, notice):
            _fold(place, notice, about.now)


def _intend(session: Session, about: About) -> None:
    status, now = about.status, about.now
    for held in status.held:
        waited = tickets.waited_for(session, held.assignment.id)
        if waited is not None and waited >= SETTLED and now < held.assignment.assigned_at + NEWS:
            _tell(session, about, NoticeKind.READY, held, comments.ready_after_a_wait(held))
    last = status.last
    if last is None or status.held or status.awaited or last.assignment.end_reason != EndReason.EXPIRED:
        return
    if last.assignment.ended_at is not None and now < last.assignment.ended_at + NEWS:
        _tell(session, about, NoticeKind.EXPIRED, last, comments.has_expired(status))


def _tell(session: Session, about: About, kind: NoticeKind, held: Held, sentence: str) -> None:
    thread = about.thread
    notices.tell(session, thread.id, kind, held.assignment.id, told=thread.author, sentence=sentence, now=about.now)


def _warned_needlessly(about: About) -> list[str]:
    """Of what ends soon that in which nobody would lose anything; who was told already is asked about no more."""
    with about.place.shop.database.reading() as session:
        new = {
            key: held
            for key, held in about.expiring().items()
            if not notices.is_known(session, about.thread.id, NoticeKind.EXPIRING, key)
        }
    return [key for key, held in new.items() if not _has_something_to_lose(about, held)]


def _has_something_to_lose(about: About, held: Held) -> bool:
    """As far as the provider can tell."""
    try:
        provider = about.place.shop.context.provider(about.repository, held.pool)
        return Capability.DIRTY not in provider.capabilities or provider.dirty(held.environment.name)
    except ProviderError as error:
        log.info("not known whether anything would be lost", environment=held.environment.name, reason=error.message)
        return True


def _warn(session: Session, about: About, needless: list[str]) -> None:
    thread = about.thread
    for key, held in about.expiring().items():
        offered = boxes.extension([held], about.policy)
        sentence = comments.with_boxes(comments.expires_soon(held, about.policy), offered, about.policy)
        notices.tell(session, thread.id, NoticeKind.EXPIRING, key, told=thread.author, sentence=sentence, now=about.now,
                     needless=key in needless)  # fmt: skip


def _is_answered(session: Session, thread: Thread, notice: Notice) -> bool:
    """Whether a question of whether it can be given to somebody is over."""
    if notice.kind != NoticeKind.RECLAIM:
        return False
    return not thread.is_open or not is_still_wanted(session, notice.key, asked_at=notice.created_at)


def _is_outdated(about: About, notice: Notice) -> bool:
    thread, status = about.thread, about.status
    match NoticeKind(notice.kind):
        case NoticeKind.READY:
            return notice.key not in [held.assignment.id for held in status.held]
        case NoticeKind.EXPIRING:
            return notice.key not in about.expiring()
        case NoticeKind.EXPIRED:
            return not thread.is_open or bool(status.held or status.awaited)
        case NoticeKind.PIN_REVIEW:
            return notice.key not in [review_key(a := held.assignment, pins.of(a)) for held in status.held]
        case NoticeKind.RECLAIM:
            return notice.key.split()[0] not in [held.assignment.id for held in status.held]
        case NoticeKind.REFUSED | NoticeKind.UNLOCKED | NoticeKind.UNPINNED:
            return not thread.is_open or notice.created_at + ANSWERED <= about.now


def _body(about: About, notice: Notice) -> str:
    return comments.as_called_here(comments.notice(notice.id, notice.told, notice.sentence), about.policy.commands)


def _write(about: About, notice: Notice) -> None:
    place = about.place
    is_first_try = place.task.fence == 1
    marker = comments.NOTICE_MARKER.format(id=notice.id)
    found = None if is_first_try else place.find(marker)
    try:
        notice.comment_id = found or place.create(_body(about, notice))
    except GONE as error:
        log.warning("notice not written", thread=str(place), reason=str(error))
        notice.finished_at = about.now
    _keep(place, notice)


def _write_anew(about: About, notice: Notice, comment_id: int) -> None:
    """Somebody ticked a box in it, or changed it otherwise: it says again what it said."""
    place = about.place
    try:
        place.github.update_comment(place.repo, comment_id, _body(about, notice))
    except GONE as error:
        log.info("notice not written anew", thread=str(place), reason=str(error))
    notice.stale = False
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
        row.comment_id, row.finished_at, row.stale = notice.comment_id, notice.finished_at, notice.stale
