"""A secret sings nowhere: not in a log, a comment, an audit row, a task, a refusal or what a member is told."""

from __future__ import annotations

import logging
import re

import pytest

from storage.answers import Answer
from storage.audit import Audit
from storage.decisions import Decision
from storage.dedicated import DedicatedEnvironment
from storage.deliveries import Delivery
from storage.environments import Environment
from storage.submissions import Submission
from storage.tasks import Task
from storage.threads import Thread
from storage.tokens import Role
from tests.bot.api.client import OF_SHOP, Rest, key
from tests.bot.test_login import Site
from tests.world import REPO, World

ROWS = (Answer, Audit, Decision, Delivery, Submission, Task, Thread)
READ = (
    "/review/environments/list",
    "/review/environments/pr/1",
    "/review/environments/pr/9",
    "/pools/configs",
    "/pools/status",
    "/pools/status?poolTag=core&instanceStatus=ASSIGNED",
    "/pools/core/instances",
    "/users/me",
    "/environments",
    "/environments/by-name/prod",
    "/environments/by-name/prod/artifacts",
    "/environments/by-name/prod/releases",
    "/environments/by-name/prod?authType=accessToken&repositoryIdentifier=acme/shop",
    "/environments/by-name/prod?authType=sfdxAuthUrl&repositoryIdentifier=acme/shop",
    "/environments/audit",
)
HUB_SECRET = "canary-refresh-token-of-the-hub"


def secrets_of(world: World) -> set[str]:
    """What would open an environment: the part of its credentials that is nobody's business."""
    opened = [str(world.context.vault.open(row.credentials)) for row in world.rows(Environment) if row.credentials]
    return {secret for one in opened for secret in re.findall("[0-9a-f]{32}", one)}


def told(client: Rest) -> str:
    return "".join(client.get(path, **({} if "?" in path else OF_SHOP)).text for path in READ)


def test_a_secret_shows_nowhere_in_a_whole_life(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    site = Site(world)
    api = site.api
    world.pool(max_total=3)
    number = world.opens("alice")
    world.opens("bob", head="other")
    person, session = site.rest("rita")
    own = api.dedicated("prod")
    members = [api.member, api.token(Role.MEMBER, REPO), person]
    for line in ("/extend 24h", "/status", "/why", "/transition #2", "/unassign", "/assign"):
        world.comments(number, "wendy", line)
    tasks = [
        api.application.post("/tasks", {"type": type, "data": {**OF_SHOP, **key("1"), "wait": 0}}).body["operationId"]
        for type in ("fetchReviewEnvironment", "checkReviewEnvironment", "listAssignedReviewEnvironments")
    ]
    world.work()
    heard = [told(member) for member in members]
    results = [api.owner.get(f"/tasks/{task}/result").text for task in tasks]
    assert all('"completed"' in result for result in results)
    heard += results
    said = [told(client) for client in (api.application, api.owner)]
    opened = api.application.get(f"/environments/{own['id']}/frontdoor").headers["Location"]
    [dedicated] = world.rows(DedicatedEnvironment)
    kept = re.findall("[0-9a-f]{32}", str(world.context.org(dedicated).check_login().access_token))
    assert all(secret in text for text in said for secret in kept)
    refused = [
        api.application.post("/review/environments/assign", key("8", poolTag="nothing")),
        api.application.post("/review/environments/assign", {"metadata": f"force://{HUB_SECRET}@x"}),
        api.application.post(
            "/auth/salesforce/register", {"username": "a b", "sfdxAuthUrl": f"force://{HUB_SECRET}@x"}
        ),
        api.member.get("/repository/auth-token", repositoryIdentifier=REPO),
    ]
    hub = {"username": "hub@acme.example", "sfdxAuthUrl": f"force://x::{HUB_SECRET}@acme.my.salesforce.com"}
    heard += [client.post("/auth/salesforce/register", hub).text for client in (api.application, api.application)]
    heard += [api.owner.get("/auth/salesforce/orgs").text]
    given = api.application.get("/repository/auth-token", repositoryIdentifier=REPO).body["token"]
    [name] = [row.name for row in world.rows(Environment) if row.state == "ASSIGNED"][:1]
    link = f"/sfp/api/auth/continue?action=frontdoorUrl&params=targetOrg:{name},repository:{REPO}"
    door = site.log_in("wendy").get(link).headers["Location"]
    world.github.close(REPO, number)
    world.later(hours=49)
    world.github.fail("*", ".*", 500, times=3)
    world.later(minutes=31)

    environment_secrets = secrets_of(world)
    assert environment_secrets
    assert [text for text in said if any(secret in text for secret in environment_secrets)] == said
    links = {address.partition("otp=")[2] for address in (door, opened)}
    secrets = environment_secrets | {HUB_SECRET, given, session["token"], *links, *kept}
    secrets |= {client.secret for client in (api.owner, api.application, *members) if client.secret is not None}
    assert "" not in secrets
    everywhere = {
        "logs": caplog.text + "".join(capfd.readouterr()),
        "members": "".join(heard),
        "refusals": "".join(reply.text for reply in refused),
        "rows": "".join(str(vars(row)) for table in ROWS for row in world.rows(table)),
        "comments": "".join(comment.body for comment in world.written(number)),
    }
    sung = {(place, secret) for place, text in everywhere.items() for secret in secrets if secret in text}
    assert sung == set()
    assert all(everywhere.values())
