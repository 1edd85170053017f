"""What GitHub's GraphQL tells at once: all that is open in a repository, for the sweep, and what a merge closes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bot.events import IssueFacts, PullRequestFacts, RepositoryFacts
from bot.github.call import READ_THREADS, Call
from bot.github.errors import NotFound
from bot.payload import MalformedPayload

if TYPE_CHECKING:
    from bot.github.calls import Installation

OPEN_THREADS = Call("POST", "/graphql", READ_THREADS, reads=True)

# Two points of the 5,000 an hour, whatever it finds:
# https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
QUERY = """
query(
  $owner: String!, $name: String!, $labels: [String!],
  $pulls: String, $issues: String, $withPulls: Boolean!, $withIssues: Boolean!
) {
  repository(owner: $owner, name: $name) {
    databaseId nameWithOwner isPrivate defaultBranchRef { name }
    pullRequests(states: OPEN, first: 100, after: $pulls, orderBy: {field: CREATED_AT, direction: ASC})
      @include(if: $withPulls) {
      pageInfo { hasNextPage endCursor }
      nodes {
        number title state mergedAt isDraft url createdAt updatedAt
        headRefOid headRefName headRepository { nameWithOwner } baseRefName
        author { __typename login ... on User { databaseId } ... on Bot { databaseId } }
        labels(first: 100) { nodes { name } }
      }
    }
    issues(states: OPEN, labels: $labels, first: 100, after: $issues, orderBy: {field: CREATED_AT, direction: ASC})
      @include(if: $withIssues) {
      pageInfo { hasNextPage endCursor }
      nodes {
        number title state url createdAt updatedAt
        author { __typename login ... on User { databaseId } ... on Bot { databaseId } }
        labels(first: 100) { nodes { name } }
      }
    }
  }
}
"""

CLOSING_ISSUES = Call("POST", "/graphql", READ_THREADS, reads=True)

# Also what was linked by hand, and never read out of a text that anybody can write:
# https://docs.github.com/graphql/reference/objects#pullrequest
CLOSING_QUERY = """
query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    nameWithOwner
    pullRequest(number: $number) {
      closingIssuesReferences(first: 100) {
        nodes {
          number title state url createdAt updatedAt
          author { __typename login ... on User { databaseId } ... on Bot { databaseId } }
          labels(first: 100) { nodes { name } }
          repository { nameWithOwner }
        }
      }
    }
  }
}
"""


@dataclass(frozen=True)
class OpenThreads:
    """A page of what is open."""

    repository: RepositoryFacts
    pulls: tuple[PullRequestFacts, ...]
    issues: tuple[IssueFacts, ...]


def open_threads(github: Installation, repo: str, label: str) -> Iterator[OpenThreads]:
    """Every open pull request, and every open issue with this label; each page is fetched when it is reached.

    Raises NotFound where GitHub does not show the repository.
    """
    owner, name = repo.split("/")
    variables: dict[str, Any] = {"owner": owner, "name": name, "labels": [label]}
    cursors: dict[str, str | None] = {"pulls": None, "issues": None}
    wanted = {"pulls": True, "issues": True}
    while any(wanted.values()):
        asked = {**variables, **cursors, "withPulls": wanted["pulls"], "withIssues": wanted["issues"]}
        found = github.query(OPEN_THREADS, partial(_found, repo=repo), QUERY, asked)
        yield _read(found)
        for kind, field in (("pulls", "pullRequests"), ("issues", "issues")):
            page = found.get(field, {}).get("pageInfo", {"hasNextPage": False, "endCursor": None})
            wanted[kind], cursors[kind] = page["hasNextPage"], page["endCursor"]


def closing_issues(github: Installation, repo: str, number: int) -> tuple[IssueFacts, ...]:
    """The open issues of the same repository that GitHub says the pull request's merge closes."""
    owner, name = repo.split("/")
    asked = {"owner": owner, "name": name, "number": number}
    return github.query(CLOSING_ISSUES, partial(_closed_by, repo=repo), CLOSING_QUERY, asked)


def _closed_by(answer: Any, *, repo: str) -> tuple[IssueFacts, ...]:
    found = _found(answer, repo=repo)
    try:
        closed = found["pullRequest"]["closingIssuesReferences"]["nodes"]
        here = [node for node in closed if node["repository"]["nameWithOwner"] == found["nameWithOwner"]]
        return IssueFacts.read_all([_issue(node) for node in here if node["state"] == "OPEN"])
    except (KeyError, TypeError) as error:
        raise MalformedPayload(f"what a merge closes lacks {error}") from error


def _found(answer: Any, *, repo: str) -> dict[str, Any]:
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise MalformedPayload("data is not an object")
    repository = data.get("repository")
    if not isinstance(repository, dict):
        raise NotFound(f"{repo} is not shown")
    return repository


def _read(found: dict[str, Any]) -> OpenThreads:
    """GraphQL tells the same as REST in other words: it is read out of REST's."""
    try:
        repository = {
            "id": found["databaseId"],
            "full_name": found["nameWithOwner"],
            "default_branch": (found["defaultBranchRef"] or {}).get("name"),
        }
        pulls = [_pull(node, repository) for node in found.get("pullRequests", {}).get("nodes", ())]
        issues = [_issue(node) for node in found.get("issues", {}).get("nodes", ())]
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedPayload(f"the list of what is open lacks {error}") from error
    return OpenThreads(RepositoryFacts.read(repository), PullRequestFacts.read_all(pulls), IssueFacts.read_all(issues))


def _pull(node: dict[str, Any], repository: dict[str, Any]) -> dict[str, Any]:
    fork = node["headRepository"]
    head = {"sha": node["headRefOid"], "ref": node["headRefName"]}
    head["repo"] = None if fork is None else {"full_name": fork["nameWithOwner"]}
    return {
        **_issue(node),
        "draft": node["isDraft"],
        "merged_at": node["mergedAt"],
        "head": head,
        "base": {"ref": node["baseRefName"], "repo": repository},
    }


def _issue(node: dict[str, Any]) -> dict[str, Any]:
    return {
        "number": node["number"],
        "title": node["title"],
        "state": "open" if node["state"] == "OPEN" else "closed",
        "html_url": node["url"],
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
        "user": _account(node["author"]),
        "labels": [{"name": label["name"]} for label in node["labels"]["nodes"]],
    }


def _account(author: dict[str, Any] | None) -> dict[str, Any] | None:
    """GraphQL names an App's bot without the suffix that REST gives it."""
    if author is None:
        return None
    is_bot = author["__typename"] == "Bot"
    login = author["login"] + ("[bot]" if is_bot and not author["login"].endswith("[bot]") else "")
    return {"id": author.get("databaseId") or 0, "login": login, "type": author["__typename"]}
