"""What must always be true (rules I1, I2, I5, I6, I8, I10), checked on the recorded history and on the rows.

The history is the audit log. Every entry is written in the transaction of what it tells, while the environment, the
assignment or the pool's lock is held, so that the entries of one environment, of one holder and of one queue stand in
the order of their commits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage import pools
from storage.assignments import Assignment, AssignmentStatus, Holder
from storage.audit import Audit
from storage.database import Database
from storage.environments import Environment, EnvironmentState
from storage.pools import Pool
from storage.tickets import OPEN, Ticket

Key = tuple[str | None, str, str]  # repository, "pr-7", domain


def check(database: Database) -> None:
    """The whole history and the present rows."""
    with database.reading() as session:
        told = entries(session)
        tickets = {str(ticket.id): ticket for ticket in session.scalars(select(Ticket))}
        check_fences(told)
        check_holds(told)
        check_turns(told, tickets)
        check_locks(told)
        check_rows(session)
        check_numbers(session, told)


def entries(session: Session) -> Sequence[Audit]:
    return session.scalars(select(Audit).order_by(Audit.id)).all()


def check_fences(entries: Sequence[Audit]) -> None:
    """I2: the fence of every environment strictly grows with everything that is done to it."""
    newest: dict[str, int] = {}
    for entry in entries:
        name, fence = entry.details.get("environment"), entry.details.get("fence")
        if name is None or fence is None:
            continue
        assert fence > newest.get(name, 0), f"{name}: fence {fence} after {newest.get(name)} at {_told(entry)}"
        newest[name] = fence


@dataclass
class _Holds:
    environment: dict[str, str] = field(default_factory=dict)  # name -> the assignment that holds it
    holder: dict[Key, str] = field(default_factory=dict)  # who -> the assignment it has
    key: dict[str, Key] = field(default_factory=dict)  # assignment -> who has it


def check_holds(entries: Sequence[Audit]) -> None:
    """I1: no environment has two holders at once, and no holder two environments in one domain.

    While it is held, nothing but its holder's own end changes an environment.
    """
    holds = _Holds()
    for entry in entries:
        match entry.action:
            case "assignment.created":
                _begin(holds, entry)
            case "assignment.ended":
                _end(holds, entry)
            case "assignment.transitioned":
                _move(holds, entry)
            case action if action.startswith("environment.") and entry.details.get("environment") in holds.environment:
                raise AssertionError(f"changed while it is held: {_told(entry)}")


def _begin(holds: _Holds, entry: Audit) -> None:
    name, key = entry.details["environment"], (entry.repository_id, entry.details["holder"], entry.details["domain"])
    assert name not in holds.environment, f"held by {holds.environment[name]} already: {_told(entry)}"
    assert key not in holds.holder, f"the holder has {holds.holder[key]} already: {_told(entry)}"
    holds.environment[name] = holds.holder[key] = entry.subject_id
    holds.key[entry.subject_id] = key


def _end(holds: _Holds, entry: Audit) -> None:
    name = entry.details["environment"]
    assert holds.environment.pop(name, None) == entry.subject_id, f"not its holder's end: {_told(entry)}"
    assert holds.holder.pop(holds.key.pop(entry.subject_id)) == entry.subject_id


def _move(holds: _Holds, entry: Audit) -> None:
    repository, _, domain = source = holds.key[entry.subject_id]
    target = (repository, entry.details["target"], domain)
    assert target not in holds.holder, f"the target has {holds.holder.get(target)} already: {_told(entry)}"
    holds.holder[target] = holds.holder.pop(source)
    holds.key[entry.subject_id] = target


def check_turns(entries: Sequence[Audit], tickets: dict[str, Ticket]) -> None:
    """I8: who is served out of the queue was the first in it, the paused ones passed over."""
    line: dict[str, set[tuple[int, int]]] = defaultdict(set)
    begun = {entry.subject_id: entry for entry in entries if entry.action == "assignment.created"}
    for entry in entries:
        if entry.subject_type != "ticket":
            continue
        ticket = tickets[entry.subject_id]
        place, waiting = (ticket.priority, ticket.id), line[ticket.pool_id]
        match entry.action:
            case "ticket.joined" | "ticket.resumed":
                waiting.add(place)
            case "ticket.served" if _is_a_turn(entry, begun[entry.details["assignment"]]):
                assert place == min(waiting), f"{min(waiting)} was before {place}: {_told(entry)}"
                waiting.remove(place)
            case "ticket.served" | "ticket.left" | "ticket.paused":
                waiting.discard(place)


def _is_a_turn(served: Audit, begun: Audit) -> bool:
    """The queue's task made the assignment just now; others come to theirs by asking, or are handed an older one."""
    return begun.id > served.id and (begun.request or "").startswith("task:")


