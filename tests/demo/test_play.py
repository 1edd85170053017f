"""The demo says that it works only if it does, shows what GitHub would show, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import func, select
from werkzeug import Request, Response

import app
from bot import lending
from bot.settings import Settings
from demo import own
from demo.play import REPO, Stage, perform, staged
from demo.screen import Screen
from storage import schema, tables
from storage.database import Database
from tests.running import Running, running, serving

LAST_LINE = re.compile(r"The environment was returned: \w+ is free, and every step was seen\.")


@dataclass
class Shown:
    """A screen that is no terminal, and what was printed there."""

    screen: Screen
    out: StringIO

    @property
    def text(self) -> str:
        return self.out.getvalue()

    @property
    def last_line(self) -> str:
        return self.text.rstrip().splitlines()[-1]


@pytest.fixture
def show() -> Callable[..., Shown]:
    def show(width: int = 100) -> Shown:
        out = StringIO()
        return Shown(Screen(Console(file=out, width=width, highlight=False)), out)

    return show


@pytest.fixture
def shown(show: Callable[..., Shown]) -> Shown:
    return show()


# The play


@pytest.fixture
def greenroom(tmp_path: Path, sqlite_url: str) -> Iterator[Running]:
    settings = Settings(data=tmp_path, database_url=sqlite_url, secret_keys=("a test's secret key",))
    with running(settings, pace=timedelta(0)) as greenroom:
        yield greenroom


def play(greenroom: Running, shown: Shown) -> bool:
    with (
        staged(greenroom.address) as stage,
        lending.lent(greenroom.context(), stage.app, REPO) as token,
    ):
        return perform(stage, greenroom.address, token, shown.screen)


def test_it_is_seen_from_the_first_pull_request_to_the_returned_environment(greenroom: Running, shown: Shown) -> None:
    assert play(greenroom, shown)
    assert LAST_LINE.fullmatch(shown.last_line)
    for part in ("opened this", "/extend 24h", "Position 1 of 1", "merged this", "triage or above", "closed this"):
        assert part in shown.text
    assert "✗" not in shown.text
    assert "\x1b" not in shown.text  # no colours where there is no terminal


def test_it_leaves_nothing_behind_and_can_be_played_again(greenroom: Running, show: Callable[..., Shown]) -> None:
    for _ in range(2):
        assert play(greenroom, show())
        with greenroom.database.reading() as session:
            left = {
                table.name
                for table in tables.metadata.sorted_tables
                if session.scalar(select(func.count()).select_from(table))
            }
        assert left == {"audit"}


# What does not work is said


class Broken:
    """What only looks like a Greenroom: it answers, and does nothing."""

    def __init__(self, webhooks: int = 202, pool: int = 201, counts: dict[str, int] | None = None) -> None:
        self.webhooks = webhooks
        self.pool = pool
        self.counts = counts or {"total": 1, "available": 1, "waiting": 0}

    def __call__(self, environ: Any, start_response: Any) -> Any:
        path = Request(environ).path
        if path == "/github/webhook":
            return Response("", self.webhooks)(environ, start_response)
        status = self.pool if path.endswith("/configs") else 200
        body = {"instances": self.counts, "assignments": [], "message": "No such pool"}
        return Response(json.dumps(body), status, mimetype="application/json")(environ, start_response)


@pytest.mark.parametrize(
    ("broken", "missing"),
    [
        (Broken(), "Not seen: REST lists an environment for it"),
        (Broken(webhooks=403), "A webhook was not acknowledged: installation was answered 403"),
        (Broken(pool=404), 'answered with 404 {"instances"'),
        (Broken(counts={"total": 0, "available": 0, "waiting": 0}), "Not seen: A pool with one environment is ready"),
    ],
)
def test_it_says_what_was_missing(broken: Broken, missing: str, shown: Shown) -> None:
    with serving(broken) as port, staged(f"http://127.0.0.1:{port}") as stage:
        assert not perform(stage, f"http://127.0.0.1:{port}", "token", shown.screen, patience=0.3)
    assert missing in shown.text
    assert not LAST_LINE.search(shown.text)


def test_nobody_listens(shown: Shown) -> None:
    with staged("http://127.0.0.1:1") as stage:
        assert not perform(stage, "http://127.0.0.1:1", "token", shown.screen, patience=0.3)
    assert "installation was answered ConnectError" in shown.text


# The screen


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged("http://127.0.0.1:1") as stage:
        stage.github.install("demo", REPO)
        yield stage


def test_news_are_what_is_written_and_then_what_changed(stage: Stage, shown: Shown) -> None:
    github = stage.github
    pull = github.open_pull_request(REPO, "alice")
    ours = github.comment(REPO, pull.number, github.app.bot.login, "<!-- hidden -->\n### Waiting\n**soon**")
    shown.screen.news(pull)
    assert "greenroom[bot] commented" in shown.text
    assert "Waiting" in shown.text
    assert "hidden" not in shown.text
    assert "**" not in shown.text

    asked = github.comment(REPO, pull.number, "bob", "/extend 24h")
    github.edit_comment(ours, "Ready")
    github.add_reaction(asked, github.app.bot, "rocket")
    before = len(shown.text)
    shown.screen.news(pull)
    news = shown.text[before:]
    assert news.index("bob commented") < news.index("🚀 greenroom[bot]") < news.index("greenroom[bot] edited")

    shown.screen.news(pull)
    assert shown.text[before:] == news


def test_a_narrow_screen_cuts_nothing_off(stage: Stage, show: Callable[..., Shown]) -> None:
    narrow = show(width=30)
    github = stage.github
    pull = github.open_pull_request(REPO, "alice", "Add a shopping cart that is remembered")
    github.comment(REPO, pull.number, "bob", "See https://shop.example/" + "x" * 60)
    narrow.screen.step(1, 7, "a pull request is opened and gets an environment")
    narrow.screen.header(pull)
    narrow.screen.news(pull)
    narrow.screen.seen("The status comment shows the environment", 0.1)
    words = re.sub(r"[\s│╭╮╰╯─]", "", narrow.text)
    assert max(len(line) for line in narrow.text.splitlines()) <= 30
    for part in ("x" * 60, "getsanenvironment", "isremembered", "showstheenvironment"):
        assert part in words


# The command


@dataclass
class Demo:
    """`greenroom demo` in a place of its own, with nothing running there."""

    place: Path

    def start(self, **environment: str) -> subprocess.Popen[str]:
        given = {"GREENROOM_DATA": str(self.place / "data"), "PORT": str(own.free_port()), **environment}
        (self.place / "tmp").mkdir()
        return subprocess.Popen(
            [sys.executable, "-u", str(app.__file__), "demo"],
            env={**own.others(os.environ), "TMPDIR": str(self.place / "tmp"), **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def left(self) -> list[Path]:
        """Files that it made for itself, and processes that use them."""
        files = list((self.place / "tmp").iterdir())
        return files + [process for process in Path("/proc").glob("[0-9]*") if self._is_ours(process)]

    def _is_ours(self, process: Path) -> bool:
        try:
            return str(self.place).encode() in (process / "environ").read_bytes()
        except OSError:  # it has ended, or is somebody else's
            return False


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return Demo(tmp_path)


def test_without_a_greenroom_it_starts_one_and_ends_it(demo: Demo) -> None:
    process = demo.start()
    out, _ = process.communicate()
    assert "this starts one of its own" in " ".join(out.split())
    assert LAST_LINE.fullmatch(out.rstrip().splitlines()[-1]), out
    assert (process.returncode, demo.left()) == (0, [])


def test_interrupted_it_clears_up(demo: Demo) -> None:
    process = demo.start()
    assert process.stdout is not None
    assert any("is ready for demo/shop" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate()
    assert "Ending, and clearing up" in out
    assert (process.returncode, demo.left()) == (130, [])


def test_with_a_greenroom_here_that_has_no_app_it_plays_on_that(demo: Demo) -> None:
    settings = Settings(data=demo.place / "data", secret_keys=("secret",))
    settings.data.mkdir()
    database = Database(settings.effective_database_url)
    schema.upgrade(database)
    database.dispose()
    with running(settings, pace=timedelta(0)) as greenroom:
        process = demo.start(PORT=str(greenroom.settings.port), SECRET_KEY=settings.secret_keys[0])
        out, _ = process.communicate()
    assert f"plays on the Greenroom at {greenroom.address}" in " ".join(out.split())
    assert LAST_LINE.fullmatch(out.rstrip().splitlines()[-1]), out
    assert (process.returncode, demo.left()) == (0, [])


# A Greenroom of its own


def test_one_that_does_not_start_says_why_and_is_gone(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo the reason; exit 3"]
    greenroom = own.OwnGreenroom(command, tmp_path)
    with pytest.raises(own.DidNotStart, match="the reason"), greenroom.started({}):
        pass


def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    stubborn = subprocess.Popen(
        ["sh", "-c", "trap '' TERM; echo up; sleep 1000 & wait"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert stubborn.stdout is not None
    assert stubborn.stdout.readline() == b"up\n"
    own.end(stubborn, patience=0)
    assert stubborn.returncode == -signal.SIGKILL
    assert stubborn.stdout.read() == b""  # nobody holds it any more
    stubborn.stdout.close()


def test_it_inherits_nothing_that_a_greenroom_reads() -> None:
    given = {"PATH": "/bin", "DATABASE_URL": "x", "SECRET_KEY_FILE": "x", "GITHUB_APP_ID": "1", "GREENROOM_DATA": "x"}
    assert own.others(given) == {"PATH": "/bin"}
