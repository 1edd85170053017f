"""The gates in front of an environment, in the order of bot-behaviour section 1; the first that is shut decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot import reasons
from bot.policy.configuration import InForce
from bot.policy.globs import any_fits, domains_of
from bot.policy.keys import Policy
from operations import usage
from operations.assign import Wish, resolve
from operations.errors import NoPoolMatch
from storage import installations
from storage.assignments import HolderType
from storage.decisions import Reason
from storage.installations import InstallationStatus
from storage.pools import Pool
from storage.repositories import Repository
from storage.threads import Thread


@dataclass(frozen=True)
class Closed:
    """A gate that is shut: which rule shuts it, and why, in a sentence that says what would open it."""

    reason: Reason
    rule: str
    sentence: str
    inputs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """Who would have an environment, under which policy.

    `files` are those that the pull request changes, None where nobody asked for them. `asked`: by a command, so that
    the gates of mode, label and draft are open (bot-behaviour 4.2) unless they are shut to everybody.
    """

    repository: Repository
    thread: Thread
    in_force: InForce
    now: datetime
    files: tuple[str, ...] | None = None
    asked: bool = False
    pool_tag: str | None = None
    domain: str | None = None

    @property
    def is_pull_request(self) -> bool:
        return self.thread.type == HolderType.PR

    @property
    def from_fork(self) -> bool:
        return self.is_pull_request and (self.thread.head_repository or "").lower() != self.repository.name_key

    @property
    def policy(self) -> Policy:
        return self.in_force.policy

    @property
    def touched(self) -> list[str]:
        """The domains of the files that it changes."""
        return domains_of(self.policy.domains, self.files or ())

    def has(self, label: str) -> bool:
        return has_label(self.thread, label)


Gate = Callable[[Session, Case], Closed | None]


def has_label(thread: Thread, label: str) -> bool:
    """GitHub tells labels apart without case."""
    return label.lower() in (name.lower() for name in thread.labels)


def cases(case: Case) -> list[Case]:
    """One for each domain that the pull request touches, where each has an environment of its own; else itself."""
    if not case.policy.per_domain or case.domain is not None or not case.is_pull_request:
        return [case]
    return [replace(case, domain=domain) for domain in case.touched] or [case]


def judge(session: Session, case: Case, *, its_turn: bool = False) -> Closed | Wish:
    """What may be asked of the pools for this case, or the first gate that is shut. Refuses with PoolNotFound.

    Where its turn has come, only those who hold something count against quotas: who waits comes after it.
    """
    wish = wish_of(case)
    pool, no_match = _pool(session, wish)
    case = replace(case, in_force=replace(case.in_force, policy=case.policy.of_pool(pool.tag if pool else None)))
    for gate in GATES:
        if (shut := gate(session, case)) is not None:
            return shut
    if no_match is not None:
        if no_match.out_of_use is not None:
            sentence = reasons.pool_inactive(no_match.out_of_use)
            return Closed(Reason.POOL_INACTIVE, "rules", sentence, no_match.details)
        return Closed(Reason.NO_POOL_MATCH, "rules", no_match.message, no_match.details)
    assert pool is not None
    return _over_quota(session, case, pool, its_turn) or wish


def wish_of(case: Case) -> Wish:
    """What the case asks for: the pool of its branch and domains, an issue's of the default branch."""
    thread = case.thread
    described: dict[str, Any] = {"labels": thread.labels, "author": thread.author}
    holder = replace(thread.holder, domain=case.domain or thread.holder.domain)
    domains = [case.domain] if case.domain else case.touched
    if not case.is_pull_request:
        issue = {**described, "issueTitle": thread.title}
        return Wish(holder, case.pool_tag, branch=case.repository.default_branch, domains=domains, extra=issue)
    return Wish(
        holder,
        case.pool_tag,
        branch=thread.base_ref if case.policy.branch_for_rules == "base" else thread.head_ref,
        domains=domains,
        extra={**described, "prTitle": thread.title, "headSha": thread.head_sha},
        untrusted=case.from_fork and case.policy.forks == "no_secrets",
    )


def _pool(session: Session, wish: Wish) -> tuple[Pool | None, NoPoolMatch | None]:
    """It is looked for before its turn, as it may have a mode and drafts of its own."""
    try:
        return resolve(session, wish), None
    except NoPoolMatch as refused:
        return None, refused


def installation_gate(session: Session, case: Case) -> Closed | None:
    installation_id = case.repository.installation_id
    installation = installations.find(session, installation_id) if installation_id is not None else None
    if installation is None or installation.status != InstallationStatus.ACTIVE:
        return Closed(Reason.NOT_INSTALLED, "installation", reasons.not_installed())
    return None


def config_gate(session: Session, case: Case) -> Closed | None:
    if case.in_force.is_usable:
        return None
    first = case.in_force.problems[0]
    told = {"line": first.line, "key": first.key}
    return Closed(Reason.CONFIG_INVALID, "config", reasons.config_invalid(case.in_force.problems), told)


