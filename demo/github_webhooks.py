"""What the simulated GitHub tells the App: signed deliveries, shaped like GitHub's."""

import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from demo import github_payloads as payloads
from demo.github_payloads import Json
from demo.github_state import (
    Account,
    App,
    Attempt,
    CheckRun,
    Comment,
    Installation,
    PullRequest,
    Repository,
    Review,
    Thread,
)

Deliver = Callable[[dict[str, str], bytes], int | None]
"""Takes the headers and the body of a delivery to the App, now or later, once or several times.

Returns the status that it was answered with, 0 if nobody was reached; None if that is not known yet.
"""


@dataclass
class Webhooks:
    app: App
    secret: str
    deliver: Deliver
    installations: dict[int, Installation]
    clock: Callable[[], datetime]
    attempts: list[Attempt] = field(default_factory=list)
    """The oldest first."""
    remembers: bool = True
    """Whether what was attempted is kept; False when the App had no webhook, say."""

    def of_thread(self, thread: Thread, action: str, sender: Account, **more: object) -> None:
        if isinstance(thread, PullRequest):
            told = {"number": thread.number, "pull_request": payloads.pull_request(thread)}
            self.of_repository("pull_request", thread.repository, action, sender, **told, **more)
        else:
            self.of_repository("issues", thread.repository, action, sender, issue=payloads.issue(thread), **more)

    def of_comment(self, comment: Comment, action: str, sender: Account, **more: object) -> None:
        told = {"issue": payloads.issue(comment.thread), "comment": payloads.comment(comment, self.app)}
        self.of_repository("issue_comment", comment.thread.repository, action, sender, **told, **more)

    def of_review(self, pull: PullRequest, review: Review) -> None:
        told = {"review": payloads.review(pull, review), "pull_request": payloads.pull_request_in_list(pull)}
        self.of_repository("pull_request_review", pull.repository, "submitted", review.author, **told)

    def of_check_run(self, run: CheckRun, action: str, sender: Account, **more: object) -> None:
        told = payloads.check_run(run, self.app)
        self.of_repository("check_run", run.repository, action, sender, check_run=told, **more)

    def of_check_suite(self, repository: Repository, sha: str, action: str, sender: Account) -> None:
        told = payloads.check_suite(repository, sha, self.app)
        self.of_repository("check_suite", repository, action, sender, check_suite=told)

    def of_push(self, repository: Repository, before: str, files: dict[str, list[str]], sender: Account) -> None:
        """A push to the default branch, of one commit."""
        commit = {"id": repository.head_sha, "message": "Change files", **files}
        told = {"ref": f"refs/heads/{repository.default_branch}", "before": before, "after": repository.head_sha}
        flags = {"created": False, "deleted": False, "forced": False}
        self.of_repository("push", repository, None, sender, **told, **flags, commits=[commit], head_commit=commit)

    def of_repository(
        self, event: str, repository: Repository, action: str | None, sender: Account, **told: object
    ) -> None:
        """Where the App is not installed, or its installation is suspended, nothing is sent."""
        installed = (i for i in list(self.installations.values()) if repository in i.repositories)
        installation = next(installed, None)
        if installation is None or installation.suspended_at:
            return
        acted = {"action": action} if action is not None else {}
        payload = {**acted, **told, "repository": payloads.repository(repository)}
        if repository.owner.type == "Organization":
            payload["organization"] = payloads.organization(repository.owner)
        payload["sender"] = payloads.account(sender)
        payload["installation"] = {"id": installation.id, "node_id": f"I_{installation.id}"}
        self._send(event, payload)

    def of_installation(
        self, installation: Installation, action: str, sender: Account, repositories: Sequence[Repository] | None = None
    ) -> None:
        told: Json = {"installation": payloads.installation(installation, self.app)}
        if repositories is not None:
            told["repositories"] = in_short(repositories)
        self._send("installation", {"action": action, **told, "sender": payloads.account(sender)})

    def of_selection(
        self, installation: Installation, sender: Account, added: Sequence[Repository], removed: Sequence[Repository]
    ) -> None:
        """Repositories were added to an installation, or removed from it."""
        payload = {
            "action": "added" if added else "removed",
            "installation": payloads.installation(installation, self.app),
            "repository_selection": "selected",
            "repositories_added": in_short(added),
            "repositories_removed": in_short(removed),
            "requester": None,
            "sender": payloads.account(sender),
        }
        self._send("installation_repositories", payload)

    def _send(self, event: str, payload: Json) -> None:
        """https://docs.github.com/webhooks/webhook-events-and-payloads#delivery-headers"""
        body = json.dumps(payload).encode()
        signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/simulated",
            "X-GitHub-Delivery": str(uuid.uuid4()),
            "X-GitHub-Event": event,
            "X-GitHub-Hook-ID": "1",
            "X-GitHub-Hook-Installation-Target-ID": self.app.id,
            "X-GitHub-Hook-Installation-Target-Type": "integration",
            "X-Hub-Signature-256": f"sha256={signature}",
        }
        self._attempt(headers, body)

    def redeliver(self, attempt: Attempt) -> None:
        """The same again, under the same GUID."""
        self._attempt(attempt.headers, attempt.body, redelivery=True)

    def _attempt(self, headers: dict[str, str], body: bytes, *, redelivery: bool = False) -> None:
        at = self.clock()
        status = self.deliver(headers, body)
        if status is not None and self.remembers:
            self.attempts.append(Attempt(len(self.attempts) + 1, at, status, headers, body, redelivery))


def in_short(repositories: Sequence[Repository]) -> list[Json]:
    return [payloads.repository_in_short(repository) for repository in repositories]
