"""The processes of one terminal: a child that dies is started again, and none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATIENCE = 20.0  # seconds

# Three roles, each of which writes down who it is: one waits for its end, one does not hear of it, one dies at once.
RUN = """
import os, signal, sys, time
from pathlib import Path
from jobs import processes

folder = Path(sys.argv[1])
processes.PATIENCE = float(sys.argv[2])
processes.RESTART_AFTER = float(sys.argv[3])


def waits():
    (folder / "waits" / str(os.getpid())).touch()
    time.sleep(600)


def deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (folder / "deaf" / str(os.getpid())).touch()
    time.sleep(600)


def dies():
    (folder / "dies" / str(os.getpid())).touch()
    raise RuntimeError("a bug at the start")


roles = {"waits": waits, "deaf": deaf, "dies": dies}
processes.Processes({name: roles[name] for name in sys.argv[4].split(",")}).run()
print("ended in order", flush=True)
"""


class Parent:
    def __init__(self, folder: Path, *roles: str, patience: float = 15, restart_after: float = 0.05) -> None:
        self.folder = folder
        for role in roles:
            (folder / role).mkdir()
        arguments = [str(folder), str(patience), str(restart_after), ",".join(roles)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, *arguments],
            env={"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def children(self, role: str) -> list[int]:
        """Every process that ever had the role, in the order of their numbers."""
        return sorted(int(path.name) for path in (self.folder / role).iterdir())

    def child(self, role: str) -> int:
        until(lambda: self.children(role))
        return self.children(role)[0]

    def ends(self, number: signal.Signals = signal.SIGTERM) -> bool:
        """Whether it came to its own end when it was told to."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode == 0 and said.endswith(b"ended in order\n")

    def kill_all(self) -> None:
        self.process.kill()
        self.process.communicate()
        for role in self.folder.iterdir():
            for pid in self.children(role.name):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def parents() -> Iterator[list[Parent]]:
    started: list[Parent] = []
    yield started
    for parent in started:
        parent.kill_all()


def until(happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text() if Path("/proc").exists() else ""
        os.kill(pid, 0)
    except (ProcessLookupError, FileNotFoundError):
        return False
    return ") Z " not in status


def test_a_child_that_dies_is_started_again_and_told_to_end_all_end(tmp_path: Path, parents: list[Parent]) -> None:
    parent = Parent(tmp_path, "waits", "dies")
    parents.append(parent)
    first = parent.child("waits")
    os.kill(first, signal.SIGKILL)
    until(lambda: len(parent.children("waits")) == 2)
    until(lambda: len(parent.children("dies")) >= 3)

    assert parent.ends()
    assert not any(is_alive(pid) for role in ("waits", "dies") for pid in parent.children(role))


def test_a_child_that_does_not_listen_is_killed_after_a_while(tmp_path: Path, parents: list[Parent]) -> None:
    parent = Parent(tmp_path, "deaf", patience=0.2)
    parents.append(parent)
    deaf = parent.child("deaf")
    assert parent.ends(signal.SIGINT)
    assert not is_alive(deaf)


def test_told_to_end_while_a_child_is_about_to_be_started_again_it_starts_none(
    tmp_path: Path, parents: list[Parent]
) -> None:
    parent = Parent(tmp_path, "waits", restart_after=1)
    parents.append(parent)
    os.kill(parent.child("waits"), signal.SIGKILL)
    until(lambda: not is_alive(parent.children("waits")[0]))
    time.sleep(0.2)
    started = time.monotonic()
    assert parent.ends()
    assert time.monotonic() - started < 5
    assert len(parent.children("waits")) == 1


def test_when_the_parent_is_killed_its_children_end(tmp_path: Path, parents: list[Parent]) -> None:
    parent = Parent(tmp_path, "waits", "deaf", patience=0.2)
    parents.append(parent)
    children = [parent.child("waits"), parent.child("deaf")]
    parent.process.kill()
    until(lambda: not any(is_alive(child) for child in children))
