"""What the simulated GitHub knows: accounts, repositories, threads and installations."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any


@dataclass
class Account:
    id: int
    login: str
    type: str
    """`User`, `Bot` or `Organization`."""


@dataclass(frozen=True)
class App:
    id: str
    slug: str
    permissions: dict[str, str]
    events: tuple[str, ...]
    owner: Account
    bot: Account
    """The author of what the App writes."""


@dataclass
class Role:
    name: str
    """Of the role, which may be a custom one."""
    permission: str
    """`admin`, `write`, `read` or `none`: all that GitHub tells of a role besides its name."""


@dataclass
class Reaction:
    id: int
    author: Account
    content: str
    created_at: datetime


@dataclass
class Comment:
    id: int
    thread: "Thread"
    author: Account
    body: str
    created_at: datetime
    updated_at: datetime
    reactions: list[Reaction] = field(default_factory=list)
    minimized: str | None = None
    """Why it is folded away, such as `OUTDATED`."""


@dataclass
class Review:
    id: int
    author: Account
    body: str
    state: str
    submitted_at: datetime


@dataclass
class DeploymentStatus:
    id: int
    state: str
    description: str
    environment_url: str
    created_at: datetime


@dataclass
class Deployment:
    id: int
    sha: str
    created_at: datetime
    asked: dict[str, Any]
    """As it was asked for, with GitHub's own values for what was not given."""
    statuses: list[DeploymentStatus] = field(default_factory=list)
    """Oldest first."""

    @property
    def state(self) -> str:
        return self.statuses[-1].state if self.statuses else "pending"


@dataclass
class CheckRun:
    id: int
    repository: "Repository"
    created_at: datetime
    shown: dict[str, Any]
    """As the App wrote it."""

    @property
    def head_sha(self) -> str:
        return str(self.shown["head_sha"])


@dataclass
class Thread:
    """An issue, or what a pull request has in common with one."""

    id: int
    repository: "Repository"
    number: int
    author: Account
    title: str
    body: str
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    locked: bool = False
    labels: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)

    @property
    def state(self) -> str:
        return "closed" if self.closed_at else "open"


@dataclass
class Issue(Thread):
    pass


@dataclass(kw_only=True)
class PullRequest(Thread):
    base_ref: str
    head_ref: str
    head_sha: str
    head_repository: "Repository | None"
    """None when the fork was deleted."""
    draft: bool = False
    files: dict[str, str] = field(default_factory=dict)
    """What it changes, with the new texts."""
    merged_at: datetime | None = None
    linked: list[Issue] = field(default_factory=list)
    """What people linked by hand, to be closed by its merge."""


@dataclass
class Repository:
    id: int
    owner: Account
    name: str
    created_at: datetime
    private: bool = True
    fork: bool = False
    default_branch: str = "main"
    head_sha: str = "b" * 40
    """Of the default branch."""
    files: dict[str, str] = field(default_factory=dict)
    """On the default branch."""
    threads: dict[int, Thread] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    former_names: list[str] = field(default_factory=list)
    closes_linked: bool = True
    """Whether a merge into the default branch closes what it says it closes: a setting of repositories."""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    commits: set[str] = field(default_factory=lambda: {"b" * 40})
    """The SHAs that its default branch and its pull requests ever had at their head."""
    deployments: dict[int, Deployment] = field(default_factory=dict)
    check_runs: dict[int, CheckRun] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"


@dataclass
class Installation:
    id: int
    account: Account
    repositories: list[Repository]
    permissions: dict[str, str]
    created_at: datetime
    suspended_at: datetime | None = None


@dataclass
class IssuedToken:
    installation: Installation
    expires_at: datetime
    permissions: dict[str, str]
    repositories: list[Repository] | None = None
    """None for all of the installation, also those that come later."""

    def reaches(self, repository: Repository | None) -> bool:
        within = self.installation.repositories if self.repositories is None else self.repositories
        return repository in within and repository in self.installation.repositories


@dataclass
class Authorization:
    """Somebody agreed that the App may know who they are: what the code that GitHub gave for it is good for."""

    account: Account
    redirect_uri: str
    code_challenge: str


@dataclass(frozen=True)
class Attempt:
    """One time that a webhook was delivered, or was not; GitHub remembers it for three days."""

    id: int
    delivered_at: datetime
    status: int
    """What it was answered with; 0 if nobody was reached."""
    headers: dict[str, str]
    body: bytes
    redelivery: bool

    @property
    def guid(self) -> str:
        return self.headers["X-GitHub-Delivery"]

    @property
    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = json.loads(self.body)
        return payload
