"""Which repositories a person sees: those that they can read on GitHub (contract section 1, visibility)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from bot.api.auth import Caller
from bot.context import Context
from bot.github.web import WebGitHub
from operations.errors import OperationError
from storage import dedicated, pools


def with_sight(context: Context, github: WebGitHub, caller: Caller, asked: list[Any]) -> Caller:
    """The caller, a person with what they can read of the repositories that the request is about.

    GitHub is asked here, before any transaction: about those that the request names, else about all that have pools
    or dedicated environments.
    """
    if caller.login is None:
        return caller
    names = {name for part in asked for name in _named(part)}
    if not names:
        with context.database.reading() as session:
            names = {repository.full_name for _, repository in pools.listed(session, seen=None)}
            names |= dedicated.repository_names(session)
    return replace(caller, repositories=github.readable(caller.login, names))


def read_or_none(body: Callable[[], Any]) -> Any:
    """The body, if it can be read: what is wrong with it is not said before what its path names was looked up."""
    try:
        return body()
    except OperationError:
        return None


def _named(part: Any) -> Iterator[str]:
    """The repositories that a path, a query or a body names."""
    for field in ("repository_identifier", "repository"):
        if isinstance(name := getattr(part, field, None), str):
            yield name
    yield from getattr(part, "repositories", None) or ()
