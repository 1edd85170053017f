"""greenroom run: real commands, in processes of their own, beside a Greenroom that runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal, until

ROOT = Path(__file__).parents[2]
PATIENCE = 60

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(terminal: Terminal, tmp_path: Path) -> Start:
    """Starts `greenroom run --lock deploy` with these words after it."""

    def start(*words: str, **environment: str) -> subprocess.Popen[str]:
        known = {name: value for name, value in terminal.environment.items() if value}
        return subprocess.Popen(
            [sys.executable, "-c", "from greenroom import main; main()", "run", "--lock", "deploy", *words],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **known, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def is_free(terminal: Terminal) -> bool:
    return terminal.type("lock info deploy").out == "deploy is not locked\n"


def holder(terminal: Terminal) -> str | None:
    """The ticket of who has the lock."""
    tickets = terminal.type("lock list deploy --json").json
    return next((one["ticketId"] for one in tickets if one["status"] == "acquired"), None)


@pytest.mark.parametrize("code", [0, 7])
def test_a_command_ends_as_it_would_without_the_lock(terminal: Terminal, start: Start, code: int) -> None:
    assert ended(start("--", "sh", "-c", f"echo done; exit {code}")) == (code, "done\n", "")
    assert is_free(terminal)


def test_what_begins_the_command_ends_our_options(start: Start) -> None:
    assert ended(start("echo", "--timeout", "-n")) == (0, "--timeout -n\n", "")


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["there-is-no-such"], 127, "Error: There is no command there-is-no-such\n"),
        (["/"], 126, "Error: / cannot be run: Permission denied\n"),
    ],
)
def test_what_cannot_be_run_is_said(terminal: Terminal, start: Start, command: list[str], code: int, said: str) -> None:
    assert ended(start("--", *command)) == (code, "", said)
    assert is_free(terminal)


def test_it_waits_for_whoever_has_the_lock(terminal: Terminal, start: Start) -> None:
    mine = terminal.type("lock acquire deploy").out.strip()
    waiting = start("--", "echo", "after")
    until(lambda: terminal.type("lock info deploy").out.endswith("; 1 waiting\n"))
    terminal.type(f"lock release deploy {mine}")
    code, out, err = ended(waiting)
    assert (code, out) == (0, "after\n")
    assert "Waiting: deploy is locked; place 1 in line" in err or err == ""


def test_who_is_told_to_end_while_waiting_leaves_the_line(terminal: Terminal, start: Start) -> None:
    terminal.type("lock acquire deploy")
    waiting = start("--", "echo", "never")
    until(lambda: terminal.type("lock info deploy").out.endswith("; 1 waiting\n"))
    waiting.send_signal(signal.SIGINT)
    code, out, err = ended(waiting)
    assert (code, out) == (130, "")
    assert "Ending, and giving up the place in line" in err
    assert terminal.type("lock info deploy").out.endswith("; nobody waiting\n")


def test_a_wait_that_is_too_long_is_no_run(terminal: Terminal, start: Start) -> None:
    terminal.type("lock acquire deploy")
    code, out, err = ended(start("--timeout", "1s", "--", "echo", "never"))
    assert (code, out) == (124, "")
    assert "Gave up after 1 s: deploy is locked" in err


def test_a_signal_is_the_commands(terminal: Terminal, start: Start, tmp_path: Path) -> None:
    running = start("--", "sh", "-c", "trap 'echo told; exit 9' TERM; touch there; while :; do sleep 0.1; done")
    until((tmp_path / "there").exists)
    running.send_signal(signal.SIGTERM)
    assert ended(running) == (9, "told\n", "")
    assert is_free(terminal)


def test_a_command_that_a_signal_ended_ends_as_in_a_shell(start: Start) -> None:
    assert ended(start("--", "sh", "-c", "kill -KILL $$"))[0] == 128 + signal.SIGKILL


def test_the_lock_is_renewed_while_the_command_runs(terminal: Terminal, start: Start, tmp_path: Path) -> None:
    running = start("--for", "2s", "--", "sh", "-c", "while [ ! -e enough ]; do sleep 0.1; done")
    until(lambda: holder(terminal) is not None)
    [first] = terminal.type("lock list deploy --json").json
    until(lambda: terminal.type("lock list deploy --json").json[0]["leaseEnd"] > first["leaseEnd"])
    (tmp_path / "enough").touch()
    assert ended(running)[0] == 0
    assert is_free(terminal)


def test_a_lock_that_is_lost_ends_the_command(terminal: Terminal, start: Start) -> None:
    running = start("--for", "2s", "--", "sleep", "600")
    until(lambda: holder(terminal) is not None)
    terminal.type(f"lock release deploy {holder(terminal)}")
    code, _, err = ended(running)
    assert (code, err) == (
        125,
        "The lock was not renewed: Lock not found\nError: The lock deploy was lost, so the command was ended\n",
    )


def test_without_a_server_nothing_runs(start: Start) -> None:
    code, out, err = ended(start("--", "echo", "never", GREENROOM_URL="http://127.0.0.1:1"))
    assert (code, out) == (125, "")
    assert err.startswith("Error: http://127.0.0.1:1 cannot be reached (Connection refused)\n")
