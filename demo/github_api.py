"""The part of GitHub's REST API that Greenroom calls, as strict as GitHub about who may do what."""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import jwt
from flask import Blueprint, Response, g, jsonify, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from demo import github_payloads as payloads
from demo.github_state import Attempt, Comment, Installation, IssuedToken, PullRequest, Repository, Thread

if TYPE_CHECKING:
    from demo.github import SimulatedGitHub

GITHUB = "simulated.github"
LONGEST_BODY = 65536
DELIVERIES_KEPT = timedelta(days=3)
STRENGTH = {None: 0, "read": 1, "write": 2, "admin": 3}

Item = TypeVar("Item")


class Refused(Exception):
    def __init__(self, status: int, message: str, **details: Any) -> None:
        self.status = status
        self.body = {"message": message, **details, "documentation_url": "https://docs.github.com/rest"}


app_api = Blueprint("app", __name__)
# GitHub answers by id under /repositories what it answers by name under /repos.
repository_api = Blueprint("repository", __name__)


def simulated() -> "SimulatedGitHub":
    github: SimulatedGitHub = request.environ[GITHUB]
    return github


# The App


@app_api.before_request
def authenticate_app() -> None:
    """https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app"""
    now = simulated().clock().timestamp()
    try:
        claims = jwt.decode(
            bearer(), simulated().public_key, ["RS256"], options={"verify_exp": False, "verify_iat": False}
        )
        issued, expires = claims["iat"], claims["exp"]
    except (jwt.InvalidTokenError, KeyError):
        raise Refused(401, "A JSON web token could not be decoded") from None
    if claims.get("iss") != simulated().app.id:
        raise Refused(404, "Integration not found")
    if issued > now:
        raise Refused(401, "'Issued at' claim ('iat') must be an Integer representing the time that it was issued")
    if expires <= now:
        raise Refused(401, "'Expiration time' claim ('exp') must be a numeric value representing the future time")
    if expires > now + 600:
        raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")


@app_api.get("/app")
def show_app() -> payloads.Json:
    return payloads.app(simulated().app)


@app_api.post("/app/installations/<int:installation_id>/access_tokens")
def create_token(installation_id: int) -> tuple[payloads.Json, int]:
    installation = simulated().installations.get(installation_id)
    if installation is None:
        raise Refused(404, "Not Found")
    refuse_suspended(installation)
    asked = request.get_json(silent=True) or {}
    permissions = dict(asked.get("permissions") or installation.permissions)
    repositories = narrowed_to(installation, asked.get("repositories"))
    if any(STRENGTH[level] > STRENGTH[installation.permissions.get(name)] for name, level in permissions.items()):
        raise Refused(422, "The permissions requested are not granted to this installation.")
    token, expires_at = simulated().issue_token(installation, timedelta(hours=1), repositories, permissions)
    return {
        "token": token,
        "expires_at": payloads.stamp(expires_at),
        "permissions": permissions,
        "repository_selection": "selected",
    }, 201


