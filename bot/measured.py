"""The names of what workers measure, for who counts and for who tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    name: str
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()
    """Seconds; of a histogram only."""


EVENT_AGE = Measured(
    "greenroom_event_age_seconds",
    "How old webhooks were when they had their effects, by event",
    ("event",),
    (0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200),
)
WAIT = Measured(
    "greenroom_wait_seconds",
    "How long those who were served had waited in a pool's queue",
    ("repository", "pool"),
    (1, 10, 60, 300, 900, 1800, 3600, 7200, 14400, 43200, 86400),
)
ETA_ERROR = Measured(
    "greenroom_eta_error_seconds",
    "How much later than first expected those who waited were served, earlier below zero",
    ("repository", "pool"),
    (-43200, -14400, -3600, -1800, -600, -60, 60, 600, 1800, 3600, 14400, 43200),
)
FAILURES = Measured("greenroom_delivery_failures", "Webhooks that could not be worked, by event", ("event",))
PUT_BACK = Measured("greenroom_deliveries_put_back", "Times that webhooks were put back to be tried later", ("event",))
DROPPED = Measured("greenroom_deliveries_dropped", "Missed webhooks that could not be had from GitHub", ("event",))
REPAIRS = Measured("greenroom_repairs", "Pull requests and issues that a comparison with GitHub repaired", ("missed",))

COUNTERS = (FAILURES, PUT_BACK, DROPPED, REPAIRS)
HISTOGRAMS = (EVENT_AGE, WAIT, ETA_ERROR)
