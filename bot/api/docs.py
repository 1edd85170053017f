"""The API's description for programs and for people: /sfp/api/openapi.json and /sfp/api/docs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, render_template, request
from markupsafe import Markup, escape
from werkzeug.routing import Rule

from bot.api.errors import MethodNotAllowed
from bot.api.fields import NO_NUL
from bot.api.incoming import raw_path
from bot.api.openapi import JSON, document
from bot.api.router import PREFIX, Operation
from bot.api.schemas import REF

POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
FRESH_SECONDS = 300


def blueprint(operations: Sequence[Operation], public_url: str) -> Blueprint:
    """Both pages, made when they are first asked for, open to everybody. Refuses what is no GET: MethodNotAllowed."""
    pages = Blueprint(
        "docs", __name__, url_prefix=PREFIX, template_folder="templates",
        static_folder="static", static_url_path="/docs/static",
    )  # fmt: skip
    pages.add_app_template_filter(_code, "code")
    pages.add_app_template_filter(_breakable, "breakable")
    described = cache(lambda: document(operations, public_url))

    @cache
    def text() -> str:
        return json.dumps(described(), ensure_ascii=False, separators=(",", ":"))

    @cache
    def page() -> str:
        return render_template("docs.html", document=described(), areas=list(_areas(described())))

    _serve(pages, "/openapi.json", "openapi", JSON, text)
    _serve(pages, "/docs", "page", "text/html", page)
    return pages


def _serve(pages: Blueprint, path: str, endpoint: str, mimetype: str, content: Callable[[], str]) -> None:
    """Any method arrives here: without that the operations' router would say that there is no such path."""

    def view() -> Response:
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(request.method, raw_path(request), ["GET", "HEAD"])
        body = content().encode()
        response = Response(body, HTTPStatus.OK, mimetype=mimetype)
        response.set_etag(sha256(body).hexdigest()[:32])
        response.cache_control.public = True
        response.cache_control.max_age = FRESH_SECONDS
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.make_conditional(request)
        return response

    pages.record(lambda state: state.app.url_map.add(Rule(f"{PREFIX}{path}", endpoint=f"docs.{endpoint}")))
    pages.record(lambda state: state.app.view_functions.update({f"docs.{endpoint}": view}))


def _areas(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The tags with their operations, as the page shows them."""
    for tag in described["tags"]:
        operations = [
            _shown(described, path, method, operation)
            for path, methods in described["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        yield {**tag, "operations": operations}


def _shown(described: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {}).get(JSON)
    schema = _resolved(described, content["schema"]) if content else {}
    status, answer = next(iter(operation["responses"].items()))
    return {
        **operation,
        "method": method.upper(),
        "path": path,
        "fields": [
            {"name": name, "required": name in schema.get("required", ()), **_words(described, field)}
            for name, field in schema.get("properties", {}).items()
        ],
        "parameters": [{**given, **_words(described, given["schema"])} for given in operation["parameters"]],
        "status": status,
        "answer": _pretty(answer["content"][JSON].get("example")) if "content" in answer else "",
        "refusals": [_refused(described, code) for code in _codes(operation)],
        "curl": _curl(described["servers"][0]["url"], path, method, operation, content),
    }


def _resolved(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").removeprefix(REF)
    found: dict[str, Any] = described["components"]["schemas"].get(name, {})
    return {**found, **schema}


def _codes(operation: dict[str, Any]) -> list[str]:
    answers = [answer["content"][JSON] for answer in operation["responses"].values() if "content" in answer]
    return [code for answer in answers for code in answer.get("examples", ())]


def _refused(described: dict[str, Any], code: str) -> dict[str, Any]:
    refused: dict[str, Any] = described["components"]["examples"][code]["value"]
    return refused


def _words(described: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    """What a value must be, in words: its type, its bounds, its default."""
    choices = [choice for choice in field.get("anyOf", [field]) if choice != {"type": "null"}]
    schema = _resolved(described, choices[0])
    kind = schema.get("type", "any")
    if kind == "array":
        inner = _words(described, schema["items"])
        return {"kind": f"array of {inner['kind']}s", "rules": inner["rules"], "default": None}
    rules = [*_bounds(schema)]
    if "enum" in schema:
        rules.append("one of " + ", ".join(schema["enum"]))
    default = field.get("default")
    return {"kind": kind, "rules": rules, "default": None if default is None else json.dumps(default)}


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    if "minimum" in schema:
        yield f"{schema['minimum']:g} to {schema['maximum']:g}"
    if "maxLength" in schema:
        yield f"{schema.get('minLength', 1)} to {schema['maxLength']} characters"
    if "const" in schema:
        yield f"always {schema['const']}"
    if schema.get("pattern", NO_NUL) != NO_NUL:
        yield schema["pattern"]


def _curl(server: str, path: str, method: str, operation: dict[str, Any], content: dict[str, Any] | None) -> str:
    """A command for a shell that has a token in $TOKEN."""
    query = {}
    for given in operation["parameters"]:
        value = str(given.get("example", given["name"]))
        if given["in"] == "path":
            path = path.replace(f"{{{given['name']}}}", quote(value, safe=""))
        elif given["required"]:
            query[given["name"]] = value
    url = f"{server}{path}" + (f"?{urlencode(query)}" if query else "")
    parts = [f"curl -X {method.upper()} {shlex.quote(url)}"]
    if operation["security"]:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    if content:
        parts += [f"-H 'Content-Type: {JSON}'", f"-d {shlex.quote(_pretty(content.get('example', {})))}"]
    return " \\\n  ".join(parts)


def _code(text: str) -> Markup:
    """What stands between backticks as code."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(text.split("`"))
    )


def _breakable(name: str) -> Markup:
    """A long name, which a narrow screen may break after its separators."""
    return Markup(re.sub("([/_])", r"\1<wbr>", str(escape(name))))


def _pretty(example: Any) -> str:
    return json.dumps(example, ensure_ascii=False, indent=2)
