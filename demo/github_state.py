"""What the simulated GitHub knows: accounts, repositories, threads and installations."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count


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


@dataclass
class Review:
    id: int
    author: Account
    body: str
    state: str
    submitted_at: datetime


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
    merged_at: datetime | None = None


@dataclass
class Repository:
    id: int
    owner: Account
    name: str
    created_at: datetime
    private: bool = True
    fork: bool = False
    default_branch: str = "main"
    threads: dict[int, Thread] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    former_names: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

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
