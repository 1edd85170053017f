"""A GitHub in memory: people act, it tells Greenroom by signed webhooks, and Greenroom acts on it by the REST API.

    github = SimulatedGitHub(webhook_secret="s3cret", deliver=post_to_greenroom)
    github.install("acme", "acme/shop")
    pull = github.open_pull_request("acme/shop", "alice", "Add a cart")
    github.comment("acme/shop", pull.number, "alice", "/extend 24h")
    [comment.body for comment in pull.comments]

Whatever people do is a method below; it changes the state, sends what GitHub would send, and returns what was changed.
A thread is an issue or a pull request. The clock is yours, and GitHub's times are cut to the second.
"""

import hashlib
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.serving import WSGIRequestHandler, make_server

from demo import github_payloads as payloads
from demo.github_rest import answer
from demo.github_state import (
    Account,
    App,
    Authorization,
    CheckRun,
    Comment,
    Deployment,
    DeploymentStatus,
    Installation,
    Issue,
    IssuedToken,
    PullRequest,
    Reaction,
    Repository,
    Review,
    Role,
    Thread,
)
from demo.github_webhooks import Deliver, Webhooks
from demo.github_wire import Fault, LoggedRequest, Wire

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

GRANTABLE = {"metadata", "issues", "pull_requests", "checks", "contents", "deployments", "members"}  # as far as we know
PERMISSIONS = {
    "metadata": "read", "issues": "write", "pull_requests": "write", "checks": "write", "deployments": "write",
    "contents": "read",
}  # fmt: skip
EVENTS = (
    "pull_request", "issues", "issue_comment", "pull_request_review", "push", "repository", "check_run", "check_suite"
)  # fmt: skip
AN_HOUR = 5000  # calls of one installation
STANDARD_ROLES = {
    "admin": "admin", "maintain": "write", "write": "write", "triage": "read", "read": "read", "none": "none"
}  # fmt: skip


