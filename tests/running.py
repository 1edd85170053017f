"""A Greenroom that runs in threads of the test: its web on loopback, and workers that look for work all the time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from werkzeug.serving import make_server

from bot.context import Context
from bot.settings import Settings
from bot.web import create_app
from bot.webhooks import WebhookDoor
from demo.github import QuietHandler
from jobs.worker import Worker
from jobs.workshop import PACE, Workshop
from storage.database import Database
from storage.queue import QueueName

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Running:
    settings: Settings
    """As another process of this Greenroom reads them."""
    address: str
    database: Database

    def context(self) -> Context:
        """As of another process."""
        return Context.of(self.settings, self.database)


@contextmanager
def serving(application: WSGIApplication) -> Iterator[int]:
    """The application answers on a port of loopback."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running(settings: Settings, *, pace: timedelta = PACE) -> Iterator[Running]:
    """A Greenroom with these settings answers, and works what it is given, until the end.

    `pace` is the time between two of its writes on GitHub.
    """
    database = Database(settings.effective_database_url)
    context = Context.of(settings, database)
    ended = threading.Event()
    workers = [Worker(Workshop(context, pace=pace), queue) for queue in QueueName]

    def work() -> None:
        while not ended.wait(LOOK_SECONDS):
            for worker in workers:
                worker.drain()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        with serving(WebhookDoor(context, create_app(context, queue_ping=lambda: True))) as port:
            yield Running(replace(settings, port=port), f"http://127.0.0.1:{port}", database)
    finally:
        ended.set()
        thread.join()
        database.dispose()
