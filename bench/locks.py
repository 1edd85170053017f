"""Hundreds of requests that wait for one lock: what each costs a web process, and how soon the next holder is told.

Run from the checkout: `python -m bench.locks [--waiters 500] [--releases 200]`. Linux only: it reads /proc.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import click
import httpx
from rich.table import Table
from sqlalchemy import text

from bench.databases import databases
from bench.memory import await_answer, environment, megabytes, started
from bench.rounds import show
from demo.own import free_port
from operations.tokens import create_token
from storage.audit import Actor
from storage.database import Database
from storage.tokens import Role

PATIENCE = 50  # seconds that each request would wait
LOCK = {"repository": "acme/shop", "resource": "deploy", "leaseDurationSeconds": 3600}


@dataclass(frozen=True)
class Web:
    port: int
    pid: int
    token: str

    def ask(self, method: str, path: str, body: object = None) -> socket.socket:
        """A connection on which this was asked, and nothing read yet."""
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} /sfp/api{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        )
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.sendall(head.encode() + content)
        return connection

    def answer(self, method: str, path: str, body: object = None) -> Any:
        return read(self.ask(method, path, body))

    def resident(self) -> float:
        """Megabytes of the process that answers, not of gunicorn's arbiter."""
        return max(megabytes(child)[0] for child in _children(self.pid))

    def threads(self) -> int:
        return max(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in [self.pid, *_children(self.pid)])


@dataclass(frozen=True)
class Measured:
    kilobytes: float  # of resident memory for each waiter
    threads: int
    told: list[float]  # milliseconds from asking for the release to the next holder's answer
    bare: list[float]  # milliseconds of one transaction that updates one row


def read(connection: socket.socket) -> Any:
    """The answer, which has to be a success."""
    heard = b""
    while part := connection.recv(65536):
        heard += part
    connection.close()
    head, _, body = heard.partition(b"\r\n\r\n")
    if head.split()[1] not in (b"200", b"201"):
        raise click.ClickException(heard.decode())
    return json.loads(body)


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def await_parked(web: Web, waiters: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while f"greenroom_parked_requests {waiters:.1f}" not in httpx.get(f"http://127.0.0.1:{web.port}/metrics").text:
        if time.monotonic() > deadline:
            raise click.ClickException("not all were parked")
        time.sleep(0.2)


def new_token(url: str) -> str:
    database = Database(url)
    with database.transaction() as session:
        now = datetime.now(UTC)
        actor = Actor("bench")
        _, secret = create_token(session, "bench", timedelta(days=1), None, actor, now=now, role=Role.OWNER)
    database.dispose()
    return secret


def bare_transaction(database: Database) -> Callable[[], float]:
    """Updates one row durably, and says how many milliseconds that took."""
    statement = text("UPDATE tokens SET name = :name")

    def run() -> float:
        began = time.perf_counter()
        with database.engine.begin() as connection:
            connection.execute(statement, {"name": str(began)})
        return 1000 * (time.perf_counter() - began)

    return run


def measure(web: Web, url: str, waiters: int, releases: int) -> Measured:
    tickets = [web.answer("POST", "/locks", LOCK)["ticketId"] for _ in range(waiters + 1)]
    path = "/locks/acme%2Fshop/deploy/"
    web.answer("POST", f"{path}{tickets[0]}/wait")
    before = web.resident()
    waiting = {ticket: web.ask("POST", f"{path}{ticket}/wait", {"timeoutSeconds": PATIENCE}) for ticket in tickets[1:]}
    await_parked(web, waiters)
    after = web.resident()
    threads = web.threads()
    database = Database(url)
    bare, told, compared = bare_transaction(database), [], []
    for holder, following in islice(pairwise(tickets), releases):
        compared.append(bare())
        with selectors.DefaultSelector() as selector:
            selector.register(waiting[following], selectors.EVENT_READ)
            began = time.perf_counter()
            released = web.ask("DELETE", f"{path}{holder}")
            if not selector.select(PATIENCE):
                raise click.ClickException("the next holder was not told")
            told.append(1000 * (time.perf_counter() - began))
        read(released)
        read(waiting.pop(following))
    database.dispose()
    for connection in waiting.values():
        connection.close()
    return Measured(1024 * (after - before) / waiters, threads, told, compared)


def run(url: str, waiters: int, releases: int) -> Measured:
    with ExitStack() as stack:
        data = Path(stack.enter_context(TemporaryDirectory(prefix="greenroom-bench-")))
        port = free_port()
        settings = {**environment(data, port), "DATABASE_URL": url, "RATE_LIMIT": "off", "LOG_LEVEL": "WARNING"}
        app = str(Path(__file__).parents[1] / "app.py")
        pid = stack.enter_context(started([app, "web"], settings))
        await_answer(port)
        return measure(Web(port, pid, new_token(url)), url, waiters, releases)


def p99(values: list[float]) -> float:
    return quantiles(values, n=100)[98]


@click.command()
@click.option("--waiters", default=500, help="Requests that wait at once.")
@click.option("--releases", default=200, help="How often the lock is handed over.")
def main(waiters: int, releases: int) -> None:
    """Memory and threads for each request that waits, and the time from a release to the next holder's answer."""
    columns = ["KB a waiter", "threads", "told ms p50", "p99", "bare transaction ms p50", "p99", "p99: ratio"]
    drawn = Table("", *columns, title=f"{waiters} wait for one lock in one web process", title_justify="left")
    with databases() as made:
        for name, url in made.both().items():
            found = run(url, waiters, min(releases, waiters))
            figures = [median(found.told), p99(found.told), median(found.bare), p99(found.bare)]
            ratio = f"{p99(found.told) / p99(found.bare):.1f}"
            drawn.add_row(name, f"{found.kilobytes:.1f}", str(found.threads), *(f"{f:.1f}" for f in figures), ratio)
        drawn.caption = made.versions()
    show(drawn)


if __name__ == "__main__":
    sys.exit(main())
