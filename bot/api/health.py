"""Whether the API answers; public, and without any detail of what is behind it (contract 10.3)."""

from __future__ import annotations

from typing import Literal

from bot.api.auth import PUBLIC
from bot.api.call import Call
from bot.api.fields import Answer, Timestamp
from bot.api.router import Routes
from bot.version import VERSION

routes = Routes()


class HealthAnswer(Answer):
    status: Literal["ok"]
    version: str
    timestamp: Timestamp


class PingAnswer(Answer):
    status: Literal["ok"]
    message: Literal["pong"]


@routes.add("GET", "", PUBLIC, "Health")
def get_health(call: Call[None, None, None]) -> HealthAnswer:
    return HealthAnswer(status="ok", version=VERSION, timestamp=call.now)


@routes.add("GET", "/ping", PUBLIC, "Ping")
def ping(call: Call[None, None, None]) -> PingAnswer:
    return PingAnswer(status="ok", message="pong")
