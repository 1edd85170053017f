"""What goes wrong between a command and its server is one sentence, an exit code, and never the token."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app import main
from cli.failures import EXIT_CODES
from cli.server import local_address
from demo.own import free_port
from storage.tokens import Role
from tests.cli.terminal import Terminal
from tests.running import serving

ROOT = Path(__file__).parents[2]
AWKWARD = 'It\'s 100%{secret}\\n"$HOME" ünd mehr'


Answer = tuple[str, dict[str, str], bytes]  # status, headers, body


@dataclass
class Doubtful:
    """A server that answers with these, one after the other, and with the last for ever."""

    answers: list[Answer] = field(default_factory=list)

    def __call__(self, _environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, headers, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        start_response(status, list(headers.items()))
        return [body]


def typed_at(server: Doubtful, terminal: Terminal, command: str = "pool list") -> Any:
    with serving(server) as port:
        return terminal.type(command, GREENROOM_URL=f"http://127.0.0.1:{port}")


def refusal(code: str, message: str) -> bytes:
    return f'{{"statusCode":0,"error":"","code":"{code}","message":"{message}","details":{{}}}}'.encode()


def test_a_server_that_is_not_there(terminal: Terminal) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    away = terminal.type(f"pool list --server {address}")
    assert (away.code, away.out) == (5, "")
    assert away.err == (
        f"Error: {address} cannot be reached (Connection refused)\n"
        "Is it running, and is --server, or GREENROOM_URL, right?\n"
    )


def test_the_local_server_is_where_host_and_port_say(terminal: Terminal) -> None:
    port = terminal.greenroom.address.rpartition(":")[2]
    assert terminal.type("pool list", GREENROOM_URL=None, HOST="0.0.0.0", PORT=port).code == 0
    port = str(free_port())
    away = terminal.type("pool list", GREENROOM_URL=None, PORT=port)
    assert away.err.splitlines()[1].startswith("Start one with ./greenroom up")


def test_it_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT", raising=False)
    monkeypatch.setenv("HOST", "::")
    assert local_address() == "http://[::1]:8000"


@pytest.mark.parametrize("address", ["greenroom.example", "ftp://greenroom.example", "http://", "http://u:hush@h", ""])
def test_what_is_no_address_is_not_repeated(terminal: Terminal, address: str) -> None:
    refused = terminal.type("pool list", GREENROOM_URL=address or "http:///")
    assert refused.code == 2
    assert refused.err == "Error: --server, or GREENROOM_URL, must be an address like https://greenroom.example\n"


def test_the_apis_own_address_will_do(terminal: Terminal) -> None:
    assert terminal.type("pool list", GREENROOM_URL=f"{terminal.greenroom.address}/sfp/api/").code == 0


def test_no_token(terminal: Terminal) -> None:
    refused = terminal.type("pool list", GREENROOM_TOKEN=None)
    assert refused.code == 2
    assert refused.err.startswith("Error: No token is given\nSet GREENROOM_TOKEN")


def test_a_token_that_cannot_be_one_is_not_repeated(terminal: Terminal) -> None:
    refused = terminal.type("pool list", GREENROOM_TOKEN=AWKWARD)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == "Error: The token has blanks or other characters that no token has: is it whole?\n"


def test_an_unknown_token_is_not_repeated(terminal: Terminal) -> None:
    token = 'It\'s%100{secret}\\n"$HOME"&<>'
    refused = terminal.type("pool list", GREENROOM_TOKEN=token)
    assert refused.code == 1
    assert refused.err.startswith("Error: Unauthorized\nThe server does not know the token")
    away = terminal.type(f"pool list --server http://127.0.0.1:{free_port()}", GREENROOM_TOKEN=token)
    assert token not in away.err


def test_an_expired_token(terminal: Terminal) -> None:
    refused = terminal.type("pool list", GREENROOM_TOKEN=terminal.token(Role.OWNER, days=-1))
    assert refused.code == 1
    assert refused.err == "Error: Unauthorized\nThe token has expired. A new one: greenroom token create …\n"


def test_too_many_requests_are_said(terminal: Terminal) -> None:
    body = refusal("RATE_LIMITED", "Too many requests, retry in 40 seconds")
    refused = typed_at(Doubtful([("429 TOO MANY REQUESTS", {"Retry-After": "40"}, body)]), terminal)
    assert (refused.code, refused.err) == (3, "Error: Too many requests, retry in 40 seconds\n")


def test_who_waits_anyway_waits_for_as_long_as_the_server_asks(terminal: Terminal) -> None:
    often = ("429 TOO MANY", {"Retry-After": "40"}, refusal("RATE_LIMITED", "Too many requests, retry in 40 seconds"))
    trouble = ("503 AWAY", {"Retry-After": "5"}, refusal("STORE_UNAVAILABLE", "The state store is unreachable"))
    gone: Answer = ("404 NOT FOUND", {}, refusal("ASSIGNMENT_NOT_FOUND", "No active assignment"))
    refused = typed_at(Doubtful([often, trouble, gone]), terminal, "env acquire pr 1 --wait")
    assert (refused.code, terminal.waited) == (1, 45)
    assert refused.err.splitlines()[:3] == [
        "Waiting: Too many requests, retry in 40 seconds",
        "Waiting: The state store is unreachable",
        "Error: No active assignment",
    ]


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        ("500 BROKEN", {}, "answered 500 with something that is not Greenroom's\nIt may be starting"),
        ("404 NOT FOUND", {}, "answered 404 with something that is not Greenroom's\nIs --server"),
        ("200 OK", {}, "answered 200 with something that is not Greenroom's"),
        ("302 FOUND", {"Location": "http://elsewhere.example"}, "leads elsewhere: set --server"),
    ],
)
def test_something_else_answers(terminal: Terminal, status: str, headers: dict[str, str], said: str) -> None:
    refused = typed_at(Doubtful([(status, headers, b"<html>hello</html>")]), terminal)
    assert (refused.code, refused.out) == (5, "")
    assert said in refused.err


def test_a_server_in_trouble_says_so_itself(terminal: Terminal) -> None:
    body = refusal("STORE_UNAVAILABLE", "The state store is unreachable; nothing was changed")
    refused = typed_at(Doubtful([("503 AWAY", {"Retry-After": "5"}, body)]), terminal)
    assert (refused.code, refused.err) == (5, "Error: The state store is unreachable; nothing was changed\n")


def test_what_a_server_says_does_not_move_the_terminal(terminal: Terminal) -> None:
    body = refusal("POOL_NOT_FOUND", "Pool \\u001b[2J\\u0007not found")
    refused = typed_at(Doubtful([("404 NOT FOUND", {}, body)]), terminal)
    assert refused.err.startswith("Error: Pool  [2J not found\n")


def test_help_tells_the_exit_codes() -> None:
    for group in ("env", "lock", "pool", "task"):
        shown = CliRunner().invoke(main, [group, "--help"]).output
        assert " ".join(EXIT_CODES.split()) in " ".join(shown.split())


def test_a_terminal_is_shown_a_table_and_a_bar(terminal: Terminal) -> None:
    """On a real terminal, through the door that does not load the house."""
    terminal.pool()
    terminal.type("env assign pr 1 --pool core")
    assert "AVAILABLE" not in on_a_terminal(terminal, "pool", "instances", "core")
    shown = on_a_terminal(terminal, "env", "list")
    assert "━" in shown or "─" in shown
    assert "pr-1" in shown
    waiting = on_a_terminal(terminal, "env", "assign", "pr", "2", "--pool", "core", "--wait", "--timeout", "1s")
    assert "In line for an environment" in waiting
    assert "Waiting: No environment is available" in waiting
    assert "Gave up after 1 s: No environment is available" in waiting


def on_a_terminal(terminal: Terminal, *words: str) -> str:
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in terminal.environment.items() if value}
    process = subprocess.Popen(
        [sys.executable, "-c", "from greenroom import main; main()", *words],
        env={"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "200", "PYTHONUTF8": "1", **environment},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while chunk := read_or_end(ours):
        shown += chunk
    os.close(ours)
    process.wait()
    return shown.decode()


def read_or_end(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side is closed
        return b""
