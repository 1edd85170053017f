"""What an App shows on pull requests besides comments: labels, check runs and deployments, in the simulated GitHub."""

from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from demo import github_payloads as payloads
from demo.github_api import Refused, allow, find_thread, paged, sent_object, simulated
from demo.github_state import CheckRun, Deployment

STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")
CONCLUSIONS = ("action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out")
MOST_BUTTONS = 3
BUTTON = {"label": 20, "description": 40, "identifier": 20}  # characters
LONGEST_SUMMARY = 65535
LONGEST_DESCRIPTION = 140
DEPLOYMENT: dict[str, Any] = {
    "task": "deploy",
    "environment": "production",
    "description": None,
    "payload": {},
    "transient_environment": False,
    "production_environment": False,
}


def add_to(repository_api: Blueprint) -> None:
    """The repository's endpoints know these, too."""
    repository_api.post("/issues/<int:number>/labels")(add_labels)
    repository_api.delete("/issues/<int:number>/labels/<path:label>")(remove_label)
    repository_api.get("/commits/<sha>/check-runs")(list_check_runs)
    repository_api.post("/check-runs")(create_check_run)
    repository_api.patch("/check-runs/<int:check_run_id>")(update_check_run)
    repository_api.get("/deployments")(list_deployments)
    repository_api.post("/deployments")(create_deployment)
    repository_api.delete("/deployments/<int:deployment_id>")(delete_deployment)
    repository_api.get("/deployments/<int:deployment_id>/statuses")(list_deployment_statuses)
    repository_api.post("/deployments/<int:deployment_id>/statuses")(create_deployment_status)


def invalid(message: str) -> Refused:
    return Refused(422, "Validation Failed", errors=[{"message": message}])


# Labels


def add_labels(number: int) -> Response:
    thread = find_thread(number, "write")
    names = sent_object().get("labels")
    if not isinstance(names, list) or not all(isinstance(name, str) and 0 < len(name) <= 50 for name in names):
        raise invalid("labels")
    for name in [name for name in names if name not in thread.labels]:
        simulated().label(g.repository.full_name, number, name, by=simulated().app.bot.login)
    return jsonify([payloads.label(g.repository, name) for name in thread.labels])


def remove_label(number: int, label: str) -> Response:
    thread = find_thread(number, "write")
    if label not in thread.labels:
        raise Refused(404, "Label does not exist")
    simulated().unlabel(g.repository.full_name, number, label, by=simulated().app.bot.login)
    return jsonify([payloads.label(g.repository, name) for name in thread.labels])


# Check runs: https://docs.github.com/rest/checks/runs


def list_check_runs(sha: str) -> payloads.Json:
    allow("read", "checks")
    runs = [run for run in list(g.repository.check_runs.values()) if run.head_sha == sha]
    wanted = [run for run in runs if request.args.get("check_name", run.shown["name"]) == run.shown["name"]]
    told = [payloads.check_run(run, simulated().app) for run in paged(wanted)]
    return {"total_count": len(wanted), "check_runs": told}


def create_check_run() -> tuple[payloads.Json, int]:
    allow("write", "checks")
    shown = checked(sent_object())
    if not isinstance(shown.get("name"), str) or shown.get("head_sha") not in g.repository.commits:
        raise Refused(422, f"No commit found for SHA: {shown.get('head_sha')}")
    return payloads.check_run(simulated().create_check_run(g.repository, shown), simulated().app), 201


def update_check_run(check_run_id: int) -> payloads.Json:
    allow("write", "checks")
    run: CheckRun | None = g.repository.check_runs.get(check_run_id)
    if run is None:
        raise Refused(404, "Not Found")
    changed = checked(sent_object())
    reopened = {"conclusion": None} if changed.get("status", "completed") != "completed" else {}
    # GitHub keeps the buttons only where they are sent again.
    run.shown = {**run.shown, **reopened, "actions": [], **changed}
    return payloads.check_run(run, simulated().app)


