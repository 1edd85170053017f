"""The simulated GitHub's REST API, put together; and the one mutation of its GraphQL API that Greenroom sends."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, g
from werkzeug.exceptions import HTTPException

from demo import github_shown
from demo.github_api import (
    GITHUB,
    Refused,
    allow,
    app_api,
    convert_manifest,
    exchange_login_code,
    find_token,
    repository_api,
    sent_object,
    show_user,
    simulated,
)
from demo.github_payloads import Json
from demo.github_state import PullRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from demo.github import SimulatedGitHub


def answer(github: "SimulatedGitHub", environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """The REST API of one simulated GitHub, as a WSGI application."""
    environ[GITHUB] = github
    return api(environ, start_response)


def minimize_comment() -> Json:
    """https://docs.github.com/graphql/reference/mutations#minimizecomment"""
    g.issued = find_token()
    sent = sent_object()
    if "minimizeComment" not in sent.get("query", ""):
        return {"errors": [{"message": "The simulated GitHub knows no such query"}]}
    comment = simulated().comment_by_node(sent.get("variables", {}).get("id"))
    if comment is None or not g.issued.reaches(comment.thread.repository):
        return {"data": None, "errors": [{"type": "NOT_FOUND", "message": "Could not resolve to a node"}]}
    try:
        allow("write", "pull_requests" if isinstance(comment.thread, PullRequest) else "issues")
    except Refused as refused:
        return {"data": None, "errors": [{"type": "FORBIDDEN", "message": refused.body["message"]}]}
    comment.minimized = "OUTDATED"
    return {"data": {"minimizeComment": {"minimizedComment": {"isMinimized": True}}}}


github_shown.add_to(repository_api)

# One for a process, as it takes a while to make: the simulated GitHub comes with each request.
api = Flask("simulated-github")
api.config["PROPAGATE_EXCEPTIONS"] = True
api.register_blueprint(app_api)
api.post("/app-manifests/<code>/conversions")(convert_manifest)  # whoever has the code may
api.post("/login/oauth/access_token")(exchange_login_code)
api.get("/user")(show_user)
api.post("/graphql")(minimize_comment)
api.register_blueprint(repository_api, url_prefix="/repos/<owner>/<name>")
api.register_blueprint(repository_api, url_prefix="/repositories/<int:repository_id>", name="repository_by_id")
api.register_error_handler(Refused, lambda refused: (refused.body, refused.status))
api.register_error_handler(HTTPException, lambda _: ({"message": "Not Found"}, 404))
