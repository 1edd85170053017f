"""Operations declared once: method, path, roles, and everything else in the types of their views."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from http import HTTPStatus
from operator import or_
from typing import Any, TypeVar, get_args, get_type_hints
from urllib.parse import unquote

from flask import Request, Response, g
from pydantic import TypeAdapter

from bot.api.auth import NOBODY, Caller, authenticate, require_role
from bot.api.call import AnyCall, Call, Secrets
from bot.api.errors import MethodNotAllowed, RouteNotFound, Unauthenticated
from bot.api.fields import RoutedFields
from bot.api.incoming import raw_path, read_body, read_path, read_query
from bot.api.sight import read_or_none, with_sight
from bot.context import Context
from bot.github.web import WebGitHub
from bot.parking.door import ASKED_AGAIN, PARKABLE, PARKING, Parking
from bot.rates import Turnstile
from operations import expire
from operations.errors import LockWaitTimeout, OperationError
from operations.hand_over import end_past_due_leases
from storage import assignments, locks
from storage.tokens import Role

PREFIX = "/sfp/api"
EXPIRED_AT_ONCE = 100
LONGEST_AGENT = 512  # characters; it is whatever a client says

View = TypeVar("View", bound=Callable[[Any], Any])
Item = TypeVar("Item")


class Page(list[Item]):
    """A part of a bare array, of which there are `total` in all."""

    def __init__(self, items: Iterable[Item], total: int) -> None:
        super().__init__(items)
        self.total = total


@dataclass(frozen=True)
class Redirect:
    """An answer that leads elsewhere, by a link that nobody but the caller may get to know."""

    url: str

    def response(self) -> Response:
        headers = {"Location": self.url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return Response(status=HTTPStatus.FOUND, headers=headers)


@dataclass(frozen=True)
class Operation:
    """One method of one path. `path`, `query` and `body` are NoneType where the operation takes none."""

    method: str
    template: str
    roles: tuple[Role, ...]
    summary: str
    refuses: tuple[type[OperationError], ...]
    status: HTTPStatus
    view: Callable[[AnyCall], Any]
    path: type[Any]
    query: type[Any]
    body: type[Any]
    answer: TypeAdapter[Any]
    redirects: bool

    def __str__(self) -> str:
        return f"{self.method} {PREFIX}{self.template}"

    @property
    def segments(self) -> list[str]:
        return _segments(self.template)

    def values(self, path: Sequence[str]) -> dict[str, str] | None:
        """What the path gives to the template's parameters; None if it is another path."""
        own = self.segments
        if len(own) != len(path) or not all(map(_fits, own, path)):
            return None
        values = {name[1:-1]: unquote(value) for name, value in zip(own, path, strict=True) if _is_parameter(name)}
        return None if issubclass(self.path, RoutedFields) and not self.path.fits(values) else values

    def render(self, result: Any) -> Response:
        """The answer as JSON; a bare array says how many there are in all (contract section 1, paging)."""
        if isinstance(result, Redirect):
            return result.response()
        if self.status == HTTPStatus.NO_CONTENT:
            return Response(status=self.status)
        body = self.answer.dump_json(result, by_alias=True, exclude_unset=True)
        response = Response(body, self.status, mimetype="application/json")
        if isinstance(result, list):
            response.headers["X-Total-Count"] = str(result.total if isinstance(result, Page) else len(result))
        return response


