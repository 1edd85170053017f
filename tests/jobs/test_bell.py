"""The doorbell, with a real Valkey and a real worker process: a ring wakes it, and nothing is lost without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError
from rq import Callback, Queue
from rq.serializers import JSONSerializer

from storage import embedded
from storage.database import Database
from storage.deliveries import DeliveryState
from storage.doorbell import ENOUGH_WAITING, Doorbell, connect, press, rq_queue
from storage.embedded import EmbeddedRedis
from storage.queue import QueueName, enqueue
from storage.tasks import Task, TaskState
from tests.provider import Clock
from tests.running import serving
from tests.world import REPO, SECRET, World

PATIENCE = 30.0  # seconds, on a machine that does other things too
ROOT = Path(__file__).parents[2]
LISTEN = """
import os
from bot.context import Context
from bot.settings import Settings
from jobs.bell import listen
from jobs.workshop import Workshop
from storage.database import Database
from storage.queue import QueueName

settings = Settings.from_env()
listen(Workshop(Context.of(settings, Database(settings.database_url))), QueueName.CRITICAL, settings.redis_url)
"""


class RealClock(Clock):
    """The other process has it too."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture
def world(sqlite_database: Database, tmp_path: Path) -> World:
    """Two processes on one database; which kind makes no difference to the bell."""
    return World(sqlite_database, tmp_path, RealClock())


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = embedded.start(tmp_path / "redis")
    yield server
    server.stop()


@contextmanager
def worker(world: World, redis_url: str, api_url: str = "http://127.0.0.1:1") -> Iterator[subprocess.Popen[bytes]]:
    """A process that works the critical queue; it is ended if the test did not."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "GREENROOM_DATA": str(world.context.settings.data),
        "DATABASE_URL": world.database.url,
        "REDIS_URL": redis_url,
        "GITHUB_API_URL": api_url,
        "GITHUB_APP_ID": world.github.app.id,
        "GITHUB_PRIVATE_KEY": world.github.private_key,
        "GITHUB_WEBHOOK_SECRET": SECRET,
    }
    process = subprocess.Popen([sys.executable, "-c", LISTEN], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(happens: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def is_heard(redis_url: str) -> bool:
    """A worker waits for rings."""
    with connect(redis_url) as connection:
        return "blmove" in [client["cmd"] for client in connection.client_list()]


def kill(redis_url: str) -> None:
    """Valkey dies without a word."""
    with connect(redis_url) as connection:
        os.kill(connection.info("server")["process_id"], signal.SIGKILL)

        def is_gone() -> bool:
            try:
                connection.ping()
            except RedisError:
                return True
            return False

        until(is_gone)


def sweep(world: World) -> str:
    """Some work for the critical queue, for which nobody is rung."""
    with world.database.transaction() as session:
        return enqueue(session, "sweep", queue=QueueName.CRITICAL, now=world.clock())


def is_done(world: World, task_id: str) -> bool:
    [state] = [task.state for task in world.rows(Task) if task.id == task_id]
    return bool(state == TaskState.COMPLETED)


def ring(redis_url: str) -> None:
    with connect(redis_url) as connection:
        press(rq_queue("critical", connection), "critical")


def ended(process: subprocess.Popen[bytes]) -> int:
    """How the process ends when it is told to."""
    process.terminate()
    return process.wait(PATIENCE)


def test_a_ring_wakes_a_worker_and_without_redis_it_looks_by_itself(world: World, tmp_path: Path) -> None:
    server = embedded.start(tmp_path / "redis")
    with worker(world, server.url) as process:
        until(lambda: is_heard(server.url))
        task_id = sweep(world)
        assert not is_done(world, task_id)
        Doorbell(server.url).ring(frozenset({"critical"}))
        until(lambda: is_done(world, task_id))

        kill(server.url)
        task_id = sweep(world)
        until(lambda: is_done(world, task_id))

        server.stop()
        server = embedded.start(tmp_path / "redis")
        until(lambda: is_heard(server.url))
        task_id = sweep(world)
        ring(server.url)
        until(lambda: is_done(world, task_id))

        kill(server.url)
        assert ended(process) == 0
    server.stop()


@pytest.mark.parametrize("redis_is", ["there", "away"])
def test_told_to_end_it_finishes_what_it_is_at(world: World, redis: EmbeddedRedis, redis_is: str) -> None:
    """The signal must neither cut a row off nor be taken for a bug of the row."""
    asked, answering = threading.Event(), threading.Event()

    def slow(environ: Any, start_response: Any) -> Any:
        if "/pulls/" in environ["PATH_INFO"]:
            asked.set()
            answering.wait(PATIENCE)
        return world.github.wire(environ, start_response)

    with serving(slow) as port, worker(world, redis.url, f"http://127.0.0.1:{port}") as process:
        until(lambda: is_heard(redis.url))
        if redis_is == "away":
            kill(redis.url)
        world.github.open_pull_request(REPO, "alice")
        world.github.open_pull_request(REPO, "bob")
        if redis_is == "there":
            ring(redis.url)
        assert asked.wait(PATIENCE)
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        answering.set()
        assert process.wait(PATIENCE) == 0

    done, left = [d for d in world.deliveries() if d.action == "opened"]
    assert (done.state, done.error) == (DeliveryState.DONE, None)
    assert (left.state, left.attempts) == (DeliveryState.RECEIVED, 0)


def test_rings_that_nobody_has_answered_yet_are_not_added_to(redis: EmbeddedRedis) -> None:
    with connect(redis.url) as connection:
        bell = rq_queue("critical", connection)
        for _ in range(10):
            press(bell, "critical")
        assert bell.count == ENOUGH_WAITING


def test_a_ring_is_json_and_says_nothing_but_where(redis: EmbeddedRedis) -> None:
    with connect(redis.url) as connection:
        press(rq_queue("critical", connection), "critical")
        [job] = connection.keys("rq:job:*")
        data = json.loads(zlib.decompress(connection.hget(job, "data")))
    assert data == ["ring", None, ["critical"], {}]


def test_who_can_write_to_redis_can_have_nothing_run(world: World, redis: EmbeddedRedis, tmp_path: Path) -> None:
    with connect(redis.url) as connection:
        push(connection, JSONSerializer, tmp_path / "by json")
        push(connection, None, tmp_path / "by pickle")
        task_id = sweep(world)
        with worker(world, redis.url):
            until(lambda: is_done(world, task_id))
            until(lambda: is_heard(redis.url))
            another = sweep(world)
            ring(redis.url)
            until(lambda: is_done(world, another))
    assert [made.name for made in tmp_path.iterdir() if made.name.startswith("by")] == []


def push(connection: Redis, serializer: Any, folder: Path) -> None:
    """A job as somebody else would write it, with something to run in it and after it."""
    queue = Queue("greenroom-critical", connection=connection, serializer=serializer)
    queue.enqueue(os.mkdir, str(folder), on_success=Callback(os.mkdir), on_failure=Callback(os.mkdir))