def narrowed_to(installation: Installation, names: list[str] | None) -> list[Repository] | None:
    if names is None:
        return None
    found = [repository for repository in installation.repositories if repository.name in names]
    if len(found) != len(names):
        message = (
            "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
        raise Refused(422, message)
    return found


@app_api.get("/app/hook/deliveries")
def list_deliveries() -> Response:
    """https://docs.github.com/rest/apps/webhooks#list-deliveries-for-an-app-webhook"""
    size = min(request.args.get("per_page", 30, int), 100)
    newest = request.args.get("cursor", len(simulated().webhooks.attempts), lambda cursor: int(cursor[3:]))
    kept = simulated().clock() - DELIVERIES_KEPT
    found = [a for a in reversed(simulated().webhooks.attempts) if a.id <= newest and a.delivered_at >= kept]
    listed = jsonify([payloads.attempt(attempt) for attempt in found[:size]])
    if len(found) > size:
        listed.headers["Link"] = f'<{request.base_url}?per_page={size}&cursor=v1_{found[size].id}>; rel="next"'
    return listed


@app_api.get("/app/hook/deliveries/<int:attempt_id>")
def show_delivery(attempt_id: int) -> payloads.Json:
    attempt = find_attempt(attempt_id)
    return {**payloads.attempt(attempt), "request": {"headers": attempt.headers, "payload": attempt.payload}}


@app_api.post("/app/hook/deliveries/<int:attempt_id>/attempts")
def redeliver(attempt_id: int) -> tuple[payloads.Json, int]:
    simulated().webhooks.redeliver(find_attempt(attempt_id))
    return {}, 202


def find_attempt(attempt_id: int) -> Attempt:
    for attempt in simulated().webhooks.attempts:
        if attempt.id == attempt_id:
            return attempt
    raise Refused(404, "Not Found")


@app_api.get("/repos/<owner>/<name>/installation")
def show_installation(owner: str, name: str) -> payloads.Json:
    for installation in simulated().installations.values():
        if any(repository.full_name == f"{owner}/{name}" for repository in installation.repositories):
            return payloads.installation(installation, simulated().app)
    raise Refused(404, "Not Found")


# People who log in. GitHub serves these beside its API, and answers what it refuses with 200.


def exchange_login_code() -> payloads.Json:
    """https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app"""
    sent = request.get_json(silent=True) or request.form
    authorization = simulated().take_login_code(sent.get("code", ""))
    ours = (payloads.app(simulated().app)["client_id"], simulated().client_secret)
    if (sent.get("client_id"), sent.get("client_secret")) != ours:
        return {"error": "incorrect_client_credentials"}
    if authorization is None or sent.get("redirect_uri") != authorization.redirect_uri:
        return {"error": "bad_verification_code"}
    digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
    if base64.urlsafe_b64encode(digest).decode().rstrip("=") != authorization.code_challenge:
        return {"error": "bad_verification_code", "error_description": "The code verifier does not fit"}
    token = f"ghu_{secrets.token_hex(18)}"
    simulated().user_tokens[token] = authorization.account
    return {"access_token": token, "token_type": "bearer", "scope": ""}


def show_user() -> payloads.Json:
    account = simulated().user_tokens.get(bearer())
    if account is None:
        raise Refused(401, "Bad credentials")
    return {**payloads.account(account), "email": f"{account.login}@example.com"}


def convert_manifest(code: str) -> tuple[payloads.Json, int]:
    """https://docs.github.com/rest/apps/apps#create-a-github-app-from-a-manifest"""
    if not simulated().take_manifest_code(code):
        raise Refused(404, "Not Found")
    secrets = {
        "client_secret": simulated().client_secret,
        "webhook_secret": simulated().webhooks.secret,
        "pem": simulated().private_key,
    }
    return {**payloads.app(simulated().app), **secrets}, 201


def bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() not in ("bearer", "token"):
        raise Refused(401, "Requires authentication")
    return token


def refuse_suspended(installation: Installation) -> None:
    if installation.suspended_at:
        raise Refused(403, "This installation has been suspended")


# Teams


def show_membership(organization: str, team: str, login: str) -> payloads.Json:
    """https://docs.github.com/rest/teams/members#get-team-membership-for-a-user"""
    g.issued = find_token()
    allow("read", "members")
    members = simulated().teams.get((organization, team), set())
    if g.issued.installation.account.login != organization or login not in members:
        raise Refused(404, "Not Found")
    return {"url": request.url, "role": "member", "state": "active"}


# A repository


@repository_api.url_value_preprocessor
def take_repository(endpoint: str | None, values: dict[str, Any] | None) -> None:
    values = values or {}
    if "repository_id" in values:
        g.asked_name = None
        g.repository = simulated().repository_by_id(values.pop("repository_id"))
    else:
        g.asked_name = f"{values.pop('owner')}/{values.pop('name')}"
        g.repository = simulated().repositories.get(g.asked_name)


@repository_api.before_request
def authenticate_installation() -> AnyResponse | None:
    g.issued = issued = find_token()
    if g.repository is None and g.asked_name and (renamed := simulated().formerly(g.asked_name)):
        return moved_to(renamed)
    if not issued.reaches(g.repository):
        raise Refused(404, "Not Found")
    return None


def find_token() -> IssuedToken:
    """The installation token that the request shows."""
    issued = simulated().tokens.get(bearer())
    if issued is None or issued.expires_at <= simulated().clock():
        raise Refused(401, "Bad credentials")
    refuse_suspended(issued.installation)
    return issued


def moved_to(repository: Repository) -> AnyResponse:
    """https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects"""
    address = request.url.replace(f"/repos/{g.asked_name}", f"/repositories/{repository.id}", 1)
    return redirect(address, 301 if request.method == "GET" else 307)


def allow(level: str, *permissions: str) -> None:
    granted = {g.issued.permissions.get(permission) for permission in permissions}
    if not granted & ({"read", "write"} if level == "read" else {"write"}):
        raise Refused(403, "Resource not accessible by integration")


def find_thread(number: int, level: str) -> Thread:
    """An issue or a pull request, which this installation may read or write."""
    thread: Thread | None = g.repository.threads.get(number)
    if thread is None:
        raise Refused(404, "Not Found")
    allow(level, "pull_requests" if isinstance(thread, PullRequest) else "issues")
    return thread


def find_comment(comment_id: int, level: str) -> Comment:
    threads: list[Thread] = list(g.repository.threads.values())
    for comment in (comment for thread in threads for comment in thread.comments):
        if comment.id == comment_id:
            find_thread(comment.thread.number, level)
            return comment
    raise Refused(404, "Not Found")


def told(comment: Comment) -> payloads.Json:
    return payloads.comment(comment, simulated().app)


def paged(items: Sequence[Item]) -> Sequence[Item]:
    """The page that was asked for; the answer's Link header tells the next and the last one."""
    size = min(request.args.get("per_page", 30, int), 100)
    page = request.args.get("page", 1, int)
    last = max(1, -(-len(items) // size))
    if page < last:
        g.link = f"{link(page + 1, 'next')}, {link(last, 'last')}"
    return items[(page - 1) * size : page * size]


def link(page: int, rel: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in {**request.args, "page": page}.items())
    return f'<{request.base_url}?{query}>; rel="{rel}"'


@repository_api.after_request
def add_links(answer: Response) -> Response:
    if "link" in g:
        answer.headers["Link"] = g.link
    return answer


@repository_api.get("/pulls")
def list_pull_requests() -> Response:
    allow("read", "pull_requests")
    wanted = request.args.get("state", "open")
    pulls = [thread for thread in list(g.repository.threads.values()) if isinstance(thread, PullRequest)]
    pulls = [pull for pull in pulls if wanted in ("all", pull.state)]
    newest_first = request.args.get("direction", "desc") == "desc"
    pulls.sort(key=lambda pull: pull.number, reverse=newest_first)
    return jsonify([payloads.pull_request_in_list(pull) for pull in paged(pulls)])


@repository_api.get("/pulls/<int:number>")
def show_pull_request(number: int) -> payloads.Json:
    pull = find_thread(number, "read")
    if not isinstance(pull, PullRequest):
        raise Refused(404, "Not Found")
    return payloads.pull_request(pull)


@repository_api.get("/issues/<int:number>")
def show_issue(number: int) -> payloads.Json:
    return payloads.issue(find_thread(number, "read"))


@repository_api.get("/issues/<int:number>/comments")
def list_comments(number: int) -> Response:
    comments = find_thread(number, "read").comments
    return jsonify([told(comment) for comment in paged(list(comments))])


@repository_api.post("/issues/<int:number>/comments")
def create_comment(number: int) -> tuple[payloads.Json, int]:
    thread = find_thread(number, "write")
    if thread.locked:
        raise Refused(403, "Unable to create comment because issue is locked.")
    comment = simulated().add_comment(thread, simulated().app.bot, sent_body())
    return told(comment), 201


@repository_api.get("/issues/comments/<int:comment_id>")
def show_comment(comment_id: int) -> payloads.Json:
    return told(find_comment(comment_id, "read"))


@repository_api.patch("/issues/comments/<int:comment_id>")
def update_comment(comment_id: int) -> payloads.Json:
    comment = find_comment(comment_id, "write")
    simulated().change_comment(comment, simulated().app.bot, sent_body())
    return told(comment)


@repository_api.delete("/issues/comments/<int:comment_id>")
def delete_comment(comment_id: int) -> tuple[str, int]:
    simulated().remove_comment(find_comment(comment_id, "write"), simulated().app.bot)
    return "", 204


def sent_body() -> str:
    body = sent("body")
    if not body.strip():
        raise Refused(422, "Validation Failed", errors=[problem("Body cannot be blank")])
    if len(body) > LONGEST_BODY:
        raise Refused(422, "Validation Failed", errors=[problem("Body is too long (maximum is 65536 characters)")])
    return body


def problem(message: str) -> payloads.Json:
    return {"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": message}


def sent(field: str) -> str:
    value = sent_object().get(field)
    if not isinstance(value, str):
        raise Refused(422, f'Invalid request.\n\n"{field}" wasn\'t supplied.')
    return value


def sent_object() -> dict[str, Any]:
    sent = request.get_json(silent=True)
    if not isinstance(sent, dict):
        raise Refused(400, "Problems parsing JSON")
    return sent


@repository_api.get("/issues/comments/<int:comment_id>/reactions")
def list_reactions(comment_id: int) -> Response:
    reactions = find_comment(comment_id, "read").reactions
    return jsonify([payloads.reaction(reaction) for reaction in paged(list(reactions))])


@repository_api.post("/issues/comments/<int:comment_id>/reactions")
def create_reaction(comment_id: int) -> tuple[payloads.Json, int]:
    comment = find_comment(comment_id, "write")
    content = sent("content")
    if content not in payloads.REACTIONS:
        raise Refused(422, "Validation Failed")
    for reaction in comment.reactions:
        if (reaction.author, reaction.content) == (simulated().app.bot, content):
            return payloads.reaction(reaction), 200
    return payloads.reaction(simulated().add_reaction(comment, simulated().app.bot, content)), 201


@repository_api.delete("/issues/comments/<int:comment_id>/reactions/<int:reaction_id>")
def delete_reaction(comment_id: int, reaction_id: int) -> tuple[str, int]:
    comment = find_comment(comment_id, "write")
    kept = [reaction for reaction in comment.reactions if reaction.id != reaction_id]
    if kept == comment.reactions:
        raise Refused(404, "Not Found")
    comment.reactions = kept
    return "", 204


@repository_api.get("/collaborators/<login>/permission")
def show_permission(login: str) -> payloads.Json:
    account = simulated().accounts.get(login)
    if account is None:
        raise Refused(404, f"{login} is not a user")
    role = simulated().role(g.repository, login)
    return {"permission": role.permission, "role_name": role.name, "user": payloads.account(account)}