def checked(shown: dict[str, Any]) -> dict[str, Any]:
    status, conclusion = shown.get("status", "queued"), shown.get("conclusion")
    if status not in ("queued", "in_progress", "completed") or conclusion not in (None, *CONCLUSIONS):
        raise invalid("status")
    if status == "completed" and conclusion is None:
        raise invalid("conclusion is missing")
    output = shown.get("output")
    if output is not None and not (output.get("title") and 0 < len(output.get("summary", "")) <= LONGEST_SUMMARY):
        raise invalid("output")
    buttons = shown.get("actions", [])
    fits = all(0 < len(button.get(field, "")) <= most for button in buttons for field, most in BUTTON.items())
    if len(buttons) > MOST_BUTTONS or not fits:
        raise invalid("actions")
    return shown


# Deployments: https://docs.github.com/rest/deployments


def list_deployments() -> Response:
    allow("read", "deployments")
    asked = {name: request.args[name] for name in ("ref", "task", "environment") if name in request.args}
    found = [
        deployment
        for deployment in reversed(list(g.repository.deployments.values()))
        if request.args.get("sha", deployment.sha) == deployment.sha
        and all(deployment.asked[name] == value for name, value in asked.items())
    ]
    return jsonify([payloads.deployment(g.repository, deployment, simulated().app) for deployment in paged(found)])


def create_deployment() -> tuple[payloads.Json, int]:
    allow("write", "deployments")
    sent = sent_object()
    if sent.get("ref") not in g.repository.commits:
        raise Refused(422, f"No ref found for: {sent.get('ref')}")
    if sent.get("auto_merge", True) or sent.get("required_contexts") != []:
        raise Refused(409, "Conflict: Commit status checks failed for this ref")
    asked = {"ref": sent["ref"], **{name: sent.get(name, default) for name, default in DEPLOYMENT.items()}}
    made = simulated().create_deployment(g.repository, asked)
    return payloads.deployment(g.repository, made, simulated().app), 201


def delete_deployment(deployment_id: int) -> tuple[str, int]:
    allow("write", "deployments")
    deployment = find_deployment(deployment_id)
    if deployment.state != "inactive" and len(g.repository.deployments) > 1:
        raise Refused(422, "We cannot delete an active deployment unless it is the only deployment in a repository.")
    del g.repository.deployments[deployment_id]
    return "", 204


def list_deployment_statuses(deployment_id: int) -> Response:
    allow("read", "deployments")
    deployment = find_deployment(deployment_id)
    newest_first = paged(list(reversed(deployment.statuses)))
    app = simulated().app
    return jsonify([payloads.deployment_status(g.repository, deployment, status, app) for status in newest_first])


def create_deployment_status(deployment_id: int) -> tuple[payloads.Json, int]:
    """A success makes others of the same environment inactive, unless they are transient or it says not to."""
    allow("write", "deployments")
    deployment, sent = find_deployment(deployment_id), sent_object()
    state, description = sent.get("state"), sent.get("description", "")
    if state not in STATES or len(description) > LONGEST_DESCRIPTION:
        raise invalid("state or description")
    url = sent.get("environment_url", "")
    if url and not url.startswith(("http://", "https://")):
        raise invalid("environment_url must use http(s) scheme")
    if state == "success" and sent.get("auto_inactive", True):
        for other in supplanted_by(deployment):
            simulated().create_deployment_status(other, "inactive", "", "")
    made = simulated().create_deployment_status(deployment, str(state), description, url)
    return payloads.deployment_status(g.repository, deployment, made, simulated().app), 201


def supplanted_by(deployment: Deployment) -> list[Deployment]:
    return [
        other
        for other in g.repository.deployments.values()
        if other is not deployment
        and other.asked["environment"] == deployment.asked["environment"]
        and not (other.asked["transient_environment"] or other.asked["production_environment"])
    ]


def find_deployment(deployment_id: int) -> Deployment:
    found: Deployment | None = g.repository.deployments.get(deployment_id)
    if found is None:
        raise Refused(404, "Not Found")
    return found
