"""Acknowledged webhooks a second, next to a bare Flask endpoint that verifies and inserts the same row.

Run from the checkout: `python -m bench.webhooks [--seconds 2] [--rounds 5]`.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
from flask import Flask, Response, request
from sqlalchemy import Engine, create_engine, event, insert

from app import Greenroom
from bench.databases import Databases, databases
from bench.load import SECRET, post, pull_requests
from bench.rounds import Figures, compete, show, table
from bench.serving import Server, served
from bot import logs
from bot.settings import Settings
from storage.database import SQLITE_PRAGMAS
from storage.deliveries import Delivery
from tests.services import redis

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

ACCEPTED = 202
HMAC_ONLY, INSERT, OURS, NO_REDIS = "Flask, HMAC only", "Flask, HMAC + INSERT", "Greenroom", "Greenroom, no Redis"
OUR_TABLE = "Flask, HMAC + INSERT (our table), PostgreSQL"  # with the compression that our migration chooses


def flask_hmac() -> Flask:
    """The least that an endpoint in Flask can do."""
    app = Flask("bare")

    @app.post("/github/webhook")
    def webhook() -> Response:
        return Response(status=ACCEPTED if _signed() else 403)

    return app


def flask_insert(url: str) -> Flask:
    """The least that an endpoint in Flask and SQLAlchemy Core can do to keep what it acknowledges."""
    app = Flask("bare")
    engine = _engine(url)
    Delivery.__table__.create(engine, checkfirst=True)  # type: ignore[attr-defined]

    @app.post("/github/webhook")
    def webhook() -> Response:
        if not _signed():
            return Response(status=403)
        now = datetime.now(UTC)
        row = {
            "guid": request.headers["X-GitHub-Delivery"],
            "event": request.headers["X-GitHub-Event"],
            "serial_key": "",
            "body": request.get_data(),
            "state": "received",
            "attempts": 0,
            "fence": 0,
            "run_at": now,
            "received_at": now,
        }
        with engine.begin() as connection:
            connection.execute(insert(Delivery.__table__), row)  # type: ignore[arg-type]
        return Response(status=ACCEPTED)

    return app


def greenroom(url: str, redis_url: str) -> WSGIApplication:
    settings = Settings(
        data=Path("unused"),
        database_url=url,
        secret_keys=("a key",),
        github_app_id="1",
        github_private_key="unused",
        github_webhook_secrets=(SECRET,),
    )
    application, _ = Greenroom(settings, redis_url).doors()
    return application


def _signed() -> bool:
    expected = "sha256=" + hmac.new(SECRET.encode(), request.get_data(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, request.headers["X-Hub-Signature-256"])


def _engine(url: str) -> Engine:
    engine = create_engine(url, pool_size=10)
    if url.startswith("sqlite"):
        event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def contestants(made: Databases, redis_url: str) -> dict[str, Callable[[], WSGIApplication]]:
    found: dict[str, Callable[[], WSGIApplication]] = {HMAC_ONLY: flask_hmac}
    for kind, ours, empty in (
        ("PostgreSQL", made.postgres(), made.postgres(tables=False)),
        ("SQLite", made.sqlite(), made.sqlite(tables=False)),
    ):
        found[f"{INSERT}, {kind}"] = partial(flask_insert, empty)
        found[f"{OURS}, {kind}"] = partial(greenroom, ours, redis_url)
    found[OUR_TABLE] = partial(flask_insert, made.postgres())
    found[f"{NO_REDIS}, PostgreSQL"] = partial(greenroom, made.postgres(), "redis://127.0.0.1:1")
    return found


def turn(server: Server, bodies: list[bytes], seconds: float) -> Figures:
    """One turn of a contestant; fails unless every webhook was acknowledged."""
    before = server.cpu_seconds()
    answers = post(server.address, bodies, seconds)
    number = answers.by_status.get(ACCEPTED, 0)
    if set(answers.by_status) != {ACCEPTED}:
        raise click.ClickException(f"not every webhook was acknowledged: {answers.by_status}")
    cpu = (server.cpu_seconds() - before) / number
    return {"acknowledged/s": number / answers.seconds, "CPU µs": cpu * 1e6}


@click.command()
@click.option("--seconds", default=2.0, help="How long each turn lasts.")
@click.option("--rounds", default=5)
def main(seconds: float, rounds: int) -> None:
    """Each server has one process; one client in another process keeps 16 connections busy."""
    logs.configure("text", "ERROR")
    bodies = pull_requests(64)
    with ExitStack() as stack:
        made = stack.enter_context(databases())
        directory = stack.enter_context(TemporaryDirectory(prefix="greenroom-bench-"))
        redis_url = stack.enter_context(redis(Path(directory)))
        servers = {name: stack.enter_context(served(make)) for name, make in contestants(made, redis_url).items()}
        for server in servers.values():
            turn(server, bodies, min(seconds, 0.5))
        turns = {name: partial(turn, server, bodies, seconds) for name, server in servers.items()}
        contest = compete(turns, rounds)
        compared = {name: _reference(name) for name in servers if name != HMAC_ONLY}
        show(table("Webhooks of 21 KB", contest, compared=compared, column="acknowledged/s", caption=made.versions()))


def _reference(name: str) -> str:
    """What a contestant is compared with: an insert with nothing but the check, ours with the bare insert."""
    if name.startswith(INSERT):
        return HMAC_ONLY if name != OUR_TABLE else f"{INSERT}, PostgreSQL"
    return f"{INSERT}, {name.rpartition(', ')[2]}"


if __name__ == "__main__":
    main()
