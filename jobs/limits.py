"""GitHub's limits, kept in the database: what one worker process is told or does counts for all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx

from bot.context import Context
from bot.github.call import Call
from bot.github.errors import RateLimited
from storage import installations, rates

SWEEPS = 0.2  # of the hour's calls, at most
NOTED_EVERY = timedelta(seconds=10)  # at least, while some are left: a row for each call would cost more than it tells


class SharedLimits:
    """Nothing here sleeps: who has to wait is refused with the time to come back at, and its row is put back.

    `pace` is the time from one write of an installation to its next, as GitHub asks for:
    https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#pause-between-mutative-requests
    """

    def __init__(self, context: Context, pace: timedelta) -> None:
        self._context = context
        self._pace = pace
        self._noted: dict[tuple[int, str], datetime] = {}

    def before(self, installation_id: int, call: Call, *, sweeps: bool) -> None:
        now = self._context.clock()
        with self._context.database.reading() as session:
            rate = rates.find(session, installation_id, call.resource)
        if rate is not None and rate.reset_at > now:
            if rate.remaining == 0:
                raise RateLimited(f"installation {installation_id} has no {call.resource} calls left", rate.reset_at)
            if sweeps and rate.swept >= rate.most * SWEEPS:
                raise RateLimited(f"installation {installation_id} has been swept enough this hour", rate.reset_at)
        if call.writes and self._pace:
            with self._context.database.transaction() as session:
                comes_at = installations.begin_write(session, installation_id, self._pace, now=now)
            if comes_at is not None:
                raise RateLimited(f"another write of installation {installation_id} comes first", comes_at)

    def after(self, installation_id: int, call: Call, answer: httpx.Response | None, *, sweeps: bool) -> None:
        now = self._context.clock()
        if call.writes and self._pace:
            with self._context.database.transaction() as session:
                installations.end_write(session, installation_id, self._pace, now=now)
        if answer is not None:
            self._note(installation_id, call, answer, now, sweeps=sweeps)

    def _note(self, installation_id: int, call: Call, answer: httpx.Response, now: datetime, *, sweeps: bool) -> None:
        told = [answer.headers.get(f"x-ratelimit-{name}", "") for name in ("limit", "remaining", "reset")]
        if not all(text.isdecimal() and len(text) < 12 for text in told):
            return
        most, remaining, reset = map(int, told)
        key = (installation_id, call.resource)
        is_noted = self._noted.get(key, datetime.min.replace(tzinfo=UTC)) > now - NOTED_EVERY
        if is_noted and remaining and not sweeps:
            return
        self._noted[key] = now
        with self._context.database.transaction() as session:
            rates.note(
                session,
                installation_id,
                call.resource,
                most=most,
                remaining=remaining,
                reset_at=datetime.fromtimestamp(reset, UTC),
                swept=call.points if sweeps else 0,
            )
