"""How the App proves to GitHub that it is the App."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bot.github.errors import NotConfigured


def app_jwt(app_id: str, private_key: str, *, now: datetime) -> str:
    """A token of nine minutes, signed with the App's key (PEM text). Raises NotConfigured if that cannot be read.

    https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app
    """
    since = int(now.timestamp())
    # A clock that is half a minute ahead of GitHub's must not make the token "issued in the future".
    claims = {"iss": app_id, "iat": since - 30, "exp": since + 9 * 60}
    return jwt.encode(claims, _signing_key(private_key), algorithm="RS256")


@lru_cache(maxsize=1)
def _signing_key(pem: str) -> RSAPrivateKey:
    """Reading a key takes 30 ms, as it is checked; signing with it takes one."""
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise NotConfigured("the private key of the GitHub App cannot be read")
    return key