@dataclass
class _Line:
    waiting: list[str] = field(default_factory=list)  # tickets, in the order of asking
    holder: str | None = None
    fence: int = 0


def check_locks(entries: Sequence[Audit]) -> Counter[str]:
    """I1, I2, I8: one holder at a time, whose fence is greater than any before, and always the first who still waits.

    How many tickets ended in which way.
    """
    lines: dict[tuple[str | None, str, str], _Line] = defaultdict(_Line)
    ended: Counter[str] = Counter()
    for entry in (entry for entry in entries if entry.subject_type == "lock"):
        line, ticket = lines[entry.repository_id, entry.details["kind"], entry.subject_id], entry.details["ticket_id"]
        match entry.action:
            case "lock.requested":
                line.waiting.append(ticket)
            case "lock.acquired":
                assert line.holder is None, f"held by {line.holder} already: {_told(entry)}"
                assert line.waiting.pop(0) == ticket, f"somebody was before: {_told(entry)}"
                assert entry.details["fence"] > line.fence, f"the fence does not grow: {_told(entry)}"
                line.holder, line.fence = ticket, entry.details["fence"]
            case "lock.released" if line.holder == ticket:
                line.holder = None
                ended[entry.details["reason_code"]] += 1
            case "lock.released":
                line.waiting.remove(ticket)
                ended[entry.details["reason_code"]] += 1
    return ended


def check_rows(session: Session) -> None:
    """I1, I2, I6: assignments and environments agree, and nothing is left in a pool that is gone."""
    active = session.scalars(select(Assignment).where(Assignment.status == AssignmentStatus.ACTIVE)).all()
    assigned = session.scalars(select(Environment).where(Environment.state == EnvironmentState.ASSIGNED))
    held = {environment.id: environment for environment in assigned}
    assert sorted(a.environment_id for a in active) == sorted(held), "those assigned are not those with a holder"
    assert not [holder for holder, number in Counter(a.holder for a in active).items() if number > 1]
    for assignment in active:
        environment = held[assignment.environment_id]
        assert assignment.fence == environment.fence, f"{environment.name} was granted again"
        assert assignment.pool_id == environment.pool_id
    waiting = session.scalars(select(Ticket).where(Ticket.state.in_(OPEN))).all()
    assert not [holder for holder, number in Counter(t.holder for t in waiting).items() if number > 1]
    gone = set(session.scalars(select(Pool.id).where(Pool.deleted_at.is_not(None))))
    assert not gone & {assignment.pool_id for assignment in active}, "a deleted pool has a holder"
    assert not gone & {ticket.pool_id for ticket in waiting}, "somebody waits for a deleted pool"


def check_numbers(session: Session, entries: Sequence[Audit]) -> None:
    """I5: no environment is lost: those there are and were are those that were made."""
    made = {entry.details["environment"] for entry in entries if entry.action == "environment.created"}
    rows = set(session.scalars(select(Environment.name)))
    assert made <= rows, f"lost: {made - rows}"
    archived = [entry.details["environment"] for entry in entries if entry.action == "environment.archived"]
    assert len(archived) == len(set(archived)), "archived twice"


def check_bounds(session: Session, ceilings: dict[str, int]) -> None:
    """I10: no pool has more than it ever was allowed to."""
    for pool_id, numbers in pools.counts(session, list(ceilings)).items():
        assert numbers.total <= ceilings[pool_id], f"{numbers.total} of at most {ceilings[pool_id]}"


def check_nobody_waits_for_what_it_has(session: Session) -> None:
    """I6; only where no two act at the same moment: then a ticket may outlive its use until its turn comes."""
    held: set[Holder] = {
        a.holder for a in session.scalars(select(Assignment).where(Assignment.status == AssignmentStatus.ACTIVE))
    }
    waiting = session.scalars(select(Ticket).where(Ticket.state.in_(OPEN))).all()
    assert not held & {ticket.holder for ticket in waiting}


def _told(entry: Audit) -> str:
    return f"audit {entry.id} {entry.action} {entry.subject_id} {entry.details} at {entry.at:%H:%M:%S}"
