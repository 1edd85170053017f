"""The API describes itself truly: it has the contract's operations, its examples fit, and both pages are served."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from werkzeug.test import Client

from bot.api.errors import STATUS
from bot.api.examples import PARAMETERS
from bot.api.fields import NO_NUL
from bot.api.openapi import ANSWERS, BODIES, EXAMPLES, codes_of, document
from bot.api.operations import OPERATIONS
from bot.api.refusals import REFUSALS
from operations.errors import OperationError
from operations.events import DATA, EventType
from storage.tokens import Role
from tests.bot.api.client import Api, Reply
from tests.bot.api.test_errors import refusals

DOCUMENT = document(OPERATIONS, "http://greenroom.test")

# The operations of the API contract, section by section, with the roles that it gives them.
CONTRACT = """
POST   /review/environments/assign                              application owner
GET    /review/environments/{assignmentType}/{assignmentId}     member application owner
POST   /review/environments/extend                              application owner
POST   /review/environments/unassign                            application owner
POST   /review/environments/transition                          application owner
POST   /review/environments/acquire                             application owner
POST   /review/environments/release                             application owner
GET    /review/environments/list                                member application owner

GET    /pools/configs                                           member application owner
POST   /pools/configs                                           application owner
GET    /pools/configs/{poolTag}                                 member application owner
DELETE /pools/configs/{poolTag}                                 owner
PATCH  /pools/configs/{poolTag}                                 application owner
GET    /pools/status                                            member application owner
POST   /pools/cleanup-zombies                                   application owner
GET    /pools/mode                                              member application owner
GET    /pools/monitoring-jobs                                   member application owner
GET    /pools/{poolTag}/instances                               member application owner
POST   /pools/{poolTag}/provision                               application owner
POST   /pools/{poolTag}/fetch                                   application owner
POST   /pools/{poolTag}/unassign                                member application owner
POST   /pools/{poolTag}/extend                                  member application owner
POST   /pools/{poolTag}/replenish                               application owner
DELETE /pools/{poolTag}/instances/{sandboxName}                 owner

GET    /environments                                            member application owner
POST   /environments                                            application owner
GET    /environments/orchestration-order                        member application owner
PUT    /environments/orchestration-order                        application owner
PATCH  /environments/orchestration-order                        application owner
POST   /environments/orchestration-order                        application owner
GET    /environments/by-name/{name}                             member application owner
DELETE /environments/by-name/{name}                             owner
PATCH  /environments/by-name/{name}                             application owner
GET    /environments/{id}                                       member application owner
DELETE /environments/{id}                                       owner
PATCH  /environments/{id}                                       application owner
GET    /environments/{id}/audit                                 application owner
GET    /environments/audit                                      application owner
GET    /environments/audit/{repository}                         application owner
GET    /environments/{id}/frontdoor                             application owner
GET    /environments/{id}/artifacts                             member application owner
GET    /environments/by-name/{name}/artifacts                   member application owner
GET    /environments/{id}/releases                              member application owner
POST   /environments/{id}/releases                              application owner
GET    /environments/by-name/{name}/releases                    member application owner

GET    /review/pools/assign                                     member application owner
POST   /review/pools/assign                                     application owner
PATCH  /review/pools/assign/{id}                                application owner
PUT    /review/pools/assign/{id}                                application owner
DELETE /review/pools/assign/{id}                                application owner
POST   /review/pools/assign/match                               member application owner

POST   /environments/{id}/lock                                  application owner
GET    /environments/{id}/lock/{ticketId}/wait                  application owner
POST   /environments/{id}/lock/{ticketId}/wait                  application owner
POST   /environments/{id}/wait                                  application owner
POST   /environments/{id}/lock/{ticketId}/renew                 application owner
DELETE /environments/{id}/lock/{ticketId}                       application owner
POST   /environments/{id}/unlock                                application owner
POST   /environments/by-name/{name}/lock                        application owner
GET    /environments/by-name/{name}/lock/{ticketId}/wait        application owner
POST   /environments/by-name/{name}/lock/{ticketId}/wait        application owner
POST   /environments/by-name/{name}/wait                        application owner
POST   /environments/by-name/{name}/lock/{ticketId}/renew       application owner
DELETE /environments/by-name/{name}/lock/{ticketId}             application owner
POST   /environments/by-name/{name}/unlock                      application owner
POST   /locks                                                   application owner
GET    /locks/{repository}/{resource}                           application owner
GET    /locks/{repository}/{resource}/{ticketId}                application owner
DELETE /locks/{repository}/{resource}/{ticketId}                application owner
POST   /locks/{repository}/{resource}/{ticketId}/acquire        application owner
POST   /locks/{repository}/{resource}/{ticketId}/wait           application owner
POST   /locks/{repository}/{resource}/{ticketId}/renew          application owner

