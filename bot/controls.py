"""What people do with what we show: tick a box, press a button, set the label for pins, change our comment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from bot import boxes, comments, serving
from bot.answering import fresh_news, note_refusal, permitted, run_one
from bot.asked import Asked, Refused
from bot.commands import Command
from bot.events import (
    CheckRunEvent,
    CheckSuiteEvent,
    IssueCommentEvent,
    IssuesEvent,
    PullRequestEvent,
    PullRequestFacts,
    RepositoryFacts,
)
from bot.gates import Case
from bot.github.errors import NotFound
from bot.levels import Level, Standing
from bot.lifetimes import note_activity
from bot.look import Effect, Look, known_repository, news_of_pull_request, nothing
from bot.policy.configuration import in_force
from bot.reconciling import SOMEBODY
from bot.surfaces import CHECK_NAME, EXTEND, RELEASE, RETRY
from operations import notify
from operations.errors import OperationError
from operations.reconcile import note_worked, refresh_soon
from operations.threads import News, take_news
from storage import notices, pins, pools, surfaces, threads
from storage.assignments import HolderType
from storage.audit import Actor
from storage.decisions import Reason
from storage.notices import Notice, NoticeKind
from storage.surfaces import Kind, Mirrored
from storage.threads import Thread

# What the buttons stand for; RETRY is no command: it asks the gates again, as an event would.
BUTTONS: Mapping[str, Command] = {EXTEND.identifier: Command(1, "extend"), RELEASE.identifier: Command(1, "unassign")}
PEOPLE = "User"

log = structlog.get_logger(__name__)


def comment_edited(look: Look, event: IssueCommentEvent) -> Effect:
    """A tick in our status comment, or in a notice, is the command it stands for, for who may give that (bot-behaviour
    4.3, rule 8); not in a notice that is folded away, as what it said is true no more.

    The comment is written anew, so that the box is empty again; so is whatever else somebody changed in it.
    """
    ours = _own_comment(look, event)
    if ours is None or event.sender.type != PEOPLE:
        return nothing
    key = boxes.ticked(event.body_before or "", event.comment.body)
    command = None if key is None or ours.is_over else boxes.command(key)
    if command is None:
        return _written_anew(ours)
    act = _keep if key == boxes.KEEP else run_one
    github = look.installation(event.installation_id)
    standing = look.standing(github, event.repository, event.sender.login)
    news = fresh_news(look, github, event.issue, event.repository, event.installation_id)
    judged = news.number if news.type == HolderType.PR else None
    surroundings = look.surroundings(event.installation_id, event.repository, judged)

    def effect(session: Session, now: datetime) -> None:
        repository = known_repository(session, event.repository, event.installation_id, now=now)
        surroundings.keep(session, repository)
        thread = take_news(session, repository, news, now=now)
        case = Case(repository, thread, in_force(session, repository.id), now, surroundings.files)
        if case.policy.surfaces.checkboxes:
            said_at = event.comment.updated_at
            asked = _asked(look, case, event.sender.login, standing, said_at)
            _run(session, asked, command, act)
        ours.write_anew(session)
        notify.refresh(session, thread, now=now)

    return effect


def comment_deleted(look: Look, event: IssueCommentEvent) -> Effect:
    """Our status comment comes back at the next change; that it was taken away is no change."""
    ours = _own_comment(look, event)
    if ours is None or ours.notice is not None:
        return nothing

    def effect(session: Session, now: datetime) -> None:
        surfaces.comment_lost(session, ours.thread.id)

    return effect


def button_pressed(look: Look, event: CheckRunEvent) -> Effect:
    """A button of our check run is its command, for who may give that; Retry asks the gates again."""
    number = _number(event.check_run.external_id)
    if event.check_run.name != CHECK_NAME or event.sender.type != PEOPLE or number is None:
        return nothing
    facts = _present(look, event.installation_id, event.repository, number)
    if facts is None:
        return nothing
    login = event.sender.login
    standing = look.standing(look.installation(event.installation_id), event.repository, login)
    surroundings = look.surroundings(event.installation_id, event.repository, number)
    closes = look.closes(event.installation_id, facts, surroundings.policy)

    def effect(session: Session, now: datetime) -> None:
        repository = known_repository(session, event.repository, event.installation_id, now=now)
        surroundings.keep(session, repository)
        thread = take_news(session, repository, news_of_pull_request(facts), now=now)
        case = Case(repository, thread, in_force(session, repository.id), now, surroundings.files)
        asked = _asked(look, case, login, standing, now)
        command = BUTTONS.get(event.identifier or "")
        if command is not None:
            _run(session, asked, command)
        elif event.identifier == RETRY.identifier:
            told = serving.Told(serving.RETRY, files=surroundings.files, closes=closes)
            _retry(session, asked, facts, told)
        notify.refresh(session, thread, now=now)

    return effect


def keep_label_changed(look: Look, event: PullRequestEvent | IssuesEvent) -> Effect:
    """The label that stands for a pin asks for one, or for its end, by who may give that command (bot-behaviour 6.4).

    What it is on GitHub counts, so that order and repetition change nothing. Where it says something else than the
    rows afterwards, as it was refused or no person did it, the refresh resets it; of our own change nothing is left to
    do.
    """
    github = look.installation(event.installation_id)
    about = event.pull_request if isinstance(event, PullRequestEvent) else event.issue
    news = fresh_news(look, github, about, event.repository, event.installation_id)
    by_person, login = event.sender.type == PEOPLE, event.sender.login
    standing = look.standing(github, event.repository, login) if by_person else Standing(Level.NONE)

    def effect(session: Session, now: datetime) -> None:
        repository = known_repository(session, event.repository, event.installation_id, now=now)
        thread = take_news(session, repository, news, now=now)
        note_worked(thread)
        if not pools.of_repository(session, repository.id):
            return
        case = Case(repository, thread, in_force(session, repository.id), now)
        label = case.policy.labels.keep
        surfaces.mirror(session, thread.id, Mirrored.SET if case.has(label) else Mirrored.UNSET, now=now)
        is_pinned = any(pins.of(held) is not None for held in serving.living(session, thread, now=now))
        if case.has(label) != is_pinned and by_person:
            command = Command(1, "unpin") if is_pinned else Command(1, "pin", reason=comments.pinned_by_label(label))
            _run(session, _asked(look, case, login, standing, now), command)
        elif case.has(label) != is_pinned and event.sender is SOMEBODY:
            asked = _asked(look, case, thread.author, standing, now)
            _tell(session, asked, comments.label_by_nobody(label))
        notify.refresh(session, thread, now=now)

    return effect


def check_asked_again(look: Look, event: CheckRunEvent) -> Effect:
    """The pull request is compared with GitHub, and all it shows written anew: GitHub forgot how the check ended."""
    return _refreshed(event.repository, event.installation_id, event.check_run.head_sha)


def checks_asked_again(look: Look, event: CheckSuiteEvent) -> Effect:
    """As for our check run: it is one of those of the commit."""
    return _refreshed(event.repository, event.installation_id, event.head_sha)


def _refreshed(where: RepositoryFacts, installation_id: int, sha: str) -> Effect:
    """GitHub names no pull requests of forks here, so that all are found by their head."""

    def effect(session: Session, now: datetime) -> None:
        repository = known_repository(session, where, installation_id, now=now)
        for thread in threads.with_head(session, repository.id, sha):
            refresh_soon(session, thread, now=now)

    return effect


def _present(look: Look, installation_id: int, where: RepositoryFacts, number: int) -> PullRequestFacts | None:
    try:
        return look.installation(installation_id).pull_request(where.full_name, number)
    except NotFound:
        return None


@dataclass(frozen=True)
class Own:
    """A comment of ours: a thread's status comment, or a notice."""

    thread: Thread
    notice: Notice | None

    @property
    def is_over(self) -> bool:
        return self.notice is not None and self.notice.finished_at is not None

    def write_anew(self, session: Session) -> None:
        if self.notice is None:
            surfaces.write_anew(session, self.thread.id, Kind.COMMENT)
        else:
            notices.write_anew(session, self.notice.id)


