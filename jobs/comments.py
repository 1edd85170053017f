"""Comments with commands are answered: a reaction, and a reply if there is something to say."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import structlog

from bot import comments
from bot.github.calls import Reaction
from bot.github.errors import Invalid
from bot.policy.configuration import policy_of
from bot.policy.keys import Commands
from jobs.place import UNREACHABLE, Place
from jobs.workshop import Workshop
from storage.answers import Answer
from storage.repositories import Repository
from storage.tasks import Task
from storage.threads import Thread

log = structlog.get_logger(__name__)


def answer(shop: Workshop, task: Task) -> None:
    """A comment with commands has its reaction instead of the eyes, and its reply if there is something to say."""
    with shop.database.reading() as session:
        row = session.get_one(Answer, task.payload["comment_id"])
        thread = session.get_one(Thread, row.thread_id)
        repository = session.get_one(Repository, thread.repository_id)
        commands = policy_of(session, repository.id).commands
    if row.finished_at is not None or repository.installation_id is None:
        return
    place = Place(shop, task, shop.installation(repository.installation_id), repository.full_name, thread.number)
    with suppress(*UNREACHABLE, Invalid):  # that a reaction fails must not keep the reply back
        if row.reacts:
            _react(place, row)
        else:
            _take_eyes_off(place, row)
    try:
        reply_id = _reply(place, row, commands)
    except UNREACHABLE as error:
        log.warning("reply not written", thread=str(place), reason=str(error))
        reply_id = None
    with shop.step(task) as session:
        row = session.get_one(Answer, row.comment_id)
        row.reply_id, row.finished_at = reply_id, shop.clock()


def _react(place: Place, row: Answer) -> None:
    """Each step is recorded: where the second one has to wait for its turn, the first is not done again."""
    place.github.react(place.repo, row.comment_id, cast(Reaction, row.reaction))
    _record(place, row, reacts=False)
    _take_eyes_off(place, row)


def _take_eyes_off(place: Place, row: Answer) -> None:
    if row.seen_reaction_id is not None:
        place.github.unreact(place.repo, row.comment_id, row.seen_reaction_id)
        _record(place, row, seen_reaction_id=None)


def _record(place: Place, row: Answer, **values: Any) -> None:
    with place.shop.step(place.task) as session:
        kept = session.get_one(Answer, row.comment_id)
        for name, value in values.items():
            setattr(kept, name, value)


def _reply(place: Place, row: Answer, commands: Commands) -> int | None:
    """The id of the reply, or None if the reaction says it all; a second try looks for the first one's reply."""
    if row.sentence is None:
        return None
    is_first_try = place.task.fence == 1
    found = None if is_first_try else place.find(comments.ANSWER_MARKER.format(comment_id=row.comment_id))
    sentence = comments.as_called_here(row.sentence, commands)
    return found or place.create(comments.answer(row.asked_by, sentence, row.comment_id))
