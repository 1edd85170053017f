"""What is read out of GitHub's payloads, and what is said about the malformed ones."""

import copy
import dataclasses
from contextlib import suppress
from datetime import UTC, datetime
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.events import (
    GHOST,
    InstallationEvent,
    InstallationRepositoriesEvent,
    IssueCommentEvent,
    IssueFacts,
    IssuesEvent,
    PullRequestEvent,
    PullRequestFacts,
    PullRequestReviewEvent,
    RepositoryEvent,
)
from bot.payload import MalformedPayload, Readable

Json = dict[str, Any]

ALICE = {"id": 11, "login": "alice", "type": "User", "site_admin": False, "node_id": "U_11"}
RENOVATE = {"id": 12, "login": "renovate[bot]", "type": "Bot", "site_admin": False, "node_id": "BOT_12"}
ACME = {"id": 13, "login": "acme", "type": "Organization", "site_admin": False, "node_id": "O_13"}
SHOP = {"id": 21, "full_name": "acme/shop", "name": "shop", "owner": ACME, "private": True, "default_branch": "trunk"}
FORK = {**SHOP, "id": 22, "full_name": "mallory/shop"}
TIMES = {"created_at": "2026-11-21T12:00:00Z", "updated_at": "2026-11-21T13:00:00+01:00", "closed_at": None}
PULL_REQUEST = {
    "number": 7,
    "title": "Add a cart",
    "state": "open",
    "merged_at": None,
    "draft": True,
    "user": ALICE,
    "head": {"sha": "a1" * 20, "ref": "cart", "label": "mallory:cart", "repo": FORK},
    "base": {"sha": "b2" * 20, "ref": "trunk", "label": "acme:trunk", "repo": SHOP},
    "labels": [{"id": 31, "name": "ui"}, {"id": 32, "name": "big"}],
    "html_url": "https://github.test/acme/shop/pull/7",
    **TIMES,
}
ISSUE: Json = {
    "number": 8,
    "title": "The cart is empty",
    "state": "closed",
    "user": ALICE,
    "labels": [],
    "html_url": "https://github.test/acme/shop/issues/8",
    **TIMES,
}
COMMENT = {
    "id": 41,
    "body": "- [x] Extend 24 h",
    "user": RENOVATE,
    "performed_via_github_app": {"id": 51, "slug": "renovate"},
    "html_url": "https://github.test/acme/shop/issues/8#issuecomment-41",
    **TIMES,
}
INSTALLATION = {"id": 61, "account": ACME, "permissions": {"issues": "write"}, "suspended_at": None}
ABOUT = {"repository": SHOP, "sender": ALICE, "installation": {"id": 61, "node_id": "I_61"}}

EVENTS: dict[type[Readable], Json] = {
    PullRequestEvent: {
        "action": "synchronize",
        "number": 7,
        "before": "c3" * 20,
        "pull_request": PULL_REQUEST,
        "label": {"id": 31, "name": "ui"},
        **ABOUT,
    },
    IssuesEvent: {"action": "labeled", "issue": ISSUE, "label": {"id": 31, "name": "env:deploy"}, **ABOUT},
    IssueCommentEvent: {
        "action": "edited",
        "comment": COMMENT,
        "issue": {**ISSUE, "pull_request": {"url": "https://api.github.test/repos/acme/shop/pulls/8"}},
        "changes": {"body": {"from": "- [ ] Extend 24 h"}},
        **ABOUT,
    },
    PullRequestReviewEvent: {
        "action": "submitted",
        "review": {
            "id": 71,
            "body": "/extend 24h",
            "user": ALICE,
            "html_url": "https://github.test/review",
            "submitted_at": "2026-11-20T12:00:00Z",
        },
        "pull_request": PULL_REQUEST,
        **ABOUT,
    },
    InstallationEvent: {
        "action": "created",
        "installation": INSTALLATION,
        "repositories": [{"id": 21, "full_name": "acme/shop", "private": True}],
        "sender": ALICE,
    },
    InstallationRepositoriesEvent: {
        "action": "added",
        "installation": INSTALLATION,
        "repositories_added": [{"id": 21, "full_name": "acme/shop", "private": True}],
        "repositories_removed": [],
        "sender": ALICE,
    },
    RepositoryEvent: {
        "action": "renamed",
        "changes": {"repository": {"name": {"from": "store"}}},
        **ABOUT,
    },
}


