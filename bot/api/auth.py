"""Who asks: a bearer token, what its role may do and which repositories it sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.api.errors import RoleRequired, TokenExpired, Unauthenticated
from storage import tokens
from storage.tokens import Role

# Which roles an operation is for, in the order in which its refusal names them.
PUBLIC: tuple[Role, ...] = ()
READ = (Role.OWNER, Role.APPLICATION, Role.MEMBER)
CHANGE = (Role.OWNER, Role.APPLICATION)
OWN = (Role.OWNER,)


@dataclass(frozen=True)
class Caller:
    """`repositories` are the names in lower case that it sees; None is every one."""

    id: str | None
    name: str
    role: Role
    repositories: frozenset[str] | None

    def sees(self, repository: str) -> bool:
        return self.repositories is None or repository.lower() in self.repositories

    @property
    def may_see_secrets(self) -> bool:
        return self.role in CHANGE


NOBODY = Caller(None, "nobody", Role.MEMBER, frozenset())


def authenticate(session: Session, authorization: str, *, now: datetime) -> Caller:
    """The caller whose token the header carries. Refuses with Unauthenticated, or TokenExpired: there is no grace."""
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    token = tokens.find(session, secret.strip())
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
