"""What a handler sees of the world before its effect: GitHub's present state, and who asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog
from sqlalchemy.orm import Session

from bot.context import Context
from bot.events import IssueFacts, PullRequestFacts, RepositoryFacts
from bot.github.errors import Forbidden, NotFound, Stale
from bot.github.threads import closing_issues
from bot.levels import Level, Standing
from bot.policy.configuration import Found, keep, look_for, policy_in, policy_of
from bot.policy.keys import DEFAULTS, Policy
from operations.threads import News
from storage import audit, configurations, installations, pools, repositories, threads
from storage.assignments import HolderType
from storage.audit import Actor
from storage.repositories import Repository
from storage.threads import Thread, ThreadState

if TYPE_CHECKING:
    from bot.github.calls import Installation

Effect = Callable[[Session, datetime], None]


Facts = TypeVar("Facts", PullRequestFacts, IssueFacts)

Told = TypeVar("Told")

Files = tuple[str, ...] | None

PERMISSION_REMEMBERED = timedelta(seconds=60)
CONFIGURATION_REMEMBERED = timedelta(minutes=10)
MOST_FILES, FEW_FILES = 3000, 100  # GitHub tells no more of a pull request; a page

log = structlog.get_logger(__name__)


def nothing(session: Session, now: datetime) -> None:
    """The effect of what means nothing to us."""


@dataclass
class Permissions:
    """Levels as GitHub told them within the last 60 seconds, and since its last word on members and teams."""

    clock: Callable[[], datetime]
    changed_at: Callable[[int], datetime | None] = lambda installation_id: None
    _known: dict[tuple[str, ...], tuple[datetime, Any]] = field(default_factory=dict)

    def of(self, github: Installation, repo: str, login: str) -> Level:
        """Raises GitHubError when GitHub does not tell: no answer is no permission."""
        return self._told(github, (repo, login), lambda: github.permission(repo, login))

    def is_in_team(self, github: Installation, organization: str, team: str, login: str) -> bool:
        """Nobody is in a team that we may not look at. Raises GitHubError when GitHub does not tell."""
        try:
            return self._told(github, (organization, team, login), lambda: github.is_in_team(organization, team, login))
        except Forbidden as error:
            log.warning("taken as in no team, the App may not look", team=team, reason=str(error))
            return False

    def _told(self, github: Installation, about: tuple[str, ...], ask: Callable[[], Told]) -> Told:
        now = self.clock()
        told, changed_at = self._known.get(about), self.changed_at(github.id)
        is_void = told is not None and changed_at is not None and told[0] <= changed_at
        if told is None or is_void or not told[0] <= now < told[0] + PERMISSION_REMEMBERED:
            if len(self._known) > 10_000:
                self._known.clear()
            told = self._known[about] = (now, ask())
        found: Told = told[1]
        return found


@dataclass(frozen=True)
class Seen(Generic[Facts]):
    """A pull request or issue as it is now; where GitHub does not show it, as the delivery told it."""

    facts: Facts
    shown: bool


@dataclass(frozen=True)
class Surroundings:
    """What a pull request is judged by beside its own state."""

    found: Found | None = None
    policy: Policy = DEFAULTS
    files: Files = None

    def keep(self, session: Session, repository: Repository) -> None:
        """The policy that was found is in force."""
        if self.found is not None:
            keep(session, repository, self.found)


@dataclass(frozen=True)
class Look:
    context: Context
    installation: Callable[[int], Installation]
    permissions: Permissions
    trigger: str  # "delivery:GUID"
    received_at: datetime | None = None  # the delivery
    may_look_again: bool = False  # soon, where GitHub still answers with what was before

    @property
    def actor(self) -> Actor:
        return Actor(audit.BOT, request=self.trigger)

    def pull_request(
        self, installation_id: int, told: PullRequestFacts, before: str | None = None
    ) -> Seen[PullRequestFacts]:
        """`before` is the head that a push replaced. Raises Stale while that is still GitHub's answer, and the files
        and all else that GitHub tells may be those of before, too.
        """
        github = self.installation(installation_id)

        def ask() -> PullRequestFacts:
            present = github.pull_request(told.repository.full_name, told.number)
            if self.may_look_again and _is_of_before(present, told, before):
                raise Stale(f"{told.repository.full_name}#{told.number} is not at {told.head_sha[:7]} yet")
            return present

        return _newer(ask, told)

    def standing(self, github: Installation, where: RepositoryFacts, login: str) -> Standing:
        """What someone may do there now. Teams are asked about where that may make a difference."""
        level = self.permissions.of(github, where.full_name, login)
        named = self.policy(where).commands.teams if level < Level.MAINTAIN else ()
        owner = where.full_name.partition("/")[0]
        teams = (team for team in sorted(named) if self.permissions.is_in_team(github, owner, team, login))
        return Standing(level, frozenset(teams))

    def surroundings(self, installation_id: int, where: RepositoryFacts, number: int | None = None) -> Surroundings:
        """What is needed to judge, of this pull request its files; nothing for a repository without pools."""
        with self.context.database.reading() as session:
            repository = _stored(session, where)
            if repository is None or not pools.of_repository(session, repository.id):
                return Surroundings()
        found = self.configuration(installation_id, where)
        policy = self.policy(where) if found is None else policy_in(found)
        files = None if number is None else self.changed_files(installation_id, where, number, policy)
        return Surroundings(found, policy, files)

    def policy(self, where: RepositoryFacts) -> Policy:
        """What is in force in the repository, as far as we know."""
        with self.context.database.reading() as session:
            repository = _stored(session, where)
            return DEFAULTS if repository is None else policy_of(session, repository.id)

    def thread(self, where: RepositoryFacts, number: int) -> Thread | None:
        """The pull request or issue as we know it."""
        with self.context.database.reading() as session:
            repository = _stored(session, where)
            return None if repository is None else threads.find(session, repository.id, number)

    def configuration(self, installation_id: int, where: RepositoryFacts) -> Found | None:
        """The repository's file as GitHub has it now, where we have not looked for a while; None else.

        A push that GitHub did not tell us of is noticed so.
        """
        with self.context.database.reading() as session:
            repository = _stored(session, where)
            known = None if repository is None else configurations.find(session, repository.id)
        now = self.context.clock()
        if known is not None and known.read_at <= now < known.read_at + CONFIGURATION_REMEMBERED:
            return None
        return look_for(self.installation(installation_id), where.full_name, now=now)

    def changed_files(self, installation_id: int, where: RepositoryFacts, number: int, policy: Policy) -> Files:
        """The files that the pull request changes: all, where the policy tells them apart, else the first hundred.

        GitHub tells them in alphabetical order, and so that of the policy among the first. None: it does not tell.
        """
        most = MOST_FILES if policy.paths or policy.domains else FEW_FILES
        try:
            return tuple(islice(self.installation(installation_id).changed_files(where.full_name, number), most))
        except (NotFound, Forbidden) as error:
            log.info("files not shown", reason=str(error))
            return None

    def closes(self, installation_id: int, facts: PullRequestFacts, policy: Policy) -> tuple[IssueFacts, ...]:
        """The issues that a merge closes, where the policy has it hand over to one; none where GitHub shows none."""
        if not facts.merged or policy.on_merge != "transition":
            return ()
        try:
            return closing_issues(self.installation(installation_id), facts.repository.full_name, facts.number)
        except (NotFound, Forbidden) as error:
            log.info("closing issues not shown", reason=str(error))
            return ()

    def issue(self, installation_id: int, where: RepositoryFacts, told: IssueFacts) -> Seen[IssueFacts]:
        github = self.installation(installation_id)
        return _newer(lambda: github.issue(where.full_name, told.number), told)


def _is_of_before(present: PullRequestFacts, told: PullRequestFacts, before: str | None) -> bool:
    """Within one second, which is as exact as GitHub's times are, another head than that of before is a later one."""
    if present.head_sha == told.head_sha:
        return False
    if present.updated_at != told.updated_at:
        return present.updated_at < told.updated_at
    return before is None or present.head_sha == before


