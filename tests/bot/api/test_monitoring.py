"""P9: when the pools are looked after by themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from storage import pools
from storage.database import new_id
from storage.pools import RUN_IS_STALE_AFTER
from tests.bot.api.client import Api

JOBS = "/pools/monitoring-jobs"


def monitor(api: Api) -> Any:
    [job] = api.member.get(JOBS).body["jobs"]
    return job


def test_the_monitor_is_the_one_job(api: Api) -> None:
    api.world.clock.advance(minutes=7)
    reply = api.member.get(JOBS)
    assert reply.status == 200
    assert reply.body == {
        "totalJobs": 1,
        "jobs": [
            {
                "jobName": "global-pool-monitor",
                "description": "Global pool monitoring job that monitors all active pools",
                "pattern": "*/30 * * * *",
                "nextRun": "2026-03-02T12:30:00Z",
                "lastRun": None,
                "running": False,
            }
        ],
    }


def test_the_last_run_is_the_one_that_was(api: Api) -> None:
    api.world.clock.advance(minutes=7)
    api.world.later(minutes=24, seconds=1)
    api.world.later(minutes=10)
    assert (monitor(api)["lastRun"], monitor(api)["nextRun"]) == ("2026-03-02T12:31:01Z", "2026-03-02T13:00:00Z")


def test_it_is_running_while_a_pool_is_in_a_run_that_is_not_stale(api: Api) -> None:
    pool, run_id = api.world.pool(), new_id()
    with api.database.transaction() as session:
        assert pools.begin_monitor_run(session, pool.id, run_id, now=api.world.clock())
    assert monitor(api)["running"]
    api.world.clock.advance(seconds=(RUN_IS_STALE_AFTER + timedelta(seconds=1)).total_seconds())
    assert not monitor(api)["running"]
    with api.database.transaction() as session:
        pools.end_monitor_run(session, pool.id, run_id, now=api.world.clock())
    assert not monitor(api)["running"]


def test_nobody_without_a_token_is_told(wire: Api) -> None:
    assert wire.anonymous.get(JOBS).refused() == (401, "UNAUTHENTICATED", "Unauthorized")
