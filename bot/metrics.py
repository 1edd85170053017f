"""What Prometheus is told: this web process's own counters, and what the database has of pools and workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import accumulate

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from bot.measured import COUNTERS, HISTOGRAMS, Measured
from storage import deliveries, measurements, pools, rates, tasks
from storage.database import Database, StoreUnavailable
from storage.queue import QueueName

requests = Counter("greenroom_requests_total", "REST requests by operation and status", ["operation", "status"])
seconds = Histogram("greenroom_request_seconds", "How long REST requests took, by operation", ["operation"])

COUNTED = ("available", "assigned", "provisioning", "expired", "error", "deleting")


class Pools(Collector):
    """Gauges of the database; while that is away only the one that says so."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterable[Metric]:
        reachable = GaugeMetricFamily("greenroom_database_reachable", "Whether the database answered this scrape")
        try:
            found = self._read()
        except StoreUnavailable:
            found = []
        reachable.add_metric([], float(bool(found)))
        return [reachable, *found]

    def _read(self) -> list[Metric]:
        labels = ["repository", "pool"]
        states = GaugeMetricFamily("greenroom_environments", "Environments by state", labels=[*labels, "state"])
        waiting = GaugeMetricFamily("greenroom_waiting_tickets", "Who waits for an environment", labels=labels)
        wanted = GaugeMetricFamily("greenroom_pool_min_available", "Environments to keep available", labels=labels)
        maximum = GaugeMetricFamily("greenroom_pool_max_total", "The ceiling of a pool", labels=labels)
        backlog = GaugeMetricFamily("greenroom_deliveries_backlog", "Acknowledged deliveries that wait to be worked")
        with self._database.reading() as session:
            found = pools.listed(session, seen=None)
            counts = pools.counts(session, [pool.id for pool, _ in found])
            backlog.add_metric([], deliveries.backlog(session))
        for pool, repository in found:
            names = [repository.full_name, pool.tag]
            for state in COUNTED:
                states.add_metric([*names, state], getattr(counts[pool.id], state))
            waiting.add_metric(names, counts[pool.id].waiting)
            wanted.add_metric(names, pool.min_available)
            maximum.add_metric(names, pool.max_total)
        return [states, waiting, wanted, maximum, backlog]


class Workers(Collector):
    """What all worker processes together have to do, have done and may still ask of GitHub, from the database."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        try:
            with self._database.reading() as session:
                return [*_queues(session, self._clock()), *_rates(session), *_counted(session)]
        except StoreUnavailable:
            return []


def _queues(session: Session, now: datetime) -> Iterable[Metric]:
    waiting = GaugeMetricFamily("greenroom_tasks", "Tasks that are not done yet", labels=["queue", "state"])
    for (queue, state), number in tasks.live_by_queue(session).items():
        waiting.add_metric([queue, state], number)
    workers = GaugeMetricFamily("greenroom_workers", "Worker processes that are alive", labels=["queue"])
    alive = measurements.alive(session, now=now)
    for name in QueueName:
        workers.add_metric([name.value], alive.get(name.value, 0))
    return [waiting, workers]


def _rates(session: Session) -> Iterable[Metric]:
    labels = ["installation", "resource"]
    left = GaugeMetricFamily("greenroom_github_calls_left", "Calls that GitHub allows this hour", labels=labels)
    swept = GaugeMetricFamily("greenroom_github_calls_swept", "Calls that sweeps used this hour", labels=labels)
    for rate in rates.listed(session):
        left.add_metric([str(rate.installation_id), rate.resource], rate.remaining)
        swept.add_metric([str(rate.installation_id), rate.resource], rate.swept)
    return [left, swept]


def _counted(session: Session) -> Iterable[Metric]:
    for measured in COUNTERS:
        counter = CounterMetricFamily(measured.name, measured.help, labels=measured.labels)
        for labels, value in measurements.listed(session, measured.name):
            counter.add_metric([labels[name] for name in measured.labels], value)
        yield counter
    for measured in HISTOGRAMS:
        yield _histogram(session, measured)


def _histogram(session: Session, measured: Measured) -> Metric:
    histogram = HistogramMetricFamily(measured.name, measured.help, labels=measured.labels)
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for labels, value in measurements.listed(session, f"{measured.name}_bucket"):
        found.setdefault(tuple(labels[name] for name in measured.labels), {})[labels["le"]] = value
    sums = {
        tuple(labels[name] for name in measured.labels): value
        for labels, value in measurements.listed(session, f"{measured.name}_sum")
    }
    for names, by_bound in found.items():
        bounds = [*(str(float(bound)) for bound in measured.buckets), "+Inf"]
        totals = accumulate(by_bound.get(bound, 0) for bound in bounds)
        histogram.add_metric(list(names), list(zip(bounds, totals, strict=True)), sums.get(names, 0))
    return histogram


def exposition(database: Database, clock: Callable[[], datetime]) -> bytes:
    """Everything, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(Pools(database))
    registry.register(Workers(database, clock))
    return generate_latest(REGISTRY) + generate_latest(registry)
