"""(event, action) -> function: what a webhook means. Each looks at GitHub first and answers with its effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot import answering, controls, serving
from bot.events import (
    AuthorizationEvent,
    CheckRunEvent,
    CheckSuiteEvent,
    InstallationEvent,
    InstallationFacts,
    InstallationRepositoriesEvent,
    InstallationTargetEvent,
    IssueCommentEvent,
    IssuesEvent,
    MembersEvent,
    PullRequestEvent,
    PullRequestFacts,
    PullRequestReviewEvent,
    PushEvent,
    RepositoryEvent,
)
from bot.github.errors import LACKS_PERMISSION
from bot.look import Effect, Look, known_repository, news_of_issue, news_of_pull_request
from bot.payload import Readable
from bot.policy.configuration import SHARED
from bot.policy.keys import PATH, Labels
from bot.serving import ASKING, Told
from bot.surfaces import output_labels
from operations import configure, notify
from operations import repositories as lifecycle
from operations.end import EndReason
from operations.reconcile import reconcile_soon
from operations.threads import News, take_news
from storage import audit, deliveries, installations, repositories, users
from storage.installations import InstallationStatus

Handler = Callable[[Look, Any], Effect]

CHANGES_FILES = ("opened", "reopened", "synchronize")
JUDGED = (*ASKING, "labeled", "unlabeled")


def pull_request_changed(look: Look, event: PullRequestEvent) -> Effect:
    """It has what it should have in its present state, whatever this event said (bot-behaviour section 8, order)."""
    seen = look.pull_request(event.installation_id, event.pull_request, event.before)
    installation_id = event.installation_id if seen.shown else None
    surroundings = look.surroundings(event.installation_id, event.repository, _number_to_judge(event, seen.facts))
    closes = look.closes(event.installation_id, seen.facts, surroundings.policy)

    def effect(session: Session, now: datetime) -> None:
        repository = known_repository(session, seen.facts.repository, installation_id, now=now, present=seen.shown)
        surroundings.keep(session, repository)
        told = Told(event.action, event.label, event.sender, event.pull_request.head_sha, look.received_at,
                    surroundings.files, closes, event.before)  # fmt: skip
        thread = serving.serve_pull_request(session, look, repository, seen.facts, told, now=now)
        if event.action in CHANGES_FILES and PATH in (surroundings.files or ()) and thread.is_open:
            configure.preview_soon(session, thread, now=now)

    return effect


def _number_to_judge(event: PullRequestEvent, facts: PullRequestFacts) -> int | None:
    """The pull request, if this event may make it be served."""
    return facts.number if event.action in JUDGED and facts.state == "open" else None


def pull_request_labeled(look: Look, event: PullRequestEvent) -> Effect:
    """The labels of the policy ask for an environment or a pin, or end it; ours are reset; others mean nothing."""
    labels = look.policy(event.repository).labels
    if _is(event.label, labels.keep):
        return controls.keep_label_changed(look, event)
    if (event.label or "").lower() in (labels.deploy.lower(), labels.off.lower()):
        return pull_request_changed(look, event)
    return _label_reset(look, event, labels, news_of_pull_request(event.pull_request))


def _label_reset(look: Look, event: PullRequestEvent | IssuesEvent, labels: Labels, news: News) -> Effect:
    """A label by which we show the state shows it again, if it was not us who changed it."""
    thread = look.thread(event.repository, news.number)
    is_known = thread is None or (event.label in news.labels) == (event.label in thread.labels)
    if event.label not in output_labels(labels) or is_known:
        return nothing_to_do

    def effect(session: Session, now: datetime) -> None:
        repository = known_repository(session, event.repository, event.installation_id, now=now)
        notify.refresh(session, take_news(session, repository, news, now=now), now=now)

    return effect


def issue_changed(look: Look, event: IssuesEvent) -> Effect:
    """It holds an environment while it is open and has the deploy label, unless a command took it away."""
    labels = look.policy(event.repository).labels
    if _is(event.label, labels.keep):
        return controls.keep_label_changed(look, event)
    if event.label is not None and event.label.lower() not in (labels.deploy.lower(), labels.off.lower()):
        return _label_reset(look, event, labels, news_of_issue(event.issue))
    seen = look.issue(event.installation_id, event.repository, event.issue)
    installation_id = event.installation_id if seen.shown else None
    surroundings = look.surroundings(event.installation_id, event.repository)

    def effect(session: Session, now: datetime) -> None:
        repository = known_repository(session, event.repository, installation_id, now=now)
        surroundings.keep(session, repository)
        serving.serve_issue(session, look, repository, seen, Told(event.action, event.label, event.sender), now=now)

    return effect


def _is(told: str | None, label: str) -> bool:
    return told is not None and told.lower() == label.lower()


def nothing_to_do(session: Session, now: datetime) -> None:
    """The event is one that we read, but this one of it means nothing."""


def issue_gone(look: Look, event: IssuesEvent) -> Effect:
    """An assignment cannot cross repositories: a transferred or deleted issue gives its environment back."""

    def effect(session: Session, now: datetime) -> None:
        repository = known_repository(session, event.repository, None, now=now)
        serving.forget_issue(session, look, repository, event.issue, now=now)

    return effect


def comment_created(look: Look, event: IssueCommentEvent) -> Effect:
    """The commands in it are run, and answered (bot-behaviour section 4)."""
    return answering.answer_comment(look, event)


def review_submitted(look: Look, event: PullRequestReviewEvent) -> Effect:
    """Its body is read like a comment's."""
    return answering.answer_review(look, event)


