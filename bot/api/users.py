"""Who the caller is, and a person's next token (contract 10.3)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from sqlalchemy.orm import Session

from bot.api.auth import PUBLIC, READ, signed_for, user_caller
from bot.api.call import Call
from bot.api.errors import TokenExpired, Unauthenticated
from bot.api.fields import Answer, Between, Body, Timestamp
from bot.api.router import Routes
from bot.context import Context
from bot.passes import Expired, NotValid, Purpose
from storage import audit, users
from storage.audit import Actor
from storage.tokens import Role
from storage.users import User

routes = Routes()


class MeAnswer(Answer):
    """A program's token has a name, a person the time of their first login."""

    id: str
    name: str | None = None
    email: str | None
    role: Role
    created_at: Timestamp | None = None


class RefreshBody(Body):
    refresh_token: Annotated[str, Between(1, 4096)]


class UserToken(Answer):
    """`token` is the bearer token, `refreshToken` what the next one is fetched with."""

    token: str
    type: Literal["bearer"]
    expires_at: Timestamp
    refresh_token: str
    refresh_expires_at: Timestamp


@routes.add("GET", "/users/me", READ, "Get the caller")
def get_me(call: Call[None, None, None]) -> MeAnswer:
    """A token's role is the one that it was made with (13.1)."""
    caller = call.caller
    assert caller.id is not None, "only a public operation is called by nobody"
    if caller.login is None:
        return MeAnswer(id=caller.id, name=caller.name, email=None, role=caller.role)
    with call.reading() as session:
        user = users.get(session, caller.id)
    assert user is not None, "users are never removed"
    return MeAnswer(id=user.id, email=user.email, role=caller.role, created_at=user.created_at)


@routes.add("POST", "/auth/refresh", PUBLIC, "Get a user's next token", refuses=(Unauthenticated,))
def refresh(call: Call[None, None, RefreshBody]) -> UserToken:
    """A user's token lives for an hour. The refresh token that a login gave gets the next one for thirty days."""
    try:
        issued = call.context.passes.read(Purpose.REFRESH, call.body.refresh_token)
    except Expired as error:
        raise TokenExpired from error
    except NotValid as error:
        raise Unauthenticated from error
    with call.transaction() as session:
        user = signed_for(session, issued)
        return issue(session, call.context, user, call.request_id, now=call.now, refresh_until=issued.expires_at)


def issue(
    session: Session,
    context: Context,
    user: User,
    request_id: str,
    *,
    now: datetime,
    refresh_until: datetime | None = None,
) -> UserToken:
    """A token of an hour and what renews it, which no renewal makes last longer; audited."""
    token, expires_at = context.passes.issue(Purpose.API, user.id)
    renewal, refresh_expires_at = context.passes.issue(Purpose.REFRESH, user.id, expires_at=refresh_until)
    role = user_caller(user, context.settings.owners).role
    audit.record(session, "user.token_issued", user.id, Actor(user.name, role, request_id, user.id), now=now)
    return UserToken(
        token=token,
        type="bearer",
        expires_at=expires_at,
        refresh_token=renewal,
        refresh_expires_at=refresh_expires_at,
    )
