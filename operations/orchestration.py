"""The order in which a repository's dedicated environments of one category are to be worked on (contract E3, E4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from operations.errors import InvalidEnvironmentNames
from storage import audit, dedicated
from storage.audit import Actor
from storage.repositories import Repository


def order_of(session: Session, repository: Repository, category: str, *, include_inactive: bool = False) -> list[str]:
    """Names: first those that have a place in the order, then the others by name."""
    everything = dedicated.of_category(session, repository.id, category)
    return [environment.name for environment in everything if environment.is_active or include_inactive]


def set_order(
    session: Session, repository: Repository, category: str, names: Sequence[str], actor: Actor, *, now: datetime
) -> None:
    """These come in this order; whoever is not named, active or not, has no place in it any more.

    Refuses with InvalidEnvironmentNames for names that are not there, or there twice.
    """
    dedicated.hold(session, repository.id)
    everything = {found.name: found for found in dedicated.of_category(session, repository.id, category)}
    wrong = [name for name, count in Counter(names).items() if count > 1 or name not in everything]
    if wrong:
        raise InvalidEnvironmentNames(wrong)
    places = {name: place for place, name in enumerate(names, start=1)}
    for environment in everything.values():
        if environment.orchestration_order != places.get(environment.name):
            environment.orchestration_order = places.get(environment.name)
            environment.version += 1
            environment.updated_by = actor.name
            environment.updated_at = now
    session.flush()
    audit.record(session, "repository.environments_ordered", repository.id, actor, now=now,
                 repository_id=repository.id, category=category, order=list(names))  # fmt: skip
