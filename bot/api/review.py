"""R1–R8: review environments are assigned, extended, given back, handed on, used and listed."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from bot.api.assignment import AssignmentAnswer, show_assignment
from bot.api.auth import CHANGE, READ
from bot.api.call import AnyCall, Call
from bot.api.review_answers import (
    AssignedAnswer,
    ChangedAnswer,
    ExtendedAnswer,
    ListAnswer,
    UnassignedAnswer,
    acquired,
    assigned,
    changed,
    extended_by,
    given_back,
    listed,
    released,
)
from bot.api.review_bodies import (
    AcquireBody,
    AssignBody,
    ExtendBody,
    Key,
    KeyPath,
    KeyQuery,
    ListQuery,
    ReleaseBody,
    TransitionBody,
    UnassignBody,
)
from bot.api.router import Routes
from bot.api.visible import find_holder, find_repository, refuse_while_locked
from operations.acquire import acquire, release
from operations.assign import Wish, assign
from operations.errors import (
    AmbiguousAssignment,
    AssignmentExpired,
    AssignmentLocked,
    AssignmentNotFound,
    EnvironmentInUse,
    NoPoolMatch,
    PoolExhausted,
    PoolNotFound,
    SameAssignment,
    TargetAlreadyAssigned,
)
from operations.extend import extend
from operations.find import find_living, find_or_refuse
from operations.search import Sought
from operations.transition import transition
from operations.unassign import unassign
from storage.assignments import NO_DOMAIN, Holder

routes = Routes()


@routes.add(
    "POST", "/review/environments/assign", CHANGE, "Assign a review environment from a pool",
    refuses=(PoolNotFound, NoPoolMatch, PoolExhausted),
)  # fmt: skip
def assign_environment(call: Call[None, None, AssignBody]) -> AssignedAnswer:
    body = call.body
    with call.asking() as session:
        got = assign(session, _wish(session, call, body), call.actor, now=call.now)
        return assigned(session, call, got)


@routes.add(
    "GET", "/review/environments/{assignmentType}/{assignmentId}", READ, "Get review environment details",
    refuses=(AssignmentNotFound, AmbiguousAssignment),
)  # fmt: skip
def get_environment(call: Call[KeyPath, KeyQuery, None]) -> AssignmentAnswer:
    key, query = call.path, call.query
    with call.revealing() as session:
        holder = find_holder(
            session, call, query.repository_identifier, key.assignment_type, key.assignment_id, query.domain
        )
        return show_assignment(session, call, find_or_refuse(session, holder, now=call.now))


@routes.add(
    "POST", "/review/environments/extend", CHANGE, "Extend review environment expiration",
    refuses=(AssignmentNotFound, AssignmentExpired, AmbiguousAssignment),
)  # fmt: skip
def extend_environment(call: Call[None, None, ExtendBody]) -> ExtendedAnswer:
    body = call.body
    with call.transaction() as session:
        assignment = find_living(session, _holder(session, call, body), now=call.now)
        extended = extend(
            session, assignment, body.extension_hours, call.actor, now=call.now, is_immortal=body.is_immortal
        )
        return extended_by(session, call, extended)


@routes.add(
    "POST", "/review/environments/unassign", CHANGE, "Unassign a review environment",
    refuses=(AssignmentNotFound, AmbiguousAssignment, AssignmentLocked),
)  # fmt: skip
def unassign_environment(call: Call[None, None, UnassignBody]) -> UnassignedAnswer:
    body = call.body
    with call.transaction() as session:
        assignment = find_or_refuse(session, _holder(session, call, body), now=call.now)
        refuse_while_locked(session, call, assignment)
        done = unassign(session, assignment, call.actor, now=call.now, returned=body.return_to_pool)
        return given_back(session, call, done)


@routes.add(
    "POST", "/review/environments/transition", CHANGE, "Move a review environment to another assignment",
    refuses=(SameAssignment, AssignmentNotFound, AmbiguousAssignment, AssignmentLocked, TargetAlreadyAssigned),
)  # fmt: skip
def transition_environment(call: Call[None, None, TransitionBody]) -> ChangedAnswer:
    body = call.body
    if body.source == body.target:
        raise SameAssignment
    with call.transaction() as session:
        source = find_holder(session, call, body.repository_identifier, *body.source, body.domain)
        target = Holder(source.repository_id, *body.target)
        assignment = find_or_refuse(session, source, now=call.now)
        refuse_while_locked(session, call, assignment)
        transition(session, assignment, target, body.metadata, call.actor, now=call.now)
        message = f"Review environment successfully transitioned from {source} to {target}"
        return changed(session, call, assignment, "environment_transitioned", message)


@routes.add(
    "POST", "/review/environments/acquire", CHANGE, "Acquire an environment for use",
    refuses=(AssignmentNotFound, AssignmentExpired, EnvironmentInUse, AmbiguousAssignment),
)  # fmt: skip
def acquire_environment(call: Call[None, None, AcquireBody]) -> ChangedAnswer:
    body = call.body
    with call.transaction() as session:
        assignment = find_living(session, _holder(session, call, body), now=call.now)
        acquire(session, assignment, body.used_by, timedelta(minutes=body.duration), call.actor, now=call.now)
        return acquired(session, call, assignment, body.duration)


@routes.add(
    "POST", "/review/environments/release", CHANGE, "Release an environment from use",
    refuses=(AssignmentNotFound, EnvironmentInUse, AmbiguousAssignment),
)  # fmt: skip
def release_environment(call: Call[None, None, ReleaseBody]) -> ChangedAnswer:
    body = call.body
    with call.transaction() as session:
        assignment = find_or_refuse(session, _holder(session, call, body), now=call.now)
        release(session, assignment, body.used_by, call.actor, now=call.now)
        return released(session, call, assignment)


@routes.add("GET", "/review/environments/list", READ, "List review environment assignments")
def list_environments(call: Call[None, ListQuery, None]) -> ListAnswer:
    query = call.query
    sought = Sought(
        seen=call.caller.repositories,
        repository=query.repository_identifier,
        holder_type=query.assignment_type,
        holder_id=query.assignment_id,
        pool_tag=query.pool_tag,
        statuses=query.statuses,
        assigned_by=query.assigned_by,
    )
    with call.revealing() as session:
        return listed(session, call, sought, query.limit, query.offset)


def _wish(session: Session, call: AnyCall, body: AssignBody) -> Wish:
    """What R1 asks for. In a repository that is not there, or not seen, there is no pool either."""
    repository = find_repository(session, call, body.repository_identifier)
    if repository is None and body.pool_tag is not None:
        raise PoolNotFound
    if repository is None:
        raise NoPoolMatch(body.branch, body.wanted_domains, [])
    return Wish(
        holder=Holder(repository.id, body.assignment_type, body.assignment_id, body.domain or NO_DOMAIN),
        pool_tag=body.pool_tag,
        branch=body.branch,
        domains=body.wanted_domains,
        hours=body.expiration_hours,
        is_immortal=body.is_immortal,
        extra=body.metadata,
        override=body.override,
    )


def _holder(session: Session, call: AnyCall, key: Key) -> Holder:
    return find_holder(session, call, key.repository_identifier, key.assignment_type, key.assignment_id, key.domain)
