"""The simulated GitHub's API, put together."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.exceptions import HTTPException

from demo import github_files, github_shown
from demo.github_api import (
    GITHUB,
    Refused,
    app_api,
    convert_manifest,
    exchange_login_code,
    repository_api,
    show_membership,
    show_user,
)
from demo.github_graphql import answer_query
from demo.github_limits import limit, tell

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from demo.github import SimulatedGitHub


def answer(github: "SimulatedGitHub", environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """The API of one simulated GitHub, as a WSGI application."""
    environ[GITHUB] = github
    return api(environ, start_response)


github_files.add_to(repository_api)
github_shown.add_to(repository_api)

# One for a process, as it takes a while to make: the simulated GitHub comes with each request.
api = Flask("simulated-github")
api.config["PROPAGATE_EXCEPTIONS"] = True
api.before_request(limit)
api.after_request(tell)
api.register_blueprint(app_api)
api.post("/app-manifests/<code>/conversions")(convert_manifest)  # whoever has the code may
api.post("/login/oauth/access_token")(exchange_login_code)
api.get("/user")(show_user)
api.get("/orgs/<organization>/teams/<team>/memberships/<login>")(show_membership)
api.post("/graphql")(answer_query)
api.register_blueprint(repository_api, url_prefix="/repos/<owner>/<name>")
api.register_blueprint(repository_api, url_prefix="/repositories/<int:repository_id>", name="repository_by_id")
api.register_error_handler(Refused, lambda refused: (refused.body, refused.status))
api.register_error_handler(HTTPException, lambda _: ({"message": "Not Found"}, 404))