def mode_gate(session: Session, case: Case) -> Closed | None:
    policy = case.policy
    if policy.mode == "off":
        return Closed(Reason.MODE_OFF, "mode: off", reasons.mode_off())
    if policy.mode == "automatic" or case.asked or not case.is_pull_request or case.has(policy.labels.deploy):
        return None
    sentence = reasons.mode_manual(policy.labels.deploy)
    return Closed(Reason.MODE_MANUAL, "mode: manual", sentence)


def bot_gate(session: Session, case: Case) -> Closed | None:
    policy = case.policy
    if not case.is_pull_request or not case.thread.author_is_bot or policy.bots == "auto":
        return None
    if policy.bots == "never":
        return Closed(Reason.BOT_AUTHOR, "bots: never", reasons.bot_never())
    if case.asked or (case.has(policy.labels.deploy) and case.thread.deploy_by is not None):
        return None
    sentence = reasons.bot_author(policy.labels.deploy)
    return Closed(Reason.BOT_AUTHOR, "bots: on_label", sentence)


def fork_gate(session: Session, case: Case) -> Closed | None:
    thread, forks = case.thread, case.policy.forks
    if not case.from_fork or forks in ("unrestricted", "no_secrets") or (forks == "approval" and thread.is_approved):
        return None  # which pools `no_secrets` opens, resolve() says
    if forks == "never":
        return Closed(Reason.FORK_NEVER, "forks: never", reasons.fork_never())
    told = {"headSha": thread.head_sha, "approvedSha": thread.approved_sha}
    if thread.approved_sha is not None:
        return Closed(Reason.APPROVAL_LAPSED, "forks: approval", reasons.approval_lapsed(), told)
    return Closed(Reason.FORK_NEEDS_APPROVAL, "forks: approval", reasons.fork_needs_approval(), told)


def draft_gate(session: Session, case: Case) -> Closed | None:
    drafts = case.policy.drafts
    if not case.thread.draft or drafts == "auto" or (case.asked and drafts == "on_command"):
        return None
    sentence = reasons.draft_none() if drafts == "none" else reasons.draft()
    return Closed(Reason.DRAFT, f"drafts: {drafts}", sentence)


def label_gate(session: Session, case: Case) -> Closed | None:
    labels = case.policy.labels
    if case.has(labels.off) and not case.asked:
        return Closed(Reason.LABEL_OFF, f"labels.off: {labels.off}", reasons.label_off(labels.off))
    if not labels.required or case.asked or not case.is_pull_request or case.has(labels.deploy):
        return None
    sentence = reasons.label_missing(labels.deploy)
    return Closed(Reason.LABEL_MISSING, "labels.required: true", sentence)


def path_gate(session: Session, case: Case) -> Closed | None:
    policy, files = case.policy, case.files
    if files is None or not case.is_pull_request:
        return None
    told = {"files": len(files)}
    if policy.paths and not any_fits(policy.paths, files):
        return Closed(Reason.PATH_FILTER, "paths", reasons.path_filter(policy.paths), told)
    if policy.per_domain and policy.domains and case.domain is None:
        return Closed(Reason.PATH_FILTER, "per_domain: true", reasons.no_domain(policy.domains), told)
    return None


GATES: tuple[Gate, ...] = (
    installation_gate, config_gate, mode_gate, bot_gate, fork_gate, draft_gate, label_gate, path_gate,
)  # fmt: skip


def _over_quota(session: Session, case: Case, pool: Pool, its_turn: bool) -> Closed | None:
    quotas, thread = case.policy.quotas, case.thread
    own = str(thread.number)
    if quotas.per_repository is not None:
        found = usage.numbers_held(session, case.repository, and_waiting=not its_turn)
        others = [number for number in found if number != own]
        if len(others) >= quotas.per_repository:
            sentence = reasons.quota_repository(quotas.per_repository, _numbered(others))
            return Closed(Reason.QUOTA_REPOSITORY, "quotas.per_repository", sentence, {"holders": others})
    if quotas.per_author is not None:
        found = usage.numbers_held(session, case.repository, thread.author, and_waiting=not its_turn)
        others = [number for number in found if number != own]
        if len(others) >= quotas.per_author:
            sentence = reasons.quota_author(thread.author, quotas.per_author, _numbered(others))
            return Closed(Reason.QUOTA_AUTHOR, "quotas.per_author", sentence, {"holders": others})
    limit = quotas.per_pool_month_budget
    if limit is not None:
        held = usage.held_this_month(session, pool.id, now=case.now)
        if held >= limit:
            told = {"heldHours": held.total_seconds() // 3600, "pool": pool.tag}
            return Closed(Reason.BUDGET, "quotas.per_pool_month_budget", reasons.budget(pool.tag, limit), told)
    return None


def _numbered(numbers: list[str]) -> list[str]:
    return [f"#{number}" for number in numbers]
