"""A comment with commands is run in order and answered once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.orm import Session

from bot import comments
from bot.actions import ACTIONS, NUMBERED
from bot.asked import Asked, Refused, is_permitted
from bot.commands import COMMANDS, Command, CommandSpec, Parsed, parse
from bot.events import IssueCommentEvent, IssueFacts, PullRequestFacts, PullRequestReviewEvent, RepositoryFacts
from bot.gates import Case
from bot.github.errors import GitHubError, NotFound
from bot.levels import Level
from bot.lifetimes import note_activity
from bot.look import Effect, Look, known_repository, news_of_issue, news_of_pull_request, nothing
from bot.policy.configuration import in_force
from bot.policy.keys import Commands
from bot.serving import decide, living, refuse
from operations.errors import OperationError
from operations.threads import News, take_news
from storage import pools, queue, repositories
from storage.answers import Answer
from storage.assignments import HolderType
from storage.audit import Actor
from storage.decisions import COMMAND_RULE, Reason
from storage.queue import QueueName

if TYPE_CHECKING:
    from bot.github.calls import Installation

ENABLED = {verb: spec for verb, spec in COMMANDS.items() if verb in ACTIONS}

LOCKING = {"lock", "unlock"}

DONE, INVALID, REFUSED = "rocket", "confused", "-1"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Speech:
    """Something that was written, and by whom."""

    id: int
    body: str
    login: str
    at: datetime
    reacts: bool  # a comment can be reacted to, a review cannot


def answer_comment(look: Look, event: IssueCommentEvent) -> Effect:
    """The commands' effects and the answer to them, in one transaction, once for each comment.

    Only what people write counts: bots and Apps command nobody (bot-behaviour 4.3, rule 9).
    """
    by_app = event.comment.app_slug is not None or event.comment.author.is_bot
    if by_app or event.sender.is_bot:
        return nothing
    speech = Speech(event.comment.id, event.comment.body, event.sender.login, event.comment.created_at, reacts=True)
    return _answer(look, speech, event.issue, event.repository, event.installation_id)


def answer_review(look: Look, event: PullRequestReviewEvent) -> Effect:
    """As for a comment; a review takes no reaction, so that only a reply can answer it."""
    if event.sender.is_bot or not event.review.body:
        return nothing
    speech = Speech(event.review.id, event.review.body, event.sender.login, event.review.submitted_at, reacts=False)
    return _answer(look, speech, event.pull_request, event.repository, event.installation_id)


def _answer(
    look: Look, speech: Speech, about: IssueFacts | PullRequestFacts, where: RepositoryFacts, installation_id: int
) -> Effect:
    parsed = _parse(speech.body, look.policy(where).commands)
    if not (parsed.commands or parsed.mistakes) or not _is_for_us(look, where, speech):
        return nothing
    github = look.installation(installation_id)
    seen_id = _show_seen(github, where.full_name, speech)
    standing = look.standing(github, where, speech.login)
    news = fresh_news(look, github, about, where, installation_id)
    targets = _targets(github, where.full_name, parsed)
    assigns = any(command.verb in ("assign", "approve", "why") for command in parsed.commands)
    surroundings = look.surroundings(
        installation_id, where, news.number if assigns and news.type == HolderType.PR else None
    )

    def effect(session: Session, now: datetime) -> None:
        if session.get(Answer, speech.id) is not None:
            return
        repository = known_repository(session, where, installation_id, now=now)
        surroundings.keep(session, repository)
        thread = take_news(session, repository, news, now=now)
        actor = Actor(speech.login, role="user", request=f"comment:{speech.id}")
        case = Case(repository, thread, in_force(session, repository.id), now, surroundings.files)
        asked = Asked(look, case, speech.login, standing.level, actor, targets, speech.at, standing.teams)
        reaction, sentences = _run(session, asked, parsed)
        if not speech.reacts and not sentences:
            sentences = [comments.done()]
        session.add(
            Answer(
                comment_id=speech.id,
                thread_id=thread.id,
                asked_by=speech.login,
                reacts=speech.reacts,
                reaction=reaction,
                seen_reaction_id=seen_id,
                sentence="\n\n".join(sentences) or None,
                created_at=now,
            )
        )
        session.flush()
        queue.enqueue(session, "answer", queue=QueueName.CRITICAL, now=now, payload={"comment_id": speech.id},
                      serial_key=f"thread:{thread.id}")  # fmt: skip

    return effect


def _parse(body: str, commands: Commands) -> Parsed:
    return parse(
        body,
        namespace=commands.namespace,
        mention="greenroom" if commands.mention else None,
        aliases=commands.aliases,
        commands=ENABLED,
    )


def _run(session: Session, asked: Asked, parsed: Parsed) -> tuple[str, list[str]]:
    """The reaction and what to say: in order, until one is refused; what was done before it stays."""
    if parsed.mistakes:
        return INVALID, [mistake.sentence for mistake in parsed.mistakes]
    said: list[str] = []
    for command in parsed.commands:
        try:
            with session.begin_nested():
                sentence = run_one(session, asked, command)
        except (Refused, OperationError) as refused:
            log.info("command refused", trigger=asked.actor.request, verb=command.verb, reason=str(refused))
            return REFUSED, [*said, note_refusal(session, asked, command, refused)]
        if sentence is not None:
            said.append(sentence)
    return DONE, said


def note_refusal(session: Session, asked: Asked, command: Command, refused: Refused | OperationError) -> str:
    """The refusal is in the decision log, once; what to say of it."""
    why = comments.refusal(refused) if isinstance(refused, OperationError) else str(refused)
    if isinstance(refused, Refused) and refused.case is not None and refused.shut is not None:
        refuse(session, asked.look, refused.case, refused.shut, actor=asked.login, operation=command.verb)
        return why
    reason = refused.reason if isinstance(refused, Refused) else Reason.REFUSED
    decide(session, asked.look, asked.holder, reason, why.removesuffix("."), now=asked.now, operation=command.verb,
           actor=asked.login, rule=f"{COMMAND_RULE}{command.verb}", config_sha=asked.case.in_force.sha,
           inputs={"level": asked.level.name.lower()})  # fmt: skip
    return why


def run_one(session: Session, asked: Asked, command: Command) -> str | None:
    """What there is to say about it when it was done. Refuses with Refused and OperationError.

    It counts as activity on what was held before (bot-behaviour 6.2), unless anybody may give it who can read: whoever
    only looks, such as by `/status`, does not use the environment, and must not be able to keep it. What `/assign`
    brings has the time that was asked for, and a lock prolongs nothing (6.5).
    """
    asked = permitted(asked, asked.policy.commands.specs[command.verb])
    before = {assignment.id for assignment in living(session, asked.thread, now=asked.now)}
    sentence = ACTIONS[command.verb](session, asked, command)
    if COMMANDS[command.verb].level > Level.READ and command.verb not in LOCKING:
        held = [still for still in living(session, asked.thread, now=asked.now) if still.id in before]
        note_activity(session, held, asked.policy.expiry, asked.actor, now=asked.now)
    return sentence


def permitted(asked: Asked, spec: CommandSpec) -> Asked:
    """Who asks, with the level that they have for this command. Refuses with Refused whoever may not give it here."""
    asked = asked.using(spec)
    if not is_permitted(spec, asked):
        raise Refused(comments.not_permitted(spec, asked.level), reason=Reason.PERMISSION)
    if not asked.thread.is_open and not spec.closed:
        raise Refused(comments.closed_thread(spec), reason=Reason.CLOSED)
    return asked


def _is_for_us(look: Look, where: RepositoryFacts, speech: Speech) -> bool:
    """A repository without pools has not asked for us: the commands may be another bot's. Nobody is answered twice."""
    with look.context.database.reading() as session:
        repository = repositories.find_by_github_id(session, where.id) or repositories.find(session, where.full_name)
        opted_in = repository is not None and bool(pools.of_repository(session, repository.id))
        return opted_in and session.get(Answer, speech.id) is None


