"""What happened to a pull request or issue without our having worked it, as the events that would have told us."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.events import (
    AccountFacts,
    IssueFacts,
    IssuesEvent,
    PullRequestEvent,
    PullRequestFacts,
    RepositoryFacts,
)
from storage.threads import Thread, ThreadState

# GitHub's lists do not tell who did it. A bot, as far as we know: that opens no gate which is only for people.
SOMEBODY = AccountFacts(id=0, login="somebody", type="Bot")


def missed_of_pull_request(
    facts: PullRequestFacts, thread: Thread | None, *, installation_id: int, is_new: bool, has_something: bool
) -> list[PullRequestEvent]:
    """The events between what was last worked and this state, in an order in which they may have happened.

    Of one that was never worked it is told that it was opened if it `is_new`. Others are only known from now on, so
    that an installation does not serve everything that is open there. A closed one is told of again that
    `has_something`, an environment or a ticket.
    """
    worked = thread.worked if thread is not None else None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    actions: list[str] = []
    if facts.state != ThreadState.OPEN:
        actions = ["closed"] if has_something or _was_open(worked) else []
    elif worked is None:
        actions, added = (["opened"], facts.labels) if is_new else ([], ())
    else:
        actions = ["reopened"] if worked["state"] != ThreadState.OPEN else []
        actions += _drafted(worked["draft"], facts.draft)
        actions += ["synchronize"] if worked["head"] != facts.head_sha else []
        actions += ["edited"] if (worked["base"], worked["title"]) != (facts.base_ref, facts.title) else []
        added, removed = _differing(worked["labels"], facts.labels)

    def event(action: str, label: str | None = None) -> PullRequestEvent:
        before = worked["head"] if worked is not None and action == "synchronize" else None
        return PullRequestEvent(
            action=action,
            pull_request=facts,
            repository=facts.repository,
            installation_id=installation_id,
            sender=SOMEBODY,
            before=before,
            label=label,
        )

    labelled = [event("unlabeled", label) for label in removed] + [event("labeled", label) for label in added]
    return [*labelled, *map(event, actions)]


def missed_of_issue(
    facts: IssueFacts,
    thread: Thread | None,
    where: RepositoryFacts,
    *,
    installation_id: int,
    is_new: bool,
    has_something: bool,
) -> list[IssuesEvent]:
    """The same of an issue, for which only its labels and its state count; one that `is_new` has just got them."""
    worked = thread.worked if thread is not None else None
    actions: list[str] = []
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    if facts.state != ThreadState.OPEN:
        actions = ["closed"] if has_something or _was_open(worked) else []
    elif worked is None:
        added = facts.labels if is_new else ()
    else:
        actions = ["reopened"] if worked["state"] != ThreadState.OPEN else []
        added, removed = _differing(worked["labels"], facts.labels)

    def event(action: str, label: str | None = None) -> IssuesEvent:
        return IssuesEvent(
            action=action,
            issue=facts,
            repository=where,
            installation_id=installation_id,
            sender=SOMEBODY,
            label=label,
        )

    labelled = [event("unlabeled", label) for label in removed] + [event("labeled", label) for label in added]
    return [*labelled, *map(event, actions)]


def _was_open(worked: Mapping[str, Any] | None) -> bool:
    return worked is not None and worked["state"] == ThreadState.OPEN


def _drafted(was: bool, now: bool) -> list[str]:
    if was == now:
        return []
    return ["converted_to_draft" if now else "ready_for_review"]


def _differing(before: Iterable[str], after: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What was added, and what was removed."""
    return tuple(sorted({*after} - {*before})), tuple(sorted({*before} - {*after}))
