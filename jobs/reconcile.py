"""GitHub's open pull requests and issues against our rows: what differs is worked as the events would have been."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from bot.events import IssueFacts, IssuesEvent, PullRequestEvent, PullRequestFacts, RepositoryFacts
from bot.github.errors import Forbidden, GitHubError, NotFound, RateLimited, Unauthorized
from bot.github.threads import open_threads
from bot.handlers import HANDLERS, nothing_to_do
from bot.look import Effect, Look, news_of_issue, news_of_pull_request, nothing
from bot.measured import REPAIRS
from bot.policy.configuration import policy_of
from bot.reconciling import missed_of_issue, missed_of_pull_request
from jobs.workshop import Workshop
from operations import notify
from operations.reconcile import note_worked, reconcile_soon, record_repair
from operations.threads import take_news
from storage import assignments, decisions, deliveries, installations, pools, threads, tickets
from storage.assignments import Holder, HolderType
from storage.installations import Installation, InstallationStatus
from storage.repositories import Repository
from storage.tasks import Task
from storage.threads import Thread

log = structlog.get_logger(__name__)


def reconcile_all(shop: Workshop, task: Task) -> None:
    """Every repository that has asked for us, by having a pool, is compared with GitHub."""
    now = shop.clock()
    with shop.step(task) as session:
        for repository in pools.repositories_served(session):
            reconcile_soon(session, repository, now=now)


def reconcile(shop: Workshop, task: Task) -> None:
    """The repository, or the one pull request or issue that is named, has what GitHub's present state entitles it to.

    Both ways: who was closed unnoticed is released, who was opened unnoticed is served, drafts and labels count, and
    all that by the same handlers as if GitHub had told. What is still in the inbox is left to it. A repository that
    is new here is only learnt: of what was open before, nobody is served who does nothing.
    """
    repair = _begin(shop, task)
    if repair is None:
        return
    number = task.payload.get("number")
    if number is not None:
        repair.one(number)
        return
    begun = shop.clock()
    try:
        seen = repair.open_ones()
    except (NotFound, Forbidden) as error:
        log.info("not reconciled, GitHub does not show it", repository=repair.repository.full_name, reason=str(error))
        return
    for thread in repair.others(seen):
        repair.one(thread.number)
    with shop.step(task) as session:
        session.get_one(Repository, repair.repository.id).reconciled_at = begun


def _begin(shop: Workshop, task: Task) -> _Repair | None:
    """None where the App is not installed (any more), or nobody has asked for us."""
    with shop.database.reading() as session:
        repository = session.get_one(Repository, task.payload["repository_id"])
        if repository.installation_id is None:
            return None
        installation = installations.find(session, repository.installation_id)
        found = pools.of_repository(session, repository.id)
    if installation is None or installation.status != InstallationStatus.ACTIVE or not found:
        return None
    installed_at = repository.installed_at or installation.created_at
    since = max(installed_at, min(pool.created_at for pool in found))
    look = Look(shop.context, shop.installation, shop.permissions, trigger=f"task:{task.id}")
    is_known = repository.reconciled_at is not None and repository.reconciled_at >= installed_at
    return _Repair(shop, task, look, repository, installation, since, is_known)


@dataclass(frozen=True)
class _Repair:
    """One repository's comparison. `since` is when it became ours to serve, `is_known` that it was compared then."""

    shop: Workshop
    task: Task
    look: Look
    repository: Repository
    installation: Installation
    since: datetime
    is_known: bool

    def open_ones(self) -> set[int]:
        """Everything that GitHub lists as open is compared; the numbers of it."""
        seen: set[int] = set()
        github = self.shop.installation(self.installation.id, sweeps=True)
        with self.shop.database.reading() as session:
            label = policy_of(session, self.repository.id).labels.deploy
        for page in open_threads(github, self.repository.full_name, label):
            listed: list[PullRequestFacts | IssueFacts] = [*page.pulls, *page.issues]
            for facts in listed:
                self._tolerantly(facts, page.repository)
                seen.add(facts.number)
        return seen

    def others(self, seen: set[int]) -> list[Thread]:
        """Those that are open by our rows, or hold or await something, and are not among GitHub's open ones."""
        with self.shop.database.reading() as session:
            holders = {*assignments.active_holders(session, self.repository.id)}
            holders |= {ticket.holder for ticket in tickets.open_of_repository(session, self.repository.id)}
            has = {(holder.type, holder.id) for holder in holders}
            return [
                thread
                for thread in threads.of_repository(session, self.repository.id)
                if thread.number not in seen
                and ((thread.type, str(thread.number)) in has or (thread.is_open and thread.type == HolderType.PR))
            ]

    def one(self, number: int) -> None:
        """This pull request or issue is read by itself, and compared."""
        github, repo = self.shop.installation(self.installation.id), self.repository.full_name
        with self.shop.database.reading() as session:
            thread = threads.find(session, self.repository.id, number)
        facts: PullRequestFacts | IssueFacts
        try:
            if thread is not None and thread.type == HolderType.ISSUE:
                facts = github.issue(repo, number)
            else:
                facts = github.pull_request(repo, number)
        except (NotFound, Forbidden) as error:
            log.info("not shown, left as it is", thread=f"{repo}#{number}", reason=str(error))
            return
        self._tolerantly(facts, RepositoryFacts(id=self.repository.github_id or 0, full_name=repo))

    def _tolerantly(self, facts: PullRequestFacts | IssueFacts, where: RepositoryFacts) -> None:
        """That one cannot be compared keeps no other from it."""
        try:
            self._compare(facts, where)
        except (RateLimited, Unauthorized):
            raise
        except GitHubError as error:
            log.warning("not reconciled", thread=f"{where.full_name}#{facts.number}", reason=str(error))

    def _compare(self, facts: PullRequestFacts | IssueFacts, where: RepositoryFacts) -> None:
        with self.shop.database.reading() as session:
            if deliveries.any_unworked(session, f"{where.id}#{facts.number}"):
                return
            thread = threads.find(session, self.repository.id, facts.number)
            events = self._missed(session, facts, thread, where)
        if thread is not None and facts.updated_at < thread.updated_at:
            return
        effects: list[tuple[str, Effect]] = []
        for event in events:
            handler = HANDLERS.get(("issues" if isinstance(event, IssuesEvent) else "pull_request", event.action))
            effect = nothing if handler is None else handler(self.look, event)
            if effect not in (nothing, nothing_to_do):
                effects.append((event.action, effect))
        self._record(facts, where, effects)

    def _missed(
        self, session: Session, facts: PullRequestFacts | IssueFacts, thread: Thread | None, where: RepositoryFacts
    ) -> list[PullRequestEvent] | list[IssuesEvent]:
        type = HolderType.ISSUE if isinstance(facts, IssueFacts) else HolderType.PR
        holder = Holder(self.repository.id, type, str(facts.number))
        is_unheard_of = decisions.last_verdict(session, holder) is None
        has_something = bool(assignments.all_active(session, holder) or tickets.all_open(session, holder))
        installation_id = self.installation.id
        if isinstance(facts, IssueFacts):
            return missed_of_issue(
                facts, thread, where, installation_id=installation_id, is_new=self.is_known and is_unheard_of,
                has_something=has_something,
            )  # fmt: skip
        is_new = (self.is_known and thread is None) or facts.created_at >= self.since.replace(microsecond=0)
        return missed_of_pull_request(
            facts, thread, installation_id=installation_id, is_new=is_new and is_unheard_of,
            has_something=has_something,
        )  # fmt: skip

    def _record(
        self, facts: PullRequestFacts | IssueFacts, where: RepositoryFacts, effects: list[tuple[str, Effect]]
    ) -> None:
        """The effects, that they are a repair, and what was compared are one transaction."""
        now = self.shop.clock()
        news = news_of_issue(facts) if isinstance(facts, IssueFacts) else news_of_pull_request(facts)
        with self.shop.step(self.task) as session:
            repository = session.get_one(Repository, self.repository.id)
            if effects:
                holder, missed = Holder(repository.id, news.type, str(news.number)), [action for action, _ in effects]
                record_repair(session, holder, missed, self.look.actor, now=now)
                for action in missed:
                    self.shop.tally.count(REPAIRS, missed=action)
                log.info("repaired", thread=f"{where.full_name}#{news.number}", missed=missed, task=self.task.id)
            for _, effect in effects:
                effect(session, now)
            thread = take_news(session, repository, news, now=now)
            thread.repaired_at = now if effects else thread.repaired_at
            note_worked(thread)
            if "number" in self.task.payload:
                notify.refresh(session, thread, now=now)
