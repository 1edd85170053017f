"""The states of a pull request or issue that can be told apart by what it shows."""

from __future__ import annotations

from enum import StrEnum

from operations.end import EndReason
from operations.status import Status
from storage.decisions import Reason
from storage.threads import Thread
from storage.tickets import TicketState

# Decisions by which a pull request is not concerned, and so lacks nothing.
NOT_CONCERNED = (Reason.PATH_FILTER, Reason.NO_POOL_MATCH, Reason.POOL_INACTIVE, Reason.MODE_OFF)
UNTOLD = (*NOT_CONCERNED, Reason.OK, Reason.REUSED, Reason.QUEUED, Reason.CLOSED, Reason.REFUSED)
UNAPPROVED = (Reason.FORK_NEEDS_APPROVAL, Reason.APPROVAL_LAPSED)


class State(StrEnum):
    READY = "ready"
    PREPARING = "preparing"
    WAITING = "waiting"
    PAUSED = "paused"
    LOST = "lost"
    ENDED = "ended"
    MISSING = "missing"  # a requirement is; the decision says which
    NOTHING = "nothing"
    CLOSED = "closed"


def state_of(thread: Thread, status: Status) -> State:
    if not thread.is_open:
        return State.CLOSED
    if status.held:
        return State.READY
    if status.awaited:
        return _waiting(status)
    if status.moved_to is not None:
        return State.ENDED
    if status.last is not None:
        return State.LOST if status.last.assignment.end_reason == EndReason.LOST else State.ENDED
    decision = status.decision
    return State.MISSING if decision is not None and decision.reason not in UNTOLD else State.NOTHING


def needs_approval(state: State, status: Status) -> bool:
    """Whether a fork waits for somebody to approve its head, whatever it holds from before."""
    asked = status.decision is not None and status.decision.reason in UNAPPROVED
    return asked and state is not State.CLOSED


def _waiting(status: Status) -> State:
    if all(awaited.ticket.state == TicketState.PAUSED for awaited in status.awaited):
        return State.PAUSED
    is_next = any(awaited.position <= awaited.making for awaited in status.awaited)
    return State.PREPARING if is_next else State.WAITING