def installed(look: Look, event: InstallationEvent) -> Effect:
    """The account and its repositories are known; no pull request is served before something happens on it."""

    def effect(session: Session, now: datetime) -> None:
        _register(session, event.installation, now)
        for facts in event.repositories:
            repository = known_repository(session, facts, event.installation.id, now=now)
            configure.read_soon(session, repository, now=now)

    return effect


def pushed(look: Look, event: PushEvent) -> Effect:
    """A policy that may be another one now is read anew, here or in all repositories that share it."""
    if event.ref != f"refs/heads/{event.repository.default_branch}" or not event.may_touch(PATH):
        return nothing_to_do

    def effect(session: Session, now: datetime) -> None:
        repository = known_repository(session, event.repository, event.installation_id, now=now)
        configure.read_soon(session, repository, now=now, commit=event.after)
        if repository.name == SHARED:
            for other in repositories.of_installation(session, event.installation_id):
                if other.id != repository.id:
                    configure.read_soon(session, other, now=now)

    return effect


def uninstalled(look: Look, event: InstallationEvent) -> Effect:
    """Everything of the account is given up, and nothing of it goes to anybody else."""

    def effect(session: Session, now: datetime) -> None:
        _register(session, event.installation, now, status=InstallationStatus.DELETED)
        installations.keep_token(session, event.installation.id, None, None)
        for repository in repositories.of_installation(session, event.installation.id):
            lifecycle.give_up(session, repository, look.actor, now=now)
            repository.installation_id = None

    return effect


def suspended(look: Look, event: InstallationEvent) -> Effect:
    """Nothing is written to GitHub, and nobody is served; environments stay until they expire."""

    def effect(session: Session, now: datetime) -> None:
        _register(session, event.installation, now, status=InstallationStatus.SUSPENDED)
        installations.keep_token(session, event.installation.id, None, None)
        for repository in repositories.of_installation(session, event.installation.id):
            lifecycle.freeze(session, repository, now=now)

    return effect


def active_again(look: Look, event: InstallationEvent) -> Effect:
    """Unsuspended, or granted other permissions: what waited for that is done and shown, what was missed repaired."""

    def effect(session: Session, now: datetime) -> None:
        _register(session, event.installation, now, status=InstallationStatus.ACTIVE)
        installations.keep_token(session, event.installation.id, None, None)
        for repository in repositories.of_installation(session, event.installation.id):
            lifecycle.thaw(session, repository, now=now)
            lifecycle.show_again(session, repository, now=now)
            deliveries.work_refused_again(session, repository.github_id, LACKS_PERMISSION, now=now)
            reconcile_soon(session, repository, now=now)
            configure.read_soon(session, repository, now=now)

    return effect


