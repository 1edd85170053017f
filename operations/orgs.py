"""Salesforce orgs are registered and removed, each on the record."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from operations.errors import AliasTaken, OrgNotFound, UsernameRegistered
from storage import audit, orgs
from storage.audit import Actor
from storage.orgs import Org


def register_org(session: Session, org: Org, actor: Actor, *, now: datetime) -> None:
    """The org is known by its username and its alias. Refuses with UsernameRegistered, and AliasTaken for an alias
    that leads to another org already."""
    taken = orgs.find(session, org.username)
    if taken is not None and taken.username_key == org.username_key:
        raise UsernameRegistered
    if org.alias is not None and orgs.find(session, org.alias) is not None:
        raise AliasTaken(org.alias)
    session.add(org)
    try:
        session.flush()
    except IntegrityError as error:  # another caller registered it at this very moment
        raise UsernameRegistered from error
    audit.record(session, "org.registered", org.id, actor, now=now, username=org.username, alias=org.alias)


def remove_org(session: Session, org: Org, actor: Actor, *, now: datetime) -> None:
    """The org and the way into it are forgotten. Pools that name it stay, and fail until it is registered again."""
    session.delete(org)
    audit.record(session, "org.deleted", org.id, actor, now=now, username=org.username, alias=org.alias)


def find_org(session: Session, name: str) -> Org:
    """The org of this username or alias. Refuses with OrgNotFound."""
    org = orgs.find(session, name)
    if org is None:
        raise OrgNotFound(name)
    return org
