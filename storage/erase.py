"""Erase: a repository is forgotten with all that was ever known of it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, Table, delete, or_, select
from sqlalchemy.orm import Session

from storage.deliveries import Delivery, DeliveryState
from storage.environments import Environment, EnvironmentState
from storage.installations import Installation
from storage.pools import Pool
from storage.rates import Rate
from storage.repositories import Repository, of_installation
from storage.submissions import Submission
from storage.tables import metadata
from storage.tasks import Task, TaskState
from storage.threads import Thread

KEPT = ("audit",)  # append-only


def is_quiet(session: Session, repository: Repository) -> bool:
    """Whether none of its environments is left at a provider, and no worker has something of it in hand."""
    in_hand: list[Select[str]] = [
        select(Environment.id).where(
            Environment.pool_id.in_(_pools(repository)), Environment.state != EnvironmentState.ARCHIVED
        ),
        select(Task.id).where(Task.serial_key.in_(_serial_keys(session, repository)), Task.state == TaskState.ACTIVE),
        select(Delivery.guid).where(_delivered_for(repository), Delivery.state == DeliveryState.ACTIVE),
    ]
    return not any(session.scalars(query.limit(1)).first() for query in in_hand)


def erase(session: Session, repository: Repository) -> None:
    """No table knows the repository any more, nor its installation if that has no other; the audit log stays.

    The caller has seen in the same transaction that it is quiet.
    """
    session.execute(delete(Task).where(Task.serial_key.in_(_serial_keys(session, repository))))
    session.execute(delete(Delivery).where(_delivered_for(repository)))
    for table in reversed(metadata.sorted_tables):  # what is referred to comes after what refers to it
        mine = _belonging(table, repository)
        if mine is not None:
            session.execute(delete(table).where(mine))
    session.delete(repository)
    session.flush()
    if repository.installation_id is not None and not of_installation(session, repository.installation_id):
        session.execute(delete(Delivery).where(Delivery.serial_key == f"installation:{repository.installation_id}"))
        session.execute(delete(Rate).where(Rate.installation_id == repository.installation_id))
        session.execute(delete(Installation).where(Installation.id == repository.installation_id))


def _belonging(table: Table, repository: Repository) -> ColumnElement[bool] | None:
    """Which rows of the table are the repository's; None if the table has nothing of repositories."""
    if table.name in KEPT:
        return None
    if "repository_id" in table.c:
        return table.c.repository_id == repository.id
    if "pool_id" in table.c:
        return table.c.pool_id.in_(_pools(repository))
    if "thread_id" in table.c:
        return table.c.thread_id.in_(_threads(repository))
    return None


def _pools(repository: Repository) -> Select[str]:
    return select(Pool.id).where(Pool.repository_id == repository.id)


def _threads(repository: Repository) -> Select[str]:
    return select(Thread.id).where(Thread.repository_id == repository.id)


def _submissions(repository: Repository) -> Select[str]:
    return select(Submission.id).where(Submission.repository_id == repository.id)


def _serial_keys(session: Session, repository: Repository) -> list[str]:
    """The serial keys of every task about the repository."""
    pools, threads = list(session.scalars(_pools(repository))), list(session.scalars(_threads(repository)))
    environments = session.scalars(select(Environment.id).where(Environment.pool_id.in_(pools)))
    return [
        *(f"{kind}:{id}" for kind in ("thread", "settle") for id in threads),
        *(f"environment:{id}" for id in environments),
        *(f"{kind}:{id}" for kind in ("serve", "replenish") for id in pools),
        *(f"submission:{id}" for id in session.scalars(_submissions(repository))),
        f"configure:{repository.id}",
    ]


def _delivered_for(repository: Repository) -> ColumnElement[bool]:
    """Its deliveries, by the key under which the webhook door stored them."""
    return or_(
        Delivery.serial_key == str(repository.github_id),
        Delivery.serial_key.startswith(f"{repository.github_id}#"),
    )
