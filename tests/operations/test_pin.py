"""Of two who pin at the same moment the second one counts what the first one has pinned."""

from __future__ import annotations

from datetime import timedelta

from operations import usage
from operations.find import find_or_refuse
from operations.pin import pin
from storage.pins import Pin
from tests.at_once import beside
from tests.operations.rows import ACTOR, Rows


def test_two_who_pin_at_once_count_each_other(rows: Rows) -> None:
    rows.pool(free=2)
    rows.assign(rows.holder(1))
    rows.assign(rows.holder(2))
    now = rows.clock()

    def count() -> int:
        with rows.transaction() as session:
            return len(usage.pinned(session, rows.repository))

    with rows.transaction() as session:
        assert usage.pinned(session, rows.repository) == []
        held = find_or_refuse(session, rows.holder(1), now=now)
        pin(session, held, Pin("wendy", "demo", now + timedelta(days=1)), ACTOR, now=now)
        second = beside(rows.database, count)
    assert second.result(20) == 1
