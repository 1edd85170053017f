"""P9: when the pools are looked after by themselves."""

from __future__ import annotations

from bot.api.auth import READ
from bot.api.call import Call
from bot.api.fields import Answer, Timestamp
from bot.api.router import Routes
from storage import pools, schedules, tasks
from storage.schedules import MONITOR, SCHEDULE

routes = Routes()


class Job(Answer):
    job_name: str
    description: str
    pattern: str
    next_run: Timestamp
    last_run: Timestamp | None
    running: bool


class JobsAnswer(Answer):
    total_jobs: int
    jobs: list[Job]


@routes.add("GET", "/pools/monitoring-jobs", READ, "Get pool monitoring status")
def list_monitoring_jobs(call: Call[None, None, None]) -> JobsAnswer:
    """It is running while a pool is being replenished, whoever asked for that."""
    monitor = SCHEDULE[MONITOR]
    with call.reading() as session:
        last_run = schedules.last_runs(session).get(MONITOR)
        running = tasks.is_any_active(session, monitor.kind) or pools.is_any_monitored(session, now=call.now)
    job = Job(
        job_name=MONITOR,
        description=monitor.description,
        pattern=monitor.pattern,
        next_run=monitor.next_due(call.now),
        last_run=last_run,
        running=running,
    )
    return JobsAnswer(total_jobs=1, jobs=[job])
