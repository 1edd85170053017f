"""What is logged: one line an effect, as text or JSON, and whatever looks like a secret is not in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import structlog

from bot import logs
from demo.github import generated_key

TOKEN = "ghs_4711_eyJhbGciOi.JIUzI1NiJ9.eyJpc3MiOi_x-y"
LOGIN = "force://PlatformCLI::5Aep861hunter2@acme.my.salesforce.com"


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    """Logging belongs to the process, and the other tests want it as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    "secret",
    [
        TOKEN,
        "ghp_0123456789abcdefghij0123456789abcdef",
        "github_pat_11ABCDEFG0hunter2_abcdefghijklmnop",
        "sfp_app_hunter2-hunter2",
        LOGIN,
        jwt.encode({"iss": "4711"}, "a key that is long enough for SHA-256", algorithm="HS256"),
        generated_key(),
        generated_key().replace("\n", "\\n"),
    ],
)
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_secret_is_not_in_it_wherever_it_stands(
    capsys: pytest.CaptureFixture[str], log_format: str, secret: str
) -> None:
    logs.configure(log_format, "INFO")
    log = structlog.get_logger("test")
    event = f"in the event {secret}"
    log.info(event)
    log.info("in a value", reason=f"401 for {secret} today")
    log.info("in a list", names=["a", {"token": secret}], pair=(secret, 1))
    log.info("in an object", error=ValueError(secret), raw=secret.encode())
    log.info("in the arguments %s", secret)
    logging.getLogger("another.library").warning("said by %s", secret)
    try:
        raise RuntimeError(f"it failed with {secret}")
    except RuntimeError:
        log.exception("bug")
        logging.getLogger("another.library").exception("bug")

    shown = "\n".join(lines(capsys))
    assert "[redacted]" in shown
    for part in {secret, secret[:60], secret[-20:], secret.splitlines()[len(secret.splitlines()) // 2]}:
        assert part not in shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("https://x/secur/frontdoor.jsp?sid=00Dhunter2&retURL=%2F", "sid=[redacted]&retURL=%2F"),
        ("otp=hunter2", "otp=[redacted]"),
        ("access_token=hunter2 and more", "access_token=[redacted] and more"),
        ("refresh_token=hunter2", "refresh_token=[redacted]"),
        ("client_secret=hunter2&code=1", "client_secret=[redacted]&code=1"),
        ("password=hunter2", "password=[redacted]"),
        ('{"access_token": "hunter2", "id": 1}', '"access_token": "[redacted]", "id": 1'),
        ("postgresql://greenroom:hunter2@db:5432/greenroom", "postgresql://[redacted]@db:5432/greenroom"),
        ("redis://:hunter2@redis:6379/0", "redis://[redacted]@redis:6379/0"),
        ("Authorization: Bearer hunter2", "Authorization: Bearer [redacted]"),
    ],
)
def test_what_gives_a_secret_away_by_its_name(capsys: pytest.CaptureFixture[str], said: str, shown: str) -> None:
    logs.configure("text", "INFO")
    structlog.get_logger("test").info("x", said=said)
    [line] = lines(capsys)
    assert "hunter2" not in line
    assert shown.replace('"', "") in line.replace('"', "").replace("\\", "")


@pytest.mark.parametrize(
    "harmless",
    [
        "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "https://github.example/acme/shop/pull/7#issuecomment-1",
        "core7x2m9q",
        "GET /repos/acme/shop/pulls/7: 500",
        "2026-03-02T12:00:00Z",
        "tokens: 3",
    ],
)
def test_what_is_no_secret_stays(capsys: pytest.CaptureFixture[str], harmless: str) -> None:
    logs.configure("json", "INFO")
    structlog.get_logger("test").info("effect", about=harmless)
    [line] = lines(capsys)
    assert json.loads(line)["about"] == harmless


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "INFO")
    structlog.get_logger("jobs.deliveries").info("delivery done", guid="72d3162e", attempts=2)
    logging.getLogger("gunicorn").warning("two\nlines")
    first, second = (json.loads(line) for line in lines(capsys))
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "delivery done",
        "guid": "72d3162e",
        "attempts": 2,
        "level": "info",
        "logger": "jobs.deliveries",
    }
    assert second["event"] == "two\nlines"


def test_without_a_format_only_a_terminal_gets_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure(None, "INFO")
    structlog.get_logger("test").info("x")
    assert json.loads(lines(capsys)[0])["event"] == "x"


def test_what_is_below_the_level_and_what_libraries_chatter_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "INFO")
    structlog.get_logger("test").debug("details")
    for library in ("httpx", "httpcore", "rq.worker", "githubkit", "alembic"):
        logging.getLogger(library).info("HTTP Request: GET https://api.github.com")
    assert lines(capsys) == []

    logs.configure("json", "ERROR")
    logging.getLogger("rq.worker").warning("a warning")
    assert lines(capsys) == []


def test_redacting_leaves_numbers_and_nothing_as_they_are() -> None:
    line: dict[str, Any] = {"event": "x", "attempts": 2, "nothing": None, "ok": True}
    assert logs.redact(None, "info", dict(line)) == line
