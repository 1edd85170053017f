"""The GitHub App as app.yml describes it, and how GitHub makes it out of that.

https://docs.github.com/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import structlog
import yaml  # type: ignore[import-untyped]

from bot.payload import MalformedPayload, Readable

PATH = Path(__file__).parents[1] / "app.yml"
OUR_PLACE = "https://greenroom.example"  # what stands for PUBLIC_URL there
TIMEOUT_SECONDS = 10

log = structlog.get_logger(__name__)


class CodeRefused(Exception):
    """GitHub does not take its own code: it is good once, and for an hour."""


class GitHubUnavailable(Exception):
    """GitHub gave no answer that can be used; the message says what it did."""


@dataclass(frozen=True)
class NewApp(Readable):
    """What GitHub answers to a conversion, as far as we keep it."""

    id: int
    slug: str
    html_url: str
    client_id: str
    pem: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    client_secret: str = field(repr=False)


def manifest(public_url: str) -> dict[str, Any]:
    """app.yml, with this Greenroom's address where it belongs."""
    described: dict[str, Any] = _placed(yaml.safe_load(PATH.read_text(encoding="utf-8")), public_url)
    return described


def github_site(api_url: str) -> str:
    """Where people see what this API tells: github.com, a tenant of ghe.com, or a GitHub Enterprise Server."""
    parts = urlsplit(api_url)
    hosted = parts.netloc == "api.github.com" or parts.netloc.endswith(".ghe.com")
    return f"{parts.scheme}://{parts.netloc.removeprefix('api.') if hosted else parts.netloc}"


def new_app_address(api_url: str, organization: str, state: str) -> str:
    """Where a manifest is posted to; the App will be the organisation's, or with none named the person's own."""
    owner = f"organizations/{organization}/" if organization else ""
    return f"{github_site(api_url)}/{owner}settings/apps/new?state={quote(state)}"


def convert(api_url: str, code: str, transport: httpx.BaseTransport | None = None) -> NewApp:
    """The App that GitHub has made, for the code it gave. Raises CodeRefused and GitHubUnavailable."""
    url = f"{api_url}/app-manifests/{quote(code, safe='')}/conversions"
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, transport=transport) as client:
            answer = client.post(url, headers={"Accept": "application/vnd.github+json"})
    except httpx.TransportError as error:
        raise GitHubUnavailable(f"did not answer ({type(error).__name__})") from error
    if answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY):
        raise CodeRefused(str(answer.status_code))
    try:
        return NewApp.read(answer.raise_for_status().json())
    except (httpx.HTTPStatusError, ValueError, MalformedPayload) as error:
        log.warning("GitHub made no App that we understand", status=answer.status_code, reason=type(error).__name__)
        raise GitHubUnavailable(f"has trouble ({answer.status_code})") from error


def _placed(node: Any, public_url: str) -> Any:
    match node:
        case dict():
            return {name: _placed(value, public_url) for name, value in node.items()}
        case list():
            return [_placed(value, public_url) for value in node]
        case str():
            return node.replace(OUR_PLACE, public_url)
    return node