class SimulatedGitHub:
    def __init__(
        self,
        *,
        webhook_secret: str,
        deliver: Deliver,
        app_id: str = "4711",
        slug: str = "greenroom",
        private_key: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.clock = clock
        self.private_key = private_key or generated_key()
        self.public_key = public_half(self.private_key)
        self.accounts: dict[str, Account] = {}
        self.repositories: dict[str, Repository] = {}
        self.installations: dict[int, Installation] = {}
        self.tokens: dict[str, IssuedToken] = {}
        self.client_secret = secrets.token_hex(20)
        self._manifest_codes: dict[str, datetime] = {}
        self._login_codes: dict[str, Authorization] = {}
        self.teams: dict[tuple[str, str], set[str]] = {}
        self.user_tokens: dict[str, Account] = {}
        self.an_hour = AN_HOUR
        self.spent: dict[tuple[int, str, int], int] = {}
        self._ids = count(100_001)
        self.admin = self._account("admin")
        makers, bot = self._account("greenroom-makers", "Organization"), self._account(f"{slug}[bot]", "Bot")
        self.app = App(app_id, slug, dict(PERMISSIONS), EVENTS, makers, bot)
        self.webhooks = Webhooks(self.app, webhook_secret, deliver, self.installations, clock)
        self.wire = Wire(partial(answer, self))
        """The REST API, as a WSGI application."""

    # What Greenroom did

    @property
    def requests(self) -> list[LoggedRequest]:
        """Every request to the API, oldest first."""
        return self.wire.log

    @property
    def writes(self) -> list[LoggedRequest]:
        """The requests that changed something that people see; in GraphQL, which looks alike, only comments fold."""
        done = [r for r in self.requests if r.method != "GET" and r.status in (200, 201, 204)]
        return [r for r in done if "/app/" not in r.path and r.path != "/graphql"]

    @property
    def invalid(self) -> list[LoggedRequest]:
        """Requests that GitHub could not make sense of: to whomever sends them it will always say so."""
        return [r for r in self.requests if r.status in (400, 405, 422, 501)]

    # What goes wrong

    def fail(
        self,
        method: str,
        path: str,
        status: int | None,
        *,
        times: int = 1,
        body: str = '{"message": "It is not your fault"}',
        headers: Mapping[str, str] | None = None,
        after: bool = False,
    ) -> None:
        """The next requests of this method (`*` for any) whose path matches get this answer instead of the true one.

        No status means a cut connection; `after` means that the work is done before it goes wrong.
        """
        self.wire.faults.append(Fault(method, re.compile(path), times, status, body, headers or {}, after))

    def lose_answer(self, method: str, path: str, *, times: int = 1) -> None:
        """The next such requests do their work, and the connection is cut before the answer."""
        self.fail(method, path, None, times=times, after=True)

    def revoke_tokens(self) -> None:
        """GitHub forgets every installation token before its time."""
        self.tokens.clear()

    # The App, accounts and installations

    def create_app(self, manifest: Mapping[str, Any]) -> str:
        """Somebody has the App made out of a manifest; the code that goes to its redirect_url, good for an hour.

        Refuses with ValueError, as GitHub would on its page, a manifest that lacks something or wants too much.
        """
        missing = {"url", "hook_attributes", "redirect_url"} - manifest.keys()
        unknown = manifest.get("default_permissions", {}).keys() - GRANTABLE
        if missing or unknown or "url" not in manifest["hook_attributes"]:
            raise ValueError(f"no such App: missing {sorted(missing)}, unknown {sorted(unknown)}")
        code = secrets.token_hex(20)
        self._manifest_codes[code] = self.clock() + timedelta(hours=1)
        return code

    def take_manifest_code(self, code: str) -> bool:
        """Whether the code is good; it never is again."""
        expires_at = self._manifest_codes.pop(code, None)
        return expires_at is not None and self.clock() < expires_at

    def log_in(self, login: str, address: str) -> str:
        """Somebody opens the address of GitHub's login page and agrees: the address that GitHub sends them to."""
        asked = dict(parse_qsl(urlsplit(address).query))
        code = secrets.token_hex(10)
        self._login_codes[code] = Authorization(
            self._account(login), asked["redirect_uri"], asked.get("code_challenge", "")
        )
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked.get('state', '')})}"

    def take_login_code(self, code: str) -> Authorization | None:
        """What the code is good for; it never is again."""
        return self._login_codes.pop(code, None)

    def install(self, account: str, *repositories: str, permissions: Mapping[str, str] = PERMISSIONS) -> Installation:
        """The App is installed for repositories of an account, which come into being if they have to."""
        owner = self._account(account, "Organization")
        chosen = [self.create_repository(name) for name in repositories]
        installation = Installation(next(self._ids), owner, chosen, dict(permissions), self._now())
        self.installations[installation.id] = installation
        self.webhooks.of_installation(installation, "created", self.admin, chosen)
        return installation

    def uninstall(self, installation: Installation) -> None:
        del self.installations[installation.id]
        for value in [value for value, token in self.tokens.items() if token.installation is installation]:
            del self.tokens[value]
        self.webhooks.of_installation(installation, "deleted", self.admin, installation.repositories)

    def suspend(self, installation: Installation) -> None:
        installation.suspended_at = self._now()
        self.webhooks.of_installation(installation, "suspend", self.admin)

    def unsuspend(self, installation: Installation) -> None:
        installation.suspended_at = None
        self.webhooks.of_installation(installation, "unsuspend", self.admin)

    def accept_permissions(self, installation: Installation) -> None:
        """Its owner grants what the App has come to ask for; tokens that are there do not get it."""
        installation.permissions = dict(self.app.permissions)
        self.webhooks.of_installation(installation, "new_permissions_accepted", self.admin)

    def add_repositories(self, installation: Installation, *names: str) -> None:
        added = [self.create_repository(name) for name in names]
        installation.repositories += added
        self.webhooks.of_selection(installation, self.admin, added, [])

    def remove_repositories(self, installation: Installation, *names: str) -> None:
        removed = [self.repositories[name] for name in names]
        installation.repositories = [repo for repo in installation.repositories if repo not in removed]
        self.webhooks.of_selection(installation, self.admin, [], removed)

    def create_repository(self, full_name: str, *, private: bool = True, fork: bool = False) -> Repository:
        """The repository of that name, made if there is none; GitHub tells nobody."""
        if full_name not in self.repositories:
            owner, name = full_name.split("/")
            account = self._account(owner, "User" if fork else "Organization")
            self.repositories[full_name] = Repository(next(self._ids), account, name, self._now(), private, fork)
        return self.repositories[full_name]

    def rename_repository(self, repo: str, name: str, by: str = "admin") -> Repository:
        """Requests for the old name are redirected from now on."""
        repository = self.repositories.pop(repo)
        changes = {"repository": {"name": {"from": repository.name}}}
        repository.former_names.append(repo)
        repository.name = name
        self.repositories[repository.full_name] = repository
        self.webhooks.of_repository("repository", repository, "renamed", self._account(by), changes=changes)
        return repository

    def set_permission(self, repo: str, login: str, role: str, permission: str | None = None) -> None:
        """The role of someone in a repository; a custom role needs the permission that GitHub tells with it."""
        self._account(login)
        self.repositories[repo].roles[login] = Role(role, permission or STANDARD_ROLES[role])

    def make_team(self, organization: str, slug: str, *logins: str) -> None:
        """A team of these members; GitHub tells nobody here, but would tell an App that asks to be told."""
        self.teams[organization, slug] = set(logins)

    # Pull requests

    def open_pull_request(
        self,
        repo: str,
        author: str,
        title: str = "Improve things",
        *,
        body: str = "",
        head: str = "feature",
        base: str | None = None,
        draft: bool = False,
        fork: str | None = None,
        labels: tuple[str, ...] = (),
        files: Mapping[str, str] = MappingProxyType({"README.md": "More of it\n"}),
    ) -> PullRequest:
        """From a branch of the repository itself, or of the repository `fork`; `files` are what it changes."""
        repository = self.repositories[repo]
        number = next(repository.numbers)
        pull = PullRequest(
            id=next(self._ids),
            repository=repository,
            number=number,
            author=self._account(author),
            title=title,
            body=body,
            created_at=self._now(),
            updated_at=self._now(),
            labels=list(labels),
            base_ref=base or repository.default_branch,
            head_ref=head,
            head_sha=commit(repo, number, 0),
            head_repository=self.create_repository(fork, fork=True) if fork else repository,
            draft=draft,
            files=dict(files),
        )
        repository.threads[number] = pull
        repository.commits.add(pull.head_sha)
        self._changed(pull, "opened", None)
        return pull

    def push(
        self, repo: str, number: int, by: str | None = None, *, files: Mapping[str, str] = MappingProxyType({})
    ) -> PullRequest:
        """A new commit on the head branch, with these files beside those of before."""
        pull = self.pull_request(repo, number)
        pull.files.update(files)
        before, pull.head_sha = pull.head_sha, commit(repo, number, next(self._ids))
        pull.repository.commits.add(pull.head_sha)
        self._changed(pull, "synchronize", by, before=before, after=pull.head_sha)
        return pull

    def push_to_default_branch(
        self, repo: str, files: Mapping[str, str | None], by: str = "admin", *, quiet: bool = False
    ) -> str:
        """A commit on the default branch, which writes files or (None) removes them; its SHA."""
        repository = self.repositories[repo]
        before, repository.head_sha = repository.head_sha, commit(repo, "push", next(self._ids))
        repository.commits.add(repository.head_sha)
        told: dict[str, list[str]] = {"added": [], "modified": [], "removed": []}
        for path, text in files.items():
            kind = "removed" if text is None else "modified" if path in repository.files else "added"
            told[kind].append(path)
            repository.files.pop(path, None)
            if text is not None:
                repository.files[path] = text
        if not quiet:
            self.webhooks.of_push(repository, before, told, self._account(by))
        return repository.head_sha

    def change_default_branch(self, repo: str, branch: str, files: Mapping[str, str], by: str = "admin") -> Repository:
        """Another branch, with these files, is the default one from now on."""
        repository = self.repositories[repo]
        changes = {"default_branch": {"from": repository.default_branch}}
        repository.default_branch, repository.files = branch, dict(files)
        repository.head_sha = commit(repo, "branch", branch)
        repository.commits.add(repository.head_sha)
        self.webhooks.of_repository("repository", repository, "edited", self._account(by), changes=changes)
        return repository

    def ready(self, repo: str, number: int, by: str | None = None) -> PullRequest:
        pull = self.pull_request(repo, number)
        pull.draft = False
        self._changed(pull, "ready_for_review", by)
        return pull

    def convert_to_draft(self, repo: str, number: int, by: str | None = None) -> PullRequest:
        pull = self.pull_request(repo, number)
        pull.draft = True
        self._changed(pull, "converted_to_draft", by)
        return pull

    def review(self, repo: str, number: int, author: str, body: str, state: str = "commented") -> Review:
        pull = self.pull_request(repo, number)
        review = Review(next(self._ids), self._account(author), body, state, self._now())
        pull.updated_at = self._now()
        self.webhooks.of_review(pull, review)
        return review

    def delete_fork(self, repo: str, number: int) -> PullRequest:
        """The repository that a pull request came from is gone; GitHub tells nobody."""
        pull = self.pull_request(repo, number)
        pull.head_repository = None
        return pull

    # Issues, and what happens to pull requests just the same

    def open_issue(self, repo: str, author: str, title: str = "Something is wrong", body: str = "") -> Issue:
        repository = self.repositories[repo]
        number = next(repository.numbers)
        opened = self._now()
        issue = Issue(next(self._ids), repository, number, self._account(author), title, body, opened, opened)
        repository.threads[number] = issue
        self._changed(issue, "opened", None)
        return issue

    def close(self, repo: str, number: int, *, merged: bool = False, by: str | None = None) -> Thread:
        thread = self.thread(repo, number)
        thread.closed_at = self._now()
        if isinstance(thread, PullRequest) and merged:
            thread.merged_at = thread.closed_at
        self._changed(thread, "closed", by)
        if isinstance(thread, PullRequest) and merged and self._closes_what_it_says(thread):
            for issue in self.closing(thread):
                if issue.state == "open":
                    self.close(issue.repository.full_name, issue.number, by=by)
        return thread

    def link(self, repo: str, number: int, issue: Issue) -> None:
        """Somebody links an issue to a pull request, so that its merge closes it; GitHub tells nobody."""
        self.pull_request(repo, number).linked.append(issue)

    def closing(self, pull: PullRequest) -> list[Issue]:
        """What the merge closes: said in its text, if it goes into the default branch, or linked by hand."""
        said = re.findall(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):? #(\d+)", pull.body, re.IGNORECASE)
        counts = said if pull.base_ref == pull.repository.default_branch else []
        named = (pull.repository.threads.get(int(number)) for number in counts)
        issues = [thread for thread in named if isinstance(thread, Issue)]
        return issues + [issue for issue in pull.linked if issue not in issues]

    def _closes_what_it_says(self, pull: PullRequest) -> bool:
        return pull.repository.closes_linked and pull.base_ref == pull.repository.default_branch

    def reopen(self, repo: str, number: int, by: str | None = None) -> Thread:
        thread = self.thread(repo, number)
        thread.closed_at = None
        self._changed(thread, "reopened", by)
        return thread

    def label(self, repo: str, number: int, name: str, by: str | None = None) -> Thread:
        thread = self.thread(repo, number)
        thread.labels.append(name)
        self._changed(thread, "labeled", by, label=payloads.label(thread.repository, name))
        return thread

    def unlabel(self, repo: str, number: int, name: str, by: str | None = None) -> Thread:
        thread = self.thread(repo, number)
        thread.labels.remove(name)
        self._changed(thread, "unlabeled", by, label=payloads.label(thread.repository, name))
        return thread

    def comment(self, repo: str, number: int, author: str, body: str) -> Comment:
        return self.add_comment(self.thread(repo, number), self._account(author), body)

    def edit_comment(self, comment: Comment, body: str, by: str | None = None) -> Comment:
        return self.change_comment(comment, self._account(by) if by else comment.author, body)

    def delete_comment(self, comment: Comment, by: str | None = None) -> None:
        self.remove_comment(comment, self._account(by) if by else comment.author)

    def tick(self, comment: Comment, box: str, by: str) -> Comment:
        """Somebody ticks the check-box with this text; GitHub edits the comment for it, and writes its lines anew."""
        ticked = re.sub(rf"^- \[ \](?=.*{re.escape(box)})", "- [x]", comment.body, count=1, flags=re.MULTILINE)
        if ticked == comment.body:
            raise KeyError(f"no box {box!r}")
        return self.edit_comment(comment, ticked, by)

    def lock(self, repo: str, number: int) -> Thread:
        """The conversation is locked: Apps cannot comment any more."""
        thread = self.thread(repo, number)
        thread.locked = True
        self._changed(thread, "locked", None)
        return thread

    def unlock(self, repo: str, number: int) -> Thread:
        thread = self.thread(repo, number)
        thread.locked = False
        self._changed(thread, "unlocked", None)
        return thread

    # What people do with the App's check runs

    def press(self, run: CheckRun, identifier: str, by: str) -> None:
        """Somebody presses one of its buttons."""
        action = {"identifier": identifier}
        self.webhooks.of_check_run(run, "requested_action", self._account(by), requested_action=action)

    def rerun(self, run: CheckRun, by: str) -> None:
        """Somebody asks for it once more: GitHub forgets how it ended."""
        run.shown = {**run.shown, "status": "queued", "conclusion": None}
        self.webhooks.of_check_run(run, "rerequested", self._account(by))

    def rerun_all(self, repo: str, sha: str, by: str) -> None:
        """Somebody asks for all check runs on a commit once more."""
        self.webhooks.of_check_suite(self.repositories[repo], sha, "rerequested", self._account(by))

    # What people and Greenroom do alike

    def add_comment(self, thread: Thread, author: Account, body: str) -> Comment:
        comment = Comment(next(self._ids), thread, author, body, self._now(), self._now())
        thread.comments.append(comment)
        return self._commented(comment, "created", author)

    def change_comment(self, comment: Comment, editor: Account, body: str) -> Comment:
        before, comment.body, comment.updated_at = comment.body, body, self._now()
        return self._commented(comment, "edited", editor, changes={"body": {"from": before}})

    def remove_comment(self, comment: Comment, by: Account) -> None:
        comment.thread.comments.remove(comment)
        self._commented(comment, "deleted", by)

    def add_reaction(self, comment: Comment, author: Account, content: str) -> Reaction:
        """GitHub tells nobody."""
        reaction = Reaction(next(self._ids), author, content, self._now())
        comment.reactions.append(reaction)
        return reaction

    def create_deployment(self, repository: Repository, asked: dict[str, Any]) -> Deployment:
        deployment = Deployment(next(self._ids), asked["ref"], self._now(), asked)
        repository.deployments[deployment.id] = deployment
        return deployment

    def create_deployment_status(
        self, deployment: Deployment, state: str, description: str, url: str
    ) -> DeploymentStatus:
        status = DeploymentStatus(next(self._ids), state, description, url, self._now())
        deployment.statuses.append(status)
        return status

    def create_check_run(self, repository: Repository, shown: dict[str, Any]) -> CheckRun:
        run = CheckRun(next(self._ids), repository, self._now(), shown)
        repository.check_runs[run.id] = run
        return run

    # Looking things up

    def check_runs(self, repo: str, sha: str) -> list[CheckRun]:
        """Of a commit, oldest first."""
        return [run for run in self.repositories[repo].check_runs.values() if run.head_sha == sha]

    def deployments(self, repo: str, task: str) -> list[Deployment]:
        """Of a task, oldest first."""
        return [d for d in self.repositories[repo].deployments.values() if d.asked["task"] == task]

    def comment_by_node(self, node_id: str) -> Comment | None:
        threads = [thread for repo in list(self.repositories.values()) for thread in list(repo.threads.values())]
        return next((c for thread in threads for c in thread.comments if f"IC_{c.id}" == node_id), None)

    def thread(self, repo: str, number: int) -> Thread:
        return self.repositories[repo].threads[number]

    def pull_request(self, repo: str, number: int) -> PullRequest:
        pull = self.thread(repo, number)
        if not isinstance(pull, PullRequest):
            raise KeyError(f"{repo}#{number} is an issue")
        return pull

    def repository_by_id(self, id: int) -> Repository | None:
        return next((repo for repo in list(self.repositories.values()) if repo.id == id), None)

    def formerly(self, full_name: str) -> Repository | None:
        """The repository that has been renamed from this name."""
        return next((repo for repo in list(self.repositories.values()) if full_name in repo.former_names), None)

    def role(self, repository: Repository, login: str) -> Role:
        everybody = "none" if repository.private else "read"
        return repository.roles.get(login, Role(everybody, everybody))

    def _account(self, login: str, type: str = "User") -> Account:
        if login not in self.accounts:
            self.accounts[login] = Account(next(self._ids), login, "Bot" if login.endswith("[bot]") else type)
        return self.accounts[login]

    def _now(self) -> datetime:
        return self.clock().replace(microsecond=0)

    # Tokens

    def issue_token(
        self,
        installation: Installation,
        life: timedelta,
        repositories: list[Repository] | None = None,
        permissions: dict[str, str] | None = None,
    ) -> tuple[str, datetime]:
        """A new installation token, long and with dots in it as GitHub's are."""
        parts = (secrets.token_urlsafe(size) for size in (48, 160, 64))
        token = f"ghs_{self.app.id}_{'.'.join(parts)}"
        expires_at = self._now() + life
        self.tokens[token] = IssuedToken(
            installation, expires_at, permissions or installation.permissions, repositories
        )
        return token, expires_at

    # Limits

    def left(self, installation_id: int, resource: str) -> int:
        """How many calls the installation has left of this hour."""
        return self.an_hour - self.spent.get((installation_id, resource, self._hour()), 0)

    def spend(self, installation_id: int, resource: str, calls: int = 1) -> None:
        key = (installation_id, resource, self._hour())
        self.spent[key] = self.spent.get(key, 0) + calls

    def _hour(self) -> int:
        return int(self.clock().timestamp() // 3600)

    def _changed(self, thread: Thread, action: str, by: str | None, **more: object) -> None:
        thread.updated_at = self._now()
        self.webhooks.of_thread(thread, action, self._account(by) if by else thread.author, **more)

    def _commented(self, comment: Comment, action: str, by: Account, **more: object) -> Comment:
        comment.thread.updated_at = self._now()
        self.webhooks.of_comment(comment, action, by, **more)
        return comment


def commit(*what: object) -> str:
    return hashlib.sha1(repr(what).encode()).hexdigest()


@cache
def generated_key() -> str:
    """A private key as PEM text, the same one within a process: making one takes a while."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


@cache
def public_half(private_key: str) -> str:
    key = serialization.load_pem_private_key(private_key.encode(), None).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


class QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def connection_dropped(self, error: BaseException, environ: "WSGIEnvironment | None" = None) -> None:
        """A fault cut the connection: werkzeug would keep it open and say nothing."""
        self.close_connection = True


def serve(github: SimulatedGitHub) -> tuple[str, Callable[[], None]]:
    """The REST API on a free port of loopback: its address, and what ends it."""
    server = make_server("127.0.0.1", 0, github.wire, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, name="simulated-github", daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()

    return f"http://127.0.0.1:{server.server_port}", stop
