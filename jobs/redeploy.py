"""A commit is deployed once more: the provider is asked, and looked at until it is done."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy.orm import Session

from bot import comments
from jobs.workshop import Later, Workshop
from operations.redeploy import finish
from providers.provider import Provider, ProviderError, State
from storage import notices, pools
from storage.assignments import Assignment, AssignmentStatus
from storage.audit import BOT, Actor
from storage.environments import Environment
from storage.notices import NoticeKind
from storage.redeployments import Redeployment
from storage.tasks import Task
from storage.threads import Thread

LOOKS_EVERY = timedelta(seconds=15)
PUSHED = "it was pushed to before that"
GIVEN_BACK = "it was given back before that"

log = structlog.get_logger(__name__)


def redeploy(shop: Workshop, task: Task) -> Later | None:
    """The environment has the commit, or it is on record why not.

    Its fence was committed before the call, so that the same call again changes nothing, and a call that comes too
    late is refused. How long all this may take, the sweep says (operations/redeploy.py).
    """
    visit = _Visit(shop, task)
    try:
        return visit.make()
    except ProviderError as refused:
        if refused.permanent:
            visit.finish(refused.message)
            return None
        log.warning("not redeployed yet", task=task.id, reason=refused.message)
        return Later(shop.clock() + LOOKS_EVERY)


class _Visit:
    """One look at one redeployment."""

    def __init__(self, shop: Workshop, task: Task) -> None:
        self._shop = shop
        self._task = task
        self._id: str = task.payload["redeployment_id"]

    def make(self) -> Later | None:
        with self._shop.database.reading() as session:
            wanted = session.get(Redeployment, self._id)
            if wanted is None or not wanted.is_under_way:
                return None
            obstacle = _obstacle(session, wanted)
            environment = session.get_one(Environment, wanted.environment_id)
            pool = pools.get(session, environment.pool_id)
            provider = self._shop.context.provider(pools.repository_of(session, pool), pool)
        if obstacle is not None:
            self.finish(obstacle)
            return None
        if wanted.requested_at is None:
            provider.redeploy(environment.name, wanted.revision, wanted.fence)
            self._requested()
        return self._look(provider, environment.name, wanted)

    def finish(self, error: str | None) -> None:
        """Also told to who asked, if another push came first: they have to ask again (bot-behaviour 4.3, rule 13)."""
        now, actor = self._shop.clock(), Actor(BOT, request=f"task:{self._task.id}")
        with self._shop.step(self._task) as session:
            wanted = session.get_one(Redeployment, self._id, with_for_update=True)
            finish(session, wanted, error, actor, now=now)
            if error == PUSHED:
                notices.tell(session, wanted.thread_id, NoticeKind.REFUSED, wanted.id, told=wanted.asked_by,
                             sentence=comments.not_redeployed(wanted.revision), now=now)  # fmt: skip
        log.info("redeployed" if error is None else "not redeployed", task=self._task.id, reason=error)

    def _requested(self) -> None:
        with self._shop.step(self._task) as session:
            session.get_one(Redeployment, self._id).requested_at = self._shop.clock()

    def _look(self, provider: Provider, name: str, wanted: Redeployment) -> Later | None:
        seen = provider.inspect(name)
        if seen is None or seen.state is State.FAILED:
            self.finish("it is not found at the provider" if seen is None else seen.message)
        elif seen.revision == wanted.revision and seen.fence >= wanted.fence:
            self.finish(None)
        else:
            return Later(self._shop.clock() + LOOKS_EVERY)
        return None


def _obstacle(session: Session, wanted: Redeployment) -> str | None:
    """Why it is not to be done any more."""
    assignment = session.get_one(Assignment, wanted.assignment_id)
    environment = session.get_one(Environment, wanted.environment_id)
    if assignment.status != AssignmentStatus.ACTIVE or environment.fence != wanted.fence:
        return GIVEN_BACK
    is_asked = wanted.requested_at is not None
    pushed = session.get_one(Thread, wanted.thread_id).head_sha != wanted.revision
    return PUSHED if pushed and not is_asked else None
