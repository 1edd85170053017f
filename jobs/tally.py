"""What one worker process counts until it adds it to the database's numbers, every few seconds."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bot.measured import Measured
from storage.measurements import Key, key


class Tally:
    """The work counts, a thread beside it takes: what a killed process had not added yet is a few seconds' worth."""

    def __init__(self) -> None:
        self._counted: Counter[Key] = Counter()
        self._lock = threading.Lock()

    def count(self, measured: Measured, **labels: str) -> None:
        with self._lock:
            self._counted[key(measured.name, labels)] += 1

    def observe(self, measured: Measured, seconds: float, **labels: str) -> None:
        """The bucket in which it falls, and the sum; the telling adds the buckets up."""
        bucket = next((str(float(bound)) for bound in measured.buckets if seconds <= bound), "+Inf")
        with self._lock:
            self._counted[key(f"{measured.name}_bucket", {**labels, "le": bucket})] += 1
            self._counted[key(f"{measured.name}_sum", labels)] += max(seconds, 0)  # type: ignore[assignment]

    @contextmanager
    def taken(self) -> Iterator[Mapping[Key, float]]:
        """What was counted since the last time; it is kept if it could not be added."""
        with self._lock:
            taken, self._counted = self._counted, Counter()
        try:
            yield taken
        except BaseException:
            with self._lock:
                self._counted.update(taken)
            raise
