"""GET /sfp/api/auth/continue: from a pull request's comment into its environment, for who may (contract 10.3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import structlog
from flask import Blueprint, g, redirect, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from bot.api.router import PREFIX
from bot.context import Context
from bot.github.web import WebGitHub
from bot.levels import Level
from bot.lifetimes import note_activity
from bot.login import Problem, Sessions, for_people
from bot.policy.configuration import policy_of
from bot.rates import Turnstile
from providers.provider import ProviderError, Unsupported
from storage import assignments, audit, environments, pools, repositories, threads
from storage.assignments import Assignment
from storage.environments import Environment
from storage.pools import Pool
from storage.repositories import Repository
from storage.users import User


class NotThere(Problem):
    def __init__(self) -> None:
        message = (
            "It was given back, or you cannot see its repository on GitHub. The pull request tells where it is now."
        )
        super().__init__("There is no such environment", message, HTTPStatus.NOT_FOUND)


class NotYours(Problem):
    def __init__(self) -> None:
        message = "Whoever opened the pull request may, and whoever may write to the repository: ask a maintainer."
        super().__init__("This environment is not yours to open", message, HTTPStatus.FORBIDDEN)


log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Door:
    """An environment that somebody holds."""

    environment: Environment
    assignment: Assignment
    pool: Pool
    repository: Repository
    author: str | None
    """Who opened the pull request or issue that holds it."""


def blueprint(context: Context, github: WebGitHub, turnstile: Turnstile) -> Blueprint:
    pages = Blueprint("login_link", __name__, url_prefix=f"{PREFIX}/auth")
    pages.get("/continue", endpoint="continue")(LoginLink(context, github).follow)
    for_people(pages, turnstile)
    return pages


class LoginLink:
    def __init__(self, context: Context, github: WebGitHub) -> None:
        self._context = context
        self._github = github
        self._sessions = Sessions(context)

    def follow(self) -> Response:
        """The visitor is sent into the environment, by a link that is made now, is good once and is audited.

        That is activity, which leaves the environment a while to live (bot-behaviour 6.2).
        """
        wanted = _wanted()
        user = self._sessions.visitor()
        with self._context.database.reading() as session:
            door = _find(session, wanted["repository"], wanted["targetOrg"], now=self._context.clock())
        self._check(user, wanted["repository"], door)
        assert door is not None, "what is not there is refused"
        address = self._open(door)
        with self._context.database.transaction() as session:
            # Meanwhile it may have been given back, and to somebody else.
            held = assignments.lock_of_environment(session, door.environment.id)
            if held is None or held.id != door.assignment.id:
                raise NotThere
            actor, now = self._sessions.actor(user), self._context.clock()
            audit.record(
                session, "credentials.revealed", g.request_id, actor, now=now,
                repository_id=door.repository.id, operation=f"GET {PREFIX}/auth/continue",
                environments=[door.environment.name],
            )  # fmt: skip
            note_activity(session, [held], policy_of(session, door.repository.id).expiry, actor, now=now)
        return redirect(address, HTTPStatus.SEE_OTHER)

    def _check(self, user: User, repo: str, door: Door | None) -> None:
        """GitHub is asked even where there is nothing: how long it takes must not tell what there is."""
        level = self._github.level(repo, user.login)
        if door is None or level < Level.READ:
            raise NotThere
        if level < Level.WRITE and (door.author or "").lower() != user.login.lower():
            raise NotYours

    def _open(self, door: Door) -> str:
        provider = self._context.provider(door.repository, door.pool)
        try:
            return provider.login_link(door.environment.name)
        except Unsupported:
            where = door.environment.login_url or door.environment.instance_url
            message = f"Environments of {door.pool.provider} have no login links. This one is at {where}."
            raise Problem("Open it yourself", message, HTTPStatus.NOT_FOUND) from None
        except ProviderError as error:
            log.warning("no login link", environment=door.environment.name, reason=error.message)
            message = f"{error.message}. Load this page again in a minute."
            raise Problem("The environment does not open", message, HTTPStatus.BAD_GATEWAY) from None


def _wanted() -> dict[str, str]:
    """The query's params, `name:value` separated by commas."""
    pairs = (part.partition(":") for part in request.args.get("params", "").split(","))
    wanted = {name.strip(): value.strip() for name, _, value in pairs}
    is_whole = wanted.get("targetOrg") and "/" in wanted.get("repository", "")
    if request.args.get("action") != "frontdoorUrl" or not is_whole or "\0" in "".join(wanted.values()):
        raise Problem("This link is not complete", "Follow the one in the pull request's comment.")
    return wanted


def _find(session: Session, repo: str, name: str, *, now: datetime) -> Door | None:
    repository = repositories.find(session, repo)
    if repository is None:
        return None
    for pool in pools.of_repository(session, repository.id):
        environment = environments.find_by_name(session, pool.id, name)
        assignment = assignments.of_pool(session, pool.id).get(environment.id) if environment else None
        if environment is not None and assignment is not None and not _is_over(assignment, now):
            thread = threads.of_holder(session, assignment.holder)
            return Door(environment, assignment, pool, repository, thread.author if thread else None)
    return None


def _is_over(assignment: Assignment, now: datetime) -> bool:
    end = assignment.end_of_life()
    return end is not None and end <= now
