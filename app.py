"""Greenroom, wired: settings, database, queue, web, workers, cron, and the command line."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from gunicorn.app.base import BaseApplication

from bot import lending, logs, setup
from bot.context import Context
from bot.parking.door import ParkingDoor
from bot.parking.worker import ParkingWorker
from bot.policy.file import InvalidPolicy, parse, policy_text
from bot.policy.schema import schema_text
from bot.settings import BadSettings, Settings
from bot.version import VERSION
from bot.web import create_app
from bot.webhooks import WebhookDoor
from cli.commands import COMMANDS
from jobs.cron import keep_time
from jobs.processes import Processes
from operations.tokens import create_token
from storage import embedded, schema, wakeup
from storage.audit import Actor
from storage.database import Database, StoreUnavailable
from storage.doorbell import Doorbell, connect
from storage.queue import QueueName
from storage.schema import WrongSchema
from storage.tokens import Role
from storage.wakeup import Wakeup

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from demo.screen import Screen

TOKEN_DAYS = 365
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Greenroom:
    """What every process is made from; nothing in it is open yet, so that it can be forked."""

    settings: Settings
    redis_url: str

    def context(self) -> Context:
        """A context of this process's own, on a database at the newest schema."""
        ring, wake = Doorbell(self.redis_url).ring, Wakeup(self.redis_url).tell
        database = Database(self.settings.effective_database_url, ring=ring, wake=wake)
        return Context.of(self.settings, database)

    def doors(self) -> tuple[WSGIApplication, ParkingDoor]:
        """The web application, and the door in it that has to be closed at the end."""
        context = self.context()
        redis = connect(self.redis_url)
        web = create_app(context, queue_ping=lambda: bool(redis.ping()), redis_url=self.redis_url)
        parking = ParkingDoor(web, context, partial(wakeup.listen, self.redis_url))
        return WebhookDoor(context, parking), parking

    def serve(self) -> None:
        Gunicorn(self).run()

    def work(self, queue: QueueName) -> None:
        # These bring githubkit, 1 s and 40 MB, which only workers pay.
        from jobs.bell import listen
        from jobs.workshop import Workshop

        listen(Workshop(self.context()), queue, self.redis_url)

    def keep_time(self) -> None:
        keep_time(self.context())

    def workers(self) -> dict[str, Callable[[], None]]:
        """One role for each queue: a worker of two queues can lose a job of RQ's (reference: BLPOP)."""

        def working(queue: QueueName) -> Callable[[], None]:
            return lambda: self.work(queue)

        return {f"worker {queue}": working(queue) for queue in QueueName}