def _own_comment(look: Look, event: IssueCommentEvent) -> Own | None:
    """None for everybody else's comments, which are nobody's business, and for our answers, which ask nothing."""
    if not event.comment.author.is_bot:
        return None
    with look.context.database.reading() as session:
        thread, notice = surfaces.thread_of_comment(session, event.comment.id), None
        if thread is None:
            notice = notices.of_comment(session, event.comment.id)
            thread = None if notice is None else session.get_one(Thread, notice.thread_id)
        return None if thread is None else Own(thread, notice)


def _written_anew(ours: Own) -> Effect:
    def effect(session: Session, now: datetime) -> None:
        ours.write_anew(session)
        notify.refresh(session, ours.thread, now=now)

    return effect


def _asked(look: Look, case: Case, login: str, standing: Standing, said_at: datetime) -> Asked:
    actor = Actor(login, role="user", request=look.trigger)
    targets: dict[str, News | None] = {}
    return Asked(look, case, login, standing.level, actor, targets, said_at, standing.teams)


def _run(
    session: Session, asked: Asked, command: Command, act: Callable[[Session, Asked, Command], object] = run_one
) -> None:
    """It is done, or who asked for it is told why not: there is no comment of theirs to react to."""
    try:
        with session.begin_nested():
            act(session, asked, command)
    except (Refused, OperationError) as refused:
        log.info("refused", trigger=asked.actor.request, verb=command.verb, reason=str(refused))
        _tell(session, asked, note_refusal(session, asked, command, refused))


def _keep(session: Session, asked: Asked, instead: Command) -> None:
    """Who was asked for it still needs it, and has it for a while longer: who could have done the other instead.

    Refuses with Refused.
    """
    asked = permitted(asked, asked.policy.commands.specs[instead.verb])
    held = serving.living(session, asked.thread, now=asked.now)
    note_activity(session, held, asked.policy.expiry, asked.actor, now=asked.now, least=boxes.KEPT)


def _retry(session: Session, asked: Asked, facts: PullRequestFacts, told: serving.Told) -> None:
    spec = asked.policy.commands.specs["refresh"]
    asked = asked.using(spec)
    if asked.level < spec.level:
        refused = Refused(comments.not_permitted(spec, asked.level), reason=Reason.PERMISSION)
        _tell(session, asked, note_refusal(session, asked, Command(1, "refresh"), refused))
        return
    serving.serve_pull_request(session, asked.look, asked.repository, facts, told, now=asked.now)


def _tell(session: Session, asked: Asked, why: str) -> None:
    notices.tell(session, asked.thread.id, NoticeKind.REFUSED, asked.look.trigger, told=asked.login, sentence=why,
                 now=asked.now)  # fmt: skip


def _number(external_id: str | None) -> int | None:
    """The pull request that a check run of ours says it is of."""
    kind, _, number = (external_id or "").partition("-")
    return int(number) if kind == "pr" and number.isdecimal() and len(number) <= threads.MOST_DIGITS else None
