"""The calls to GitHub, against the simulated one."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from bot.github.calls import CALLS, AppCredentials, GitHub, Installation, Token
from bot.github.errors import (
    Forbidden,
    GitHubError,
    Invalid,
    NotConfigured,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from bot.levels import Level
from demo.github import SimulatedGitHub, generated_key, public_half
from tests.github import WireTo

NOON = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
REPO = "acme/shop"


@dataclass
class Tokens:
    """A TokenStore in memory that remembers what was done to it."""

    kept: dict[int, Token] = field(default_factory=dict)
    saved: int = 0
    dropped: int = 0
    paused: dict[int, datetime] = field(default_factory=dict)

    def load(self, installation_id: int) -> Token | None:
        return self.kept.get(installation_id)

    def save(self, installation_id: int, token: Token) -> None:
        self.kept[installation_id] = token
        self.saved += 1

    def drop(self, installation_id: int) -> None:
        del self.kept[installation_id]
        self.dropped += 1

    def begin_fetching(self, installation_id: int) -> bool:
        return True

    def end_fetching(self, installation_id: int) -> None:
        pass

    def pause(self, installation_id: int, until: datetime, *, named: bool) -> None:
        self.paused[installation_id] = until


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **time: float) -> None:
        self.time += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulated(clock: Clock) -> SimulatedGitHub:
    simulated = SimulatedGitHub(webhook_secret="s3cret", deliver=lambda headers, body: None, clock=clock)
    simulated.create_repository(REPO)
    return simulated


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def wire(simulated: SimulatedGitHub) -> WireTo:
    return WireTo(simulated)


@pytest.fixture
def github(simulated: SimulatedGitHub, tokens: Tokens, clock: Clock, wire: WireTo) -> Iterator[GitHub]:
    github = GitHub("https://api.github.test", lambda: credentials(simulated), tokens, clock, transport=wire)
    yield github
    github.close()


@pytest.fixture
def installed(simulated: SimulatedGitHub, github: GitHub) -> Installation:
    return github.installation(simulated.install("acme", REPO).id)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


UNFIT_KEYS = {
    "encrypted": lambda: pem(rsa.generate_private_key(65537, 2048), b"password"),
    "of another kind": lambda: pem(ec.generate_private_key(ec.SECP256R1())),
    "public": lambda: public_half(generated_key()),
}


def credentials(simulated: SimulatedGitHub) -> AppCredentials:
    return AppCredentials(simulated.app.id, simulated.private_key)


def count(simulated: SimulatedGitHub, method: str, path: str) -> int:
    return sum(request.method == method and path in request.path for request in simulated.requests)


class TestCalls:
    def test_tell_a_pull_request(self, simulated: SimulatedGitHub, installed: Installation, clock: Clock) -> None:
        opened = simulated.open_pull_request(REPO, "alice", "Add a cart", head="cart", draft=True, labels=("ui", "big"))
        clock.forward(hours=1)
        simulated.push(REPO, opened.number)

        pull = installed.pull_request(REPO, opened.number)

        assert (pull.number, pull.title, pull.state, pull.draft, pull.merged) == (1, "Add a cart", "open", True, False)
        assert (pull.author.login, pull.author.is_bot) == ("alice", False)
        assert (pull.head_sha, pull.head_ref, pull.base_ref) == (opened.head_sha, "cart", "main")
        assert (pull.repository.full_name, pull.repository.default_branch) == (REPO, "main")
        assert pull.head_repository == REPO
        assert not pull.from_fork
        assert pull.labels == ("ui", "big")
        assert pull.created_at == NOON.replace(microsecond=0)
        assert pull.updated_at - pull.created_at == timedelta(hours=1)

    def test_tell_a_merged_pull_request(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        number = simulated.open_pull_request(REPO, "alice").number
        simulated.close(REPO, number, merged=True)

        pull = installed.pull_request(REPO, number)

        assert (pull.state, pull.merged) == ("closed", True)

    def test_tell_a_pull_request_whose_fork_is_gone(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        number = simulated.open_pull_request(REPO, "mallory", fork="mallory/shop").number
        assert installed.pull_request(REPO, number).head_repository == "mallory/shop"

        simulated.delete_fork(REPO, number)

        pull = installed.pull_request(REPO, number)
        assert pull.head_repository is None
        assert pull.from_fork

    def test_list_the_open_pull_requests_of_all_pages(
        self, simulated: SimulatedGitHub, installed: Installation
    ) -> None:
        for _ in range(103):
            simulated.open_pull_request(REPO, "alice")
        simulated.close(REPO, 2, merged=True)

        numbers = [pull.number for pull in installed.open_pull_requests(REPO)]

        assert numbers == [1, *range(3, 104)]
        assert count(simulated, "GET", "/pulls") == 2

    def test_tell_an_issue(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        number = simulated.open_issue(REPO, "bob", "The cart is empty").number
        simulated.label(REPO, number, "env:deploy")

        issue = installed.issue(REPO, number)

        assert (issue.number, issue.title, issue.state, issue.labels) == (
            1,
            "The cart is empty",
            "open",
            ("env:deploy",),
        )
        assert not issue.is_pull_request

    def test_tell_a_pull_request_as_an_issue(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        number = simulated.open_pull_request(REPO, "alice").number

        assert installed.issue(REPO, number).is_pull_request

    def test_list_the_comments_of_all_pages(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        number = simulated.open_pull_request(REPO, "alice").number
        for index in range(201):
            simulated.comment(REPO, number, "alice", f"comment {index}")

        bodies = [comment.body for comment in installed.comments(REPO, number)]

        assert bodies == [f"comment {index}" for index in range(201)]
        assert count(simulated, "GET", "/comments") == 3

    def test_fetch_no_page_of_comments_that_nobody_reads(
        self, simulated: SimulatedGitHub, installed: Installation
    ) -> None:
        number = simulated.open_pull_request(REPO, "alice").number
        for index in range(101):
            simulated.comment(REPO, number, "alice", f"comment {index}")

        next(installed.comments(REPO, number))

        assert count(simulated, "GET", "/comments") == 1

    def test_write_comments_as_the_app(
        self, simulated: SimulatedGitHub, github: GitHub, installed: Installation
    ) -> None:
        number = simulated.open_pull_request(REPO, "alice").number

        comment_id = installed.create_comment(REPO, number, "Making an environment …")
        installed.update_comment(REPO, comment_id, "Ready")

        (comment,) = installed.comments(REPO, number)
        assert (comment.id, comment.body) == (comment_id, "Ready")
        assert (comment.author.login, comment.author.is_bot) == (github.app().login, True)
        assert comment.app_slug == github.app().slug == "greenroom"

    def test_fold_a_comment_away(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        thread = simulated.open_issue(REPO, "bob")
        comment_id = installed.create_comment(REPO, 1, "Ready")

        installed.minimize_comment(REPO, comment_id)

        assert [comment.minimized for comment in thread.comments] == ["OUTDATED"]

    def test_label_beside_other_labels(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        thread = simulated.open_issue(REPO, "bob")
        simulated.label(REPO, 1, "bug")

        installed.add_labels(REPO, 1, ["env:active", "bug"])
        assert thread.labels == ["bug", "env:active"]

        installed.remove_label(REPO, 1, "env:active")
        installed.remove_label(REPO, 1, "env:active")
        assert thread.labels == ["bug"]

    def test_make_change_and_find_a_check_run(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        sha = simulated.open_pull_request(REPO, "alice").head_sha
        content = {"name": "Greenroom", "head_sha": sha, "external_id": "pr-1", "status": "queued"}

        run_id = installed.create_check_run(REPO, content)
        installed.update_check_run(REPO, run_id, {"status": "completed", "conclusion": "success"})

        (run,) = simulated.check_runs(REPO, sha)
        assert (run.id, run.shown["conclusion"]) == (run_id, "success")
        (found,) = installed.check_runs(REPO, sha, "Greenroom")
        assert (found.id, found.head_sha, found.external_id) == (run_id, sha, "pr-1")
        assert list(installed.check_runs(REPO, sha, "Another")) == []

    def test_make_a_deployment_and_say_its_state(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        sha = simulated.open_pull_request(REPO, "alice").head_sha

        made = installed.create_deployment(REPO, sha, "greenroom:pr-1", "review", "core1")
        other = installed.create_deployment(REPO, sha, "greenroom:pr-2", "review", "core2")
        installed.create_deployment_status(REPO, other, "success", "core2 is ready", "https://greenroom.test/2")
        installed.create_deployment_status(REPO, made, "success", "core1 is ready", "https://greenroom.test/1")

        (deployment,) = simulated.deployments(REPO, "greenroom:pr-1")
        assert deployment.asked["transient_environment"] is True
        assert deployment.asked["production_environment"] is False
        assert [status.environment_url for status in deployment.statuses] == ["https://greenroom.test/1"]
        (found,) = installed.deployments(REPO, sha, "greenroom:pr-1", "review")
        assert (found.id, found.sha) == (made, sha)
        (another,) = simulated.deployments(REPO, "greenroom:pr-2")
        assert another.state == "success", "the two of one environment leave each other alone"

    def test_delete_a_deployment_that_is_over(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        sha = simulated.open_pull_request(REPO, "alice").head_sha
        made, _other = (installed.create_deployment(REPO, sha, task, "review", "x") for task in ("one", "two"))
        installed.create_deployment_status(REPO, made, "success", "ready")
        with pytest.raises(Invalid):
            installed.delete_deployment(REPO, made)

        installed.create_deployment_status(REPO, made, "inactive", "over")
        installed.delete_deployment(REPO, made)
        installed.delete_deployment(REPO, made)

        assert simulated.deployments(REPO, "one") == []

    def test_react_once_however_often_asked(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        number = simulated.open_pull_request(REPO, "alice").number
        comment = simulated.comment(REPO, number, "alice", "/extend 24h")

        first = installed.react(REPO, comment.id, "eyes")
        again = installed.react(REPO, comment.id, "eyes")

        assert first == again
        assert [reaction.content for reaction in comment.reactions] == ["eyes"]

    def test_take_a_reaction_back_and_do_not_mind_if_it_is_gone(
        self, simulated: SimulatedGitHub, installed: Installation
    ) -> None:
        number = simulated.open_pull_request(REPO, "alice").number
        comment = simulated.comment(REPO, number, "alice", "/extend 24h")
        reaction_id = installed.react(REPO, comment.id, "eyes")

        installed.unreact(REPO, comment.id, reaction_id)
        installed.unreact(REPO, comment.id, reaction_id)

        assert comment.reactions == []

    def test_ask_once_who_the_app_is(self, simulated: SimulatedGitHub, github: GitHub) -> None:
        assert github.app().login == "greenroom[bot]"
        assert github.app().id == 4711

        assert count(simulated, "GET", "/app") == 1

    def test_follow_a_renamed_repository(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        number = simulated.open_pull_request(REPO, "alice").number
        simulated.rename_repository(REPO, "store")

        comment_id = installed.create_comment(REPO, number, "Hello")
        installed.update_comment(REPO, comment_id, "Hello again")

        assert installed.pull_request(REPO, number).repository.full_name == "acme/store"
        assert [comment.body for comment in installed.comments(REPO, number)] == ["Hello again"]

    def test_go_to_an_enterprise_server_under_its_prefix(
        self, simulated: SimulatedGitHub, tokens: Tokens, clock: Clock
    ) -> None:
        server = DispatcherMiddleware(Response("not the API", 404), {"/api/v3": simulated.wire})
        transport = httpx.WSGITransport(app=server)
        github = GitHub("https://ghe.test/api/v3", lambda: credentials(simulated), tokens, clock, transport=transport)
        number = simulated.open_pull_request(REPO, "alice").number

        installed = github.installation(simulated.install("acme", REPO).id)

        assert installed.pull_request(REPO, number).number == number
        simulated.rename_repository(REPO, "store")
        assert installed.pull_request(REPO, number).number == number

    def test_send_the_version_of_the_api_that_they_are_written_for(self, simulated: SimulatedGitHub) -> None:
        sent: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            sent.append(request)
            return httpx.Response(200, json={"id": 4711, "slug": "greenroom"})

        mock = httpx.MockTransport(answer)
        GitHub("https://api.github.test", lambda: credentials(simulated), Tokens(), lambda: NOON, transport=mock).app()

        (request,) = sent
        assert request.headers["X-GitHub-Api-Version"] == "2022-11-28"
        assert request.headers["Accept"] == "application/vnd.github+json"
        assert request.headers["User-Agent"] == "greenroom"


class TestPermission:
    @pytest.mark.parametrize("level", Level)
    def test_is_the_standard_role(self, simulated: SimulatedGitHub, installed: Installation, level: Level) -> None:
        simulated.set_permission(REPO, "alice", level.name.lower())

        assert installed.permission(REPO, "alice") is level

    def test_of_a_custom_role_is_what_github_tells_with_it(
        self, simulated: SimulatedGitHub, installed: Installation
    ) -> None:
        simulated.set_permission(REPO, "alice", "release manager", permission="write")

        assert installed.permission(REPO, "alice") is Level.WRITE

    def test_of_a_custom_role_is_not_read_from_its_name(
        self, simulated: SimulatedGitHub, installed: Installation
    ) -> None:
        simulated.set_permission(REPO, "alice", "Admin", permission="read")

        assert installed.permission(REPO, "alice") is Level.READ

    def test_of_somebody_unknown_is_none(self, installed: Installation) -> None:
        assert installed.permission(REPO, "nobody") is Level.NONE

    def test_of_a_bot_can_be_asked(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        simulated.set_permission(REPO, "renovate[bot]", "write")

        assert installed.permission(REPO, "renovate[bot]") is Level.WRITE

    def test_of_a_login_that_looks_like_a_path_is_asked_for_that_login(
        self, simulated: SimulatedGitHub, installed: Installation
    ) -> None:
        simulated.set_permission(REPO, "alice", "admin")

        assert installed.permission(REPO, "mallory/../alice") is Level.NONE

    def test_is_not_guessed_when_github_does_not_answer(
        self, simulated: SimulatedGitHub, installed: Installation
    ) -> None:
        simulated.set_permission(REPO, "alice", "admin")
        simulated.fail("GET", "/permission", 500)

        with pytest.raises(Unavailable):
            installed.permission(REPO, "alice")


class TestTokens:
    def test_are_fetched_once_and_kept_in_the_store(
        self, simulated: SimulatedGitHub, installed: Installation, tokens: Tokens
    ) -> None:
        simulated.open_issue(REPO, "bob")

        installed.issue(REPO, 1)
        installed.issue(REPO, 1)

        assert count(simulated, "POST", "/access_tokens") == tokens.saved == 1
        (token,) = tokens.kept.values()
        assert token.expires_at == NOON.replace(microsecond=0) + timedelta(hours=1)

    def test_of_another_process_are_used(
        self, simulated: SimulatedGitHub, installed: Installation, tokens: Tokens, clock: Clock, wire: WireTo
    ) -> None:
        simulated.open_issue(REPO, "bob")
        installed.issue(REPO, 1)
        other = GitHub("https://api.github.test", lambda: credentials(simulated), tokens, clock, transport=wire)

        other.installation(next(iter(tokens.kept))).issue(REPO, 1)

        assert count(simulated, "POST", "/access_tokens") == 1

    def test_are_renewed_five_minutes_before_they_expire(
        self, simulated: SimulatedGitHub, installed: Installation, clock: Clock
    ) -> None:
        simulated.open_issue(REPO, "bob")
        installed.issue(REPO, 1)

        clock.forward(minutes=54, seconds=59)
        installed.issue(REPO, 1)
        assert count(simulated, "POST", "/access_tokens") == 1

        clock.forward(seconds=2)
        installed.issue(REPO, 1)
        assert count(simulated, "POST", "/access_tokens") == 2

    def test_revoked_before_their_time_are_dropped_and_replaced_once(
        self, simulated: SimulatedGitHub, installed: Installation, tokens: Tokens
    ) -> None:
        number = simulated.open_issue(REPO, "bob").number
        installed.issue(REPO, number)
        simulated.revoke_tokens()

        installed.create_comment(REPO, number, "Hello")

        assert tokens.dropped == 1
        assert len(simulated.thread(REPO, number).comments) == 1
        assert count(simulated, "POST", "/access_tokens") == 2

    def test_refused_twice_are_given_up(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        simulated.open_issue(REPO, "bob")
        simulated.fail("GET", "/issues/1", 401, times=99, body='{"message": "Bad credentials"}')

        with pytest.raises(Unauthorized, match="Bad credentials"):
            installed.issue(REPO, 1)

        assert count(simulated, "GET", "/issues/1") == 2

    def test_that_another_process_has_renewed_meanwhile_are_not_dropped(
        self, simulated: SimulatedGitHub, installed: Installation, tokens: Tokens, clock: Clock
    ) -> None:
        installation = next(iter(simulated.installations.values()))
        simulated.open_issue(REPO, "bob")
        stale = Token(value="ghs_stale", expires_at=NOON + timedelta(hours=1))
        value, expires_at = simulated.issue_token(installation, timedelta(hours=1))
        fresh = Token(value=value, expires_at=expires_at)
        # The first load sees the stale token, and by the time it was refused the fresh one is there.
        loads = iter([stale])
        tokens.load = lambda _: next(loads, fresh)  # type: ignore[method-assign,assignment]

        installed.issue(REPO, 1)

        assert (tokens.dropped, tokens.saved) == (0, 0)

    def test_are_fetched_by_one_thread_for_all(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        simulated.open_issue(REPO, "bob")
        start = threading.Barrier(8)
        failures: list[BaseException] = []

        def read() -> None:
            start.wait()
            try:
                installed.issue(REPO, 1)
            except GitHubError as error:
                failures.append(error)

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failures == []
        assert count(simulated, "POST", "/access_tokens") == 1

    def test_show_in_no_repr(self, simulated: SimulatedGitHub) -> None:
        assert "ghs_" not in repr(Token(value="ghs_secret", expires_at=NOON))
        assert "KEY" not in repr(credentials(simulated))

    def test_of_an_app_with_the_wrong_key_are_refused(
        self, simulated: SimulatedGitHub, tokens: Tokens, clock: Clock, wire: WireTo
    ) -> None:
        wrong = AppCredentials(simulated.app.id, pem(rsa.generate_private_key(65537, 2048)))
        github = GitHub("https://api.github.test", lambda: wrong, tokens, clock, transport=wire)

        with pytest.raises(Unauthorized, match="could not be decoded"):
            github.installation(1).issue(REPO, 1)

        assert len(simulated.requests) == 1

    def test_of_an_app_with_the_wrong_id_are_refused(
        self, simulated: SimulatedGitHub, tokens: Tokens, clock: Clock, wire: WireTo
    ) -> None:
        wrong = AppCredentials("4712", simulated.private_key)
        github = GitHub("https://api.github.test", lambda: wrong, tokens, clock, transport=wire)

        with pytest.raises(Unauthorized, match="Integration not found"):
            github.installation(1).issue(REPO, 1)

        assert len(simulated.requests) == 1

    @pytest.mark.parametrize("ahead", [timedelta(seconds=29), timedelta(seconds=-29)])
    def test_are_given_to_a_clock_that_is_a_little_off(
        self, simulated: SimulatedGitHub, tokens: Tokens, wire: WireTo, ahead: timedelta
    ) -> None:
        github = GitHub(
            "https://api.github.test", lambda: credentials(simulated), tokens, lambda: NOON + ahead, transport=wire
        )

        assert github.app().slug == "greenroom"

    @pytest.mark.parametrize("key", ["", "not a key", "encrypted", "of another kind", "public"])
    def test_need_a_private_key_that_can_be_read(self, tokens: Tokens, clock: Clock, wire: WireTo, key: str) -> None:
        unreadable = AppCredentials("4711", UNFIT_KEYS.get(key, lambda: key)())
        github = GitHub("https://api.github.test", lambda: unreadable, tokens, clock, transport=wire)

        with pytest.raises(NotConfigured, match="private key"):
            github.app()

    def test_need_an_app(self, simulated: SimulatedGitHub, tokens: Tokens, clock: Clock, wire: WireTo) -> None:
        github = GitHub("https://api.github.test", lambda: None, tokens, clock, transport=wire)

        with pytest.raises(NotConfigured):
            github.installation(1).issue(REPO, 1)

        assert simulated.requests == []


class TestRefusals:
    def test_nothing_is_there(self, installed: Installation) -> None:
        with pytest.raises(NotFound, match="GET /repos/acme/shop/pulls/7: 404 Not Found"):
            installed.pull_request(REPO, 7)

    def test_a_comment_was_deleted(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        number = simulated.open_issue(REPO, "bob").number
        comment_id = installed.create_comment(REPO, number, "Hello")
        simulated.delete_comment(simulated.thread(REPO, number).comments[0])

        with pytest.raises(NotFound):
            installed.update_comment(REPO, comment_id, "Hello again")

    def test_an_issue_was_deleted(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        simulated.fail("GET", "/issues/1", 410, body='{"message": "This issue was deleted"}')

        with pytest.raises(NotFound, match="This issue was deleted"):
            installed.issue(REPO, 1)

    def test_the_app_was_uninstalled(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        simulated.uninstall(next(iter(simulated.installations.values())))

        with pytest.raises(NotFound):
            installed.issue(REPO, 1)

    def test_a_repository_of_somebody_else(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        simulated.install("globex", "globex/plans")
        simulated.open_issue("globex/plans", "eve")

        with pytest.raises(NotFound):
            installed.issue("globex/plans", 1)

    def test_a_permission_is_missing(self, simulated: SimulatedGitHub, github: GitHub) -> None:
        installation = simulated.install("acme", REPO, permissions={"metadata": "read", "issues": "read"})
        number = simulated.open_issue(REPO, "bob").number

        with pytest.raises(Forbidden, match="Resource not accessible by integration"):
            github.installation(installation.id).create_comment(REPO, number, "Hello")

    def test_the_installation_is_suspended(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        simulated.open_issue(REPO, "bob")
        installed.issue(REPO, 1)
        simulated.suspend(next(iter(simulated.installations.values())))

        with pytest.raises(Forbidden, match="suspended"):
            installed.issue(REPO, 1)

    def test_a_conversation_is_locked(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        simulated.open_issue(REPO, "bob").locked = True

        with pytest.raises(Forbidden, match="issue is locked"):
            installed.create_comment(REPO, 1, "Hello")

    def test_a_comment_is_too_long(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        simulated.open_issue(REPO, "bob")

        with pytest.raises(Invalid, match="Validation Failed: Body is too long"):
            installed.create_comment(REPO, 1, "x" * 65537)

    @pytest.mark.parametrize("status", [400, 405, 409, 413, 422])
    def test_anything_else_is_invalid(self, simulated: SimulatedGitHub, installed: Installation, status: int) -> None:
        simulated.fail("GET", "/issues/1", status)

        with pytest.raises(Invalid, match=str(status)):
            installed.issue(REPO, 1)


class TestRateLimits:
    def wait_for(self, installed: Installation) -> timedelta:
        with pytest.raises(RateLimited) as limited:
            installed.issue(REPO, 1)
        return limited.value.retry_at - NOON

    @pytest.mark.parametrize("status", [403, 429])
    def test_are_waited_for_as_long_as_github_says(
        self, simulated: SimulatedGitHub, installed: Installation, status: int
    ) -> None:
        simulated.fail("GET", "/issues/1", status, headers={"Retry-After": "17"})

        assert self.wait_for(installed) == timedelta(seconds=17)
        assert count(simulated, "GET", "/issues/1") == 1

    def test_end_when_the_hour_is_over(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        reset = str(int(NOON.timestamp()) + 1800)
        simulated.fail("GET", "/issues/1", 403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset})

        assert timedelta(seconds=1799) < self.wait_for(installed) <= timedelta(seconds=1800)

    def test_without_a_time_last_a_minute(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        simulated.fail("GET", "/issues/1", 403, body='{"message": "You have exceeded a secondary rate limit."}')
        simulated.fail("GET", "/issues/1", 429)

        assert self.wait_for(installed) == timedelta(seconds=60)
        assert self.wait_for(installed) == timedelta(seconds=60)

    @pytest.mark.parametrize("after", ["Sat, 21 Nov 2026 12:00:30 GMT", "soon", "-5", "", "9" * 5000])
    def test_with_a_time_that_cannot_be_read_last_a_minute(
        self, simulated: SimulatedGitHub, installed: Installation, after: str
    ) -> None:
        simulated.fail("GET", "/issues/1", 403, headers={"Retry-After": after})

        assert self.wait_for(installed) == timedelta(seconds=60)

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"Retry-After": "0"}, 1),
            ({"Retry-After": "86401"}, 86400),
            ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, 1),
            ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}, 86400),
            ({"X-RateLimit-Remaining": "0"}, 60),
        ],
    )
    def test_last_between_a_second_and_a_day(
        self, simulated: SimulatedGitHub, installed: Installation, headers: dict[str, str], seconds: int
    ) -> None:
        simulated.fail("GET", "/issues/1", 403, headers=headers)

        assert self.wait_for(installed) == timedelta(seconds=seconds)

    def test_of_a_post_mean_that_it_did_not_happen(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        simulated.open_issue(REPO, "bob")
        simulated.fail("POST", "/comments", 403, headers={"Retry-After": "17"})

        with pytest.raises(RateLimited):
            installed.create_comment(REPO, 1, "Hello")

        assert count(simulated, "POST", "/comments") == 1

    def test_are_not_a_missing_permission(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        simulated.fail("GET", "/issues/1", 403, headers={"X-RateLimit-Remaining": "4999", "X-RateLimit-Reset": "1"})

        with pytest.raises(Forbidden):
            installed.issue(REPO, 1)

    def test_are_told_to_all_processes(
        self, simulated: SimulatedGitHub, installed: Installation, tokens: Tokens
    ) -> None:
        simulated.fail("GET", "/issues/1", 403, headers={"Retry-After": "17"})

        self.wait_for(installed)

        assert list(tokens.paused.values()) == [NOON + timedelta(seconds=17)]


class TestGraphQL:
    """GitHub tells what it refuses with status 200 there."""

    @pytest.mark.parametrize(
        ("kind", "error"),
        [("NOT_FOUND", NotFound), ("FORBIDDEN", Forbidden), ("RATE_LIMITED", RateLimited), (None, Invalid)],
    )
    def test_refusals_are_those_of_rest(
        self, simulated: SimulatedGitHub, installed: Installation, kind: str | None, error: type[GitHubError]
    ) -> None:
        simulated.open_issue(REPO, "bob")
        comment_id = installed.create_comment(REPO, 1, "Ready")
        simulated.fail("POST", "/graphql", 200, body=json.dumps({"errors": [{"type": kind, "message": "No"}]}))

        with pytest.raises(error, match="No"):
            installed.minimize_comment(REPO, comment_id)

    def test_a_limit_pauses_the_installation(
        self, simulated: SimulatedGitHub, installed: Installation, tokens: Tokens, clock: Clock
    ) -> None:
        simulated.open_issue(REPO, "bob")
        comment_id = installed.create_comment(REPO, 1, "Ready")
        limited = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}
        simulated.fail("POST", "/graphql", 200, body=json.dumps(limited))

        with pytest.raises(RateLimited):
            installed.minimize_comment(REPO, comment_id)

        assert list(tokens.paused.values()) == [NOON + timedelta(seconds=60)]

    def test_is_beside_the_rest_api_of_an_enterprise_server(self) -> None:
        asked: list[str] = []
        account = {"id": 1, "login": "greenroom[bot]", "type": "Bot"}
        at = "2026-11-21T13:00:00Z"
        comment = {"id": 1, "body": "", "user": account, "html_url": "", "created_at": at, "updated_at": at}

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request.url.path)
            told = {"token": "t", "expires_at": at, **comment}
            return httpx.Response(201 if request.url.path.endswith("access_tokens") else 200, json=told)

        transport = httpx.MockTransport(answer)
        credentials = AppCredentials("4711", generated_key())
        github = GitHub("https://ghes.test/api/v3", lambda: credentials, Tokens(), Clock(), transport=transport)
        github.installation(1).minimize_comment(REPO, 1)

        assert asked[-1] == "/api/graphql"


class TestBrokenAnswers:
    @pytest.mark.parametrize("status", [502, 503, 504, None])
    def test_of_a_repeatable_call_are_asked_for_once_more(
        self, simulated: SimulatedGitHub, installed: Installation, status: int | None
    ) -> None:
        simulated.open_issue(REPO, "bob")
        simulated.fail("GET", "/issues/1", status)

        assert installed.issue(REPO, 1).number == 1

    @pytest.mark.parametrize(("status", "asked"), [(502, 2), (None, 2), (500, 1)])
    def test_that_stay_broken_are_left_for_later(
        self, simulated: SimulatedGitHub, installed: Installation, status: int | None, asked: int
    ) -> None:
        simulated.fail("GET", "/issues/1", status, times=99)

        with pytest.raises(Unavailable):
            installed.issue(REPO, 1)

        assert count(simulated, "GET", "/issues/1") == asked

    @pytest.mark.parametrize("status", [500, 502, 503, 504, None])
    @pytest.mark.parametrize("after", [False, True])
    def test_of_a_new_comment_leave_open_whether_it_is_there(
        self, simulated: SimulatedGitHub, installed: Installation, status: int | None, after: bool
    ) -> None:
        thread = simulated.open_issue(REPO, "bob")
        simulated.fail("POST", "/comments", status, times=99, after=after)

        with pytest.raises(OutcomeUnknown):
            installed.create_comment(REPO, 1, "Hello")

        assert count(simulated, "POST", "/comments") == 1
        assert len(thread.comments) == after

    def test_of_a_changed_comment_are_harmless(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        thread = simulated.open_issue(REPO, "bob")
        comment_id = installed.create_comment(REPO, 1, "Hello")
        simulated.lose_answer("PATCH", "/comments")

        installed.update_comment(REPO, comment_id, "Ready")

        assert [comment.body for comment in thread.comments] == ["Ready"]

    def test_of_a_reaction_are_harmless(self, simulated: SimulatedGitHub, installed: Installation) -> None:
        simulated.open_issue(REPO, "bob")
        comment = simulated.comment(REPO, 1, "bob", "/status")
        simulated.lose_answer("POST", "/reactions")

        installed.react(REPO, comment.id, "rocket")

        assert len(comment.reactions) == 1

    def test_about_a_token_say_nothing_about_the_comment(
        self, simulated: SimulatedGitHub, installed: Installation
    ) -> None:
        thread = simulated.open_issue(REPO, "bob")
        simulated.fail("POST", "/access_tokens", 502, times=2)

        with pytest.raises(Unavailable):
            installed.create_comment(REPO, 1, "Hello")
        assert thread.comments == []

        installed.create_comment(REPO, 1, "Hello")
        assert len(thread.comments) == 1

    @pytest.mark.parametrize("body", ['{"number": 1, "tit', "", "<html>", '"text"', "[]", '{"number": 1}', "\x00"])
    def test_that_cannot_be_read_are_left_for_later(
        self, simulated: SimulatedGitHub, installed: Installation, body: str
    ) -> None:
        simulated.fail("GET", "/issues/1", 200, body=body)

        with pytest.raises(Unavailable, match="cannot be read"):
            installed.issue(REPO, 1)

    @pytest.mark.parametrize("body", ['{"id": 1', "", '{"id": "1"}', "[]"])
    def test_of_a_new_comment_that_cannot_be_read_mean_that_it_may_be_there(
        self, simulated: SimulatedGitHub, installed: Installation, body: str
    ) -> None:
        simulated.open_issue(REPO, "bob")
        simulated.fail("POST", "/comments", 201, body=body, after=True)

        with pytest.raises(OutcomeUnknown, match="cannot be read"):
            installed.create_comment(REPO, 1, "Hello")

    def test_in_the_middle_of_a_list_do_not_look_like_its_end(
        self, simulated: SimulatedGitHub, installed: Installation
    ) -> None:
        simulated.open_issue(REPO, "bob")
        for _ in range(101):
            simulated.comment(REPO, 1, "bob", "Hello")
        comments = installed.comments(REPO, 1)
        next(comments)
        simulated.fail("GET", "/comments", 500)

        with pytest.raises(Unavailable):
            list(comments)

    @pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.WriteTimeout])
    def test_that_take_too_long_are_not_waited_for_twice(
        self, simulated: SimulatedGitHub, error: type[Exception]
    ) -> None:
        asked = unreachable_github(simulated, error)

        with pytest.raises(Unavailable, match=error.__name__):
            asked.github.app()

        assert asked.times == 1

    @pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
    def test_of_a_github_that_was_never_reached_leave_nothing_open(
        self, simulated: SimulatedGitHub, error: type[Exception]
    ) -> None:
        asked = unreachable_github(simulated, error)

        with pytest.raises(Unavailable):
            asked.github.installation(1).create_comment(REPO, 1, "Hello")

        assert asked.times == 1

    @pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.WriteError, httpx.RemoteProtocolError])
    def test_of_a_github_that_may_have_been_reached_leave_a_new_comment_open(
        self, simulated: SimulatedGitHub, error: type[Exception]
    ) -> None:
        asked = unreachable_github(simulated, error)

        with pytest.raises(OutcomeUnknown):
            asked.github.installation(1).create_comment(REPO, 1, "Hello")

        assert asked.times == 1

    def test_are_no_excuse_for_our_own_mistakes(self, simulated: SimulatedGitHub) -> None:
        asked = unreachable_github(simulated, ZeroDivisionError)

        with pytest.raises(ZeroDivisionError):
            asked.github.app()


@dataclass
class Asked:
    times: int = 0
    github: GitHub = field(init=False)


def unreachable_github(simulated: SimulatedGitHub, error: type[Exception]) -> Asked:
    """A GitHub with a good token for installation 1, where every request ends in this error."""
    asked = Asked()

    def fail(request: httpx.Request) -> httpx.Response:
        asked.times += 1
        raise error("no luck")

    tokens = Tokens({1: Token(value="ghs_a.b.c", expires_at=NOON + timedelta(hours=1))})
    asked.github = GitHub(
        "https://api.github.test",
        lambda: credentials(simulated),
        tokens,
        lambda: NOON,
        transport=httpx.MockTransport(fail),
    )
    return asked


class TestSecrets:
    def test_are_in_no_error(self, simulated: SimulatedGitHub, installed: Installation, tokens: Tokens) -> None:
        simulated.open_issue(REPO, "bob")
        installed.issue(REPO, 1)
        (token,) = tokens.kept.values()
        for status in (401, 403, 404, 422, 429, 500, 502, None):
            simulated.fail("*", "/issues", status, times=2)
            with pytest.raises(GitHubError) as error:
                installed.create_comment(REPO, 1, "the secret plan")
            assert token.value not in repr(error.value)
            assert "secret plan" not in repr(error.value)
            simulated.wire.faults.clear()

    def test_go_nowhere_but_to_the_api(self, simulated: SimulatedGitHub, tokens: Tokens) -> None:
        """Neither a redirect nor a Link to another host gets the token."""
        tokens.kept[1] = Token(value="ghs_a.b.c", expires_at=NOON + timedelta(hours=1))
        seen: dict[str, list[str | None]] = {}

        def answer(request: httpx.Request) -> httpx.Response:
            seen.setdefault(request.url.host, []).append(request.headers.get("Authorization"))
            if "issues/1/comments" in request.url.path:
                more = '<https://evil.test/next>; rel="next"' if request.url.params["page"] == "1" else ""
                return httpx.Response(200, json=[], headers={"Link": more})
            if request.url.host == "api.github.test":
                return httpx.Response(301, headers={"Location": "https://evil.test/"})
            return httpx.Response(404, json={})

        github = GitHub(
            "https://api.github.test",
            lambda: credentials(simulated),
            tokens,
            lambda: NOON,
            transport=httpx.MockTransport(answer),
        )

        assert list(github.installation(1).comments(REPO, 1)) == []
        assert list(seen) == ["api.github.test"]
        with pytest.raises(NotFound):
            github.installation(1).issue(REPO, 1)
        assert seen["evil.test"] == [None]


class TestConnections:
    def test_outlive_the_requests_of_every_thread(
        self, simulated: SimulatedGitHub, installed: Installation, wire: WireTo
    ) -> None:
        """githubkit closes what it opens for one request, and would open it anew for the next."""
        simulated.open_issue(REPO, "bob")

        thread = threading.Thread(target=installed.issue, args=(REPO, 1))
        thread.start()
        thread.join()

        assert count(simulated, "GET", "/issues/1") == 1
        assert not wire.closed

    def test_are_closed_with_it(self, github: GitHub, wire: WireTo) -> None:
        github.app()

        github.close()

        assert wire.closed


def test_every_call_is_a_method_of_an_installation_or_how_it_gets_there() -> None:
    assert {name for name in CALLS if not hasattr(Installation, name)} == {"app", "access_token"}