def test_a_pull_request_is_read() -> None:
    event = PullRequestEvent.read(EVENTS[PullRequestEvent])

    assert (event.action, event.before, event.label, event.installation_id) == ("synchronize", "c3" * 20, "ui", 61)
    assert (event.sender.login, event.sender.id, event.sender.is_bot) == ("alice", 11, False)
    assert (event.repository.id, event.repository.full_name) == (21, "acme/shop")
    pull = event.pull_request
    assert (pull.number, pull.title, pull.state, pull.merged, pull.draft) == (7, "Add a cart", "open", False, True)
    assert (pull.head_sha, pull.head_ref, pull.head_repository) == ("a1" * 20, "cart", "mallory/shop")
    assert (pull.base_ref, pull.repository.full_name, pull.repository.default_branch) == ("trunk", "acme/shop", "trunk")
    assert pull.labels == ("ui", "big")
    assert pull.created_at == pull.updated_at == datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert pull.from_fork


def test_an_issue_is_read() -> None:
    event = IssuesEvent.read(EVENTS[IssuesEvent])

    assert (event.action, event.label) == ("labeled", "env:deploy")
    assert (event.issue.number, event.issue.state, event.issue.is_pull_request) == (8, "closed", False)


def test_an_edited_comment_is_read() -> None:
    event = IssueCommentEvent.read(EVENTS[IssueCommentEvent])

    assert (event.body_before, event.comment.body) == ("- [ ] Extend 24 h", "- [x] Extend 24 h")
    assert (event.comment.author.login, event.comment.author.is_bot) == ("renovate[bot]", True)
    assert event.comment.app_slug == "renovate"
    assert event.issue.is_pull_request


def test_a_comment_that_no_app_wrote_is_read() -> None:
    payload = changed(EVENTS[IssueCommentEvent], "comment.performed_via_github_app", None)

    assert IssueCommentEvent.read(payload).comment.app_slug is None


def test_a_review_is_read() -> None:
    event = PullRequestReviewEvent.read(EVENTS[PullRequestReviewEvent])

    assert (event.review.id, event.review.body, event.review.author.login) == (71, "/extend 24h", "alice")
    assert event.pull_request.number == 7


def test_a_review_without_words_is_read() -> None:
    assert PullRequestReviewEvent.read(changed(EVENTS[PullRequestReviewEvent], "review.body", None)).review.body == ""


def test_an_installation_is_read() -> None:
    event = InstallationEvent.read(EVENTS[InstallationEvent])

    assert (event.action, event.installation.id, event.installation.account.login) == ("created", 61, "acme")
    assert event.installation.permissions == {"issues": "write"}
    assert not event.installation.suspended
    assert [(repo.id, repo.full_name, repo.default_branch) for repo in event.repositories] == [(21, "acme/shop", None)]


def test_a_suspended_installation_is_read() -> None:
    payload = changed(EVENTS[InstallationEvent], "installation.suspended_at", "2026-11-21T12:00:00Z")
    del payload["repositories"]

    event = InstallationEvent.read(payload)

    assert event.installation.suspended
    assert event.repositories == ()


def test_a_selection_of_repositories_is_read() -> None:
    event = InstallationRepositoriesEvent.read(EVENTS[InstallationRepositoriesEvent])

    assert [repo.full_name for repo in event.added] == ["acme/shop"]
    assert event.removed == ()


def test_a_rename_is_read() -> None:
    event = RepositoryEvent.read(EVENTS[RepositoryEvent])

    assert (event.full_name_before, event.repository.full_name) == ("acme/store", "acme/shop")


@pytest.mark.parametrize("kind", ["user", "organization"])
def test_a_transfer_is_read(kind: str) -> None:
    changes = {"owner": {"from": {kind: {"login": "globex", "id": 14}}}}

    event = RepositoryEvent.read({**EVENTS[RepositoryEvent], "action": "transferred", "changes": changes})

    assert event.full_name_before == "globex/shop"


def test_a_change_that_keeps_the_name_is_read() -> None:
    event = RepositoryEvent.read({**EVENTS[RepositoryEvent], "action": "archived", "changes": None})

    assert event.full_name_before == "acme/shop"


def test_a_merge_is_told_by_its_time_because_lists_have_no_merged() -> None:
    assert PullRequestFacts.read({**PULL_REQUEST, "state": "closed", "merged_at": "2026-11-21T14:00:00Z"}).merged


@pytest.mark.parametrize("missing", ["head.repo", "head.repo.full_name"])
def test_a_fork_that_is_gone_is_still_a_fork(missing: str) -> None:
    pull = PullRequestFacts.read(changed(PULL_REQUEST, missing, None))

    assert pull.head_repository is None
    assert pull.from_fork


def test_a_branch_of_the_repository_is_no_fork() -> None:
    assert not PullRequestFacts.read(changed(PULL_REQUEST, "head.repo", SHOP)).from_fork


def test_a_deleted_author_is_the_ghost() -> None:
    assert PullRequestFacts.read({**PULL_REQUEST, "user": None}).author == GHOST
    assert not GHOST.is_bot


