"""Encryption at rest: whatever is secret in a row has passed here."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class CannotDecrypt(Exception):
    """The stored secret was encrypted with a key that SECRET_KEY no longer names."""


class Vault:
    """Encrypts with the key of the first secret, decrypts with any of them (rotation: put the new one first)."""

    def __init__(self, secret_keys: tuple[str, ...]) -> None:
        self._fernet = MultiFernet([Fernet(_derived(secret)) for secret in secret_keys])

    def encrypt(self, secret: str) -> bytes:
        return self._fernet.encrypt(secret.encode())

    def decrypt(self, sealed: bytes) -> str:
        """Raises CannotDecrypt if no key fits."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise CannotDecrypt("no key of SECRET_KEY opens this; put the former key behind the new one") from error

    def seal(self, values: dict[str, Any]) -> bytes:
        return self.encrypt(json.dumps(values))

    def open(self, sealed: bytes) -> dict[str, Any]:
        opened: dict[str, Any] = json.loads(self.decrypt(sealed))
        return opened


def _derived(secret: str) -> bytes:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"greenroom secrets at rest").derive(secret.encode())
    return base64.urlsafe_b64encode(key)
