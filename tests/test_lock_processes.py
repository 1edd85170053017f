"""Many wait for one lock through two web processes, and Redis goes away: every turn comes, and in order."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

import app
from demo.own import free_port, others
from operations.hand_over import end_past_due_leases
from operations.tokens import create_token
from storage import embedded, repositories
from storage.audit import Actor
from storage.database import Database
from storage.tokens import Role
from tests import history
from tests.at_once import at_once

WAITERS = 30
LAST_ONES = 6
PATIENCE = 60.0  # seconds
LOCK = {"repository": "acme/shop", "resource": "deploy", "leaseDurationSeconds": 3}


@contextmanager
def web(environment: dict[str, str]) -> Iterator[str]:
    """A web process as operators start it; its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(app.__file__), "web"],
        env={**others(os.environ), **environment, "PORT": str(port), "LOG_LEVEL": "ERROR"},
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE
        while not _is_ready(address):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"{address}/sfp/api"
    finally:
        process.terminate()
        process.wait()


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=5).is_success
    except httpx.TransportError:
        return False


class Crowd:
    """Clients that each ask for the lock once, at whichever process, and wait at whichever process."""

    def __init__(self, addresses: list[str], token: str) -> None:
        self._addresses = addresses
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {token}"},
            timeout=PATIENCE,
            limits=httpx.Limits(max_connections=WAITERS),
            trust_env=False,
        )
        self.ended: list[int] = []
        self.late: list[int] = []

    def close(self) -> None:
        self._http.close()

    @property
    def left(self) -> int:
        return WAITERS - len(self.ended)

    def client(self, number: int) -> None:
        try:
            self._wait_and_work(number)
        finally:
            self.ended.append(number)

    def _wait_and_work(self, number: int) -> None:
        chance = random.Random(number)
        ticket = self._ask(chance, "POST", "/locks", LOCK).json()["ticketId"]
        path = f"/locks/acme%2Fshop/deploy/{ticket}"
        if chance.random() >= 0.15:
            while (reply := self._ask(chance, "POST", f"{path}/wait", {"timeoutSeconds": 20})).status_code == 408:
                pass
            assert reply.status_code == 200, reply.text
            assert reply.json()["status"] == "acquired"
        if number % 10 == 0 or self._ask(chance, "DELETE", path).status_code == 404:
            self.late.append(number)  # it died with the ticket in hand, or was too slow to keep its lease

    def _ask(self, chance: random.Random, method: str, path: str, body: Any = None) -> httpx.Response:
        address = chance.choice(self._addresses)
        return self._http.request(method, f"{address}{path}", json=body)


def test_they_are_served_in_order_through_both_and_without_redis(database_url: str, tmp_path: Path) -> None:
    database = Database(database_url)
    with database.transaction() as session:
        now = datetime.now(UTC)
        repositories.register(session, "acme/shop", now=now)
        token = create_token(session, "ci", timedelta(days=1), None, Actor("test"), now=now, role=Role.OWNER)[1]
    redis = embedded.start(tmp_path / "redis")
    environment = {"DATABASE_URL": database_url, "REDIS_URL": redis.url, "GREENROOM_DATA": str(tmp_path),
                   "RATE_LIMIT": "off", "SECRET_KEY": "a test's secret key"}  # fmt: skip
    with ExitStack() as running:
        crowd = Crowd([running.enter_context(web(environment)) for _ in range(2)], token)
        running.callback(crowd.close)

        def clockwork() -> None:
            """What cron does every second; and Redis goes away before the last ones are served."""
            while crowd.left:
                if crowd.left <= LAST_ONES:
                    redis.stop()
                with database.transaction() as session:
                    end_past_due_leases(session, now=datetime.now(UTC))
                threading.Event().wait(0.2)

        clients = [lambda number=number: crowd.client(number) for number in range(WAITERS)]
        at_once([*clients, clockwork], patience=3 * PATIENCE)
        with database.transaction() as session:
            end_past_due_leases(session, now=datetime.now(UTC) + timedelta(minutes=1))
    with database.reading() as session:
        ended = history.check_locks(history.entries(session))
    assert sum(ended.values()) == WAITERS
    assert ended["lease_ended"] == len(crowd.late) > 0
    database.dispose()
