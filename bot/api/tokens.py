"""Application tokens: made, listed and deleted by owners; a secret is shown once (contract 10.3)."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from sqlalchemy.orm import Session

from bot.api.auth import OWN, Caller
from bot.api.call import AnyCall, Call
from bot.api.errors import RepositoryNotFound
from bot.api.fields import Answer, Between, Body, Count, Fields, RepositoryIdentifier, Timestamp
from bot.api.router import Routes
from operations.errors import TokenNotFound
from operations.tokens import create_token, revoke_token
from storage import tokens
from storage.tokens import Role, Token

routes = Routes()


def _some(repositories: list[str]) -> list[str]:
    """A list that names nothing must not stand for everything."""
    if not repositories:
        raise PydanticCustomError("length", "must name at least one repository, or be left out for all")
    return repositories


class TokenBody(Body):
    """`expiresIn` counts days."""

    name: Annotated[str, Between(1, 100)]
    expires_in: Annotated[Count, Between(1, 365)] = 30
    repositories: Annotated[list[RepositoryIdentifier], AfterValidator(_some)] | None = Field(
        default=None, json_schema_extra={"minItems": 1}
    )


class TokenPath(Fields):
    token: str


class TokenAnswer(Answer):
    """`repositories` null is every repository."""

    id: str
    name: str
    role: Role
    repositories: list[str] | None
    expires_at: Timestamp
    created_at: Timestamp


class TokenMade(TokenAnswer):
    """`token` is the secret, which no other answer shows."""

    token: str


class TokenDeleted(Answer):
    message: str
    id: str


@routes.add("GET", "/application-tokens", OWN, "List application tokens")
def list_tokens(call: Call[None, None, None]) -> list[TokenAnswer]:
    """Those that `greenroom token create` made are among them: an owner may end each."""
    with call.reading() as session:
        own = [token for token in tokens.listed(session) if call.caller.governs(token.repositories)]
        return [TokenAnswer(**_shown(token)) for token in own]


@routes.add(
    "POST", "/application-tokens", OWN, "Create an application token",
    refuses=(RepositoryNotFound,), status=HTTPStatus.CREATED,
)  # fmt: skip
def add_token(call: Call[None, None, TokenBody]) -> TokenMade:
    body = call.body
    scope = _scope(call.caller, body.repositories)
    with call.transaction() as session:
        token, secret = create_token(
            session, body.name, timedelta(days=body.expires_in), scope, call.actor, now=call.now
        )
        return TokenMade(**_shown(token), token=secret)


@routes.add("DELETE", "/application-tokens/{token}", OWN, "Delete an application token", refuses=(TokenNotFound,))
def remove_token(call: Call[TokenPath, None, None]) -> TokenDeleted:
    """`token` is the id, or the secret itself for who has nothing else."""
    with call.transaction() as session:
        token = _find(session, call, call.path.token)
        revoke_token(session, token, call.actor, now=call.now)
    return TokenDeleted(message="Application token deleted successfully", id=token.id)


def _shown(token: Token) -> dict[str, Any]:
    return {name: getattr(token, name) for name in TokenAnswer.model_fields}


def _find(session: Session, call: AnyCall, given: str) -> Token:
    try:
        token = tokens.get(session, str(UUID(given)))
    except ValueError:
        token = tokens.find(session, given)
    if token is None or not call.caller.governs(token.repositories):
        raise TokenNotFound
    return token


def _scope(caller: Caller, wanted: list[str] | None) -> list[str] | None:
    """What the new token sees: never more than the token that it is made with. A person who owns is not limited."""
    for repository in wanted or ():
        if not caller.sees(repository):
            raise RepositoryNotFound(repository)
    return wanted or (None if caller.repositories is None or caller.login else sorted(caller.repositories))
