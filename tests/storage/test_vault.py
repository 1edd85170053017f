"""Encryption at rest, and how its key is changed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.vault import CannotDecrypt, Vault


@given(secret=st.text(max_size=200))
@settings(max_examples=30, deadline=None)
def test_what_is_encrypted_is_decrypted_and_not_to_be_seen(secret: str) -> None:
    vault = Vault(("a key",))
    sealed = vault.encrypt(secret)
    assert vault.decrypt(sealed) == secret
    assert len(secret) < 4 or secret.encode() not in sealed


def test_values_are_sealed_as_they_are() -> None:
    vault = Vault(("a key",))
    values = {"accessToken": "00D!x", "username": None, "n": 1}
    assert vault.open(vault.seal(values)) == values
    assert vault.seal(values) != vault.seal(values)


def test_the_new_key_comes_first_and_the_former_still_opens() -> None:
    sealed_before = Vault(("former",)).encrypt("secret")
    rotated = Vault(("new", "former"))
    assert rotated.decrypt(sealed_before) == "secret"
    sealed_after = rotated.encrypt("secret")
    assert Vault(("new",)).decrypt(sealed_after) == "secret"
    with pytest.raises(CannotDecrypt):
        Vault(("former",)).decrypt(sealed_after)


@pytest.mark.parametrize(
    "sealed",
    [b"", b"not sealed", Vault(("another key",)).encrypt("secret")],
    ids=["nothing", "no seal", "another key's"],
)
def test_what_no_key_opens_is_refused_with_what_to_do(sealed: bytes) -> None:
    with pytest.raises(CannotDecrypt, match="put the former key behind the new one"):
        Vault(("a key",)).decrypt(sealed)


def test_a_changed_secret_is_refused() -> None:
    vault = Vault(("a key",))
    sealed = bytearray(vault.encrypt("secret"))
    sealed[20] ^= 1
    with pytest.raises(CannotDecrypt):
        vault.decrypt(bytes(sealed))
