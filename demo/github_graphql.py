"""The one mutation and the two queries of GitHub's GraphQL API that Greenroom sends, in the simulated GitHub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import g

from demo import github_payloads as payloads
from demo.github_api import Refused, allow, find_token, sent_object, simulated
from demo.github_payloads import Json
from demo.github_state import Account, Issue, PullRequest, Repository, Thread

PAGE = 100


def answer_query() -> Json:
    g.issued = find_token()
    sent = sent_object()
    query, variables = str(sent.get("query", "")), dict(sent.get("variables") or {})
    if "minimizeComment" in query:
        return minimize_comment(variables)
    if "closingIssuesReferences" in query:
        return list_closing(variables)
    if "pullRequests(" in query:
        return list_open(variables)
    return {"errors": [{"message": "The simulated GitHub knows no such query"}]}


def minimize_comment(variables: Json) -> Json:
    """https://docs.github.com/graphql/reference/mutations#minimizecomment"""
    comment = simulated().comment_by_node(str(variables.get("id")))
    if comment is None or not g.issued.reaches(comment.thread.repository):
        return refused("NOT_FOUND", "Could not resolve to a node")
    try:
        allow("write", "pull_requests" if isinstance(comment.thread, PullRequest) else "issues")
    except Refused as lacking:
        return refused("FORBIDDEN", lacking.body["message"])
    comment.minimized = "OUTDATED"
    return {"data": {"minimizeComment": {"minimizedComment": {"isMinimized": True}}}}


def list_open(variables: Json) -> Json:
    """https://docs.github.com/graphql/reference/objects#repository"""
    name = f"{variables['owner']}/{variables['name']}"
    repository = simulated().repositories.get(name)
    if repository is None or not g.issued.reaches(repository):
        return refused("NOT_FOUND", f"Could not resolve to a Repository with the name '{name}'.")
    threads = [thread for thread in repository.threads.values() if thread.state == "open"]
    found: Json = {
        "databaseId": repository.id,
        "nameWithOwner": repository.full_name,
        "isPrivate": repository.private,
        "defaultBranchRef": {"name": repository.default_branch},
    }
    if variables["withPulls"]:
        pulls = [thread for thread in threads if isinstance(thread, PullRequest)]
        found["pullRequests"] = connection(pulls, variables["pulls"])
    if variables["withIssues"]:
        labels = {*variables["labels"]}
        issues = [thread for thread in threads if isinstance(thread, Issue) and labels & {*thread.labels}]
        found["issues"] = connection(issues, variables["issues"])
    return {"data": {"repository": found}}


def list_closing(variables: Json) -> Json:
    """https://docs.github.com/graphql/reference/objects#pullrequest"""
    name = f"{variables['owner']}/{variables['name']}"
    repository = simulated().repositories.get(name)
    pull = repository.threads.get(variables["number"]) if repository is not None else None
    if not isinstance(pull, PullRequest) or not g.issued.reaches(repository):
        return refused("NOT_FOUND", f"Could not resolve to a PullRequest with the number of {variables['number']}.")
    nodes = [{**node(issue), "repository": named(issue.repository)} for issue in simulated().closing(pull)]
    closed = {"closingIssuesReferences": {"nodes": nodes}}
    return {"data": {"repository": {"nameWithOwner": pull.repository.full_name, "pullRequest": closed}}}


def connection(threads: Sequence[Thread], after: str | None) -> Json:
    begin = int(after or 0)
    page = threads[begin : begin + PAGE]
    more = begin + PAGE < len(threads)
    return {
        "pageInfo": {"hasNextPage": more, "endCursor": str(begin + PAGE) if page else None},
        "nodes": [node(thread) for thread in page],
    }


def node(thread: Thread) -> Json:
    told: dict[str, Any] = {
        "number": thread.number,
        "title": thread.title,
        "state": "OPEN" if thread.state == "open" else "CLOSED",
        "url": payloads.web_address(thread),
        "createdAt": payloads.stamp(thread.created_at),
        "updatedAt": payloads.stamp(thread.updated_at),
        "author": actor(thread.author),
        "labels": {"nodes": [{"name": name} for name in thread.labels]},
    }
    if isinstance(thread, PullRequest):
        told |= {
            "mergedAt": payloads.stamp(thread.merged_at),
            "isDraft": thread.draft,
            "headRefOid": thread.head_sha,
            "headRefName": thread.head_ref,
            "headRepository": named(thread.head_repository),
            "baseRefName": thread.base_ref,
        }
    return told


def actor(account: Account) -> Json:
    """GraphQL leaves out the suffix that a bot's login has in REST."""
    return {
        "__typename": account.type,
        "login": account.login.removesuffix("[bot]"),
        "databaseId": account.id,
    }


def named(repository: Repository | None) -> Json | None:
    return None if repository is None else {"nameWithOwner": repository.full_name}


def refused(type: str, message: str) -> Json:
    return {"data": None, "errors": [{"type": type, "message": message}]}
