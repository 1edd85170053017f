"""/decisions: every decision on a pull request or issue, for who may read its repository."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, render_template, request

from bot.comments import when
from bot.context import Context
from bot.github.web import WebGitHub
from bot.levels import Level
from bot.login import Problem, Sessions, for_people
from bot.rates import Turnstile
from storage import decisions, repositories, threads
from storage.decisions import Decision

MOST = 100  # on a page


class NotThere(Problem):
    def __init__(self) -> None:
        message = "Greenroom knows no such pull request or issue, or you cannot see its repository on GitHub."
        super().__init__("There is nothing to show", message, HTTPStatus.NOT_FOUND)


def blueprint(context: Context, github: WebGitHub, turnstile: Turnstile) -> Blueprint:
    pages = Blueprint("decisions", __name__, template_folder="dashboard/templates")
    pages.get("/decisions", endpoint="list")(_Views(context, github).show)
    pages.add_app_template_filter(when, "when")
    for_people(pages, turnstile)
    return pages


class _Views:
    def __init__(self, context: Context, github: WebGitHub) -> None:
        self._context = context
        self._github = github
        self._sessions = Sessions(context)

    def show(self) -> str:
        """The newest first, a page at a time."""
        user = self._sessions.visitor()
        repo, number = request.args.get("repository", ""), _whole(request.args.get("number", ""))
        # GitHub is asked even where there is nothing: how long it takes must not tell what there is.
        if self._github.level(repo, user.login) < Level.READ or number is None:
            raise NotThere
        found = self._read(repo, number, _whole(request.args.get("before", "")))
        return render_template(
            "decisions/list.html", repository=repo, number=number, decisions=found[:MOST], has_more=len(found) > MOST
        )

    def _read(self, repo: str, number: int, before: int | None) -> list[Decision]:
        with self._context.database.reading() as session:
            repository = repositories.find(session, repo)
            thread = None if repository is None else threads.find(session, repository.id, number)
            if thread is None:
                raise NotThere
            return [*decisions.of_holder(session, thread.holder, before=before, limit=MOST + 1)]


def _whole(text: str) -> int | None:
    """The number that the text is, if it is one that fits."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= threads.MOST_DIGITS else None
