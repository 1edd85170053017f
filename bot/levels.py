"""What someone may do in a repository, as GitHub names its roles."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """A higher level includes the lower ones."""

    NONE = 0
    READ = 1
    TRIAGE = 2
    WRITE = 3
    MAINTAIN = 4
    ADMIN = 5


LEVELS = {level.name.lower(): level for level in Level}


@dataclass(frozen=True)
class Standing:
    """What someone may do, and in which of the teams that the policy names they are."""

    level: Level
    teams: frozenset[str] = frozenset()
