"""A WSGI application behind gunicorn, in a process of its own, as `greenroom web` runs it."""

from __future__ import annotations

import multiprocessing
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

THREADS = 8
_forking = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Server:
    address: tuple[str, int]
    pid: int  # of the process that answers

    def cpu_seconds(self) -> float:
        """What the process has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(make: Callable[[], WSGIApplication]) -> Iterator[Server]:
    """The application that `make` returns answers in one process with THREADS threads, until the context ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        process = _forking.Process(target=_serve, args=(make, listener.fileno()))
        process.start()
        try:
            yield Server(listener.getsockname(), _worker_of(process.pid or 0))
        finally:
            process.terminate()
            process.join()


def _worker_of(arbiter: int) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        children = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.01)
    raise RuntimeError("gunicorn did not start")


def _serve(make: Callable[[], WSGIApplication], listener: int) -> None:
    _Gunicorn(make, listener).run()


class _Gunicorn(BaseApplication):  # type: ignore[misc]
    def __init__(self, make: Callable[[], WSGIApplication], listener: int) -> None:
        self._make = make
        self._listener = listener
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": f"fd://{self._listener}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "loglevel": "warning",
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        return self._make()
