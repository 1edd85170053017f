"""Mounts the simulated GitHub where the network would be, for bot.github.GitHub(..., transport=...)."""

import httpx

from demo.github import SimulatedGitHub


class WireTo(httpx.BaseTransport):
    """Requests go into the simulated GitHub without a socket; a connection that it cuts breaks as a socket would."""

    def __init__(self, github: SimulatedGitHub) -> None:
        self._wsgi = httpx.WSGITransport(app=github.wire)
        self.closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._wsgi.handle_request(request)
        except ConnectionResetError as error:
            raise httpx.ReadError(str(error), request=request) from error

    def close(self) -> None:
        self.closed = True
