"""The facts of GitHub's payloads that we use, and the webhook events that carry them."""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from bot.payload import At, Given, Readable


@dataclass(frozen=True, kw_only=True)
class AccountFacts(Readable):
    """A user, an organization or an App's bot."""

    id: int
    login: str
    type: str
    """`User`, `Bot`, `Organization` or `Mannequin`."""

    @property
    def is_bot(self) -> bool:
        return self.type == "Bot"


MOST_COMMITS_TOLD = 2048

# GitHub answers null for an account that was deleted, and shows this one in its place: https://github.com/ghost
GHOST = AccountFacts(id=10137, login="ghost", type="User")


@dataclass(frozen=True, kw_only=True)
class RepositoryFacts(Readable):
    id: int
    """Stays when the repository is renamed or transferred."""
    full_name: str
    default_branch: str | None = None
    """None in installation events, which tell less about a repository."""


@dataclass(frozen=True, kw_only=True)
class PullRequestFacts(Readable):
    """A pull request as webhooks, `GET …/pulls/{number}` and `GET …/pulls` tell it."""

    number: int
    title: str
    state: str
    """`open` or `closed`; a merged one is closed."""
    merged: Annotated[bool, Given("merged_at")]  # lists of pull requests have no `merged`
    draft: bool = False
    locked: bool = False
    author: Annotated[AccountFacts, At("user")] = GHOST
    head_sha: Annotated[str, At("head.sha")]
    head_ref: Annotated[str, At("head.ref")]
    head_repository: Annotated[str | None, At("head.repo.full_name")] = None
    """None when the fork is gone."""
    base_ref: Annotated[str, At("base.ref")]
    repository: Annotated[RepositoryFacts, At("base.repo")]
    labels: Annotated[tuple[str, ...], At("labels", each="name")]
    html_url: str
    created_at: datetime
    updated_at: datetime
    """To the second, so two changes can share one."""

    @property
    def from_fork(self) -> bool:
        return self.head_repository != self.repository.full_name


@dataclass(frozen=True, kw_only=True)
class IssueFacts(Readable):
    """An issue, or a pull request as GitHub's issue events and issue calls tell it."""

    number: int
    title: str
    state: str
    """`open` or `closed`."""
    is_pull_request: Annotated[bool, Given("pull_request")]
    locked: bool = False
    author: Annotated[AccountFacts, At("user")] = GHOST
    labels: Annotated[tuple[str, ...], At("labels", each="name")]
    html_url: str
    created_at: datetime
    updated_at: datetime
    """To the second, so two changes can share one."""


@dataclass(frozen=True, kw_only=True)
class CommentFacts(Readable):
    id: int
    node_id: str = ""
    """As GraphQL calls it."""
    body: str
    author: Annotated[AccountFacts, At("user")] = GHOST
    app_slug: Annotated[str | None, At("performed_via_github_app.slug")] = None
    """The App that wrote it, as itself or for a user."""
    html_url: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class FileFacts(Readable):
    """A file as `GET …/contents/{path}` tells it."""

    sha: str
    """What git calls its content."""
    content: str = ""
    """In base64; empty when it is larger than a megabyte."""
    size: int = 0

    @property
    def text(self) -> str:
        """Without what is no UTF-8. One that GitHub does not tell is as long as it is."""
        return base64.b64decode(self.content).decode("utf-8-sig", errors="replace") or " " * self.size


@dataclass(frozen=True, kw_only=True)
class ReviewFacts(Readable):
    id: int
    body: str = ""
    author: Annotated[AccountFacts, At("user")] = GHOST
    html_url: str
    submitted_at: datetime


@dataclass(frozen=True, kw_only=True)
class CheckRunFacts(Readable):
    id: int
    name: str
    head_sha: str
    external_id: str | None = None
    """What the App that made it calls it."""


@dataclass(frozen=True, kw_only=True)
class DeploymentFacts(Readable):
    id: int
    sha: str
    task: str
    environment: str


@dataclass(frozen=True, kw_only=True)
class InstallationFacts(Readable):
    id: int
    account: AccountFacts
    permissions: dict[str, str]
    """What the account has granted, such as `{"issues": "write"}`."""
    suspended: Annotated[bool, Given("suspended_at")]


@dataclass(frozen=True, kw_only=True)
class PullRequestEvent(Readable):
    action: str
    pull_request: PullRequestFacts
    repository: RepositoryFacts
    installation_id: Annotated[int, At("installation.id")]
    sender: AccountFacts
    before: str | None = None
    """The head SHA before the push; of `synchronize` only."""
    label: Annotated[str | None, At("label.name")] = None
    """Of `labeled` and `unlabeled` only."""


