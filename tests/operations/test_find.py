"""Which assignment a caller means, and how it hears that there is none (contract section 7, addressing)."""

from __future__ import annotations

import pytest

from operations.errors import AmbiguousAssignment, AssignmentExpired, AssignmentNotFound
from operations.expire import expire_past_due
from operations.find import find, find_living, find_or_refuse
from operations.times import iso
from storage.assignments import Holder
from tests.operations.rows import Rows


def found(rows: Rows, holder: Holder) -> str | None:
    with rows.transaction() as session:
        assignment = find(session, holder, now=rows.clock())
        return assignment.domain if assignment else None


def test_without_a_domain_the_one_without_a_domain_is_meant(rows: Rows) -> None:
    rows.pool(free=2)
    for domain in ("", "sales"):
        rows.assign(rows.holder(1, domain=domain))
    assert found(rows, rows.holder(1)) == ""
    assert found(rows, rows.holder(1, domain="sales")) == "sales"
    assert found(rows, rows.holder(1, domain="hr")) is None
    assert found(rows, rows.holder(2)) is None


def test_else_the_only_one(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(1, domain="sales"))
    assert found(rows, rows.holder(1)) == "sales"


def test_several_are_ambiguous(rows: Rows) -> None:
    rows.pool(free=3)
    for domain in ("sales", "hr"):
        rows.assign(rows.holder(1, domain=domain))
    with pytest.raises(AmbiguousAssignment) as refused:
        found(rows, rows.holder(1))
    assert refused.value.code == "AMBIGUOUS_ASSIGNMENT"
    assert refused.value.message == "pr-1 has several environments; pass domain"
    assert refused.value.details == {"domains": ["hr", "sales"]}


def test_one_past_its_end_is_not_found_any_more(rows: Rows) -> None:
    rows.pool(free=2)
    rows.assign(rows.holder(1), hours=1)
    rows.assign(rows.holder(1, domain="sales"), hours=2)
    rows.clock.advance(hours=1)
    assert found(rows, rows.holder(1)) == "sales"


def test_who_has_none_hears_so(rows: Rows) -> None:
    with rows.transaction() as session, pytest.raises(AssignmentNotFound) as refused:
        find_or_refuse(session, rows.holder(1), now=rows.clock())
    assert refused.value.code == "ASSIGNMENT_NOT_FOUND"
    assert refused.value.message == "No active assignment for pr-1 in acme/shop"
    assert refused.value.details == {"lastStatus": None, "endedAt": None, "transitionedTo": None}


@pytest.mark.parametrize(("returned", "status"), [(True, "released"), (False, "expired")])
def test_who_had_one_hears_how_it_ended(rows: Rows, returned: bool, status: str) -> None:
    rows.pool(free=2)
    rows.assign(rows.holder(1))
    rows.unassign(rows.holder(1), returned=not returned)
    rows.clock.advance(minutes=1)
    rows.assign(rows.holder(1))
    rows.unassign(rows.holder(1), returned=returned)
    with rows.transaction() as session, pytest.raises(AssignmentNotFound) as refused:
        find_or_refuse(session, rows.holder(1), now=rows.clock())
    assert refused.value.details["lastStatus"] == status
    assert refused.value.details["endedAt"] == iso(rows.clock())


@pytest.mark.parametrize("swept", [False, True])
def test_what_ended_by_itself_is_refused_as_expired(rows: Rows, swept: bool) -> None:
    rows.pool(free=1)
    expired_at = rows.assign(rows.holder(1), hours=1).assignment.expires_at
    assert expired_at is not None
    rows.clock.advance(hours=2)
    if swept:
        with rows.transaction() as session:
            expire_past_due(session, now=rows.clock())
    with rows.transaction() as session, pytest.raises(AssignmentExpired) as refused:
        find_living(session, rows.holder(1), now=rows.clock())
    assert refused.value.code == "ASSIGNMENT_EXPIRED"
    assert refused.value.message == f"The assignment expired at {iso(expired_at)}; assign again"
    assert refused.value.details == {"expiredAt": iso(expired_at)}


def test_what_was_given_back_is_not_expired(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(1), hours=1)
    rows.unassign(rows.holder(1), returned=False)
    rows.clock.advance(hours=2)
    with rows.transaction() as session, pytest.raises(AssignmentNotFound):
        find_living(session, rows.holder(1), now=rows.clock())


def test_one_in_another_domain_that_has_lapsed_is_not_the_one_asked_for(rows: Rows) -> None:
    rows.pool(free=1)
    rows.assign(rows.holder(1, domain="sales"), hours=1)
    rows.clock.advance(hours=2)
    with rows.transaction() as session, pytest.raises(AssignmentNotFound):
        find_living(session, rows.holder(1, domain="hr"), now=rows.clock())


def test_a_living_one_is_found(rows: Rows) -> None:
    rows.pool(free=1)
    got = rows.assign(rows.holder(1))
    with rows.transaction() as session:
        assert find_living(session, rows.holder(1), now=rows.clock()).id == got.assignment.id