POST   /tasks                                                   application owner
GET    /tasks                                                   member application owner
GET    /tasks/{operationId}/status                              member application owner
GET    /tasks/{operationId}/result                              member application owner
DELETE /tasks/{operationId}                                     member application owner
POST   /tasks/{operationId}/stop-recurring                      member application owner
GET    /tasks/{operationId}/recurring-instances                 member application owner

GET    /
GET    /ping
GET    /webhooks                                                owner
POST   /webhooks                                                owner
GET    /webhooks/{id}                                           owner
PATCH  /webhooks/{id}                                           owner
DELETE /webhooks/{id}                                           owner
POST   /webhooks/trigger                                        owner
POST   /webhooks/{id}/deliver                                   owner
POST   /key-value                                               application owner
POST   /key-value/upsert                                        application owner
GET    /key-value/{key}                                         member application owner
PUT    /key-value/{key}                                         application owner
DELETE /key-value/{key}                                         application owner
GET    /application-tokens                                      owner
POST   /application-tokens                                      owner
DELETE /application-tokens/{token}                              owner
GET    /users/me                                                member application owner
POST   /auth/refresh
POST   /auth/salesforce/register                                application owner
GET    /auth/salesforce/orgs                                    application owner
GET    /auth/salesforce/org                                     application owner
DELETE /auth/salesforce/org                                     application owner
POST   /auth/salesforce/test-connection                         application owner
GET    /auth/salesforce/frontdoor                               application owner
GET    /repository/auth-token                                   application owner
"""


def described() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]


def valid(schema: dict[str, Any], value: Any) -> None:
    """Raises unless the schema, which refers to the document's components, allows the value."""
    jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(value)


