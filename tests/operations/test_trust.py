"""No path leads from an environment that ran untrusted code to anybody who is trusted, nor the other way round."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operations.assign import Wish, assign
from operations.errors import InvalidRequest, OperationError
from operations.match import match
from operations.pools import update_pool
from operations.unassign import unassign
from storage import pools
from storage.assignments import Assignment, Holder
from storage.pools import Pool
from tests.operations.rows import ACTOR, Rows

UNTRUSTED = {"trust": "untrusted"}


def retrusted(rows: Rows, pool: Pool, config: dict[str, object]) -> Pool:
    with rows.transaction() as session:
        return update_pool(session, pool, {"additional_config": config}, ACTOR, now=rows.clock())


def test_each_is_led_to_pools_of_its_own_trust(rows: Rows) -> None:
    core, sandpit = rows.pool("core"), rows.pool("sandpit", additional_config=UNTRUSTED)
    with rows.transaction() as session:
        assert match(session, rows.repository.id, "main", []).pool.id == core.id
        assert match(session, rows.repository.id, "main", [], untrusted=True).pool.id == sandpit.id


@pytest.mark.parametrize(("before", "after"), [({}, UNTRUSTED), (UNTRUSTED, {}), (UNTRUSTED, {"trust": "trusted"})])
def test_a_pool_keeps_its_trust_for_good(rows: Rows, before: dict[str, object], after: dict[str, object]) -> None:
    pool = rows.pool(additional_config=before)
    with pytest.raises(InvalidRequest, match="make another pool"):
        retrusted(rows, pool, after)
    with rows.transaction() as session:
        assert pools.get(session, pool.id).additional_config == before


def test_other_settings_of_a_pool_may_change(rows: Rows) -> None:
    pool = rows.pool(additional_config=UNTRUSTED)
    assert retrusted(rows, pool, {**UNTRUSTED, "reattachMinutes": 5}).is_untrusted


WISHES = st.tuples(st.booleans(), st.sampled_from([None, "core", "sandpit"]))
CHANGES = st.tuples(st.sampled_from(["core", "sandpit"]), st.sampled_from([{}, UNTRUSTED]))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(WISHES, CHANGES, st.booleans()), min_size=1, max_size=8))
def test_whatever_is_asked_no_environment_serves_both(
    rows: Rows, steps: list[tuple[tuple[bool, str | None], tuple[str, dict[str, str]], bool]]
) -> None:
    with rows.transaction() as session:
        known = {pool.tag: pool for pool in pools.of_repository(session, rows.repository.id)}
    found = known or {
        "core": rows.pool("core", free=3),
        "sandpit": rows.pool("sandpit", free=3, additional_config=UNTRUSTED),
    }
    served: defaultdict[str, set[bool]] = defaultdict(set)
    for number, ((untrusted, tag), (changed, config), gives_back) in enumerate(steps):
        with suppress(OperationError):
            retrusted(rows, found[changed], dict(config))
        try:
            with rows.transaction() as session:
                holder = Holder(rows.repository.id, "custom", f"{len(served)}-{number}-{untrusted}")
                got = assign(session, Wish(holder, tag, untrusted=untrusted), ACTOR, now=rows.clock())
        except OperationError:
            continue
        # A pool's own holders are as trusted as it is: who names an untrusted pool has agreed to that.
        served[got.environment.id].add(untrusted or got.pool.is_untrusted)
        if gives_back:
            with rows.transaction() as session:
                unassign(session, session.get_one(Assignment, got.assignment.id), ACTOR, now=rows.clock())
        assert not untrusted or got.pool.is_untrusted
    assert all(len(kinds) == 1 for kinds in served.values())
