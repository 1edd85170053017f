"""Who the caller is, as Greenroom sees it (contract 10.3)."""

from __future__ import annotations

from bot.api.auth import READ
from bot.api.call import Call
from bot.api.fields import Answer
from bot.api.router import Routes
from storage.tokens import Role

routes = Routes()


class MeAnswer(Answer):
    id: str
    name: str
    email: str | None
    role: Role


@routes.add("GET", "/users/me", READ, "Get the caller")
def get_me(call: Call[None, None, None]) -> MeAnswer:
    """A token's role is the one that it was made with (13.1)."""
    caller = call.caller
    assert caller.id is not None, "only a public operation is called by nobody"
    return MeAnswer(id=caller.id, name=caller.name, email=None, role=caller.role)
