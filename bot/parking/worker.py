"""gunicorn's threaded worker, which lets go of connections that the parking lot has taken (bot/parking/lot.py)."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from bot.parking.door import Taken


class ParkingWorker(ThreadWorker):  # type: ignore[misc]
    """A connection that was taken is neither answered nor closed here, and counts no more."""

    def handle_request(self, req: Any, conn: Any) -> bool:
        try:
            return bool(super().handle_request(req, conn))
        except Taken:
            conn.is_taken = True
            return False

    def finish_request(self, conn: Any, fs: Future[Any]) -> None:
        if getattr(conn, "is_taken", False):
            self.nr_conns -= 1
        else:
            super().finish_request(conn, fs)
