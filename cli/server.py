"""Asks the REST API, and says in a sentence what went wrong when it does not answer as hoped."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx

from cli.failures import Exit, Failure, Misuse
from cli.text import clean, length

API = "/sfp/api"
PATIENCE_SECONDS = 30.0
LONGEST_QUOTE = 200

# What would help, for refusals whose own sentence does not say it.
ADVICE: Mapping[str, str] = {
    "AMBIGUOUS_ASSIGNMENT": "Name the domain with --domain: {domains}",
    "ASSIGNMENT_NOT_FOUND": "greenroom env list shows who has one.",
    "ENVIRONMENT_IN_USE": "--wait waits until it is free.",
    "LOCK_ALREADY_HELD": "greenroom lock wait waits with its ticket: {ticketId}",
    "NO_POOL_MATCH": "Name a pool with --pool; greenroom pool list shows them.",
    "POOL_EXHAUSTED": "--wait waits for one; the next may be free in {later}.",
    "POOL_NOT_FOUND": "greenroom pool list shows the pools; is --repo right?",
    "ROLE_REQUIRED": "An owner can make a token with such a role: greenroom token create --role …",
    "TOKEN_EXPIRED": "The token has expired. A new one: greenroom token create …",
    "UNAUTHENTICATED": "The server does not know the token: give one of this server with GREENROOM_TOKEN or --token.",
}
NOT_NOW = {"POOL_EXHAUSTED", "ENVIRONMENT_IN_USE", "RUN_IN_PROGRESS", "LOCK_ALREADY_HELD", "LOCK_WAIT_TIMEOUT"}
TOO_OFTEN = 429


class Refused(Failure):
    """The API said no, in its own words. `retry_after` is in seconds, None where it said nothing of that."""

    def __init__(self, body: Mapping[str, Any], retry_after: float | None) -> None:
        self.code = str(body.get("code", ""))
        self.details: Mapping[str, Any] = body.get("details") or {}
        self.retry_after = retry_after
        super().__init__(clean(_all_problems(self.details) or str(body["message"])), self._advice())

    def _advice(self) -> str:
        moved_to = self.details.get("transitionedTo")
        if self.code == "ASSIGNMENT_NOT_FOUND" and moved_to:
            return clean(f"It was handed on to {moved_to}.")
        known = {
            "ticketId": self.details.get("ticketId", ""),
            "domains": ", ".join(map(str, self.details.get("domains", ()))),
            "later": length(timedelta(seconds=self.retry_after or 0)),
        }
        return clean(ADVICE.get(self.code, "").format_map(known))


class NotNow(Refused):
    """The same question may be answered otherwise later."""

    exit_code = Exit.NOT_NOW


class Broken(Refused):
    """The server is there, and in trouble."""

    exit_code = Exit.AWAY


class Away(Failure):
    """Nothing that is a Greenroom answers there, for now or at all."""

    exit_code = Exit.AWAY


class Server:
    """A Greenroom at an address, asked with one token. The token is in no message and no repr of it."""

    def __init__(self, address: str, token: str) -> None:
        self.address = _checked_address(address)
        url = httpx.URL(self.address)
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {_checked_token(token)}", "Accept": "application/json"},
            # Reading the certificates takes 0.1 s, which plain http need not wait for.
            verify=url.scheme == "https",
            # A proxy of the environment does not lead to this machine.
            trust_env=url.host not in ("127.0.0.1", "localhost", "::1"),
        )

    def close(self) -> None:
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        seconds: float = PATIENCE_SECONDS,
    ) -> Any:
        """The answer's JSON. What is None in the query or the body is left out. Raises Refused, and Away."""
        try:
            response = self._client.request(
                method,
                f"{self.address}{API}{path}",
                params=_given(query or {}),
                json=_given(body) if isinstance(body, Mapping) else body,
                timeout=seconds,
            )
        except httpx.TimeoutException as error:
            raise Away(f"{self.address} did not answer within {seconds:g} seconds") from error
        except httpx.HTTPError as error:
            raise Away(f"{self.address} cannot be reached ({_reason(error)})", _is_it_running(self.address)) from error
        return self._read(response)

    def _read(self, response: httpx.Response) -> Any:
        try:
            answer = json.loads(response.content)
        except ValueError:
            answer = None
        if response.is_success and answer is not None:
            return answer
        if response.is_redirect:
            raise Away(f"{self.address} leads elsewhere: set --server to where Greenroom itself is")
        if not isinstance(answer, dict) or "message" not in answer:
            raise Away(
                f"{self.address} answered {response.status_code} with something that is not Greenroom's",
                "It may be starting, or a proxy in front of it may be in trouble."
                if response.is_server_error
                else "Is --server, or GREENROOM_URL, the address of a Greenroom?",
            )
        raise _refusal(response, answer)


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def local_address() -> str:
    """Where a Greenroom of this machine listens: as `greenroom up` reads HOST and PORT."""
    host = os.environ.get("HOST") or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{os.environ.get('PORT') or 8000}"


def _checked_address(address: str) -> str:
    """The address without what follows the server. Its value is in no message: somebody's password may be in it."""
    try:
        url = httpx.URL(address.strip())
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise Misuse("--server, or GREENROOM_URL, must be an address like https://greenroom.example")
    return str(url.copy_with(query=None, fragment=None)).rstrip("/").removesuffix(API)


def _checked_token(token: str) -> str:
    """A token that can be sent. One that cannot is not quoted by any library either."""
    token = token.strip()
    if not token:
        raise Misuse(
            "No token is given",
            "Set GREENROOM_TOKEN, or --token. On the machine of the server:\n"
            "  export GREENROOM_TOKEN=$(./greenroom token create --role owner --name me)",
        )
    if not all("!" <= character <= "~" for character in token):
        raise Misuse("The token has blanks or other characters that no token has: is it whole?")
    return token


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _refusal(response: httpx.Response, body: Mapping[str, Any]) -> Refused:
    kind = Refused
    if body.get("code") in NOT_NOW or response.status_code == TOO_OFTEN:
        kind = NotNow
    elif response.is_server_error and body.get("code") != "PROVIDER_ERROR":
        kind = Broken
    return kind(body, _seconds(response.headers.get("Retry-After")))


def _all_problems(details: Mapping[str, Any]) -> str:
    problems = details.get("errors")
    if not isinstance(problems, list):
        return ""
    return "; ".join(f"{problem.get('field')} {problem.get('message')}" for problem in problems)


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else None


def _reason(error: httpx.HTTPError) -> str:
    """What the system says, without the library's words around it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return clean(cause.strerror)
        cause = cause.__cause__ or cause.__context__
    return clean(str(error))[:LONGEST_QUOTE] or type(error).__name__


def _is_it_running(address: str) -> str:
    if address == local_address():
        return "Start one with ./greenroom up, or name another with --server or GREENROOM_URL."
    return "Is it running, and is --server, or GREENROOM_URL, right?"
