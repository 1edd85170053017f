"""The way into a dedicated environment, as the API hands it out: the caller says which kind."""

from __future__ import annotations

from typing import Literal

from bot.context import Context
from operations.errors import ProviderRefused
from providers.provider import Credentials, ProviderError
from storage.dedicated import DedicatedEnvironment

AuthType = Literal["accessToken", "sfdxAuthUrl"]


def log_in(context: Context, environment: DedicatedEnvironment) -> Credentials:
    """Credentials with which its org has just answered. Refuses with ProviderRefused; call it outside transactions.

    Whoever hands them out records that (operations/access.py) in the transaction in which they are still right.
    """
    try:
        return context.org(environment).check_login()
    except ProviderError as error:
        raise ProviderRefused(error.message) from error


def fields_of(credentials: Credentials, auth_type: AuthType) -> dict[str, str | None]:
    """What an answer with this authType gains (contract section 5, Environment)."""
    if auth_type == "sfdxAuthUrl":
        return {"sfdx_auth_url": credentials.sfdx_auth_url}
    return {"access_token": credentials.access_token, "instance_url": credentials.instance_url}
