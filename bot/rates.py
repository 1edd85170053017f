"""How often somebody may ask: counted in Redis for all web processes, in memory while Redis is away."""

from __future__ import annotations

import time
from math import ceil

import structlog
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from bot.api.errors import TooManyRequests
from bot.settings import Rates

REDIS_SECONDS = 0.5  # to answer; nobody waits for a counter
REDIS_RESTS = 5.0  # seconds that a Redis that did not answer is left alone

log = structlog.get_logger(__name__)


class Turnstile:
    """Lets so many requests a minute pass for a token, and for an address that shows none. No rates: all of them."""

    def __init__(self, rates: Rates | None, redis_url: str | None = None) -> None:
        self._token = RateLimitItemPerMinute(rates.token) if rates else None
        self._address = RateLimitItemPerMinute(rates.address) if rates else None
        self._memory = FixedWindowRateLimiter(MemoryStorage())
        self._redis = FixedWindowRateLimiter(_storage(redis_url)) if rates and redis_url else None
        self._redis_rests_until = 0.0

    def pass_token(self, caller_id: str | None) -> None:
        """Refuses with TooManyRequests."""
        self._count(self._token, f"token/{caller_id}")

    def pass_address(self, address: str | None) -> None:
        """Refuses with TooManyRequests."""
        self._count(self._address, f"address/{address}")

    def _count(self, limit: RateLimitItem | None, who: str) -> None:
        if limit is None:
            return
        if self._redis is not None and self._redis_rests_until <= time.monotonic():
            try:
                _hit(self._redis, limit, who)
                return
            except RedisError as error:
                self._redis_rests_until = time.monotonic() + REDIS_RESTS
                log.warning("rates are counted in memory", reason=type(error).__name__)
        _hit(self._memory, limit, who)


def _hit(limiter: FixedWindowRateLimiter, limit: RateLimitItem, who: str) -> None:
    if not limiter.hit(limit, who):
        left = limiter.get_window_stats(limit, who).reset_time - time.time()
        raise TooManyRequests(min(max(1, ceil(left)), limit.get_expiry()))


def _storage(redis_url: str) -> RedisStorage:
    redis = Redis.from_url(
        redis_url,
        socket_connect_timeout=REDIS_SECONDS,
        socket_timeout=REDIS_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return RedisStorage("redis://", connection_pool=redis.connection_pool, key_prefix="greenroom")
