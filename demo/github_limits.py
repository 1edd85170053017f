"""How the simulated GitHub limits what an installation asks in an hour, and answers that have not changed.

https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from flask import Response, g, request

from demo.github_api import Refused, simulated


def limit() -> None:
    """Before a request of an installation: one is left of the hour, or it is refused."""
    token = simulated().tokens.get(request.headers.get("Authorization", "").partition(" ")[2])
    if token is None:
        return
    g.limited = (token.installation.id, "graphql" if request.path == "/graphql" else "core")
    if simulated().left(*g.limited) <= 0:
        raise Refused(403, f"API rate limit exceeded for installation ID {token.installation.id}.")


def tell(answer: Response) -> Response:
    """What is left is told with every answer; one that has not changed costs nothing."""
    if request.method == "GET" and answer.status_code == 200:
        seen_by = request.headers.get("Authorization", "").encode()
        answer.set_etag(hashlib.sha256(seen_by + answer.get_data()).hexdigest())
        answer.make_conditional(request)
    if "limited" in g:
        if answer.status_code != 304:
            simulated().spend(*g.limited)
        answer.headers["X-RateLimit-Limit"] = str(simulated().an_hour)
        answer.headers["X-RateLimit-Remaining"] = str(simulated().left(*g.limited))
        answer.headers["X-RateLimit-Reset"] = str(int(next_hour(simulated().clock()).timestamp()))
        answer.headers["X-RateLimit-Resource"] = g.limited[1]
    return answer


def next_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
