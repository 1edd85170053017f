"""A token of GitHub's for one repository, for pipelines that have no App of their own (contract 10.3)."""

from __future__ import annotations

import logging
from typing import Literal

from bot.api.auth import CHANGE
from bot.api.call import Call
from bot.api.fields import Answer, Fields, RepositoryIdentifier, Timestamp
from bot.api.router import Routes
from bot.github.errors import GitHubError, NotConfigured, NotFound
from operations.errors import InstallationNotFound, ProviderRefused
from storage import audit

# What a pipeline does: it checks out, and writes to pull requests. Never more than the App was granted.
PERMISSIONS = {"contents": "read", "pull_requests": "write"}

routes = Routes()
log = logging.getLogger(__name__)


class OfRepository(Fields):
    repository_identifier: RepositoryIdentifier


class AuthToken(Answer):
    token: str
    expires_at: Timestamp
    type: Literal["installation"]
    provider: Literal["github"]
    scope: str


@routes.add(
    "GET", "/repository/auth-token", CHANGE, "Get a token for a repository",
    refuses=(InstallationNotFound, ProviderRefused),
)  # fmt: skip
def get_auth_token(call: Call[None, OfRepository, None]) -> AuthToken:
    """`scope` tells what the token may; it lives for an hour, reaches this repository alone and is audited."""
    repository = call.query.repository_identifier
    if not call.caller.sees(repository):
        raise InstallationNotFound
    try:
        token, granted = call.github.token(repository, PERMISSIONS)
    except (NotFound, NotConfigured) as error:
        raise InstallationNotFound from error
    except GitHubError as error:
        log.warning("GitHub gave no token repository=%s reason=%s", repository, error)
        raise ProviderRefused("GitHub gave no token") from error
    scope = ",".join(f"{name}:{level}" for name, level in sorted(granted.items()))
    with call.transaction() as session:
        audit.record(session, "credentials.revealed", call.request_id, call.actor, now=call.now,
                     operation=call.operation, repository=repository, scope=scope)  # fmt: skip
    return AuthToken(
        token=token.value, expires_at=token.expires_at, type="installation", provider="github", scope=scope
    )