class Gunicorn(BaseApplication):  # type: ignore[misc]
    """gunicorn, configured from the settings; WEB_CONCURRENCY sets the number of its processes."""

    def __init__(self, greenroom: Greenroom) -> None:
        self._greenroom = greenroom
        self._parking: ParkingDoor | None = None
        super().__init__()

    def load_config(self) -> None:
        settings = self._greenroom.settings
        options: dict[str, Any] = {
            "bind": f"{settings.host}:{settings.port}",
            "workers": int(os.environ.get("WEB_CONCURRENCY", "1")),
            "worker_class": ParkingWorker,
            "threads": 8,
            "worker_exit": self._end,
            "loglevel": "warning",
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        application, self._parking = self._greenroom.doors()
        return application

    def _end(self, _arbiter: Any, _worker: Any) -> None:
        if self._parking is not None:
            self._parking.close()


@contextmanager
def opened(*, upgrade: bool = False) -> Iterator[Greenroom]:
    """The Greenroom of this environment: Redis reachable or embedded, the database at the newest schema."""
    settings = Settings.from_env()
    logs.configure(settings.log_format, settings.log_level)
    _prepare_database(settings, upgrade=upgrade)
    if settings.redis_url is not None:
        yield Greenroom(settings, settings.redis_url)
        return
    redis = embedded.start(settings.data / "redis")
    try:
        yield Greenroom(settings, redis.url)
    finally:
        redis.stop()


def _prepare_database(settings: Settings, *, upgrade: bool) -> None:
    settings.data.mkdir(parents=True, exist_ok=True)
    database = Database(settings.effective_database_url)
    if upgrade or settings.database_url is None:  # an embedded database has nobody else to upgrade it
        schema.upgrade(database)
    schema.require_head(database)
    database.dispose()


class Command(click.Group):
    """Turns what an operator can mend into one sentence, and never shows a traceback for it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (BadSettings, WrongSchema, embedded.RedisDidNotStart) as error:
            raise click.ClickException(str(error)) from error
        except StoreUnavailable as error:
            raise click.ClickException(f"{error}; check DATABASE_URL") from error


@click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="greenroom")
def main() -> None:
    """A review environment for every pull request, out of a pool of ready ones."""


for command in COMMANDS:
    main.add_command(command)


@main.command()
def up() -> None:
    """Web, workers and cron in one terminal, on embedded SQLite and Valkey unless told otherwise."""
    with opened(upgrade=True) as greenroom:
        _check_port(greenroom.settings)
        roles = {"web": greenroom.serve, **greenroom.workers(), "cron": greenroom.keep_time}
        click.echo(_welcome(greenroom))
        Processes(roles).run()
        click.echo("Stopped. Everything is kept; start again with ./greenroom up", err=True)


@main.command()
def web() -> None:
    """The web process: webhooks, REST, health."""
    with opened() as greenroom:
        greenroom.serve()


@main.command()
@click.argument("queue", type=click.Choice([queue.value for queue in QueueName]), required=False)
def worker(queue: str | None) -> None:
    """Workers: one process for each queue, or only that of QUEUE."""
    with opened() as greenroom:
        if queue is not None:
            greenroom.work(QueueName(queue))
        else:
            Processes(greenroom.workers()).run()


@main.command()
def cron() -> None:
    """The clock: sweeps and delayed tasks. Run one or more; one leads."""
    with opened() as greenroom:
        greenroom.keep_time()


@main.command()
def demo() -> None:
    """Two pull requests share one environment on a simulated GitHub: what they would show, and whether it works."""
    # rich and the simulated GitHub are for this command alone.
    from demo.own import DidNotStart
    from demo.screen import Screen

    for number in ENDINGS:
        signal.signal(number, _end_once)
    try:
        is_seen = _play(Screen())
    except DidNotStart as failed:
        raise click.ClickException(str(failed)) from failed
    sys.exit(0 if is_seen else 1)


def _end_once(number: int, _frame: FrameType | None) -> None:
    _turn_deaf()
    click.echo("Ending, and clearing up", err=True)
    sys.exit(128 + number)


def _turn_deaf() -> None:
    """Clearing up takes some seconds, in which impatience changes nothing."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def _play(screen: Screen) -> bool:
    """Plays on the Greenroom that runs here if that may be lent, else on one of the demo's own. Was all seen?"""
    from demo.play import REPO, perform, staged

    settings = Settings.from_env()
    logs.configure("text", "WARNING")
    address = lending.address(settings)
    if not lending.answers(settings):
        screen.say(f"No Greenroom runs at {address}: this starts one of its own.")
        return _play_on_own(screen)
    _prepare_database(settings, upgrade=False)
    context = Context.of(settings, Database(settings.effective_database_url))
    refused = lending.why_not(context, REPO)
    if refused is not None:
        screen.say(f"The Greenroom at {address} is left alone, as {refused}: this starts one of its own.")
        return _play_on_own(screen)
    screen.say(f"This plays on the Greenroom at {address}, which has no GitHub App, and clears everything away again.")
    with staged(address) as stage, lending.lent(context, stage.app, REPO) as token:
        is_seen = perform(stage, address, token, screen)
        _turn_deaf()
        return is_seen


def _play_on_own(screen: Screen) -> bool:
    from demo.own import own_greenroom
    from demo.play import REPO, perform, staged

    with (
        own_greenroom(embedded.tied([sys.executable, __file__, "up"])) as own,
        staged(own.address) as stage,
        own.started(stage.app) as environment,
    ):
        settings = Settings.from_env(environment)
        context = Context.of(settings, Database(settings.effective_database_url))
        with lending.token(context, REPO) as token:
            is_seen = perform(stage, own.address, token, screen)
            _turn_deaf()
        context.database.dispose()
        if not is_seen:
            screen.listing("The end of Greenroom's log", own.tail())
        return is_seen


@main.group()
def token() -> None:
    """Bearer tokens for the REST API."""


@token.command("create")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--name", required=True, help="Who or what uses it; shows in the audit log.")
@click.option("--repository", "repositories", multiple=True, help="Only this one, owner/name; repeatable. Else all.")
@click.option("--days", type=click.IntRange(1, 3650), default=TOKEN_DAYS, show_default=True, help="It expires then.")
def print_new_token(role: str, name: str, repositories: tuple[str, ...], days: int) -> None:
    """Print a new token, alone, on stdout. It is shown once and stored as a hash."""
    settings = Settings.from_env()
    logs.configure(settings.log_format, settings.log_level)
    _prepare_database(settings, upgrade=False)
    context = Context.of(settings, Database(settings.effective_database_url))
    operator = Actor("greenroom token create", role="operator")
    with context.database.transaction() as session:
        _, secret = create_token(
            session, name, timedelta(days=days), list(repositories) or None, operator,
            now=context.clock(), role=Role(role),
        )  # fmt: skip
    click.echo(secret)


@main.group()
def config() -> None:
    """A repository's .github/greenroom.yml."""


@config.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
def check_policy(file: str) -> None:
    """Say by line and key what is wrong with FILE (- for stdin), if anything is; nobody is asked for it."""
    try:
        with click.open_file(file, "rb") as opened_file:
            parse(policy_text(opened_file.read()))
    except InvalidPolicy as invalid:
        for problem in invalid.problems:
            about = f"{problem.key} " if problem.key else ""
            click.echo(f"{file}:{problem.line}: {about}{problem.sentence}", err=True)
        sys.exit(1)
    click.echo(f"{file} is fine")


@config.command("schema")
def print_policy_schema() -> None:
    """Print the file's JSON Schema, for editors."""
    click.echo(schema_text(), nl=False)


@main.group()
def db() -> None:
    """The database."""


@db.command("upgrade")
def upgrade_database() -> None:
    """Bring the schema to the newest revision."""
    settings = Settings.from_env()
    logs.configure(settings.log_format, settings.log_level)
    settings.data.mkdir(parents=True, exist_ok=True)
    database = Database(settings.effective_database_url)
    changed = schema.upgrade(database)
    click.echo(f"Upgraded to revision {schema.HEAD}" if changed else f"At revision {schema.HEAD} already")


def _check_port(settings: Settings) -> None:
    """Says before anything starts that somebody else listens there."""
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise click.ClickException(
                f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}): set PORT to a free one"
            ) from error


def _welcome(greenroom: Greenroom) -> str:
    settings = greenroom.settings
    database = "PostgreSQL" if "postgres" in settings.effective_database_url else "SQLite"
    redis = "REDIS_URL" if settings.redis_url else "embedded Valkey"
    context = greenroom.context()
    app = context.github_app()
    context.database.dispose()  # what the children inherit must not be an open connection
    lines = [
        f"Greenroom {VERSION} listens on {settings.public_url}",
        f"  data      {_short(settings.data)} ({database}, {redis})",
        f"  webhook   {settings.public_url}/github/webhook",
        f"  REST      {settings.public_url}/sfp/api",
    ]
    if app is None:
        lines += [
            "",
            "No GitHub App is connected yet.",
            "  See it work without one    ./greenroom demo",
            f"  Connect one                {setup.address(settings)}",
        ]
    lines += [
        "  A token for REST           ./greenroom token create --role owner --name me",
        "",
        "Ctrl-C stops it.",
    ]
    return "\n".join(lines)


def _short(path: Path) -> str:
    try:
        return f"./{path.relative_to(Path.cwd())}"
    except ValueError:
        return str(path)


if __name__ == "__main__":
    sys.exit(main())
