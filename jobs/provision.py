"""One environment and its provider: does what the row's state asks for, and looks until it is done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from jobs.workshop import Later, Workshop
from operations import environments as life
from operations.environments import Facts
from providers.provider import Credentials, Instance, NotReady, Provider, ProviderError, State, TooYoung
from storage import environments, pools
from storage.environments import IN_MOTION, Environment, EnvironmentState
from storage.tasks import Task
from storage.vault import Vault

Change = Callable[[Session, Environment, datetime], None]

SOONEST, LATEST = timedelta(seconds=1), timedelta(seconds=60)


def provision(shop: Workshop, task: Task) -> Later | None:
    """The environment is one step nearer to AVAILABLE, or to being gone.

    The row was committed before any call (rule 6), the calls carry its id as idempotency key and its fence,
    and what they answer is recorded only while the row is still in the state and at the fence they were made for.
    """
    with shop.database.reading() as session:
        environment = session.get(Environment, task.payload["environment_id"])
        if environment is None or environment.state not in (*IN_MOTION, EnvironmentState.ERROR):
            return None
        pool = pools.get(session, environment.pool_id)
        provider = shop.context.provider(pools.repository_of(session, pool), pool)
    return _Visit(shop, task, environment, provider).make()


class _Visit:
    """One look at one environment."""

    def __init__(self, shop: Workshop, task: Task, environment: Environment, provider: Provider) -> None:
        self._shop = shop
        self._task = task
        self._environment = environment
        self._provider = provider

    def make(self) -> Later | None:
        if self._environment.requested_at is None and self._environment.state in IN_MOTION:
            try:
                self._request()
            except ProviderError as refused:
                if not refused.permanent and not isinstance(refused, TooYoung):
                    raise  # it may have been done all the same; the same call again does it once
                self._failed(refused.message)
                if isinstance(refused, TooYoung) and self._environment.tombstone:
                    return Later(refused.eligible_at)
                return None
            self._record(lambda session, row, now: life.requested(session, row, now=now))
        return self._look()

    def _request(self) -> None:
        name, fence = self._environment.name, self._environment.fence
        match self._environment.state:
            case EnvironmentState.PROVISIONING:
                self._provider.create(name, self._environment.id, fence)
            case EnvironmentState.REFRESHING:
                self._provider.refresh(name, fence)
            case EnvironmentState.DELETING:
                self._provider.delete(name, fence)

    def _failed(self, why: str) -> None:
        deleting = self._environment.state == EnvironmentState.DELETING
        record = life.deletion_refused if deleting else life.fail
        self._record(lambda session, row, now: record(session, row, why, now=now))

    def _look(self) -> Later | None:
        seen = self._provider.inspect(self._environment.name)
        if seen is None:
            self._missing()
            return None
        if self._environment.state == EnvironmentState.DELETING:
            return self._again()
        if self._environment.state == EnvironmentState.REFRESHING and seen.fence < self._environment.fence:
            return self._again()
        match seen.state:
            case State.READY:
                return self._log_in(seen)
            case State.FAILED:
                self._failed(seen.message)
                return None
        return self._again()

    def _missing(self) -> None:
        """Gone, or never there: for a deletion that is the proof, for anything else a failure."""
        if self._environment.state == EnvironmentState.DELETING:
            self._record(lambda session, row, now: life.archive(session, row, now=now))
        else:
            self._failed("Not found at the provider")

    def _log_in(self, seen: Instance) -> Later | None:
        try:
            credentials = self._provider.check_login(self._environment.name)
        except NotReady:
            return self._again()
        except ProviderError as refused:
            if not refused.permanent:
                raise
            self._failed(refused.message)
            return None
        facts = facts_of(seen, credentials, self._shop.context.vault)
        self._record(lambda session, row, now: life.become_available(session, row, facts, now=now))
        return None

    def _again(self) -> Later:
        """The longer it takes, the rarer the looks: a 45-minute sandbox is asked once a minute."""
        now = self._shop.clock()
        since = self._environment.requested_at or now
        return Later(now + min(max((now - since) / 10, SOONEST), LATEST))

    def _record(self, change: Change) -> None:
        now = self._shop.clock()
        with self._shop.step(self._task) as session:
            row = environments.lock(session, self._environment.id)
            if (row.state, row.fence) == (self._environment.state, self._environment.fence):
                change(session, row, now)
                self._environment.requested_at = row.requested_at


def facts_of(seen: Instance, credentials: Credentials, vault: Vault) -> Facts:
    """What is kept of an environment that can be used; its credentials only encrypted."""
    secret = {
        "accessToken": credentials.access_token,
        "sfdxAuthUrl": credentials.sfdx_auth_url,
        "username": credentials.username,
    }
    return Facts(
        credentials=vault.seal(secret),
        provider_id=seen.provider_id,
        instance_url=credentials.instance_url,
        login_url=credentials.login_url,
        org_id=seen.org_id,
        deletion_eligible_at=seen.deletion_eligible_at,
    )
