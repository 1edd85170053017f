"""Who has pinned an environment is asked whether it is still needed, and told when that ended without an answer."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from bot import comments
from bot.boxes import PIN_AGAIN, UNPIN
from bot.policy.configuration import policy_of
from jobs.workshop import Workshop
from operations.review import Reviewed, review
from storage import notices, threads
from storage.assignments import Assignment
from storage.environments import Environment
from storage.notices import NoticeKind
from storage.pins import Pin
from storage.tasks import Task

log = structlog.get_logger(__name__)


def review_pins(shop: Workshop, task: Task) -> None:
    """Every pin whose review date has come is asked about, or over if nobody answered, where it was set."""
    now = shop.clock()
    with shop.step(task) as session:
        reviewed = review(session, now=now)
        for each in reviewed:
            _tell(session, each, now)
    for each in reviewed:
        log.info("pin ended" if each.is_over else "pin asked about", assignment=each.assignment.id)


def review_key(assignment: Assignment, pin: Pin | None) -> str:
    """What a notice about a pin is about: who pins again is asked again."""
    return f"{assignment.id} {pin.review_at:%Y-%m-%dT%H:%M:%SZ}" if pin is not None else ""


def _tell(session: Session, reviewed: Reviewed, now: datetime) -> None:
    assignment, pin = reviewed.assignment, reviewed.pin
    thread = threads.of_holder(session, assignment.holder)
    if thread is None:
        return
    name = session.get_one(Environment, assignment.environment_id).name
    if reviewed.is_over:
        kind, sentence = NoticeKind.UNPINNED, comments.is_unpinned(name, pin, assignment.expires_at)
    else:
        policy = policy_of(session, assignment.repository_id)
        asked = comments.with_boxes(comments.is_still_needed(name, pin), [PIN_AGAIN, UNPIN], policy)
        kind, sentence = NoticeKind.PIN_REVIEW, asked
    notices.tell(session, thread.id, kind, review_key(assignment, pin), told=pin.owner, sentence=sentence, now=now)
