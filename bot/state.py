"""The states of a pull request or issue that can be told apart by what it shows."""

from __future__ import annotations

from enum import StrEnum

from operations.end import EndReason
from operations.status import Status
from storage.decisions import Reason
from storage.threads import Thread
from storage.tickets import TicketState

# Decisions that are no requirement which a pull request lacks: it is not concerned, or something was done.
UNTOLD = (Reason.OK, Reason.REUSED, Reason.QUEUED, Reason.NO_POOL_MATCH, Reason.CLOSED, Reason.REFUSED,
          Reason.PERMISSION, "mode_off", "path_filter")  # fmt: skip


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


def _waiting(status: Status) -> State:
    if all(awaited.ticket.state == TicketState.PAUSED for awaited in status.awaited):
        return State.PAUSED
    is_next = any(awaited.position <= awaited.making for awaited in status.awaited)
    return State.PREPARING if is_next else State.WAITING
