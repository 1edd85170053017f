"""The wire to the simulated GitHub: it keeps a log of every request, and goes wrong when told to."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from werkzeug import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@dataclass(frozen=True)
class LoggedRequest:
    method: str
    path: str
    status: int | None
    """What the work came to, even if that answer was never sent; None when a fault came before the work."""


@dataclass
class Fault:
    method: str
    """`*` for any."""
    path: re.Pattern[str]
    times: int
    status: int | None
    """None cuts the connection instead of answering."""
    body: str
    headers: Mapping[str, str]
    after: bool
    """Whether the work is done before it goes wrong."""

    def hits(self, request: Request) -> bool:
        return self.times > 0 and self.method in ("*", request.method) and bool(self.path.search(request.path))

    def strike(self) -> Response:
        self.times -= 1
        if self.status is None:
            # The server closes the connection without a word, and the tests' transport does what httpx would do then.
            raise ConnectionResetError("the simulated GitHub hung up")
        return Response(self.body, self.status, self.headers, mimetype="application/json")


@dataclass
class Wire:
    """A WSGI application in front of another one."""

    behind: "WSGIApplication"
    log: list[LoggedRequest] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        fault = next((fault for fault in self.faults if fault.hits(request)), None)
        if fault is not None and not fault.after:
            self.log.append(LoggedRequest(request.method, request.path, None))
            return fault.strike()(environ, start_response)
        answer = Response.from_app(self.behind, environ)
        self.log.append(LoggedRequest(request.method, request.path, answer.status_code))
        return (fault.strike() if fault else answer)(environ, start_response)
