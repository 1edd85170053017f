"""The simulated GitHub: what it sends can be read, and it refuses what GitHub refuses."""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest

from bot.events import (
    InstallationEvent,
    InstallationRepositoriesEvent,
    IssueCommentEvent,
    IssuesEvent,
    PullRequestEvent,
    PullRequestReviewEvent,
    RepositoryEvent,
)
from bot.payload import Readable
from demo.github import SimulatedGitHub, serve
from tests.github import WireTo

NOON = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
REPO = "acme/shop"
READERS: dict[str, type[Readable]] = {
    "installation": InstallationEvent,
    "installation_repositories": InstallationRepositoriesEvent,
    "issue_comment": IssueCommentEvent,
    "issues": IssuesEvent,
    "pull_request": PullRequestEvent,
    "pull_request_review": PullRequestReviewEvent,
    "repository": RepositoryEvent,
}


class Inbox:
    """What was delivered, as Greenroom reads it."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[dict[str, str], bytes]] = []

    def __call__(self, headers: dict[str, str], body: bytes) -> None:
        self.deliveries.append((headers, body))

    @property
    def events(self) -> list[Any]:
        return [READERS[headers["X-GitHub-Event"]].read(json.loads(body)) for headers, body in self.deliveries]

    @property
    def names(self) -> list[str]:
        headers = [headers["X-GitHub-Event"] for headers, _ in self.deliveries]
        return [f"{name}.{event.action}" for name, event in zip(headers, self.events, strict=True)]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def github(inbox: Inbox) -> SimulatedGitHub:
    return SimulatedGitHub(webhook_secret="s3cret", deliver=inbox, clock=lambda: NOON)


def test_a_pull_request_lives_its_life_in_webhooks(github: SimulatedGitHub, inbox: Inbox) -> None:
    github.install("acme", REPO)
    number = github.open_pull_request(REPO, "alice", "Add a cart", draft=True).number
    github.ready(REPO, number)
    github.convert_to_draft(REPO, number)
    before = github.pull_request(REPO, number).head_sha
    github.push(REPO, number, by="bob")
    github.label(REPO, number, "env:deploy")
    github.unlabel(REPO, number, "env:deploy")
    github.review(REPO, number, "bob", "/extend 24h")
    github.close(REPO, number, merged=True)
    github.reopen(REPO, number)

    assert inbox.names == [
        "installation.created",
        "pull_request.opened",
        "pull_request.ready_for_review",
        "pull_request.converted_to_draft",
        "pull_request.synchronize",
        "pull_request.labeled",
        "pull_request.unlabeled",
        "pull_request_review.submitted",
        "pull_request.closed",
        "pull_request.reopened",
    ]
    opened, pushed, labeled, reviewed, closed = (inbox.events[index] for index in (1, 4, 5, 7, 8))
    assert opened.pull_request.draft
    assert (pushed.before, pushed.sender.login) == (before, "bob")
    assert pushed.pull_request.head_sha != before
    assert labeled.label == "env:deploy"
    assert reviewed.review.body == "/extend 24h"
    assert closed.pull_request.merged


def test_comments_and_issues_come_as_webhooks(github: SimulatedGitHub, inbox: Inbox) -> None:
    github.install("acme", REPO)
    number = github.open_issue(REPO, "bob").number
    comment = github.comment(REPO, number, "alice", "/extend 24h")
    github.edit_comment(comment, "/extend 48h", by="bob")
    github.delete_comment(comment)
    github.close(REPO, number)

    assert inbox.names[1:] == [
        "issues.opened",
        "issue_comment.created",
        "issue_comment.edited",
        "issue_comment.deleted",
        "issues.closed",
    ]
    edited = inbox.events[3]
    assert (edited.body_before, edited.comment.body, edited.sender.login) == ("/extend 24h", "/extend 48h", "bob")
    assert not edited.issue.is_pull_request


def test_installations_and_repositories_come_as_webhooks(github: SimulatedGitHub, inbox: Inbox) -> None:
    installation = github.install("acme", REPO)
    github.add_repositories(installation, "acme/docs")
    github.remove_repositories(installation, "acme/docs")
    github.rename_repository(REPO, "store")
    github.suspend(installation)
    github.unsuspend(installation)
    github.uninstall(installation)

    assert inbox.names == [
        "installation.created",
        "installation_repositories.added",
        "installation_repositories.removed",
        "repository.renamed",
        "installation.suspend",
        "installation.unsuspend",
        "installation.deleted",
    ]
    assert (inbox.events[3].full_name_before, inbox.events[3].repository.full_name) == (REPO, "acme/store")
    assert inbox.events[4].installation.suspended


def test_nobody_hears_of_a_repository_without_the_app(github: SimulatedGitHub, inbox: Inbox) -> None:
    github.create_repository(REPO)
    github.open_pull_request(REPO, "alice")

    assert inbox.deliveries == []


def test_a_suspended_installation_hears_nothing(github: SimulatedGitHub, inbox: Inbox) -> None:
    github.suspend(github.install("acme", REPO))
    github.open_pull_request(REPO, "alice")

    assert inbox.names == ["installation.created", "installation.suspend"]


def test_deliveries_are_signed_and_have_ids_of_their_own(github: SimulatedGitHub, inbox: Inbox) -> None:
    github.install("acme", REPO)
    github.open_pull_request(REPO, "alice")

    for headers, body in inbox.deliveries:
        assert headers["X-Hub-Signature-256"] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert len({headers["X-GitHub-Delivery"] for headers, _ in inbox.deliveries}) == 2


def test_a_pull_request_is_as_large_as_githubs(github: SimulatedGitHub, inbox: Inbox) -> None:
    github.install("acme", REPO)
    github.open_pull_request(REPO, "alice")

    assert 15_000 < len(inbox.deliveries[-1][1]) < 30_000


def test_times_are_cut_to_the_second(github: SimulatedGitHub, inbox: Inbox) -> None:
    github.install("acme", REPO)
    github.open_pull_request(REPO, "alice")

    assert inbox.events[-1].pull_request.updated_at == NOON.replace(microsecond=0)


def app_jwt(github: SimulatedGitHub, **claims: object) -> str:
    now = int(NOON.timestamp())
    given = {"iss": github.app.id, "iat": now - 30, "exp": now + 540, **claims}
    return jwt.encode(given, github.private_key, algorithm="RS256")


@pytest.mark.parametrize(
    ("claims", "status", "sentence"),
    [
        ({"iss": "1"}, 404, "Integration not found"),
        ({"iat": int(NOON.timestamp()) + 60}, 401, "'Issued at'"),
        ({"exp": int(NOON.timestamp()) - 1}, 401, "'Expiration time'"),
        ({"exp": int(NOON.timestamp()) + 601}, 401, "too far in the future"),
    ],
)
def test_an_app_that_proves_itself_badly_is_refused(
    github: SimulatedGitHub, claims: dict[str, object], status: int, sentence: str
) -> None:
    answer = ask(github, "GET", "/app", app_jwt(github, **claims))

    assert answer.status_code == status
    assert sentence in answer.json()["message"]


def test_an_app_with_another_key_is_refused(github: SimulatedGitHub) -> None:
    assert ask(github, "GET", "/app", "not.a.jwt").status_code == 401


def ask(github: SimulatedGitHub, method: str, path: str, bearer: str, json: object = None) -> httpx.Response:
    with httpx.Client(base_url="https://api.github.test", transport=WireTo(github)) as client:
        return client.request(method, path, headers={"Authorization": f"Bearer {bearer}"}, json=json)


@pytest.fixture
def request_as_installation(github: SimulatedGitHub) -> Callable[..., httpx.Response]:
    token, _ = github.issue_token(github.install("acme", REPO), timedelta(hours=1))
    return lambda method, path, json=None: ask(github, method, path, token, json)


@pytest.mark.parametrize(
    ("method", "path", "json", "status"),
    [
        ("GET", "/repos/acme/shop/issues/9", None, 404),
        ("GET", "/repos/acme/other/issues/1", None, 404),
        ("GET", "/repos/acme/shop/pulls/1", None, 404),
        ("GET", "/nothing/like/this", None, 404),
        ("POST", "/repos/acme/shop/issues/1/comments", None, 400),
        ("POST", "/repos/acme/shop/issues/1/comments", {}, 422),
        ("POST", "/repos/acme/shop/issues/1/comments", {"body": " "}, 422),
        ("POST", "/repos/acme/shop/issues/1/comments", {"body": "x" * 65537}, 422),
        ("PATCH", "/repos/acme/shop/issues/comments/9", {"body": "x"}, 404),
        ("POST", "/repos/acme/shop/issues/comments/9/reactions", {"content": "eyes"}, 404),
        ("GET", "/repos/acme/shop/collaborators/nobody/permission", None, 404),
    ],
)
def test_requests_that_github_refuses_are_refused(
    github: SimulatedGitHub,
    request_as_installation: Callable[..., httpx.Response],
    method: str,
    path: str,
    json: object,
    status: int,
) -> None:
    github.open_issue(REPO, "bob")

    assert request_as_installation(method, path, json).status_code == status
    assert github.writes == []


def test_a_reaction_that_does_not_exist_is_refused(
    github: SimulatedGitHub, request_as_installation: Callable[..., httpx.Response]
) -> None:
    github.open_issue(REPO, "bob")
    comment = github.comment(REPO, 1, "bob", "Hello")

    answer = request_as_installation(
        "POST", f"/repos/acme/shop/issues/comments/{comment.id}/reactions", {"content": "🦄"}
    )

    assert answer.status_code == 422


def test_a_token_ends_after_an_hour(github: SimulatedGitHub) -> None:
    token, _ = github.issue_token(github.install("acme", REPO), timedelta(hours=1))
    github.open_issue(REPO, "bob")
    assert ask(github, "GET", "/repos/acme/shop/issues/1", token).status_code == 200

    github.clock = lambda: NOON + timedelta(hours=1)

    assert ask(github, "GET", "/repos/acme/shop/issues/1", token).status_code == 401


def test_what_greenroom_writes_comes_back_to_it_as_a_webhook(
    github: SimulatedGitHub, request_as_installation: Callable[..., httpx.Response], inbox: Inbox
) -> None:
    github.open_issue(REPO, "bob")

    request_as_installation("POST", "/repos/acme/shop/issues/1/comments", {"body": "Hello"})

    event = inbox.events[-1]
    assert (event.action, event.sender.login, event.sender.is_bot) == ("created", "greenroom[bot]", True)
    assert event.comment.app_slug == "greenroom"
    assert [(write.method, write.status) for write in github.writes] == [("POST", 201)]


def test_a_fault_comes_as_often_as_it_was_ordered(
    github: SimulatedGitHub, request_as_installation: Callable[..., httpx.Response]
) -> None:
    thread = github.open_issue(REPO, "bob")
    github.fail("POST", "/comments$", 502, times=2, headers={"X-Fault": "yes"})
    github.fail("POST", "/comments$", 503, after=True)

    answers = [
        request_as_installation("POST", "/repos/acme/shop/issues/1/comments", {"body": str(turn)}) for turn in range(4)
    ]

    assert [answer.status_code for answer in answers] == [502, 502, 503, 201]
    assert answers[0].headers["X-Fault"] == "yes"
    assert [comment.body for comment in thread.comments] == ["2", "3"]
    assert len(github.writes) == 2


def test_it_can_be_served_on_loopback(github: SimulatedGitHub) -> None:
    github.install("acme", REPO)
    token, _ = github.issue_token(next(iter(github.installations.values())), timedelta(hours=1))
    thread = github.open_issue(REPO, "bob")
    url, stop = serve(github)
    try:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
            assert client.get("/repos/acme/shop/issues/1").json()["number"] == 1
            github.lose_answer("POST", "/comments")
            with pytest.raises(httpx.RemoteProtocolError):
                client.post("/repos/acme/shop/issues/1/comments", json={"body": "Hello"})
    finally:
        stop()

    assert len(thread.comments) == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_an_app_is_made_from_a_manifest_once_within_the_hour(github: SimulatedGitHub) -> None:
    described = {
        "url": "https://g.test",
        "hook_attributes": {"url": "https://g.test/hook"},
        "redirect_url": "https://g",
    }
    with httpx.Client(transport=WireTo(github), base_url="https://api.github.test") as anybody:
        conversion = f"/app-manifests/{github.create_app(described)}/conversions"
        assert anybody.post(conversion).json()["pem"] == github.private_key
        assert anybody.post(conversion).status_code == 404
        late = f"/app-manifests/{github.create_app(described)}/conversions"
        github.clock = lambda: NOON + timedelta(hours=1)
        assert anybody.post(late).status_code == 404


@pytest.mark.parametrize("wrong", [{}, {"hook_attributes": {}}, {"default_permissions": {"everything": "write"}}])
def test_a_manifest_that_github_would_not_take_is_refused(github: SimulatedGitHub, wrong: dict[str, Any]) -> None:
    good = {"url": "https://g.test", "hook_attributes": {"url": "https://g.test/hook"}, "redirect_url": "https://g"}
    with pytest.raises(ValueError, match="no such App"):
        github.create_app({**good, **wrong} if wrong else {})
