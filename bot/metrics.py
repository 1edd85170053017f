"""What Prometheus is told: the process's own counters, and the pools as the database has them at the scrape."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from storage import deliveries, pools
from storage.database import Database, StoreUnavailable

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


def exposition(database: Database) -> bytes:
    """Everything, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(Pools(database))
    return generate_latest(REGISTRY) + generate_latest(registry)
