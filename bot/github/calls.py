"""The calls that Greenroom makes to GitHub, over githubkit, one installation at a time.

Nothing here sleeps and nothing here repeats what might happen twice; bot/github/errors.py draws how a call can fail.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Protocol, TypeVar
from urllib.parse import quote

import githubkit
import httpx
from githubkit.exception import RequestError, RequestFailed

from bot.events import CheckRunFacts, CommentFacts, DeploymentFacts, FileFacts, IssueFacts, PullRequestFacts
from bot.github.app_jwt import app_jwt
from bot.github.call import READ_THREADS, WRITE_THREADS, Call
from bot.github.conditional import Remembered
from bot.github.errors import (
    NotConfigured,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
    refused,
    refused_in_graphql,
    unanswered,
    unreadable,
)
from bot.levels import LEVELS, Level
from bot.payload import At, MalformedPayload, Readable

TIMEOUT_SECONDS = 10
TOKEN_MARGIN = timedelta(minutes=5)
SLASHED = {"repo", "path", "ref"}
GATEWAY_ERRORS = {502, 503, 504}
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}

Facts = TypeVar("Facts")
Reaction = Literal["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"]


CALLS = {
    "app": Call("GET", "/app"),
    "access_token": Call("POST", "/app/installations/{installation_id}/access_tokens"),
    "pull_request": Call("GET", "/repos/{repo}/pulls/{number}", {"pull_requests": "read"}),
    "open_pull_requests": Call("GET", "/repos/{repo}/pulls", {"pull_requests": "read"}),
    "issue": Call("GET", "/repos/{repo}/issues/{number}", READ_THREADS),
    "comments": Call("GET", "/repos/{repo}/issues/{number}/comments", READ_THREADS),
    "create_comment": Call("POST", "/repos/{repo}/issues/{number}/comments", WRITE_THREADS, repeatable=False),
    "update_comment": Call("PATCH", "/repos/{repo}/issues/comments/{comment_id}", WRITE_THREADS),
    # GitHub answers a reaction that is there already with that reaction.
    "react": Call("POST", "/repos/{repo}/issues/comments/{comment_id}/reactions", WRITE_THREADS),
    "unreact": Call("DELETE", "/repos/{repo}/issues/comments/{comment_id}/reactions/{reaction_id}", WRITE_THREADS),
    "comment": Call("GET", "/repos/{repo}/issues/comments/{comment_id}", READ_THREADS),
    "minimize_comment": Call("POST", "/graphql", WRITE_THREADS),
    "add_labels": Call("POST", "/repos/{repo}/issues/{number}/labels", WRITE_THREADS),
    "remove_label": Call("DELETE", "/repos/{repo}/issues/{number}/labels/{label}", WRITE_THREADS),
    "check_runs": Call("GET", "/repos/{repo}/commits/{sha}/check-runs", {"checks": "read"}),
    "create_check_run": Call("POST", "/repos/{repo}/check-runs", {"checks": "write"}, repeatable=False),
    "update_check_run": Call("PATCH", "/repos/{repo}/check-runs/{check_run_id}", {"checks": "write"}),
    "deployments": Call("GET", "/repos/{repo}/deployments", {"deployments": "read"}),
    "create_deployment": Call("POST", "/repos/{repo}/deployments", {"deployments": "write"}, repeatable=False),
    "delete_deployment": Call("DELETE", "/repos/{repo}/deployments/{deployment_id}", {"deployments": "write"}),
    # One that is there twice says the same twice, and nobody is told of it.
    "create_deployment_status": Call(
        "POST", "/repos/{repo}/deployments/{deployment_id}/statuses", {"deployments": "write"}
    ),
    "changed_files": Call("GET", "/repos/{repo}/pulls/{number}/files", {"pull_requests": "read"}),
    "file": Call("GET", "/repos/{repo}/contents/{path}", {"contents": "read"}),
    "commit": Call("GET", "/repos/{repo}/commits/{ref}", {"contents": "read"}),
    # Asked only where a policy names teams; an App that is not granted it has nobody in them.
    "is_in_team": Call("GET", "/orgs/{organization}/teams/{team}/memberships/{login}", {"members": "read"}),
    "permission": Call("GET", "/repos/{repo}/collaborators/{login}/permission", {"metadata": "read"}),
}

MINIMIZE = """mutation($id: ID!) {
  minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) { minimizedComment { isMinimized } }
}"""


@dataclass(frozen=True)
class AppCredentials:
    app_id: str
    private_key: str = field(repr=False)
    """PEM text."""


@dataclass(frozen=True)
class Token(Readable):
    """An installation token, good for an hour. As long as GitHub likes, and with dots in it."""

    value: Annotated[str, At("token")] = field(repr=False)
    expires_at: datetime


class TokenStore(Protocol):
    """Where all processes keep the one token of each installation.

    Of those that want a new one, the first to `begin_fetching` may, and the others not before its `end_fetching`.
    `load` raises RateLimited until the time that `pause` was told: no process calls as that installation before.
    Where GitHub `named` no time, each pause is longer than the one before.
    """

    def load(self, installation_id: int) -> Token | None: ...
    def save(self, installation_id: int, token: Token) -> None: ...
    def drop(self, installation_id: int) -> None: ...
    def begin_fetching(self, installation_id: int) -> bool: ...
    def end_fetching(self, installation_id: int) -> None: ...
    def pause(self, installation_id: int, until: datetime, *, named: bool) -> None: ...


class Limits(Protocol):
    """Where all processes keep what GitHub allows each installation, so that together they stay within it.

    `before` a call raises RateLimited if none is left of the hour, if the sweeps have used their share, or if it is
    another writer's turn; `after` it is told what GitHub's answer said of the limits, if there was one.
    """

    def before(self, installation_id: int, call: Call, *, sweeps: bool) -> None: ...
    def after(self, installation_id: int, call: Call, answer: httpx.Response | None, *, sweeps: bool) -> None: ...


@dataclass(frozen=True)
class App(Readable):
    id: int
    slug: str

    @property
    def login(self) -> str:
        """The author of whatever Greenroom writes."""
        return f"{self.slug}[bot]"


@dataclass(frozen=True)
class _Created(Readable):
    id: int


@dataclass(frozen=True)
class _CheckRuns(Readable):
    check_runs: tuple[CheckRunFacts, ...]


@dataclass(frozen=True)
class _Commit(Readable):
    sha: str


@dataclass(frozen=True)
class _ChangedFile(Readable):
    name: Annotated[str, At("filename")]
    name_before: Annotated[str | None, At("previous_filename")] = None


@dataclass(frozen=True)
class _Membership(Readable):
    state: str


@dataclass(frozen=True)
class _Permission(Readable):
    permission: str
    role_name: str = ""


class _Client(githubkit.GitHub[githubkit.UnauthAuthStrategy]):
    """githubkit with one connection pool for all threads, and without an opinion about rate limits."""

    def __init__(self, api_url: str, user_agent: str, transport: httpx.BaseTransport | None) -> None:
        super().__init__(
            base_url=api_url,
            user_agent=user_agent,
            timeout=TIMEOUT_SECONDS,
            transport=transport,
            # It would keep every answer in memory, and repeat a POST after a 5xx.
            http_cache=False,
            auto_retry=False,
        )
        self._client = self._create_sync_client()

    # Entered with `with`, githubkit's client is seen by that thread alone, and any other
    # thread makes a client and a TLS context (41 ms) for each of its requests.
    @contextmanager
    def get_sync_client(self) -> Iterator[httpx.Client]:
        yield self._client

    # It knows whole seconds only, and raises ValueError at a Retry-After that is a date.
    def _check_rate_limit(self, response: object) -> None:
        pass

    def close(self) -> None:
        self._client.close()


class GitHub:
    """GitHub as this App sees it. One for a process: it holds the connections, and all threads may share it."""

    def __init__(
        self,
        api_url: str,
        credentials: Callable[[], AppCredentials | None],
        tokens: TokenStore,
        clock: Callable[[], datetime],
        *,
        limits: Limits | None = None,
        transport: httpx.BaseTransport | None = None,
        user_agent: str = "greenroom",
    ) -> None:
        self._client = _Client(api_url, user_agent, transport)
        self._graphql_url = f"{api_url.removesuffix('/v3')}/graphql"  # of a GitHub Enterprise Server it is beside v3
        self._credentials = credentials
        self._tokens = tokens
        self._limits = limits
        self._clock = clock
        self._remembered = Remembered()
        self._apps: dict[str, App] = {}
        self._minting: dict[int, threading.Lock] = {}

    def close(self) -> None:
        self._client.close()

    def installation(self, installation_id: int, *, sweeps: bool = False) -> "Installation":
        """`sweeps` counts its calls against the share of the limits that sweeps may use."""
        return Installation(self, installation_id, sweeps)

    def app(self) -> App:
        """This App as GitHub knows it, asked once."""
        credentials = self._configured()
        if credentials.app_id not in self._apps:
            answer = self._send(CALLS["app"], "/app", self._app_jwt(credentials))
            self._apps[credentials.app_id] = read_answer(CALLS["app"], answer, App.read)
        return self._apps[credentials.app_id]

    def as_app(self, call: Call, path: str, **content: Any) -> httpx.Response:
        """The answer to a call as the App itself, which needs no installation."""
        return self._send(call, path, self._app_jwt(self._configured()), **content)

    def send(
        self, installation_id: int, call: Call, path: str, *, sweeps: bool = False, **content: Any
    ) -> httpx.Response:
        """The answer to a call as this installation; one refused with 401 is made again, once, with a fresh token."""
        token = self._token(installation_id)
        if self._limits is not None:
            self._limits.before(installation_id, call, sweeps=sweeps)
        answer = None
        try:
            try:
                answer = self._conditionally(installation_id, call, path, token, **content)
            except Unauthorized:
                token = self._token(installation_id, refused=token)
                answer = self._conditionally(installation_id, call, path, token, **content)
            return answer
        except RateLimited as limited:
            self._tokens.pause(installation_id, limited.retry_at, named=limited.is_named)
            raise
        finally:
            if self._limits is not None:
                self._limits.after(installation_id, call, answer, sweeps=sweeps)

    def _conditionally(
        self, installation_id: int, call: Call, path: str, token: Token, **content: Any
    ) -> httpx.Response:
        """The answer; where GitHub says that it is the one we have, which costs nothing of the limits, that one."""
        if call.method != "GET":
            return self._send(call, path, token.value, **content)
        about = (installation_id, token.value, path, repr(content.get("params")))
        answer = self._send(call, path, token.value, headers=self._remembered.condition(about), **content)
        return self._remembered.resolve(about, answer)

    def query(
        self, installation_id: int, call: Call, query: str, *, sweeps: bool = False, **variables: Any
    ) -> httpx.Response:
        """The answer to a GraphQL call as this installation; GitHub tells its refusals with status 200."""
        sent = {"query": query, "variables": variables}
        answer = self.send(installation_id, call, self._graphql_url, sweeps=sweeps, json=sent)
        if (error := refused_in_graphql(answer, now=self._clock())) is None:
            return answer
        if isinstance(error, RateLimited):
            self._tokens.pause(installation_id, error.retry_at, named=error.is_named)
        raise error

    def _token(self, installation_id: int, refused: Token | None = None) -> Token:
        """A token with more than five minutes to live; of all that want a new one, in any process, one fetches it.

        Meanwhile the others use one that has less. Raises Unavailable if there is none.
        """
        with self._minting.setdefault(installation_id, threading.Lock()):
            token = self._tokens.load(installation_id)
            if token is not None and refused is not None and token.value == refused.value:
                self._tokens.drop(installation_id)
                token = None
            lives = timedelta(0) if token is None else token.expires_at - self._clock()
            if token is not None and lives > TOKEN_MARGIN:
                return token
            if self._tokens.begin_fetching(installation_id):
                return self._fetch_token(installation_id)
            if token is None or lives <= timedelta(0):
                raise Unavailable(f"another process fetches the token of installation {installation_id}")
            return token

    def _fetch_token(self, installation_id: int) -> Token:
        try:
            token = self._mint(installation_id)
            self._tokens.save(installation_id, token)
            return token
        finally:
            self._tokens.end_fetching(installation_id)

    def _mint(self, installation_id: int) -> Token:
        call = CALLS["access_token"]
        return read_answer(call, self.as_app(call, call.path.format(installation_id=installation_id)), Token.read)

    def _configured(self) -> AppCredentials:
        credentials = self._credentials()
        if credentials is None:
            raise NotConfigured("there are no credentials of a GitHub App yet")
        return credentials

    def _app_jwt(self, credentials: AppCredentials) -> str:
        return app_jwt(credentials.app_id, credentials.private_key, now=self._clock())

    def _send(
        self, call: Call, path: str, bearer: str, *, headers: Mapping[str, str] | None = None, **content: Any
    ) -> httpx.Response:
        """The answer to one call; a repeatable one that met a lost connection or a gateway error is made twice."""
        headers = {**HEADERS, **(headers or {}), "Authorization": f"Bearer {bearer}"}
        again = call.repeatable
        while True:
            try:
                return self._client.request(call.method, path, headers=headers, **content).raw_response
            except RequestFailed as failed:
                if not again or failed.response.status_code not in GATEWAY_ERRORS:
                    answer = failed.response.raw_response
                    raise refused(answer, repeatable=call.repeatable, now=self._clock()) from None
            except RequestError as lost:
                if not isinstance(lost.exc, httpx.RequestError):
                    raise lost.exc from None
                if not again or not isinstance(lost.exc, httpx.NetworkError | httpx.ProtocolError):
                    raise unanswered(lost.exc, repeatable=call.repeatable) from None
            again = False


class Installation:
    """The calls, as one installation of the App. `repo` is `owner/name`; errors are drawn in bot/github/errors.py."""

    def __init__(self, github: GitHub, installation_id: int, sweeps: bool = False) -> None:
        self._github = github
        self._id = installation_id
        self._sweeps = sweeps

    @property
    def id(self) -> int:
        return self._id

    def pull_request(self, repo: str, number: int) -> PullRequestFacts:
        return self._read("pull_request", PullRequestFacts.read, repo=repo, number=number)

    def open_pull_requests(self, repo: str) -> Iterator[PullRequestFacts]:
        """All of them, oldest first, so that one opened meanwhile shifts no page."""
        order = {"state": "open", "sort": "created", "direction": "asc"}
        return self._pages("open_pull_requests", PullRequestFacts.read_all, order, repo=repo)

    def issue(self, repo: str, number: int) -> IssueFacts:
        """An issue, or a pull request as an issue."""
        return self._read("issue", IssueFacts.read, repo=repo, number=number)

    def comments(self, repo: str, number: int) -> Iterator[CommentFacts]:
        """All comments of an issue or a pull request, oldest first; each page is fetched when it is reached."""
        return self._pages("comments", CommentFacts.read_all, {}, repo=repo, number=number)

    def comment(self, repo: str, comment_id: int) -> CommentFacts:
        return self._read("comment", CommentFacts.read, repo=repo, comment_id=comment_id)

    def create_comment(self, repo: str, number: int, body: str) -> int:
        """The new comment's id. OutcomeUnknown: look for it in `comments` before making another one."""
        return self._read("create_comment", _Created.read, {"body": body}, repo=repo, number=number).id

    def update_comment(self, repo: str, comment_id: int, body: str) -> None:
        """NotFound when someone has deleted it."""
        self._send("update_comment", json={"body": body}, repo=repo, comment_id=comment_id)

    def react(self, repo: str, comment_id: int, content: Reaction) -> int:
        """The reaction's id, also when it was there already."""
        return self._read("react", _Created.read, {"content": content}, repo=repo, comment_id=comment_id).id

    def unreact(self, repo: str, comment_id: int, reaction_id: int) -> None:
        """The reaction is gone, and it is no error if it was before."""
        with suppress(NotFound):
            self._send("unreact", repo=repo, comment_id=comment_id, reaction_id=reaction_id)

    def minimize_comment(self, repo: str, comment_id: int) -> None:
        """The comment is folded away as outdated. NotFound when someone has deleted it."""
        node_id = self.comment(repo, comment_id).node_id
        self._github.query(self._id, CALLS["minimize_comment"], MINIMIZE, id=node_id)

    def add_labels(self, repo: str, number: int, labels: list[str]) -> None:
        """It has these labels besides its others; a label that the repository does not know is made."""
        self._send("add_labels", json={"labels": labels}, repo=repo, number=number)

    def remove_label(self, repo: str, number: int, label: str) -> None:
        """It has no such label, and it is no error if it had none before."""
        with suppress(NotFound):
            self._send("remove_label", repo=repo, number=number, label=label)

    def check_runs(self, repo: str, sha: str, name: str) -> Iterator[CheckRunFacts]:
        """This App's newest check runs of this name on a commit."""
        return self._pages(
            "check_runs",
            lambda answer: _CheckRuns.read(answer).check_runs,
            {"check_name": name, "app_id": str(self._github.app().id)},
            repo=repo,
            sha=sha,
        )

    def create_check_run(self, repo: str, content: Mapping[str, Any]) -> int:
        """The new check run's id. OutcomeUnknown: look for it in `check_runs` before making another one.

        The content is GitHub's: https://docs.github.com/rest/checks/runs#create-a-check-run
        """
        return self._read("create_check_run", _Created.read, dict(content), repo=repo).id

    def update_check_run(self, repo: str, check_run_id: int, content: Mapping[str, Any]) -> None:
        self._send("update_check_run", json=dict(content), repo=repo, check_run_id=check_run_id)

    def deployments(self, repo: str, sha: str, task: str, environment: str) -> Iterator[DeploymentFacts]:
        """The deployments of a commit for this task to this environment, newest first."""
        asked = {"sha": sha, "task": task, "environment": environment}
        return self._pages("deployments", DeploymentFacts.read_all, asked, repo=repo)

    def create_deployment(self, repo: str, sha: str, task: str, environment: str, description: str) -> int:
        """The new deployment's id; nothing is merged and no check is waited for (bot-behaviour 5.2).

        OutcomeUnknown: look for it in `deployments` before making another one.
        """
        content = {
            "ref": sha,
            "task": task,
            "environment": environment,
            "description": description,
            "auto_merge": False,
            "required_contexts": [],
            "transient_environment": True,
            "production_environment": False,
        }
        return self._read("create_deployment", _Created.read, content, repo=repo).id

    def create_deployment_status(
        self, repo: str, deployment_id: int, state: str, description: str, environment_url: str | None = None
    ) -> None:
        """The deployment is in this state; other deployments to the environment stay as they are."""
        content = {"state": state, "description": description, "auto_inactive": False}
        if environment_url is not None:
            content["environment_url"] = environment_url
        self._send("create_deployment_status", json=content, repo=repo, deployment_id=deployment_id)

    def delete_deployment(self, repo: str, deployment_id: int) -> None:
        """There is no such deployment, and it is no error if there was none before. Invalid while it is active."""
        with suppress(NotFound):
            self._send("delete_deployment", repo=repo, deployment_id=deployment_id)

    def changed_files(self, repo: str, number: int) -> Iterator[str]:
        """The paths that a pull request adds, changes and removes, alphabetically; GitHub tells 3,000 at most."""
        for file in self._pages("changed_files", _ChangedFile.read_all, {}, repo=repo, number=number):
            yield file.name
            if file.name_before is not None:
                yield file.name_before

    def file(self, repo: str, path: str, ref: str | None = None) -> FileFacts:
        """A file on the default branch, or at a commit. NotFound also for a folder."""
        answer = self._send("file", params={"ref": ref} if ref else None, repo=repo, path=path)
        if answer.content.startswith(b"["):
            raise NotFound(f"{path} in {repo} is a folder")
        return read_answer(CALLS["file"], answer, FileFacts.read)

    def commit(self, repo: str, ref: str) -> str:
        """The SHA of the commit that a branch ends with."""
        return self._read("commit", _Commit.read, repo=repo, ref=ref).sha

    def permission(self, repo: str, login: str) -> Level:
        """The level in the repository; a custom role counts as the standard level that GitHub tells with it."""
        try:
            answer = self._read("permission", _Permission.read, repo=repo, login=login)
        except NotFound:
            return Level.NONE
        return LEVELS.get(answer.role_name) or LEVELS.get(answer.permission, Level.NONE)

    def is_in_team(self, organization: str, team: str, login: str) -> bool:
        """Whether they are in the team, or in one below it; who was invited is not yet."""
        values = {"organization": organization, "team": team, "login": login}
        try:
            return self._read("is_in_team", _Membership.read, **values).state == "active"
        except NotFound:
            return False

    def query(self, call: Call, read: Callable[[Any], Facts], query: str, variables: Mapping[str, Any]) -> Facts:
        """What `read` finds in the answer to a GraphQL query."""
        return read_answer(call, self._github.query(self._id, call, query, sweeps=self._sweeps, **variables), read)

    def _send(self, name: str, *, json: Any = None, params: Any = None, **values: object) -> httpx.Response:
        # Only the names of repositories, files and branches have slashes of their own.
        quoted = {key: quote(str(value), safe="/" if key in SLASHED else "") for key, value in values.items()}
        path = CALLS[name].path.format_map(quoted)
        return self._github.send(self._id, CALLS[name], path, sweeps=self._sweeps, json=json, params=params)

    def _read(self, name: str, read: Callable[[Any], Facts], json: Any = None, **values: object) -> Facts:
        return read_answer(CALLS[name], self._send(name, json=json, **values), read)

    def _pages(
        self, name: str, read: Callable[[Any], tuple[Facts, ...]], params: Mapping[str, str], **values: object
    ) -> Iterator[Facts]:
        page, more = 1, True
        while more:
            answer = self._send(name, params={**params, "per_page": 100, "page": page}, **values)
            yield from read_answer(CALLS[name], answer, read)
            # Its address is not followed: the token goes to the configured API and nowhere else.
            page, more = page + 1, "next" in answer.links


def read_answer(call: Call, answer: httpx.Response, read: Callable[[Any], Facts]) -> Facts:
    """What `read` finds in the answer; raises Unavailable or OutcomeUnknown if that cannot be read."""
    try:
        return read(answer.json())
    except (ValueError, MalformedPayload) as error:
        raise unreadable(answer, error, repeatable=call.repeatable) from None
