"""The memory of a web process and a worker as operators start them, next to a bare Flask with SQLAlchemy.

Run from the checkout: `python -m bench.memory [--seconds 3]`. Linux only: it reads /proc.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import httpx
from rich.table import Table

from bench.load import SECRET, post, pull_requests
from bench.rounds import show
from demo.github import generated_key
from demo.own import free_port

PATIENCE = 60.0  # seconds
WEB, WORKER, BARE = "greenroom web", "greenroom worker critical", "bare Flask + SQLAlchemy"
BARE_FLASK = """
import sys
from flask import Flask
from sqlalchemy import create_engine, text
app, engine = Flask("bare"), create_engine("sqlite://")
@app.get("/healthz")
def alive():
    with engine.connect() as connection:
        return {"status": connection.scalar(text("SELECT 'ok'"))}
from gunicorn.app.base import BaseApplication
class Server(BaseApplication):
    def load_config(self):
        for name, value in {"bind": sys.argv[1], "worker_class": "gthread", "threads": 8, "loglevel": "warning",
                            "control_socket_disable": True}.items():
            self.cfg.set(name, value)
    def load(self):
        return app
Server().run()
"""


@contextmanager
def started(command: list[str], environment: dict[str, str]) -> Iterator[int]:
    """The process, by its id, until the context ends."""
    process = subprocess.Popen([sys.executable, *command], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def environment(data: Path, port: int) -> dict[str, str]:
    return {
        "GREENROOM_DATA": str(data),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "GITHUB_API_URL": "http://127.0.0.1:1",
        "GITHUB_APP_ID": "1",
        "GITHUB_PRIVATE_KEY": generated_key(),
        "GITHUB_WEBHOOK_SECRET": SECRET,
        "PATH": "/usr/bin:/bin",
    }


def megabytes(process: int) -> tuple[float, float]:
    """What the process and its children have resident, and their proportional share, of whoever answers."""
    family = [process, *_children(process)]
    read = [_rollup(member) for member in family]
    resident, proportional = max(read)  # gunicorn's arbiter only watches; its child answers
    return resident, proportional


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _rollup(process: int) -> tuple[float, float]:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    found = {name: int(rest.split()[0]) / 1024 for name, _, rest in (line.partition(":") for line in lines[1:])}
    return found["Rss"], found["Pss"]


def await_answer(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise click.ClickException(f"nothing answered on port {port}")


def measure(seconds: float, data: Path) -> dict[str, tuple[float, float]]:
    """Each process after webhooks have come in for that long and were worked as far as there is no GitHub."""
    port, bare = free_port(), free_port()
    app = str(Path(__file__).parents[1] / "app.py")
    with ExitStack() as stack:
        web = stack.enter_context(started([app, "web"], environment(data, port)))
        await_answer(port)
        worker = stack.enter_context(started([app, "worker", "critical"], environment(data, port)))
        plain = stack.enter_context(started(["-c", BARE_FLASK, f"127.0.0.1:{bare}"], environment(data, bare)))
        await_answer(bare)
        post(("127.0.0.1", port), pull_requests(16), seconds)
        with httpx.Client(trust_env=False) as client:
            for _ in range(100):
                client.get(f"http://127.0.0.1:{bare}/healthz")
                client.get(f"http://127.0.0.1:{port}/sfp/api/ping")
        time.sleep(1)
        return {WEB: megabytes(web), WORKER: megabytes(worker), BARE: megabytes(plain)}


@click.command()
@click.option("--seconds", default=3.0, help="How long webhooks come in before memory is read.")
def main(seconds: float) -> None:
    """Resident and proportional memory of the process that answers or works."""
    multiprocessing.set_start_method("fork", force=True)
    with TemporaryDirectory(prefix="greenroom-bench-") as directory:
        measured = measure(seconds, Path(directory))
    reference, _ = measured[BARE]
    drawn = Table("", "resident MB", "proportional MB", f"ratio to {BARE}", title="Memory", title_justify="left")
    for name, (resident, proportional) in measured.items():
        drawn.add_row(name, f"{resident:.0f}", f"{proportional:.0f}", f"{resident / reference:.2f}")
    show(drawn)


if __name__ == "__main__":
    main()
