"""What another policy would have changed lately, replayed from the decisions on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from bot.gates import Case, Closed, judge
from bot.policy.configuration import InForce
from bot.policy.keys import Quotas
from operations.errors import PoolNotFound
from storage import decisions, threads
from storage.decisions import Decision, Reason
from storage.repositories import Repository
from storage.threads import Thread

SPAN = timedelta(days=14)
MOST_PULLS = 500
MOST_DECISIONS = 2000
PAGE = 100  # pull requests
CASE = "case"  # the input of a decision that is what its gates went by
SERVED = (Reason.OK, Reason.REUSED, Reason.QUEUED)
# What is on no record: which files a pull request changed then, and who would have held what.
UNKNOWN: Mapping[str, Any] = {"paths": (), "domains": {}, "per_domain": False, "quotas": Quotas()}


@dataclass(frozen=True)
class Past:
    """The pull requests that would have been served and were not, those from forks among them; and the reverse."""

    more: list[int]
    forks: list[int]
    fewer: list[int]
    replayed: int
    """Pull requests of which a decision could be made again."""
    left_out: int
    """Decisions that the present policy does not explain by what is on record."""
    is_all: bool


@dataclass(frozen=True)
class _Lived:
    """How a pull request fared, and would have."""

    last: Case
    was_served: bool
    before: bool
    after: bool
    replayed: int
    left_out: int

    @property
    def is_more(self) -> bool:
        return self.after and not self.was_served


def on_record(case: Case) -> dict[str, Any]:
    """What the gates go by, without what stays the same and what may be too much: files, and who holds what."""
    thread = case.thread
    return {
        "asked": case.asked,
        "approved": thread.is_approved,
        "base": thread.base_ref,
        "deployBy": thread.deploy_by,
        "draft": thread.draft,
        "labels": list(thread.labels),
        "pool": case.pool_tag,
    }


def replay(session: Session, repository: Repository, present: InForce, proposed: InForce, *, now: datetime) -> Past:
    """The decisions of the last days on pull requests are made again by both policies, with the pools of today."""
    before, after = _without_unknown(present), _without_unknown(proposed)
    found, is_all = _decided(session, repository, now - SPAN)
    lived = [_live(session, Case(repository, thread, after, now), before, made) for thread, made in found]
    return Past(
        more=[each.last.thread.number for each in lived if each.is_more],
        forks=[each.last.thread.number for each in lived if each.is_more and each.last.from_fork],
        fewer=[each.last.thread.number for each in lived if each.before and not each.after],
        replayed=sum(each.replayed > 0 for each in lived),
        left_out=sum(each.left_out for each in lived),
        is_all=is_all,
    )


def _without_unknown(in_force: InForce) -> InForce:
    return replace(in_force, policy=in_force.policy.model_copy(update=UNKNOWN))


def _decided(
    session: Session, repository: Repository, since: datetime
) -> tuple[list[tuple[Thread, Sequence[Decision]]], bool]:
    """Who was decided about, and whether that is everybody; of whoever is in it every decision is."""
    pulls = threads.pulls_since(session, repository.id, since, limit=MOST_PULLS + 1)
    found: list[tuple[Thread, Sequence[Decision]]] = []
    left = MOST_DECISIONS
    for start in range(0, min(len(pulls), MOST_PULLS), PAGE):
        page = pulls[start : start + PAGE]
        numbers = [pull.number for pull in page]
        made = decisions.on_assigning(session, repository.id, numbers, since=since, limit=left + 1)
        if len(made) > left:
            return found, False
        left -= len(made)
        of = {pull.number: [each for each in made if each.holder_id == pull.holder.id] for pull in page}
        found += [(pull, of[pull.number]) for pull in page if of[pull.number]]
    return found, len(pulls) <= MOST_PULLS


def _live(session: Session, last: Case, before: InForce, made: Sequence[Decision]) -> _Lived:
    """A decision counts if the present policy makes it again as it was made.

    About who holds something nothing is decided: the proposed policy judges also by what is known of it last.
    """
    explained = [case for each in made if (case := _explained(session, last, before, each)) is not None]
    was_open = any(_is_open(session, replace(case, in_force=before)) for case in explained)
    states = [*explained, last] if was_open else explained
    return _Lived(
        last=last,
        was_served=any(each.reason in SERVED for each in made),
        before=was_open,
        after=any(_is_open(session, state) for state in states),
        replayed=len(explained),
        left_out=len(made) - len(explained),
    )


def _explained(session: Session, last: Case, before: InForce, decision: Decision) -> Case | None:
    """The case as it was then, under the policy of the last; None where something else decided than is on record."""
    if CASE not in decision.inputs:
        return None
    case = _as_it_was(last, decision, decision.inputs[CASE])
    is_open = _is_open(session, replace(case, in_force=before))
    return case if is_open == (decision.reason in SERVED) else None


def _as_it_was(last: Case, decision: Decision, facts: Mapping[str, Any]) -> Case:
    known = {column.key: getattr(last.thread, column.key) for column in inspect(Thread).column_attrs}
    approved = facts["approved"]
    then = {
        "base_ref": facts["base"],
        "deploy_by": facts["deployBy"],
        "draft": facts["draft"],
        "labels": facts["labels"],
        "approved_sha": known["head_sha"] if approved else None,
        "approved_at": known["head_seen_at"] if approved else None,
    }
    thread = Thread(**{**known, **then})
    return replace(last, thread=thread, asked=facts["asked"], pool_tag=facts["pool"], domain=decision.domain or None)


def _is_open(session: Session, case: Case) -> bool | None:
    """Whether it would be served; None where the pool that it names is not there any more."""
    try:
        return not isinstance(judge(session, case), Closed)
    except PoolNotFound:
        return None
