"""A request as it comes in over HTTP, read into the models of an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from bot.api import strict_json
from bot.api.errors import PayloadTooLarge, UnsupportedMediaType
from bot.api.validation import checked, checked_query
from operations.errors import OperationError

LARGEST_BODY = 1024 * 1024


def raw_path(request: Request) -> str:
    """The path as it was sent: an encoded slash in it is part of a segment (a repository's name), not a separator."""
    decoded = (request.environ.get("SCRIPT_NAME", "") + request.environ.get("PATH_INFO", "")).encode("latin-1")
    sent: str = request.environ.get("RAW_URI", "").split("?", 1)[0]
    if unquote_to_bytes(sent) != decoded:
        sent = quote(decoded)
    return sent.removeprefix(quote(request.script_root))


def read_path(model: type[Any], values: Mapping[str, str]) -> Any:
    return None if model is NoneType else checked(model, dict(values))


def read_query(model: type[Any], request: Request) -> Any:
    """The query; of a parameter that is repeated the first counts, unless it is one that may be."""
    return None if model is NoneType else checked_query(model, request.args.to_dict(flat=False))


def read_body(model: type[Any], request: Request) -> Callable[[], Any]:
    """Reads the body now, while no transaction waits for the network, but says what is wrong with it when called."""
    try:
        value = None if model is NoneType else _body(model, request)
    except OperationError as refused:
        return _raising(refused)
    return lambda: value


def _body(model: type[Any], request: Request) -> Any:
    request.max_content_length = LARGEST_BODY
    try:
        raw = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise PayloadTooLarge(LARGEST_BODY) from error
    if raw and not request.is_json:
        raise UnsupportedMediaType
    return checked(model, strict_json.loads(raw) if raw else {})


def _raising(refused: OperationError) -> Callable[[], Any]:
    def refuse() -> Any:
        raise refused

    return refuse
