"""What Greenroom signs for people: each pass for one purpose, with that purpose's own key, good for its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ALGORITHM = "HS256"
BUFFER = timedelta(minutes=5)  # of clocks that differ; for the API also what an expired pass is still good for


class Purpose(StrEnum):
    API = "api"  # a user's bearer token
    REFRESH = "refresh"
    SESSION = "session"  # a browser's cookie
    LOGIN = "login"  # a browser's cookie while it is at GitHub


LIFE = {
    Purpose.API: timedelta(hours=1),
    Purpose.REFRESH: timedelta(days=30),
    Purpose.SESSION: timedelta(hours=12),
    Purpose.LOGIN: timedelta(minutes=10),
}


class NotValid(Exception):
    """Not ours, for another purpose, or changed."""


class Expired(NotValid):
    """Ours, and past its time."""


@dataclass(frozen=True)
class Pass:
    subject: str
    issued_at: datetime
    expires_at: datetime
    claims: Mapping[str, Any]


class Passes:
    """Signs with the first SECRET_KEY, and takes what any of them has signed (rotation: put the new one first)."""

    def __init__(self, secret_keys: tuple[str, ...], issuer: str, clock: Callable[[], datetime]) -> None:
        self._keys = {purpose: [_derived(secret, purpose) for secret in secret_keys] for purpose in Purpose}
        self._issuer = issuer
        self._clock = clock

    def issue(
        self,
        purpose: Purpose,
        subject: str,
        *,
        claims: Mapping[str, str] | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[str, datetime]:
        """A signed pass, and when it expires: after LIFE unless another time is given."""
        now = self._clock()
        until = expires_at or now + LIFE[purpose]
        signed = {
            **(claims or {}),
            "iss": self._issuer,
            "aud": _audience(purpose),
            "sub": subject,
            "iat": now.timestamp(),
            "exp": until.timestamp(),
        }
        return jwt.encode(signed, self._keys[purpose][0], algorithm=ALGORITHM), until

    def read(self, purpose: Purpose, text: str) -> Pass:
        """What a pass of this purpose says. Raises NotValid; Expired, which one for the API is five minutes late."""
        claims = self._verified(purpose, text)
        now = self._clock()
        issued_at, expires_at = (datetime.fromtimestamp(claims[name], now.tzinfo) for name in ("iat", "exp"))
        if issued_at > now + BUFFER:
            raise NotValid
        if expires_at + (BUFFER if purpose is Purpose.API else timedelta()) <= now:
            raise Expired
        return Pass(claims["sub"], issued_at, expires_at, claims)

    def _verified(self, purpose: Purpose, text: str) -> dict[str, Any]:
        for key in self._keys[purpose]:
            try:
                return jwt.decode(
                    text,
                    key,
                    algorithms=[ALGORITHM],
                    audience=_audience(purpose),
                    issuer=self._issuer,
                    # Time is ours to tell: PyJWT would ask the machine's clock.
                    options={"require": ["iat", "exp", "sub"], "verify_iat": False, "verify_exp": False},
                )
            except jwt.InvalidTokenError:
                continue
        raise NotValid


def _audience(purpose: Purpose) -> str:
    return f"greenroom {purpose}"


def _derived(secret: str, purpose: Purpose) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"greenroom pass {purpose}".encode()).derive(
        secret.encode()
    )