@dataclass(frozen=True, kw_only=True)
class IssuesEvent(Readable):
    action: str
    issue: IssueFacts
    repository: RepositoryFacts
    installation_id: Annotated[int, At("installation.id")]
    sender: AccountFacts
    label: Annotated[str | None, At("label.name")] = None
    """Of `labeled` and `unlabeled` only."""


@dataclass(frozen=True, kw_only=True)
class IssueCommentEvent(Readable):
    action: str
    comment: CommentFacts
    issue: IssueFacts
    repository: RepositoryFacts
    installation_id: Annotated[int, At("installation.id")]
    sender: AccountFacts
    body_before: Annotated[str | None, At("changes.body.from")] = None
    """Of `edited` only."""


@dataclass(frozen=True, kw_only=True)
class PullRequestReviewEvent(Readable):
    action: str
    review: ReviewFacts
    pull_request: PullRequestFacts
    repository: RepositoryFacts
    installation_id: Annotated[int, At("installation.id")]
    sender: AccountFacts


@dataclass(frozen=True, kw_only=True)
class CommitFacts(Readable):
    added: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        return self.added + self.modified + self.removed


@dataclass(frozen=True, kw_only=True)
class PushEvent(Readable):
    ref: str
    """`refs/heads/main`, or a tag."""
    after: str
    """The new head; zeros when the branch was deleted."""
    forced: bool = False
    commits: tuple[CommitFacts, ...] = ()
    """At most 2,048 of them."""
    repository: RepositoryFacts
    installation_id: Annotated[int, At("installation.id")]

    def may_touch(self, path: str) -> bool:
        """Whether the file may be another one now: not every push tells its commits."""
        is_told = self.commits and not self.forced and len(self.commits) < MOST_COMMITS_TOLD
        return not is_told or any(path in commit.files for commit in self.commits)


@dataclass(frozen=True, kw_only=True)
class CheckRunEvent(Readable):
    action: str
    check_run: CheckRunFacts
    repository: RepositoryFacts
    installation_id: Annotated[int, At("installation.id")]
    sender: AccountFacts
    identifier: Annotated[str | None, At("requested_action.identifier")] = None
    """Of the button that was pressed; of `requested_action` only."""


@dataclass(frozen=True, kw_only=True)
class CheckSuiteEvent(Readable):
    action: str
    head_sha: Annotated[str, At("check_suite.head_sha")]
    repository: RepositoryFacts
    installation_id: Annotated[int, At("installation.id")]
    sender: AccountFacts


@dataclass(frozen=True, kw_only=True)
class InstallationEvent(Readable):
    action: str
    installation: InstallationFacts
    sender: AccountFacts
    repositories: tuple[RepositoryFacts, ...] = ()
    """Of `created` and `deleted` only."""


@dataclass(frozen=True, kw_only=True)
class InstallationRepositoriesEvent(Readable):
    action: str
    installation: InstallationFacts
    sender: AccountFacts
    added: Annotated[tuple[RepositoryFacts, ...], At("repositories_added")] = ()
    removed: Annotated[tuple[RepositoryFacts, ...], At("repositories_removed")] = ()


@dataclass(frozen=True, kw_only=True)
class RepositoryEvent(Readable):
    action: str
    repository: RepositoryFacts
    installation_id: Annotated[int, At("installation.id")]
    sender: AccountFacts
    name_before: Annotated[str | None, At("changes.repository.name.from")] = None
    """Without the owner; of `renamed` only."""
    user_before: Annotated[str | None, At("changes.owner.from.user.login")] = None
    organization_before: Annotated[str | None, At("changes.owner.from.organization.login")] = None
    """One of these two; of `transferred` only."""

    @property
    def full_name_before(self) -> str:
        """`owner/name` before the event; the present one when it changed neither."""
        owner, _, name = self.repository.full_name.partition("/")
        return f"{self.user_before or self.organization_before or owner}/{self.name_before or name}"


@dataclass(frozen=True, kw_only=True)
class InstallationTargetEvent(Readable):
    """The account of an installation has another name."""

    action: str
    account_id: Annotated[int, At("account.id")]
    account: Annotated[str, At("account.login")]
    installation_id: Annotated[int, At("installation.id")]
    login_before: Annotated[str, At("changes.login.from")]


@dataclass(frozen=True, kw_only=True)
class MembersEvent(Readable):
    """Somebody's permissions may have changed: `member`, `membership`, `organization` and `team`."""

    action: str
    installation_id: Annotated[int, At("installation.id")]


@dataclass(frozen=True, kw_only=True)
class AuthorizationEvent(Readable):
    """Somebody took back what they had agreed to when they logged in."""

    action: str
    sender: AccountFacts
