"""Who asks: a bearer token, what its role may do and which repositories it sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.api.errors import RoleRequired, TokenExpired, Unauthenticated
from bot.context import Context
from bot.passes import Expired, NotValid, Pass, Purpose
from storage import tokens, users
from storage.tokens import Role
from storage.users import User

# Which roles an operation is for, in the order in which its refusal names them.
PUBLIC: tuple[Role, ...] = ()
READ = (Role.OWNER, Role.APPLICATION, Role.MEMBER)
CHANGE = (Role.OWNER, Role.APPLICATION)
OWN = (Role.OWNER,)


@dataclass(frozen=True)
class Caller:
    """`repositories` are the names in lower case that it sees; None is every one. Only a person has a `login`."""

    id: str | None
    name: str
    role: Role
    repositories: frozenset[str] | None
    login: str | None = None
    email: str | None = None

    def sees(self, repository: str) -> bool:
        return self.repositories is None or repository.lower() in self.repositories

    def governs(self, repositories: list[str] | None) -> bool:
        """Whether the caller's scope covers these, None being all. A person who owns is not limited."""
        if self.repositories is None or self.login is not None:
            return True
        return repositories is not None and self.repositories.issuperset(repositories)

    @property
    def may_see_secrets(self) -> bool:
        return self.role in CHANGE


NOBODY = Caller(None, "nobody", Role.MEMBER, frozenset())


def authenticate(session: Session, context: Context, authorization: str, *, now: datetime) -> Caller:
    """Whoever the header's token was made for: a program or a person.

    Refuses with Unauthenticated, or TokenExpired: a program's token has no grace, a person's five minutes.
    """
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    secret = secret.strip()
    return _user(session, context, secret) if secret.count(".") == 2 else _token(session, secret, now)


def user_caller(user: User, owners: frozenset[str]) -> Caller:
    """A person, who is an owner if GREENROOM_OWNERS names their login; sees nothing before GitHub was asked."""
    role = Role.OWNER if user.login.lower() in owners else Role.MEMBER
    return Caller(user.id, user.name, role, frozenset(), user.login, user.email)


def signed_for(session: Session, issued: Pass) -> User:
    """The person that a pass was signed for. Refuses with Unauthenticated, as if it had never been, after a logout."""
    user = users.get(session, issued.subject)
    if user is None or (user.logged_out_at is not None and issued.issued_at <= user.logged_out_at):
        raise Unauthenticated
    return user


def _user(session: Session, context: Context, secret: str) -> Caller:
    try:
        issued = context.passes.read(Purpose.API, secret)
    except Expired as error:
        raise TokenExpired from error
    except NotValid as error:
        raise Unauthenticated from error
    return user_caller(signed_for(session, issued), context.settings.owners)


def _token(session: Session, secret: str, now: datetime) -> Caller:
    token = tokens.find(session, secret)
    if token is None:
        raise Unauthenticated
    if token.expires_at <= now:
        raise TokenExpired
    repositories = None if token.repositories is None else frozenset(token.repositories)
    return Caller(token.id, token.name, Role(token.role), repositories)


def require_role(caller: Caller, roles: tuple[Role, ...]) -> None:
    """Refuses with RoleRequired unless the caller has one of the roles."""
    if caller.role not in roles:
        raise RoleRequired(roles)