class Routes:
    """The operations of one file. The types of a view say what it takes and gives: Call[path, query, body] → answer."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def add(
        self,
        method: str,
        template: str,
        roles: tuple[Role, ...],
        summary: str,
        *,
        refuses: tuple[type[OperationError], ...] = (),
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Callable[[View], View]:
        """Declares the view below as this operation; `refuses` are the refusals that the contract lists for it."""

        def declare(view: View) -> View:
            hints = get_type_hints(view)
            path, query, body = get_args(hints["call"])
            shown, redirects = _shown(hints["return"])
            answer: TypeAdapter[Any] = TypeAdapter(shown)
            self.operations.append(
                Operation(method, template, roles, summary, refuses, status, view, path, query, body, answer, redirects)
            )
            return view

        return declare


class Api:
    """Answers requests below PREFIX. Checks come in the order of contract 13.9."""

    def __init__(
        self, context: Context, operations: Sequence[Operation], turnstile: Turnstile, github: WebGitHub
    ) -> None:
        self._context = context
        self._github = github
        self._turnstile = turnstile
        static_first = sorted(operations, key=lambda operation: [*map(_is_parameter, operation.segments)])
        self._operations = static_first

    def answer(self, request: Request) -> Response:
        """The operation's answer. Raises an OperationError for everything that is refused."""
        operation, values = self._find(request.method, raw_path(request))
        g.operation = str(operation)
        now = self._context.clock()
        caller = self._caller(operation, request, now)
        g.caller = caller.name
        path = read_path(operation.path, values)
        query = read_query(operation.query, request)
        body = read_body(operation.body, request)
        call = Call(
            context=self._context,
            github=self._github,
            caller=with_sight(self._context, self._github, caller, [path, query, read_or_none(body)]),
            operation=g.operation,
            request_id=g.request_id,
            origin={"ip_address": request.remote_addr, "user_agent": request.user_agent.string[:LONGEST_AGENT]},
            now=now,
            path=path,
            query=query,
            secrets=Secrets(self._context.vault, allowed=caller.may_see_secrets),
            _body=body,
        )
        try:
            return operation.render(operation.view(call))
        except LockWaitTimeout as queued:
            if PARKABLE in request.environ:
                request.environ[PARKING] = Parking(queued.number, queued.patience)
            raise

    def _find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        segments = _segments(path.removeprefix(PREFIX))
        matches = [(operation, operation.values(segments)) for operation in self._operations]
        found = [(operation, values) for operation, values in matches if values is not None]
        if not found or "\0" in unquote(path):
            raise RouteNotFound(method, path)
        own = [(operation, values) for operation, values in found if operation.template == found[0][0].template]
        for operation, values in own:
            if operation.method == ("GET" if method == "HEAD" else method):
                return operation, values
        allowed = {operation.method for operation, _ in own}
        raise MethodNotAllowed(method, path, sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))

    def _caller(self, operation: Operation, request: Request, now: datetime) -> Caller:
        """Who asks, if not too often, and if its role may. What is past its time is expired before all else (4.5)."""
        if not operation.roles:
            self._turnstile.pass_address(request.remote_addr)
            return NOBODY
        try:
            with self._context.database.reading() as session:
                caller = authenticate(session, self._context, request.headers.get("Authorization", ""), now=now)
                past_due = assignments.any_past_due(session, now=now)
                leases_ended = locks.any_past_due(session, now=now)
        except Unauthenticated:
            self._turnstile.pass_address(request.remote_addr)
            raise
        if ASKED_AGAIN not in request.environ:
            self._turnstile.pass_token(caller.id)
        require_role(caller, operation.roles)
        while past_due:
            with self._context.database.transaction() as session:
                past_due = expire.expire_past_due(session, now=now, limit=EXPIRED_AT_ONCE) == EXPIRED_AT_ONCE
        while leases_ended:
            with self._context.database.transaction() as session:
                leases_ended = end_past_due_leases(session, now=now, limit=EXPIRED_AT_ONCE) == EXPIRED_AT_ONCE
        return caller


def _shown(answer: Any) -> tuple[Any, bool]:
    """What of a view's answer is shown as JSON, and whether it may be a Redirect instead."""
    kinds = get_args(answer)
    if Redirect not in kinds:
        return answer, False
    return reduce(or_, [kind for kind in kinds if kind is not Redirect]), True


def _segments(path: str) -> list[str]:
    return path.removesuffix("/").split("/")[1:]


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{")


def _fits(own: str, given: str) -> bool:
    return given != "" if _is_parameter(own) else own == unquote(given)
