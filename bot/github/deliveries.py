"""What GitHub remembers of the webhooks that it sent us, asked as the App.

https://docs.github.com/rest/apps/webhooks
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from bot.github.call import Call
from bot.github.calls import GitHub, read_answer
from bot.github.errors import unreadable
from bot.payload import MalformedPayload, Readable

LIST = Call("GET", "/app/hook/deliveries")
SHOW = Call("GET", "/app/hook/deliveries/{attempt_id}")
REDELIVER = Call("POST", "/app/hook/deliveries/{attempt_id}/attempts", repeatable=False)


@dataclass(frozen=True, kw_only=True)
class Attempt(Readable):
    """One time that GitHub delivered a webhook, or tried to; a redelivery is another one under the same GUID."""

    id: int
    guid: str
    delivered_at: datetime
    status: str
    status_code: int
    """0 if nobody was reached."""
    event: str
    action: str | None = None

    @property
    def is_pending(self) -> bool:
        return self.status == "pending"

    @property
    def has_arrived(self) -> bool:
        return 200 <= self.status_code < 300


class HookDeliveries:
    """Errors are drawn in bot/github/errors.py."""

    def __init__(self, github: GitHub) -> None:
        self._github = github

    def since(self, at: datetime) -> Iterator[Attempt]:
        """Every attempt since then, the newest first; each page is fetched when it is reached."""
        cursor: str | None = None
        while True:
            answer = self._github.as_app(LIST, LIST.path, params={"per_page": 100, **_from(cursor)})
            for attempt in read_answer(LIST, answer, Attempt.read_all):
                if attempt.delivered_at < at:
                    return
                yield attempt
            before, cursor = cursor, _next_cursor(answer)
            if cursor is None:
                return
            if cursor == before:  # what stands between us and GitHub may not pass it on: the list would never end
                raise unreadable(answer, ValueError("its next page is itself"), repeatable=True)

    def payload(self, attempt_id: int) -> dict[str, Any]:
        """What was sent. NotFound once GitHub has forgotten it, after three days."""
        answer = self._github.as_app(SHOW, SHOW.path.format(attempt_id=attempt_id))
        return read_answer(SHOW, answer, _sent)

    def redeliver(self, attempt_id: int) -> None:
        """GitHub sends it again, soon, under the same GUID."""
        self._github.as_app(REDELIVER, REDELIVER.path.format(attempt_id=attempt_id))


def _from(cursor: str | None) -> dict[str, str]:
    return {} if cursor is None else {"cursor": cursor}


def _next_cursor(answer: httpx.Response) -> str | None:
    found = parse_qs(urlsplit(answer.links.get("next", {}).get("url", "")).query).get("cursor")
    return found[0] if found else None


def _sent(shown: Any) -> dict[str, Any]:
    sent = shown.get("request") if isinstance(shown, dict) else None
    payload = sent.get("payload") if isinstance(sent, dict) else None
    if not isinstance(payload, dict):
        raise MalformedPayload("request.payload is not an object")
    return payload
