"""How long a request may wait for a lock: a bounded long poll (contract section 6)."""

from __future__ import annotations

from typing import Annotated

from bot.api.fields import Between, Count, QueryInteger

PATIENCE = 25  # seconds
SHORTEST, LONGEST = 1, 55

Patience = Annotated[Count, Between(SHORTEST, LONGEST)]
QueryPatience = Annotated[QueryInteger, Between(SHORTEST, LONGEST)]
