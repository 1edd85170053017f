"""What a pull request shows is made equal to its rows: the sticky comment, and the answers to commands."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import structlog

from bot import comments
from bot.configuration import policy_of
from bot.github import Installation, Reaction
from bot.github_errors import Forbidden, Invalid, NotFound
from bot.policy import Commands
from jobs.workshop import Workshop
from operations.foresee import foresee
from operations.status import status
from storage import tickets
from storage.answers import Answer
from storage.repositories import Repository
from storage.tasks import Task
from storage.threads import Thread

# It was deleted, transferred, locked or archived, or the App was taken away: nobody is there to be told.
UNREACHABLE = (NotFound, Forbidden)

log = structlog.get_logger(__name__)


def refresh(shop: Workshop, task: Task) -> None:
    """The thread's one sticky comment says what its rows say; nothing is written if it says so already.

    One task of a thread runs at a time, so that there is never a second comment. The comment is looked for before
    one is made: after a lost answer, a kill -9, or the loss of our rows it is there already (rule 6).
    """
    _foresee(shop, task)
    with shop.database.reading() as session:
        thread = session.get_one(Thread, task.payload["thread_id"])
        repository = session.get_one(Repository, thread.repository_id)
        policy = policy_of(session, repository.id)
        body = comments.status_comment(thread, status(session, thread), policy)
    if body is None or repository.installation_id is None or not policy.surfaces.sticky:
        return
    body = comments.as_called_here(body, policy.commands)
    digest = hashlib.sha256(body.encode()).hexdigest()
    if digest == thread.comment_digest:
        return
    place = _Place(shop, task, shop.installation(repository.installation_id), repository.full_name, thread.number)
    try:
        comment_id = _write_status(place, thread, body)
    except UNREACHABLE as error:
        log.warning("comment not written", thread=str(place), reason=str(error))
        return
    with shop.step(task) as session:
        row = session.get_one(Thread, thread.id)
        row.comment_id, row.comment_digest = comment_id, digest
    log.info("comment written", thread=str(place), task=task.id)


def _foresee(shop: Workshop, task: Task) -> None:
    with shop.database.reading() as session:
        holder = session.get_one(Thread, task.payload["thread_id"]).holder
        if not tickets.any_open(session, holder):
            return
    with shop.step(task) as session:
        for ticket in tickets.all_open(session, holder):
            foresee(session, ticket, now=shop.clock())


def answer(shop: Workshop, task: Task) -> None:
    """A comment with commands has its reaction instead of the eyes, and its reply if there is something to say."""
    with shop.database.reading() as session:
        row = session.get_one(Answer, task.payload["comment_id"])
        thread = session.get_one(Thread, row.thread_id)
        repository = session.get_one(Repository, thread.repository_id)
        commands = policy_of(session, repository.id).commands
    if row.finished_at is not None or repository.installation_id is None:
        return
    place = _Place(shop, task, shop.installation(repository.installation_id), repository.full_name, thread.number)
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


@dataclass(frozen=True)
class _Place:
    """A pull request or issue on GitHub, on which a task writes."""

    shop: Workshop
    task: Task
    github: Installation
    repo: str
    number: int

    def __str__(self) -> str:
        return f"{self.repo}#{self.number}"

    def find(self, marker: str) -> int | None:
        """Our own comment with this marker, on any page; what others copied from us does not count."""
        ours = self.shop.github().app().login
        for comment in self.github.comments(self.repo, self.number):
            if comment.author.login == ours and comment.body.startswith(marker):
                return comment.id
        return None

    def create(self, body: str) -> int:
        """A new comment; ClaimLost if this worker was stopped since it looked, as another may have made one by now."""
        with self.shop.step(self.task):
            pass
        return self.github.create_comment(self.repo, self.number, body)


def _write_status(place: _Place, thread: Thread, body: str) -> int:
    """The id of the sticky comment, which now has this body."""
    if thread.comment_id is not None:
        try:
            place.github.update_comment(place.repo, thread.comment_id, body)
            return thread.comment_id
        except NotFound:
            log.info("comment was deleted", thread=str(place))
    found = place.find(comments.STATUS_MARKER.format(holder=thread.holder))
    if found is None:
        return place.create(body)
    place.github.update_comment(place.repo, found, body)
    return found


def _react(place: _Place, row: Answer) -> None:
    """Each step is recorded: where the second one has to wait for its turn, the first is not done again."""
    place.github.react(place.repo, row.comment_id, cast(Reaction, row.reaction))
    _record(place, row, reacts=False)
    _take_eyes_off(place, row)


def _take_eyes_off(place: _Place, row: Answer) -> None:
    if row.seen_reaction_id is not None:
        place.github.unreact(place.repo, row.comment_id, row.seen_reaction_id)
        _record(place, row, seen_reaction_id=None)


def _record(place: _Place, row: Answer, **values: Any) -> None:
    with place.shop.step(place.task) as session:
        kept = session.get_one(Answer, row.comment_id)
        for name, value in values.items():
            setattr(kept, name, value)


def _reply(place: _Place, row: Answer, commands: Commands) -> int | None:
    """The id of the reply, or None if the reaction says it all; a second try looks for the first one's reply."""
    if row.sentence is None:
        return None
    is_first_try = place.task.fence == 1
    found = None if is_first_try else place.find(comments.ANSWER_MARKER.format(comment_id=row.comment_id))
    sentence = comments.as_called_here(row.sentence, commands)
    return found or place.create(comments.answer(row.asked_by, sentence, row.comment_id))
