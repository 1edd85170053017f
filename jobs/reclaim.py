"""Who does not use what somebody waits long for is asked for it, once; without an answer nothing changes."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from bot import boxes, comments
from bot.policy.configuration import policy_of
from jobs.workshop import Workshop
from operations import notify
from operations.reclaim import Reclaim, is_still_wanted, reclaimable
from storage import notices, threads
from storage.environments import Environment
from storage.notices import NoticeKind
from storage.tasks import Task
from storage.threads import Thread

log = structlog.get_logger(__name__)


def reclaim(shop: Workshop, task: Task) -> None:
    """Holders are asked, each once for each wait, and questions that are over are folded away (bot-behaviour 6.7)."""
    now = shop.clock()
    with shop.step(task) as session:
        for each in reclaimable(session, now=now):
            _ask(session, each, now)
        for notice in notices.unfinished_of(session, NoticeKind.RECLAIM):
            if not is_still_wanted(session, notice.key, asked_at=notice.created_at):
                notify.refresh(session, session.get_one(Thread, notice.thread_id), now=now)


def _ask(session: Session, wanted: Reclaim, now: datetime) -> None:
    thread = threads.of_holder(session, wanted.assignment.holder)
    if thread is None or not thread.is_open or thread.locked:
        return
    name = session.get_one(Environment, wanted.assignment.environment_id).name
    question = comments.could_be_released(name, wanted.ticket, wanted.pool)
    sentence = comments.with_boxes(question, boxes.answers(name), policy_of(session, thread.repository_id))
    if not notices.is_known(session, thread.id, NoticeKind.RECLAIM, wanted.key):
        notices.tell(session, thread.id, NoticeKind.RECLAIM, wanted.key, told=thread.author, sentence=sentence, now=now)
        log.info("asked back", environment=name, holder=str(wanted.assignment.holder), ticket=wanted.ticket.id)
        notify.refresh(session, thread, now=now)
