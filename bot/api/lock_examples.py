"""Examples of requests about the locks of dedicated environments and of answers (contract section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.api.environment_examples import UNLOCKED
from bot.api.examples import TICKET

ASKING = {"durationSeconds": 3600, "reason": "Deployment in progress", "requestedBy": "deploy-bot"}
LENGTH = {"duration": 60, "durationSeconds": 3600}
OF_PROD = {"environmentId": UNLOCKED["id"], "environmentName": "prod"}
HELD = {
    "ticketId": TICKET,
    "status": "acquired",
    **OF_PROD,
    **LENGTH,
    "queuePosition": 0,
    "estimatedWaitSeconds": 0,
    "expiresAt": "2024-01-15T15:30:00Z",
    "fence": 7,
}
ACCESS = {
    "ticketId": TICKET,
    "status": "acquired",
    **OF_PROD,
    "duration": 60,
    "expiresAt": "2024-01-15T15:30:00Z",
    "fence": 7,
    "salesforceUsername": "admin@example.com",
    "instanceUrl": "https://example.my.salesforce.com",
    "accessToken": "00D…",
}
DONE = {
    "message": "Environment unlocked successfully", "ticketId": TICKET, "environmentId": UNLOCKED["id"],
}  # fmt: skip

_PLACES = ("/sfp/api/environments/{id}", "/sfp/api/environments/by-name/{name}")

BODIES: Mapping[str, Any] = {
    **{f"POST {place}/lock": ASKING for place in _PLACES},
    **{f"POST {place}/lock/{{ticketId}}/renew": {"durationSeconds": 3600} for place in _PLACES},
}

ANSWERS: Mapping[str, Any] = {
    **{f"POST {place}/lock": HELD for place in _PLACES},
    **{f"POST {place}/lock/{{ticketId}}/renew": HELD for place in _PLACES},
    **{f"{method} {place}/lock/{{ticketId}}/wait": ACCESS for place in _PLACES for method in ("GET", "POST")},
    **{f"POST {place}/wait": ACCESS for place in _PLACES},
    **{f"DELETE {place}/lock/{{ticketId}}": DONE for place in _PLACES},
    **{f"POST {place}/unlock": DONE for place in _PLACES},
}
