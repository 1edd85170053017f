"""What each type of submitted task does: the operation of the REST API, and its answer without secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.api.assignment import AssignmentAnswer, show_assignment
from bot.api.call import Secrets
from bot.api.errors import RepositoryNotFound
from bot.api.fields import Answer
from bot.api.review_answers import (
    AssignedAnswer,
    ChangedAnswer,
    ListAnswer,
    UnassignedAnswer,
    acquired,
    assigned,
    given_back,
    listed,
    released,
)
from bot.api.task_bodies import DATA, FetchData, KeyData, ListData, TransitionData, UnassignData
from bot.api.validation import checked
from operations.acquire import acquire, release
from operations.assign import Wish
from operations.errors import AssignmentNotFound
from operations.fetch import fetch
from operations.find import find_living, find_or_refuse
from operations.search import Sought
from operations.unassign import unassign
from storage import repositories
from storage.assignments import NO_DOMAIN, Holder
from storage.audit import Actor
from storage.repositories import Repository
from storage.submissions import Submission, SubmissionType


@dataclass(frozen=True)
class Work:
    """One step of a submission: who wants it, and what its answer is made with."""

    submission: Submission
    now: datetime
    secrets: Secrets

    @property
    def actor(self) -> Actor:
        return actor_of(self.submission)

    def repository(self, session: Session, name: str | None) -> Repository | None:
        """The repository, unless it is unknown or its submitter did not see it."""
        sees = self.submission.sees
        if name is None or (sees is not None and name.lower() not in sees):
            return None
        return repositories.find(session, name)


def actor_of(submission: Submission) -> Actor:
    """Its submitter, at the request of the task."""
    return Actor(
        submission.submitted_by, submission.submitter_role, f"submission:{submission.id}", submission.submitter_id
    )


def fulfil(session: Session, work: Work) -> Answer | None:
    """The answer that the task has as its result; None while it waits. Refuses as the operation does."""
    return FULFIL[SubmissionType(work.submission.type)](session, work)


def wait_of(submission: Submission) -> timedelta:
    """How long an attempt waits for an environment."""
    data = checked(DATA[submission.type], submission.data)
    return timedelta(seconds=data.wait) if isinstance(data, FetchData) else timedelta(0)


def _fetch(session: Session, work: Work) -> AssignedAnswer | None:
    data = checked(FetchData, work.submission.data)
    repository = work.repository(session, data.repository)
    if repository is None:
        raise RepositoryNotFound(data.repository or "")
    wish = Wish(
        _holder(repository, data),
        pool_tag=data.tag,
        branch=data.branch,
        domains=data.wanted_domains,
        hours=data.expiration_hours,
        is_immortal=data.is_immortal,
    )
    got = fetch(session, work.submission, wish, work.actor, now=work.now)
    if got is None:
        return None
    if data.leasefor is not None:
        lease = timedelta(seconds=data.leasefor)
        acquire(session, got.assignment, work.actor.name, lease, work.actor, now=work.now)
    return assigned(session, work, got)


def _list(session: Session, work: Work) -> ListAnswer:
    data = checked(ListData, work.submission.data)
    sought = Sought(
        seen=work.submission.sees,
        repository=data.repository,
        holder_type=data.assignment_type,
        holder_id=data.assignment_id,
        pool_tag=data.pool_tag or data.pool,
        statuses=data.statuses,
        assigned_by=data.assigned_by,
    )
    return listed(session, work, sought, data.limit, data.offset)


def _check(session: Session, work: Work) -> AssignmentAnswer:
    holder = _find_holder(session, work, checked(KeyData, work.submission.data))
    return show_assignment(session, work, find_or_refuse(session, holder, now=work.now))


def _transition(session: Session, work: Work) -> ChangedAnswer | UnassignedAnswer:
    """What the former command of this name did; contract R5, of the same name, hands on to another key."""
    data = checked(TransitionData, work.submission.data)
    holder = _find_holder(session, work, data)
    if data.status == "Expired":
        return _give_back(session, work, holder, returned=False)
    if data.status == "Available":
        held = find_or_refuse(session, holder, now=work.now)
        return released(session, work, release(session, held, None, work.actor, now=work.now))
    held = find_living(session, holder, now=work.now)
    lease = timedelta(seconds=data.leasefor)
    acquire(session, held, work.actor.name, lease, work.actor, now=work.now)
    return acquired(session, work, held, data.leasefor / 60)


def _unassign(session: Session, work: Work) -> UnassignedAnswer:
    data = checked(UnassignData, work.submission.data)
    return _give_back(session, work, _find_holder(session, work, data), returned=data.returntopool)


def _give_back(session: Session, work: Work, holder: Holder, *, returned: bool) -> UnassignedAnswer:
    held = find_or_refuse(session, holder, now=work.now)
    return given_back(session, work, unassign(session, held, work.actor, now=work.now, returned=returned))


def _find_holder(session: Session, work: Work, data: KeyData) -> Holder:
    repository = work.repository(session, data.repository)
    if repository is None:
        raise AssignmentNotFound(Holder("", data.assignment_type, data.holder_id), data.repository or "")
    return _holder(repository, data)


def _holder(repository: Repository, data: KeyData) -> Holder:
    return Holder(repository.id, data.assignment_type, data.holder_id, data.domain or NO_DOMAIN)


FULFIL: Mapping[SubmissionType, Callable[[Session, Work], Answer | None]] = {
    SubmissionType.FETCH: _fetch,
    SubmissionType.LIST: _list,
    SubmissionType.CHECK: _check,
    SubmissionType.TRANSITION: _transition,
    SubmissionType.UNASSIGN: _unassign,
}