def repositories_changed(look: Look, event: InstallationRepositoriesEvent) -> Effect:
    """What was added is known; what was removed gives everything up, and nothing of it goes to anybody else."""

    def effect(session: Session, now: datetime) -> None:
        _register(session, event.installation, now)
        for facts in event.added:
            repository = known_repository(session, facts, event.installation.id, now=now)
            configure.read_soon(session, repository, now=now)
        for facts in event.removed:
            repository = known_repository(session, facts, None, now=now)
            if repository.installation_id not in (None, event.installation.id):
                continue  # transferred: it is another installation's by now
            lifecycle.give_up(session, repository, look.actor, now=now)
            repository.installation_id = None

    return effect


def repository_changed(look: Look, event: RepositoryEvent) -> Effect:
    """Known by its new name and branch, and its policy read there: it is keyed by GitHub's id, so that assignments
    stay.
    """

    def effect(session: Session, now: datetime) -> None:
        repository = known_repository(
            session,
            event.repository,
            event.installation_id,
            now=now,
            renamed_from=event.full_name_before,
            present=True,
        )
        configure.read_soon(session, repository, now=now)

    return effect


def visibility_changed(look: Look, event: RepositoryEvent) -> Effect:
    """Others may read it now, and its forks may be in another place: permissions are asked for anew, and all that is
    open is compared with GitHub, so that the policy on forks judges what is there.
    """
    known = repository_changed(look, event)

    def effect(session: Session, now: datetime) -> None:
        known(session, now)
        installations.members_changed(session, event.installation_id, now=now)
        repository = known_repository(session, event.repository, event.installation_id, now=now)
        reconcile_soon(session, repository, now=now)

    return effect


def repository_unarchived(look: Look, event: RepositoryEvent) -> Effect:
    """It can be worked on again: whoever does is served."""

    def effect(session: Session, now: datetime) -> None:
        repository = known_repository(session, event.repository, event.installation_id, now=now, present=True)
        repository.archived = False
        reconcile_soon(session, repository, now=now)

    return effect


def account_renamed(look: Look, event: InstallationTargetEvent) -> Effect:
    """The account and its repositories are known by the new name; assignments stay."""

    def effect(session: Session, now: datetime) -> None:
        installations.register(session, event.installation_id, event.account, event.account_id, now=now)
        former = f"{event.login_before}/".lower()
        for repository in repositories.of_installation(session, event.installation_id):
            if repository.name_key.startswith(former):
                repositories.rename(session, repository, f"{event.account}/{repository.name}")

    return effect


def members_changed(look: Look, event: MembersEvent) -> Effect:
    """Nothing that was known of anybody's permissions is trusted any more."""

    def effect(session: Session, now: datetime) -> None:
        installations.members_changed(session, event.installation_id, now=now)

    return effect


def authorization_revoked(look: Look, event: AuthorizationEvent) -> Effect:
    """Their web tokens and sessions are void, from now on."""

    def effect(session: Session, now: datetime) -> None:
        user = users.find_by_github_id(session, event.sender.id)
        if user is not None:
            user.logged_out_at = now
            audit.record(session, "user.authorization_revoked", user.id, look.actor, now=now)

    return effect


def repository_closed(look: Look, event: RepositoryEvent) -> Effect:
    """Deleted or archived: nobody can work on it, so it holds nothing."""

    def effect(session: Session, now: datetime) -> None:
        repository = known_repository(session, event.repository, None, now=now)
        returned = None if event.action == "archived" else False
        lifecycle.give_up(session, repository, look.actor, now=now, returned=returned, reason=EndReason.CLOSED)
        repository.archived = event.action == "archived"
        if event.action == "deleted":
            repository.installation_id = None

    return effect


