"""What a call to GitHub is: its endpoint, what it needs, and what may be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Comments and reactions on issues need `issues`, the same calls on pull requests `pull_requests`:
# https://docs.github.com/rest/authentication/permissions-required-for-github-apps
READ_THREADS = {"issues": "read", "pull_requests": "read"}
WRITE_THREADS = {"issues": "write", "pull_requests": "write"}


@dataclass(frozen=True)
class Call:
    """One of GitHub's endpoints, and what an installation must grant for it."""

    method: str
    path: str
    permissions: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    """Whether the same call twice has the effect of one."""
    reads: bool = False
    """Whether it changes nothing although it is a POST: a GraphQL query."""

    @property
    def writes(self) -> bool:
        return self.method != "GET" and not self.reads

    @property
    def resource(self) -> str:
        """Which of GitHub's hourly limits it counts against."""
        return "graphql" if self.path == "/graphql" else "core"

    @property
    def points(self) -> int:
        """What it costs of that limit: of our GraphQL queries two at most, for two lists of a hundred with labels."""
        return 2 if self.reads else 1
