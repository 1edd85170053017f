"""What a pull request shows is made equal to its rows: the sticky comment, and the answers to commands."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import cast

import structlog

from bot import comments
from bot.github import Installation, Reaction
from bot.github_errors import Forbidden, Invalid, NotFound
from jobs.workshop import Workshop
from operations.status import status
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
    with shop.database.reading() as session:
        thread = session.get_one(Thread, task.payload["thread_id"])
        repository = session.get_one(Repository, thread.repository_id)
        body = comments.status_comment(thread, status(session, thread))
    if body is None or repository.installation_id is None:
        return
    digest = hashlib.sha256(body.encode()).hexdigest()
    if digest == thread.comment_digest:
        return
    try:
        comment_id = _write_status(shop, shop.installation(repository.installation_id), repository, thread, body)
    except UNREACHABLE as error:
        log.warning("comment not written", thread=f"{repository.full_name}#{thread.number}", reason=str(error))
        return
    with shop.step(task) as session:
        row = session.get_one(Thread, thread.id)
        row.comment_id, row.comment_digest = comment_id, digest
    log.info("comment written", thread=f"{repository.full_name}#{thread.number}", task=task.id)


def answer(shop: Workshop, task: Task) -> None:
    """A comment with commands has its reaction instead of the eyes, and its reply if there is something to say."""
    with shop.database.reading() as session:
        row = session.get_one(Answer, task.payload["comment_id"])
        thread = session.get_one(Thread, row.thread_id)
        repository = session.get_one(Repository, thread.repository_id)
    if row.finished_at is not None or repository.installation_id is None:
        return
    github = shop.installation(repository.installation_id)
    if row.reacts:
        with suppress(*UNREACHABLE, Invalid):  # that a reaction fails must not keep the reply back
            _react(github, repository, row)
    try:
        reply_id = _reply(shop, github, repository, thread, row, repeated=task.fence > 1)
    except UNREACHABLE as error:
        log.warning("reply not written", thread=f"{repository.full_name}#{thread.number}", reason=str(error))
        reply_id = None
    with shop.step(task) as session:
        row = session.get_one(Answer, row.comment_id)
        row.reply_id, row.finished_at = reply_id, shop.clock()


def _react(github: Installation, repository: Repository, row: Answer) -> None:
    github.react(repository.full_name, row.comment_id, cast(Reaction, row.reaction))
    if row.seen_reaction_id is not None:
        github.unreact(repository.full_name, row.comment_id, row.seen_reaction_id)


def _write_status(shop: Workshop, github: Installation, repository: Repository, thread: Thread, body: str) -> int:
    """The id of the sticky comment, which now has this body."""
    if thread.comment_id is not None:
        try:
            github.update_comment(repository.full_name, thread.comment_id, body)
            return thread.comment_id
        except NotFound:
            log.info("comment was deleted", thread=f"{repository.full_name}#{thread.number}")
    marker = comments.STATUS_MARKER.format(holder=thread.holder)
    found = _find(shop, github, repository, thread, marker)
    if found is None:
        return github.create_comment(repository.full_name, thread.number, body)
    github.update_comment(repository.full_name, found, body)
    return found


def _reply(
    shop: Workshop, github: Installation, repository: Repository, thread: Thread, row: Answer, *, repeated: bool
) -> int | None:
    """The id of the reply, or None if the reaction says it all; a second try looks for the first one's reply."""
    if row.sentence is None:
        return None
    marker = comments.ANSWER_MARKER.format(comment_id=row.comment_id)
    found = _find(shop, github, repository, thread, marker) if repeated else None
    if found is not None:
        return found
    body = comments.answer(row.asked_by, row.sentence, row.comment_id)
    return github.create_comment(repository.full_name, thread.number, body)


def _find(shop: Workshop, github: Installation, repository: Repository, thread: Thread, marker: str) -> int | None:
    """Our own comment with this marker, on any page; what others copied from us does not count."""
    ours = shop.github().app().login
    for comment in github.comments(repository.full_name, thread.number):
        if comment.author.login == ours and comment.body.startswith(marker):
            return comment.id
    return None