def _register(
    session: Session, facts: InstallationFacts, now: datetime, *, status: InstallationStatus | None = None
) -> None:
    """What was deleted stays so, whatever is told late: who installs the App again has another installation."""
    known = installations.find(session, facts.id)
    if known is not None and known.status == InstallationStatus.DELETED:
        status = None
    installations.register(
        session, facts.id, facts.account.login, facts.account.id, status=status, permissions=facts.permissions, now=now
    )


EVENTS: Mapping[str, type[Readable]] = {
    "pull_request": PullRequestEvent,
    "issues": IssuesEvent,
    "issue_comment": IssueCommentEvent,
    "pull_request_review": PullRequestReviewEvent,
    "check_run": CheckRunEvent,
    "check_suite": CheckSuiteEvent,
    "installation": InstallationEvent,
    "installation_repositories": InstallationRepositoriesEvent,
    "push": PushEvent,
    "repository": RepositoryEvent,
    "installation_target": InstallationTargetEvent,
    "github_app_authorization": AuthorizationEvent,
    "member": MembersEvent,
    "membership": MembersEvent,
    "organization": MembersEvent,
    "team": MembersEvent,
}

HANDLERS: Mapping[tuple[str, str | None], Handler] = {
    ("pull_request", "opened"): pull_request_changed,
    ("pull_request", "reopened"): pull_request_changed,
    ("pull_request", "ready_for_review"): pull_request_changed,
    ("pull_request", "labeled"): pull_request_labeled,
    ("pull_request", "unlabeled"): pull_request_labeled,
    ("pull_request", "converted_to_draft"): pull_request_changed,
    ("pull_request", "synchronize"): pull_request_changed,
    ("pull_request", "edited"): pull_request_changed,
    ("pull_request", "closed"): pull_request_changed,
    ("issues", "labeled"): issue_changed,
    ("issues", "unlabeled"): issue_changed,
    ("issues", "closed"): issue_changed,
    ("issues", "reopened"): issue_changed,
    ("issues", "transferred"): issue_gone,
    ("issues", "deleted"): issue_gone,
    ("issue_comment", "created"): comment_created,
    ("issue_comment", "edited"): controls.comment_edited,
    ("issue_comment", "deleted"): controls.comment_deleted,
    ("check_run", "requested_action"): controls.button_pressed,
    ("check_run", "rerequested"): controls.check_asked_again,
    ("check_suite", "rerequested"): controls.checks_asked_again,
    ("pull_request_review", "submitted"): review_submitted,
    ("installation", "created"): installed,
    ("installation", "deleted"): uninstalled,
    ("installation", "suspend"): suspended,
    ("installation", "unsuspend"): active_again,
    ("installation", "new_permissions_accepted"): active_again,
    ("installation_repositories", "added"): repositories_changed,
    ("installation_repositories", "removed"): repositories_changed,
    ("push", None): pushed,
    ("repository", "renamed"): repository_changed,
    ("repository", "transferred"): repository_changed,
    ("repository", "edited"): repository_changed,
    ("repository", "privatized"): visibility_changed,
    ("repository", "publicized"): visibility_changed,
    ("repository", "archived"): repository_closed,
    ("repository", "unarchived"): repository_unarchived,
    ("repository", "deleted"): repository_closed,
    ("installation_target", "renamed"): account_renamed,
    ("github_app_authorization", "revoked"): authorization_revoked,
    ("member", "added"): members_changed,
    ("member", "edited"): members_changed,
    ("member", "removed"): members_changed,
    ("membership", "added"): members_changed,
    ("membership", "removed"): members_changed,
    ("organization", "member_added"): members_changed,
    ("organization", "member_removed"): members_changed,
    ("team", "added_to_repository"): members_changed,
    ("team", "deleted"): members_changed,
    ("team", "edited"): members_changed,
    ("team", "removed_from_repository"): members_changed,
}
