"""The door in front of the application behind which requests may wait for a lock (bot/parking/lot.py)."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.context import Context
from bot.parking.lot import Listen, ParkingLot, Waiter
from storage import locks

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# What the door and the API say to each other about a request, in its environ.
PARKABLE = "greenroom.parkable"  # the door would park it
PARKING = "greenroom.parking"  # the API asks for that, with a Parking
ASKED_AGAIN = "greenroom.asked_again"  # it was counted when it came

# Of the request, what its answer depends on; its body said no more than how long to wait.
KEPT = (
    "REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "RAW_URI", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT",
    "SERVER_PROTOCOL", "REMOTE_ADDR", "HTTP_HOST", "HTTP_AUTHORIZATION", "HTTP_USER_AGENT", "wsgi.url_scheme",
)  # fmt: skip


@dataclass(frozen=True)
class Parking:
    """For whom a request would wait, a ticket's number, and for how many seconds."""

    number: int
    patience: float


class Taken(Exception):
    """The connection is the parking lot's now: the server that it came from must neither answer nor close it."""


@dataclass(frozen=True)
class Reply:
    status: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def raw(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status}", *(f"{name}: {value}" for name, value in self.headers), "Connection: close"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


class ParkingDoor:
    """Takes over the connections of requests that wait. Only gunicorn's ParkingWorker knows how to let go of them.

    Without it, in the tests say, a wait ends at once with 408, and whoever asked asks again.
    """

    def __init__(self, application: WSGIApplication, context: Context, listen: Listen) -> None:
        self._application = application
        self._context = context
        self._lot = ParkingLot(self._ask_again, self._changed, listen)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        connection = environ.get("gunicorn.socket")
        waits = environ.get("PATH_INFO", "").endswith("/wait") and environ.get("HTTP_VERSION") != "2"
        if connection is None or not waits or not self._lot.has_room():
            return self._application(environ, start_response)
        environ[PARKABLE] = True
        reply = _ask(self._application, environ)
        parking: Parking | None = environ.get(PARKING)
        if parking is not None:
            asked = {name: environ[name] for name in KEPT if name in environ}
            asked["HTTP_X_REQUEST_ID"] = reply.header("X-Request-Id")
            self._lot.park(Waiter(connection, asked, parking.number, time.monotonic() + parking.patience))
            raise Taken
        start_response(reply.status, reply.headers)
        return [reply.body]

    def close(self) -> None:
        """Whoever waits has been told to ask again; nobody is parked any more."""
        self._lot.close()

    def _ask_again(self, waiter: Waiter, may_wait: bool) -> bytes | None:
        environ: dict[str, Any] = {
            **waiter.asked,
            ASKED_AGAIN: True,
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        if may_wait:
            environ[PARKABLE] = True
        reply = _ask(self._application, environ)
        return None if PARKING in environ else reply.raw()

    def _changed(self, numbers: Iterable[int]) -> set[int]:
        with self._context.database.reading() as session:
            return locks.no_longer_queued(session, list(numbers))


def _ask(application: WSGIApplication, environ: dict[str, Any]) -> Reply:
    """The application's answer, whole."""
    said: list[tuple[str, list[tuple[str, str]]]] = []
    body = io.BytesIO()

    def start_response(
        status: str, headers: list[tuple[str, str]], _failed: object = None, /
    ) -> Callable[[bytes], object]:
        said.append((status, headers))
        return body.write

    parts: Any = application(environ, start_response)
    with closing(parts) if hasattr(parts, "close") else nullcontext():
        for part in parts:
            body.write(part)
    status, headers = said[-1]
    return Reply(status, headers, body.getvalue())
