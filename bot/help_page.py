"""/help and /help.json: the commands; with ?repository=o/r those and the policy in force there, for its readers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request

from bot.context import Context
from bot.github.web import WebGitHub
from bot.help import Entry, entries
from bot.levels import Level
from bot.login import Problem, Sessions, for_people
from bot.policy.configuration import InForce, in_force
from bot.rates import Turnstile
from storage import repositories


class NotThere(Problem):
    def __init__(self) -> None:
        message = "Greenroom knows no such repository, or you cannot see it on GitHub."
        super().__init__("There is no such repository", message, HTTPStatus.NOT_FOUND)


@dataclass(frozen=True)
class Help:
    """The commands as they are called somewhere, or (`repository` None) as they usually are."""

    commands: list[Entry]
    repository: str | None = None
    policy_sha: str | None = None
    policy: Mapping[str, Any] | None = None


def blueprint(context: Context, github: WebGitHub, turnstile: Turnstile) -> Blueprint:
    views = _Views(context, github)
    pages = Blueprint("help", __name__, template_folder="dashboard/templates")
    pages.get("/help", endpoint="page")(views.page)
    pages.get("/help.json", endpoint="json")(views.json)
    for_people(pages, turnstile)
    return pages


class _Views:
    def __init__(self, context: Context, github: WebGitHub) -> None:
        self._context = context
        self._github = github
        self._sessions = Sessions(context)

    def page(self) -> str:
        found = self._help()
        return render_template("help/show.html", help=found, policy=list(_lines(found.policy or {})))

    def json(self) -> Response:
        return jsonify(asdict(self._help()))

    def _help(self) -> Help:
        repo = request.args.get("repository")
        if repo is None:
            return Help(entries())
        present = self._in_force(repo)
        commands = present.policy.commands
        listed = entries(commands.specs, namespace=commands.namespace, aliases=commands.aliases)
        return Help(listed, repo, present.sha, present.policy.model_dump(mode="json"))

    def _in_force(self, repo: str) -> InForce:
        """Refuses with NotThere, in the same way whether there is nothing or the visitor may not see it."""
        user = self._sessions.visitor()
        if self._github.level(repo, user.login) < Level.READ:
            raise NotThere
        with self._context.database.reading() as session:
            repository = repositories.find(session, repo)
            if repository is None:
                raise NotThere
            return in_force(session, repository.id)


def _lines(policy: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that says something, with those of a section after its name and a dot."""
    for key, value in policy.items():
        if isinstance(value, Mapping) and value:
            yield from _lines(value, f"{within}{key}.")
        elif value not in (None, [], {}):
            yield f"{within}{key}", value
