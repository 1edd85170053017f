"""A Greenroom of the demo's own: started for it, and gone afterwards with all its data."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

START_SECONDS = 40
END_SECONDS = 12
TAIL = 20  # lines of its log
OURS = ("GITHUB_", "GREENROOM_", "LOG_")
ALSO_OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PUBLIC_URL", "HOST", "PORT", "WEB_CONCURRENCY")


class DidNotStart(Exception):
    """The demo's own Greenroom does not answer; the message has the end of its log."""


class OwnGreenroom:
    """Listens at `address` while `started`. The command is what `greenroom up` is here; it ends when its stdin does."""

    def __init__(self, command: Sequence[str], data: Path) -> None:
        self._command = command
        self._data = data
        self._log = data / "log"
        self._port = free_port()
        self.address = f"http://127.0.0.1:{self._port}"

    @contextmanager
    def started(self, app: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
        """It answers, with this App; gives the environment variables it was started with. Raises DidNotStart."""
        environment = {
            **others(os.environ),
            **app,
            "GREENROOM_DATA": str(self._data),
            "PORT": str(self._port),
            "LOG_FORMAT": "text",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                self._command, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._await_answer(process)
            yield environment
        finally:
            end(process)

    def tail(self) -> list[str]:
        return self._log.read_text(errors="replace").splitlines()[-TAIL:] if self._log.exists() else []

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < until:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.address}/readyz", timeout=5, trust_env=False).is_success:
                    return
            time.sleep(0.05)
        raise DidNotStart("\n".join(["A Greenroom of the demo's own did not start:", *self.tail()]))


@contextmanager
def own_greenroom(command: Sequence[str]) -> Iterator[OwnGreenroom]:
    with TemporaryDirectory(prefix="greenroom-demo-") as data:
        yield OwnGreenroom(command, Path(data))


def others(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what a Greenroom would read."""
    ours = (*ALSO_OURS, *(f"{name}_FILE" for name in ALSO_OURS))
    return {name: value for name, value in environment.items() if not name.startswith(OURS) and name not in ours}


def end(process: subprocess.Popen[bytes], *, patience: float = END_SECONDS) -> None:
    """The process is gone; killed with its group if it does not go within `patience` seconds."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
