"""The JSON Schema of a `greenroom.yml`, made from its types, for editors that complete and check it."""

from __future__ import annotations

import json
from functools import cache

from flask import Blueprint, Response

from bot.policy.keys import PATH, Policy

PUBLISHED = "/greenroom.schema.json"


@cache
def schema_text() -> str:
    """JSON Schema 2020-12."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Policy.model_json_schema(),
        "title": PATH,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def blueprint() -> Blueprint:
    """Serves it to anybody."""
    pages = Blueprint("policy_schema", __name__)

    @pages.get(PUBLISHED)
    def show() -> Response:
        return Response(schema_text(), content_type="application/schema+json")

    return pages
