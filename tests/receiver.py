"""A receiver of webhooks on loopback, which answers as the test has ordered and remembers what it was sent."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    def is_signed(self, secret: str) -> bool:
        expected = "sha256=" + hmac.new(secret.encode(), self.raw, hashlib.sha256).hexdigest()
        return hmac.compare_digest(self.headers["X-Greenroom-Signature-256"], expected)


class Receiver:
    """`answers` are the statuses of the next requests, 204 after them; `meanwhile` is done while one is answered."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hook"
        self.port = port
        self.received: list[Received] = []
        self.answers: list[int] = []
        self.location = ""
        self.meanwhile: Callable[[], None] = lambda: None

    @property
    def events(self) -> list[str]:
        return [received.body["event"] for received in self.received]

    @property
    def ids(self) -> list[str]:
        return [received.body["id"] for received in self.received]


@contextmanager
def listening() -> Iterator[Receiver]:
    """A receiver that listens until the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.received.append(Received(self.path, dict(self.headers), raw))
            receiver.meanwhile()
            status = receiver.answers.pop(0) if receiver.answers else 204
            self.send_response(status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
