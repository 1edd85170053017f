"""Signed webhooks, sent as fast as they are answered over connections that are kept open."""

from __future__ import annotations

import hashlib
import hmac
import multiprocessing
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from uuid import uuid4

from demo.github import SimulatedGitHub

SECRET = "a webhook secret"
REPOSITORY = "acme/shop"
CONNECTIONS = 16
_forking = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Answers:
    seconds: float
    by_status: dict[int, int]


def pull_requests(number: int) -> list[bytes]:
    """The bodies of this many webhooks about pull requests that were opened, 21 KB each."""
    github, sent = _github()
    for _ in range(number):
        github.open_pull_request(REPOSITORY, "alice")
    return sent


def comments(number: int) -> list[bytes]:
    """The bodies of this many webhooks about comments that command nothing, 10 KB each."""
    github, sent = _github()
    thread = github.open_pull_request(REPOSITORY, "alice").number
    sent.clear()
    for _ in range(number):
        github.comment(REPOSITORY, thread, "alice", "Looks good to me, but `extend` is misspelt in the third line.")
    return sent


def _github() -> tuple[SimulatedGitHub, list[bytes]]:
    sent: list[bytes] = []
    github = SimulatedGitHub(webhook_secret=SECRET, deliver=lambda _, body: sent.append(body))
    github.install("acme", REPOSITORY)
    sent.clear()
    return github, sent


def post(address: tuple[str, int], bodies: list[bytes], seconds: float) -> Answers:
    """What a client in another process was answered that long; each webhook has a delivery id of its own."""
    with ProcessPoolExecutor(1, mp_context=_forking) as client:
        return client.submit(_post, address, bodies, seconds).result()


def _post(address: tuple[str, int], bodies: list[bytes], seconds: float) -> Answers:
    requests = _requests(bodies)
    statuses: Counter[int] = Counter()
    with selectors.DefaultSelector() as selector:
        for _ in range(CONNECTIONS):
            connection = socket.create_connection(address)
            selector.register(connection, selectors.EVENT_READ)
            connection.sendall(next(requests))
        began = time.perf_counter()
        while selector.get_map():
            for key, _ in selector.select():
                connection = key.fileobj  # type: ignore[assignment]
                statuses[_status(connection)] += 1
                if time.perf_counter() - began < seconds:
                    connection.sendall(next(requests))
                else:
                    selector.unregister(connection)
                    connection.close()
        return Answers(time.perf_counter() - began, dict(statuses))


def _requests(bodies: list[bytes]) -> Iterator[bytes]:
    heads = [
        "POST /github/webhook HTTP/1.1\r\nHost: greenroom.test\r\nContent-Type: application/json\r\n"
        "User-Agent: GitHub-Hookshot/1\r\nAccept: */*\r\nX-GitHub-Event: pull_request\r\n"
        f"X-Hub-Signature-256: sha256={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}\r\n"
        f"Content-Length: {len(body)}\r\nX-GitHub-Delivery: ".encode()
        for body in bodies
    ]
    for head, body in cycle(zip(heads, bodies, strict=True)):
        yield b"%b%b\r\n\r\n%b" % (head, str(uuid4()).encode(), body)


def _status(connection: socket.socket) -> int:
    answer = connection.recv(65536)
    while b"\r\n\r\n" not in answer:
        answer += _more(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < int(lengths[0]):
        body += _more(connection)
    return int(head.split(b" ", 2)[1])


def _more(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise ConnectionError("the server closed a connection in the middle of an answer")
    return received