def content(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["content"]["application/json"]
    return found


# What it describes


def test_it_is_openapi_3_1() -> None:
    OPENAPI_31_VALIDATOR.validate(DOCUMENT)


def test_it_has_the_operations_of_the_contract_and_no_others() -> None:
    printed = {tuple(line.split()[:2]): set(line.split()[2:]) for line in CONTRACT.splitlines() if line}
    ours = {
        (method, path.removeprefix("/sfp/api") or "/"): set(operation["x-roles"])
        for (method, path), operation in ((name.split(), operation) for name, operation in described())
    }
    assert ours == printed


def test_every_operation_has_a_name_of_its_own_that_can_be_read() -> None:
    names = [operation["operationId"] for _, operation in described()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)*", name) for name in names)


def test_every_model_has_a_short_name() -> None:
    assert [name for name in DOCUMENT["components"]["schemas"] if not re.fullmatch("[A-Z][A-Za-z]+", name)] == []


def test_only_a_public_operation_needs_no_token() -> None:
    for name, operation in described():
        public = not operation["x-roles"]
        assert operation["security"] == ([] if public else [{"bearer": []}]), name
        assert public or "401" in operation["responses"], name


def test_a_role_that_may_not_is_told_where_there_is_one() -> None:
    for name, operation in described():
        refused = operation["responses"].get("403", {}).get("description", "")
        may = set(operation["x-roles"])
        assert "ROLE_REQUIRED" in refused or may in (set(), set(Role)), name


def test_every_declared_refusal_is_there() -> None:
    for operation in OPERATIONS:
        answers = DOCUMENT["paths"][f"/sfp/api{operation.template}"][operation.method.lower()]["responses"]
        for refused in operation.refuses:
            answer = content(answers[str(STATUS[refused.code].value)])
            assert refused.code in answer["schema"]["allOf"][1]["properties"]["code"]["enum"], operation


def test_what_may_be_asked_again_says_when() -> None:
    exhausted = DOCUMENT["paths"]["/sfp/api/review/environments/assign"]["post"]["responses"]
    assert "Retry-After" in exhausted["409"]["headers"]
    assert "Retry-After" in exhausted["503"]["headers"]
    assert "Retry-After" not in exhausted["404"]["headers"]


def test_a_body_is_required_unless_all_of_it_is_optional() -> None:
    def required(path: str) -> bool:
        found: bool = DOCUMENT["paths"][f"/sfp/api{path}"]["post"]["requestBody"]["required"]
        return found

    assert required("/review/environments/assign")
    assert not required("/pools/{poolTag}/fetch")


def test_an_optional_field_of_a_body_may_be_null_and_a_parameter_may_not() -> None:
    body = DOCUMENT["components"]["schemas"]["AssignBody"]["properties"]
    assert body["override"] == {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": False}
    assert body["assignmentId"] == {"type": "string", "pattern": "^[a-zA-Z0-9@._-]+$", "maxLength": 255}
    parameters = DOCUMENT["paths"]["/sfp/api/review/environments/list"]["get"]["parameters"]
    [by] = [given["schema"] for given in parameters if given["name"] == "assignedBy"]
    assert by == {"type": "string", "pattern": NO_NUL}


@pytest.mark.parametrize("type", ["fetchReviewEnvironment", "checkReviewEnvironment", "unassignReviewEnvironment"])
def test_a_task_without_what_it_is_about_is_against_the_description(type: str) -> None:
    schema = DOCUMENT["components"]["schemas"]["SubmitBody"]
    data = {"repoId": "acme/shop", "issue": "7"}
    valid(schema, {"type": type, "data": data})
    valid(schema, {"type": type, "data": {"value": data, "description": "…"}})
    for about in data:
        with pytest.raises(jsonschema.ValidationError):
            valid(schema, {"type": type, "data": data | {about: None}})


@pytest.mark.parametrize("event", EventType)
def test_what_a_webhook_is_sent_is_described_with_an_example(event: EventType) -> None:
    message = content(DOCUMENT["webhooks"][event]["post"]["requestBody"])
    schema = message["schema"]
    valid(schema, message["example"])
    said = DOCUMENT["components"]["schemas"][DATA[event].__name__]["properties"]
    assert said.keys() == message["example"]["data"].keys()
    assert schema["properties"]["event"] == {"const": event}


# Its examples


def test_every_operation_has_an_example_of_its_answer_and_of_its_body() -> None:
    with_body = {name for name, operation in described() if "requestBody" in operation}
    assert set(BODIES) == with_body
    silent = {name for name, operation in described() if "204" in operation["responses"]}
    assert set(ANSWERS) == {name for name, _ in described()} - silent


@pytest.mark.parametrize("name", BODIES)
def test_an_example_of_a_body_is_one(name: str) -> None:
    [operation] = [operation for operation in OPERATIONS if str(operation) == name]
    valid(content(dict(described())[name]["requestBody"])["schema"], BODIES[name])
    operation.body.model_validate(BODIES[name])


@pytest.mark.parametrize("name", ANSWERS)
def test_an_example_of_an_answer_is_one(name: str) -> None:
    [answer] = [answer for status, answer in dict(described())[name]["responses"].items() if status < "300"]
    valid(content(answer)["schema"], ANSWERS[name])


def test_an_example_of_a_parameter_is_one() -> None:
    for _, operation in described():
        for given in operation["parameters"]:
            if given["required"] and given["name"] in PARAMETERS:
                valid(given["schema"], given["example"])


def test_every_refusal_of_an_operation_has_an_example() -> None:
    assert {code for operation in OPERATIONS for code in codes_of(operation)} - set(EXAMPLES) == set()
    for example in EXAMPLES.values():
        valid(DOCUMENT["components"]["schemas"]["Error"], example)


def test_an_example_of_a_refusal_is_one_of_ours() -> None:
    assert {type(refusal) for refusal in REFUSALS.values()} <= set(refusals(OperationError))


# Where it is served


def test_anybody_may_read_it(wire: Api) -> None:
    reply = wire.anonymous.get("/openapi.json")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert reply.body == document(OPERATIONS, wire.world.context.settings.public_url)


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_who_has_it_already_gets_nothing(wire: Api, path: str) -> None:
    first = wire.anonymous.get(path)
    again = wire.anonymous.send("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.text) == (304, "")
    assert "public" in first.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_it_is_only_read(wire: Api, path: str) -> None:
    reply = wire.owner.post(path)
    assert reply.refused() == (405, "METHOD_NOT_ALLOWED", f"Cannot POST /sfp/api{path}")
    assert reply.headers["Allow"] == "GET, HEAD"
    assert wire.owner.send("HEAD", path).text == ""


def page(wire: Api) -> Reply:
    reply = wire.anonymous.get("/docs")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return reply


def test_the_page_shows_every_operation(wire: Api) -> None:
    shown = page(wire).text
    for name, operation in described():
        assert f'id="{operation["operationId"]}"' in shown, name
        assert f'href="#{operation["operationId"]}"' in shown, name


def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing(wire: Api) -> None:
    reply = page(wire)
    assert re.findall(r'(?:src|href)="(?!#|/sfp/api/)[^"]*"', reply.text) == []
    assert not re.search(r"<script|<style| on[a-z]+=| style=", reply.text)
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self';")
    [style] = re.findall(r'<link rel="stylesheet" href="/sfp/api([^"]*)">', reply.text)
    served = Client(wire.app).get(f"/sfp/api{style}", buffered=True)
    assert (served.status_code, served.mimetype) == (200, "text/css")


def test_the_page_has_a_command_for_every_operation(wire: Api) -> None:
    shown = page(wire).text
    assert shown.count("curl -X") == len(OPERATIONS)
    assert "/sfp/api/pools/core_dev/instances?repositoryIdentifier=flxbl-io%2Fsf-core" in shown
