"""One queue a pool: first come, first served within a class, and a ticket keeps its place (rule I8)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from operations import waiting
from operations.assign import Wish
from operations.errors import NoPoolMatch, PoolNotFound
from operations.find import find_or_refuse
from operations.pools import delete_pool
from operations.transition import transition
from operations.unassign import unassign
from storage import pools, tickets
from storage.assignments import Holder
from storage.tickets import BOT_CLASS, Ticket
from tests.at_once import at_once, beside
from tests.operations.rows import ACTOR, Rows


def positions(rows: Rows, *waiters: Ticket) -> list[int]:
    with rows.database.reading() as session:
        return [tickets.position(session, session.get_one(Ticket, ticket.id)) for ticket in waiters]


def only_ticket(rows: Rows, holder: Holder) -> Ticket:
    with rows.database.reading() as session:
        [ticket] = tickets.all_open(session, holder)
        return ticket


def change(rows: Rows, ticket: Ticket, what: str) -> None:
    with rows.transaction() as session:
        [held] = [t for t in tickets.all_open(session, ticket.holder) if t.id == ticket.id]
        if what == "leaves":
            waiting.leave(session, held, "not wanted", now=rows.clock())
        else:
            {"pauses": waiting.pause, "resumes": waiting.resume}[what](session, held, now=rows.clock())


# Joining


def test_who_joins_waits_with_what_it_asked_for(rows: Rows) -> None:
    pool = rows.pool()
    until = rows.clock() + timedelta(hours=5)
    wish = Wish(rows.holder(7, domain="sales"), "core", hours=3, is_immortal=True, extra={"title": "Cart"})
    with rows.transaction() as session:
        ticket = waiting.join(session, wish, ACTOR, now=rows.clock(), priority=BOT_CLASS, gives_up_at=until)
    found = rows.ticket(ticket.id)
    assert (found.state, found.pool_id, found.holder, found.priority) == ("waiting", pool.id, wish.holder, BOT_CLASS)
    assert (found.hours, found.is_immortal, found.extra) == (3, True, {"title": "Cart"})
    assert (found.requested_by, found.joined_at, found.gives_up_at) == (ACTOR.name, rows.clock(), until)
    assert [row.details for row in rows.audit("ticket.joined")] == [{"holder": "pr-7", "pool": "core"}]


def test_joining_makes_the_pool_grow_and_looks_for_what_is_free(rows: Rows) -> None:
    pool = rows.pool()
    thread = rows.thread(7)
    rows.join(rows.holder(7))
    assert [task.payload for task in rows.pending("serve")] == [{"pool_id": pool.id}]
    assert [task.payload for task in rows.pending("replenish")] == [{"pool_id": pool.id}]
    assert [task.payload for task in rows.pending("refresh")] == [{"thread_id": thread.id}]


def test_who_joins_twice_keeps_its_first_place(rows: Rows) -> None:
    rows.pool()
    first = rows.join(rows.holder(1))
    rows.join(rows.holder(2))
    rows.clock.advance(minutes=1)
    again = rows.join(rows.holder(1))
    assert (again.id, again.joined_at) == (first.id, first.joined_at)
    assert positions(rows, first) == [1]
    assert len(rows.audit("ticket.joined")) == 2


def test_each_domain_waits_for_itself(rows: Rows) -> None:
    pool = rows.pool()
    assert rows.join(rows.holder(1)).id != rows.join(rows.holder(1, domain="sales")).id
    assert rows.counts(pool).waiting == 2


def test_who_moves_to_another_pool_leaves_the_first(rows: Rows) -> None:
    first, second = rows.pool(), rows.pool("other")
    before = rows.join(rows.holder(1))
    after = rows.join(rows.holder(1), "other")
    assert (rows.ticket(before.id).state, rows.ticket(before.id).end_reason) == ("left", "moved to another pool")
    assert rows.ticket(after.id).state == "waiting"
    assert (rows.counts(first).waiting, rows.counts(second).waiting) == (0, 1)


def test_joining_is_refused_where_assigning_is(rows: Rows) -> None:
    rows.pool(branch_pattern="main")
    with pytest.raises(PoolNotFound):
        rows.join(rows.holder(1), "unknown")
    with rows.transaction() as session, pytest.raises(NoPoolMatch):
        waiting.join(session, Wish(rows.holder(1), branch="other"), ACTOR, now=rows.clock())


def test_nobody_joins_the_queue_of_a_pool_that_is_being_deleted(rows: Rows) -> None:
    pool = rows.pool()
    with rows.transaction() as session:
        delete_pool(session, pools.get(session, pool.id), ACTOR, now=rows.clock())
        joining = beside(rows.database, lambda: rows.join(rows.holder(1)))
    with pytest.raises(PoolNotFound):
        joining.result(10)
    assert rows.counts(pool).waiting == 0


def test_who_joins_twice_at_once_waits_once(rows: Rows) -> None:
    pool = rows.pool()
    joined = at_once([lambda: rows.join(rows.holder(1))] * 3)
    assert len({ticket.id for ticket in joined}) == 1
    assert rows.counts(pool).waiting == 1


# The order


def test_people_come_before_bots_and_within_a_class_the_first_comes_first(rows: Rows) -> None:
    pool = rows.pool()
    bot = rows.join(rows.holder(1), priority=BOT_CLASS)
    first, second = rows.join(rows.holder(2)), rows.join(rows.holder(3))
    later_bot = rows.join(rows.holder(4), priority=BOT_CLASS)
    line = [first, second, bot, later_bot]
    assert positions(rows, *line) == [1, 2, 3, 4]
    for number, ticket in enumerate(line):
        rows.environment(pool, f"e{number}")
        served = rows.serve(pool)
        assert served is not None
        assert served.assignment.holder == ticket.holder


def test_the_paused_are_passed_over_and_keep_their_place(rows: Rows) -> None:
    pool = rows.pool()
    first, second, third = (rows.join(rows.holder(number)) for number in (1, 2, 3))
    change(rows, first, "pauses")
    assert positions(rows, second, third) == [1, 2]
    rows.environment(pool, "a")
    rows.serve(pool)
    assert rows.ticket(second.id).state == "served"
    change(rows, first, "resumes")
    assert positions(rows, first, third) == [1, 2]
    rows.environment(pool, "b")
    rows.serve(pool)
    assert [rows.ticket(ticket.id).state for ticket in (first, third)] == ["served", "waiting"]


def test_a_paused_ticket_is_still_the_holders_ticket(rows: Rows) -> None:
    rows.pool()
    paused = rows.join(rows.holder(1))
    change(rows, paused, "pauses")
    assert rows.join(rows.holder(1)).id == paused.id
    assert rows.ticket(paused.id).state == "paused"


def test_who_resumes_is_served_if_something_is_free(rows: Rows) -> None:
    rows.pool()
    paused = rows.join(rows.holder(1))
    change(rows, paused, "pauses")
    rows.forget_tasks()
    change(rows, paused, "resumes")
    assert len(rows.pending("serve")) == 1


def test_everybody_in_line_shows_its_new_position(rows: Rows) -> None:
    rows.pool()
    threads = [rows.thread(number) for number in (1, 2, 3)]
    first, second, _ = (rows.join(rows.holder(number)) for number in (1, 2, 3))
    for what, ticket, shown in (("pauses", second, (1, 2, 3)), ("leaves", first, (1, 3)), ("resumes", second, (2,))):
        rows.forget_tasks()
        change(rows, ticket, what)
        shown_now = {task.payload["thread_id"] for task in rows.pending("refresh")}
        assert {threads[number - 1].id for number in shown} <= shown_now


# Leaving


def test_who_leaves_is_told_why_and_waits_no_more(rows: Rows) -> None:
    pool = rows.pool()
    ticket = rows.join(rows.holder(1))
    change(rows, ticket, "leaves")
    left = rows.ticket(ticket.id)
    assert (left.state, left.ended_at, left.end_reason) == ("left", rows.clock(), "not wanted")
    assert [row.details for row in rows.audit("ticket.left")] == [{"holder": "pr-1", "reason": "not wanted"}]
    assert rows.counts(pool).waiting == 0
    assert rows.join(rows.holder(1)).id != ticket.id


def test_who_waited_as_long_as_asked_leaves(rows: Rows) -> None:
    rows.pool()
    until = rows.clock() + timedelta(hours=1)
    patient, impatient, paused = (
        rows.join(rows.holder(1)),
        rows.join(rows.holder(2), gives_up_at=until),
        rows.join(rows.holder(3), gives_up_at=until),
    )
    change(rows, paused, "pauses")
    assert give_up_overdue(rows, at=until - timedelta(seconds=1)) == 0
    assert give_up_overdue(rows, at=until) == 2
    assert [rows.ticket(ticket.id).state for ticket in (patient, impatient, paused)] == ["waiting", "left", "left"]
    assert rows.ticket(impatient.id).end_reason == "waited as long as asked"


def give_up_overdue(rows: Rows, *, at: datetime) -> int:
    with rows.transaction() as session:
        return waiting.give_up_overdue(session, now=at)


# Being served


def test_the_served_have_what_they_asked_for(rows: Rows) -> None:
    pool = rows.pool()
    wish = Wish(rows.holder(7), "core", hours=3, extra={"title": "Cart"})
    with rows.transaction() as session:
        ticket = waiting.join(session, wish, ACTOR, now=rows.clock())
    rows.environment(pool, "a")
    rows.clock.advance(hours=1)
    served = rows.serve(pool)
    assert served is not None
    assert served.assignment.expires_at == rows.clock() + timedelta(hours=3)
    assert served.assignment.extra == {"title": "Cart", "prNumber": 7}
    assert served.assignment.assigned_by == ACTOR.name
    ended = rows.ticket(ticket.id)
    assert (ended.state, ended.ended_at, ended.assignment_id) == ("served", rows.clock(), served.assignment.id)
    [row] = rows.audit("assignment.created")
    assert (row.request or "").startswith("task:")


def test_an_immortal_wish_is_served_for_ever(rows: Rows) -> None:
    pool = rows.pool()
    with rows.transaction() as session:
        waiting.join(session, Wish(rows.holder(7), "core", is_immortal=True), ACTOR, now=rows.clock())
    rows.environment(pool, "a")
    served = rows.serve(pool)
    assert served is not None
    assert served.assignment.expires_at is None


def test_it_is_nobodys_turn_while_nobody_waits_or_nothing_is_free(rows: Rows) -> None:
    pool = rows.pool(free=1)
    with rows.transaction() as session:
        assert waiting.next_in_line(session, pool.id) is None
    rows.assign(rows.holder(1))
    rows.join(rows.holder(2))
    with rows.transaction() as session:
        assert waiting.next_in_line(session, pool.id) is None


def test_only_the_first_in_line_is_served(rows: Rows) -> None:
    pool = rows.pool()
    first, second = rows.join(rows.holder(1)), rows.join(rows.holder(2))
    rows.environment(pool, "a")

    def serve(ticket_id: int) -> object:
        with rows.transaction() as session:
            return waiting.serve(session, ticket_id, request="task:1", now=rows.clock())

    assert serve(second.id) is None
    assert serve(123456) is None
    assert serve(first.id) is not None
    assert serve(first.id) is None
    assert rows.ticket(second.id).state == "waiting"


def test_who_has_left_is_not_served(rows: Rows) -> None:
    pool = rows.pool()
    first, second = rows.join(rows.holder(1)), rows.join(rows.holder(2))
    rows.environment(pool, "a")
    change(rows, first, "leaves")
    with rows.transaction() as session:
        assert waiting.serve(session, first.id, request="task:1", now=rows.clock()) is None
    served = rows.serve(pool)
    assert served is not None
    assert served.assignment.holder == second.holder


def test_nobody_is_served_what_has_no_credentials(rows: Rows) -> None:
    pool = rows.pool()
    ticket = rows.join(rows.holder(1))
    rows.environment(pool, "blank", credentials=None)
    assert rows.serve(pool) is None
    assert rows.ticket(ticket.id).state == "waiting"
    assert rows.named("blank").state == "ERROR"


def test_who_has_an_environment_by_now_waits_no_more_and_takes_no_second_one(rows: Rows) -> None:
    pool = rows.pool(free=1)
    held = rows.assign(rows.holder(1))
    ticket = rows.join(rows.holder(1))
    rows.environment(pool, "spare")
    served = rows.serve(pool)
    assert served is not None
    assert (served.assignment.id, served.is_reused) == (held.assignment.id, True)
    assert (rows.ticket(ticket.id).state, rows.named("spare").state) == ("served", "AVAILABLE")


def test_who_is_handed_an_environment_waits_no_more(rows: Rows) -> None:
    pool = rows.pool(free=1)
    rows.assign(rows.holder(1))
    ticket = rows.join(rows.holder(2, "issue"))
    with rows.transaction() as session:
        source = find_or_refuse(session, rows.holder(1), now=rows.clock())
        moved = transition(session, source, rows.holder(2, "issue"), {}, ACTOR, now=rows.clock())
    assert (rows.ticket(ticket.id).state, rows.ticket(ticket.id).assignment_id) == ("served", moved.id)
    assert rows.counts(pool).waiting == 0


# At the same moment


def test_two_environments_that_come_free_at_once_go_to_the_first_two(rows: Rows) -> None:
    pool = rows.pool()
    waiters = [rows.join(rows.holder(number)) for number in range(1, 5)]
    rows.environment(pool, "a")
    rows.environment(pool, "b")
    served = at_once([lambda: rows.serve(pool)] * 3)
    assert [rows.ticket(ticket.id).state for ticket in waiters][2:] == ["waiting", "waiting"]
    while rows.serve(pool) is not None:
        pass
    assert [rows.ticket(ticket.id).state for ticket in waiters] == ["served", "served", "waiting", "waiting"]
    got = [assigned.environment.id for assigned in served if assigned is not None]
    assert len(got) == len(set(got))


def test_who_closes_while_it_is_being_served_holds_nothing(rows: Rows) -> None:
    pool = rows.pool()
    ticket = rows.join(rows.holder(1))
    rows.environment(pool, "a")
    with rows.transaction() as session:
        assert waiting.serve(session, ticket.id, request="task:1", now=rows.clock()) is not None
        closing = beside(rows.database, lambda: rows.close(rows.holder(1)))
    assert len(closing.result(10)) == 1
    assert rows.held_by(rows.holder(1)) is None
    assert rows.counts(pool).assigned == 0


def test_who_is_to_be_served_while_it_closes_is_passed_over(rows: Rows) -> None:
    pool = rows.pool()
    first, second = rows.join(rows.holder(1)), rows.join(rows.holder(2))
    rows.environment(pool, "a")
    with rows.transaction() as session:
        for ticket in tickets.all_open(session, rows.holder(1)):
            waiting.leave(session, ticket, "closed", now=rows.clock())
        serving = beside(rows.database, lambda: rows.serve(pool))
    served = serving.result(10)
    assert served is not None
    assert served.assignment.holder == second.holder
    assert rows.ticket(first.id).state == "left"


def test_who_moves_to_another_pool_while_it_is_being_served_waits_nowhere(rows: Rows) -> None:
    pool, other = rows.pool(), rows.pool("other")
    ticket = rows.join(rows.holder(1))
    rows.environment(pool, "a")
    with rows.transaction() as session:
        waiting.serve(session, ticket.id, request="task:1", now=rows.clock())
        moving = beside(rows.database, lambda: rows.join(rows.holder(1), "other"))
    moving.result(10)
    assert rows.ticket(ticket.id).state == "served"
    # It waits in vain for what it has, until its turn there comes: then it is served with that.
    rows.environment(other, "b")
    rows.serve(other)
    assert (rows.counts(other).waiting, rows.counts(other).available) == (0, 1)


def test_who_gives_up_while_it_is_being_served_is_served(rows: Rows) -> None:
    pool = rows.pool(free=1)
    rows.assign(rows.holder(2))
    ticket = rows.join(rows.holder(1), gives_up_at=rows.clock())
    with rows.transaction() as session:
        unassign(session, find_or_refuse(session, rows.holder(2), now=rows.clock()), ACTOR, now=rows.clock())
        assert waiting.serve(session, ticket.id, request="task:1", now=rows.clock()) is not None
        giving_up = beside(rows.database, lambda: give_up_overdue(rows, at=rows.clock()))
    assert giving_up.result(10) == 0
    assert rows.ticket(ticket.id).state == "served"
    assert rows.counts(pool).assigned == 1