def _newer(ask: Callable[[], Facts], told: Facts) -> Seen[Facts]:
    """Right after an event GitHub may still answer with the state before it: the newer of the two counts."""
    try:
        present = ask()
    except (NotFound, Forbidden) as error:
        log.info("not shown, taken as told", reason=str(error))
        return Seen(told, shown=False)
    return Seen(present if present.updated_at >= told.updated_at else told, shown=True)


def known_repository(
    session: Session,
    facts: RepositoryFacts,
    installation_id: int | None,
    *,
    now: datetime,
    renamed_from: str | None = None,
    present: bool = False,
) -> Repository:
    """The repository with GitHub's id; if it has none yet, the one that REST knows by this name.

    `installation_id` None: GitHub does not show it, so its installation stays as it was. Its name is taken only from
    `present` facts: a delivery may be older than a renaming.
    """
    repository = _find(session, facts, renamed_from) or repositories.register(session, facts.full_name, now=now)
    repository.github_id = facts.id
    if installation_id is not None:
        installations.register(session, installation_id, facts.full_name.split("/")[0], now=now)
        if repository.installation_id != installation_id:
            repository.installation_id, repository.installed_at = installation_id, now
    repository.default_branch = facts.default_branch or repository.default_branch
    if present:
        repositories.rename(session, repository, facts.full_name)
    session.flush()
    return repository


def _stored(session: Session, facts: RepositoryFacts) -> Repository | None:
    return repositories.find_by_github_id(session, facts.id) or repositories.find(session, facts.full_name)


def _find(session: Session, facts: RepositoryFacts, renamed_from: str | None) -> Repository | None:
    found = repositories.find_by_github_id(session, facts.id)
    for name in (renamed_from, facts.full_name):
        named = repositories.find(session, name) if found is None and name is not None else None
        if named is not None and named.github_id is None:
            found = named
        elif named is not None and name == facts.full_name:
            repositories.make_way(session, named)  # another repository, which had this name before
    return found


def news_of_pull_request(facts: PullRequestFacts) -> News:
    state = ThreadState.MERGED if facts.merged else ThreadState(facts.state)
    return News(
        number=facts.number,
        type=HolderType.PR,
        title=facts.title,
        author=facts.author.login,
        author_is_bot=facts.author.is_bot,
        state=state,
        labels=list(facts.labels),
        url=facts.html_url,
        updated_at=facts.updated_at,
        draft=facts.draft,
        locked=facts.locked,
        base_ref=facts.base_ref,
        head_ref=facts.head_ref,
        head_sha=facts.head_sha,
        head_repository=facts.head_repository,
    )


def news_of_issue(facts: IssueFacts) -> News:
    return News(
        number=facts.number,
        type=HolderType.ISSUE,
        title=facts.title,
        author=facts.author.login,
        author_is_bot=facts.author.is_bot,
        state=ThreadState(facts.state),
        locked=facts.locked,
        labels=list(facts.labels),
        url=facts.html_url,
        updated_at=facts.updated_at,
    )