def _show_seen(github: Installation, repo: str, speech: Speech) -> int | None:
    """Shows the author that the command has arrived; that this fails never fails the command."""
    if speech.reacts:
        with suppress(GitHubError):
            return github.react(repo, speech.id, "eyes")
    return None


def fresh_news(
    look: Look,
    github: Installation,
    about: IssueFacts | PullRequestFacts,
    where: RepositoryFacts,
    installation_id: int,
) -> News:
    """The thread that an event is about, as GitHub has it now."""
    if isinstance(about, PullRequestFacts):
        return news_of_pull_request(look.pull_request(installation_id, about).facts)
    if about.is_pull_request:
        return news_of_pull_request(github.pull_request(where.full_name, about.number))
    return news_of_issue(about)


def _targets(github: Installation, repo: str, parsed: Parsed) -> dict[str, News | None]:
    """The threads that commands name: GitHub numbers issues and pull requests together. None: there is none."""
    named = [command.target.id for command in parsed.commands if command.target and command.target.type in NUMBERED]
    return {number: _target(github, repo, int(number)) for number in named}


def _target(github: Installation, repo: str, number: int) -> News | None:
    try:
        issue = github.issue(repo, number)
        if issue.is_pull_request:
            return news_of_pull_request(github.pull_request(repo, number))
        return news_of_issue(issue)
    except NotFound:
        return None
