"""Who an environment is for, as people type it: `pr 123`, `pr-123`, `issue-4`, or `#123` where that can be only one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cli.failures import Misuse
from cli.server import Server

TYPES = ("pr", "issue", "user", "custom")
NUMBER = re.compile(r"#?(\d+)")


@dataclass(frozen=True)
class Holder:
    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}-{self.id}"

    def body(self, repo: str, domain: str | None) -> dict[str, Any]:
        return {"assignmentType": self.type, "assignmentId": self.id, "repositoryIdentifier": repo, "domain": domain}


def read_holders(server: Server, repo: str, words: Sequence[str], *, number: int = 1) -> list[Holder]:
    """So many holders; for a bare number it is asked who has an environment. Refuses with a Failure."""
    rest, found = list(words), []
    while rest:
        word = rest.pop(0)
        if word.lower() in TYPES and rest:
            found.append(Holder(word.lower(), rest.pop(0).removeprefix("#")))
        elif match := NUMBER.fullmatch(word):
            found.append(_who_has(server, repo, match[1]))
        else:
            found.append(_composed(word))
    if len(found) != number:
        raise Misuse(f"Expected {number} of pr-123, issue-4, user-NAME or custom-NAME, not {len(found)}")  # fmt: skip
    return found


def _composed(word: str) -> Holder:
    type, dash, id = word.partition("-")
    if not dash or not id or type.lower() not in TYPES:
        raise Misuse("Who is it for? Say pr 123 or pr-123, issue-4, user-NAME or custom-NAME")
    return Holder(type.lower(), id)


def _who_has(server: Server, repo: str, number: str) -> Holder:
    """The pull request or issue of this number that has an environment, if only one of them has."""
    query = {"repositoryIdentifier": repo, "assignmentId": number}
    listed = server.ask("GET", "/review/environments/list", query=query)["assignments"]
    types = {str(assignment["assignmentType"]) for assignment in listed} & {"pr", "issue"}
    if len(types) != 1:
        why = "both have an environment" if types else "neither has an environment"
        raise Misuse(f"Is it pr-{number} or issue-{number}? In {repo} {why}")
    return Holder(types.pop(), number)