def test_facts_can_be_compared_and_not_changed() -> None:
    facts = IssueFacts.read(ISSUE)

    assert facts == IssueFacts.read(copy.deepcopy(ISSUE))
    with pytest.raises(dataclasses.FrozenInstanceError):
        facts.title = "Another one"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("pull_request", None, "pull_request is missing"),
        ("pull_request.head", None, "pull_request.head.sha is missing"),
        ("pull_request.head.sha", None, "pull_request.head.sha is missing"),
        ("pull_request.head.sha", 5, "pull_request.head.sha is not text"),
        ("pull_request.head", "main", "pull_request.head is not an object"),
        ("pull_request.head.repo", ["shop"], "pull_request.head.repo is not an object"),
        ("pull_request.number", "7", "pull_request.number is not a whole number"),
        ("pull_request.number", True, "pull_request.number is not a whole number"),
        ("pull_request.number", 7.5, "pull_request.number is not a whole number"),
        ("pull_request.draft", 1, "pull_request.draft is not true or false"),
        ("pull_request.labels", {}, "pull_request.labels is not a list"),
        ("pull_request.labels", None, "pull_request.labels is missing"),
        ("pull_request.labels", [{"name": "ui"}, {}], "pull_request.labels[1].name is missing"),
        ("pull_request.labels", ["ui"], "pull_request.labels[0] is not an object"),
        ("pull_request.labels", [None], "pull_request.labels[0].name is missing"),
        ("pull_request.updated_at", "yesterday", "pull_request.updated_at is not a time with its zone"),
        ("pull_request.updated_at", "2026-11-21T12:00:00", "pull_request.updated_at is not a time with its zone"),
        ("pull_request.updated_at", "0001-01-01T00:00:00+01:00", "pull_request.updated_at is not a time with its zone"),
        ("pull_request.updated_at", 1700000000, "pull_request.updated_at is not text"),
        ("pull_request.user", {"id": 1, "login": "x"}, "pull_request.user.type is missing"),
        ("sender", None, "sender is missing"),
        ("installation", None, "installation.id is missing"),
    ],
)
def test_a_malformed_payload_is_refused_with_the_path(path: str, value: object, sentence: str) -> None:
    with pytest.raises(MalformedPayload) as refusal:
        PullRequestEvent.read(changed(EVENTS[PullRequestEvent], path, value))

    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("repositories", [None], "repositories[0] is missing"),
        ("repositories", [{"id": 1}], "repositories[0].full_name is missing"),
        ("installation.permissions", {"issues": None}, "installation.permissions.issues is not text"),
    ],
)
def test_a_malformed_installation_is_refused_with_the_path(path: str, value: object, sentence: str) -> None:
    with pytest.raises(MalformedPayload) as refusal:
        InstallationEvent.read(changed(EVENTS[InstallationEvent], path, value))

    assert str(refusal.value) == sentence


@pytest.mark.parametrize("payload", [None, [], "text", 5])
def test_a_payload_that_is_no_object_is_refused(payload: object) -> None:
    with pytest.raises(MalformedPayload):
        PullRequestEvent.read(payload)


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", "2026-11-21", "9999-12-31T23:59:59-23:59", [], [None], {}, {"id": []}]
)


@given(data=st.data())
def test_any_mangled_payload_is_read_or_refused(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(EVENTS)))
    payload = copy.deepcopy(EVENTS[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        mangle(data, payload)

    with suppress(MalformedPayload):
        facts = kind.read(payload)
        assert well_typed(kind, facts)


def changed(payload: Json, path: str, value: object) -> Json:
    """A copy of the payload with another value at the path."""
    payload = node = copy.deepcopy(payload)
    *way, last = path.split(".")
    for name in way:
        node = node[name]
    node[last] = value
    return payload


def mangle(data: st.DataObject, payload: Json) -> None:
    """Deletes or replaces one node anywhere in the payload."""
    nodes = list(containers(payload))
    node = data.draw(st.sampled_from([node for node in nodes if node] or [payload]))
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not keys:
        return
    key = data.draw(st.sampled_from(keys))
    if data.draw(st.booleans()):
        del node[key]
    else:
        node[key] = copy.deepcopy(data.draw(JUNK))


def containers(node: Any) -> Any:
    if isinstance(node, dict | list):
        yield node
        for child in node.values() if isinstance(node, dict) else node:
            yield from containers(child)


def well_typed(annotation: Any, value: object) -> bool:
    if get_origin(annotation) is UnionType:
        return any(well_typed(kind, value) for kind in get_args(annotation))
    if get_origin(annotation) is tuple:
        return isinstance(value, tuple) and all(well_typed(get_args(annotation)[0], item) for item in value)
    if get_origin(annotation) is dict:
        return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
    if dataclasses.is_dataclass(annotation) and type(value) is annotation:
        return all(well_typed(kind, getattr(value, name)) for name, kind in get_type_hints(annotation).items())
    return type(value) is annotation
