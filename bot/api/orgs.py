"""Salesforce orgs: registered, tried, opened and removed; what leads into one is never shown (contract 10.3)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from bot.api.auth import CHANGE
from bot.api.call import AnyCall, Call
from bot.api.fields import Answer, Between, Body, Fields, Matching, Timestamp, having
from bot.api.router import Routes
from operations.errors import AliasTaken, OrgNotFound, ProviderRefused, UsernameRegistered
from operations.orgs import find_org, register_org, remove_org
from providers.provider import ProviderError
from storage import audit, orgs
from storage.orgs import Org

SECRETS = {"sfdx_auth_url", "client_id", "private_key", "access_token"}
WAYS = ({"sfdx_auth_url"}, {"client_id", "private_key"}, {"access_token", "instance_url"})

AUTH_URL = r"force://[^\s\u0000-\u001f\u0085@]+@[^\s\u0000-\u001f\u0085@/]+"

Address = Annotated[str, Matching(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?", "be an https address without a path")]
Username = Annotated[str, Matching(r"[^\s\u0000-\u001f\u0085/]+", "have no blanks and no /")]

routes = Routes()


def _way(*fields: str) -> dict[str, Any]:
    """The JSON schema of a body with this way in and no other."""
    others = {to_camel(name): {"type": "null"} for name in sorted(SECRETS.difference(fields))}
    way = having(*(to_camel(name) for name in sorted(fields)))
    return {**way, "properties": {**way["properties"], **others}}


class OrgBody(Body):
    """One way in: a refresh token as sfdxAuthUrl, a connected app's clientId with its privateKey, or an accessToken."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_way(*way) for way in WAYS]})

    username: Username
    alias: Annotated[str, Matching(r"[A-Za-z0-9._-]+", "consist of letters, digits and . _ -", longest=80)] | None = (
        None
    )
    login_url: Address = "https://login.salesforce.com"
    instance_url: Address | None = None
    sfdx_auth_url: Annotated[str, Matching(AUTH_URL, "be like force://…@host", longest=4096)] | None = None
    client_id: Annotated[str, Between(1, 512)] | None = None
    private_key: Annotated[str, Between(1, 16384)] | None = None
    access_token: Annotated[str, Between(1, 4096)] | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        secrets = {name for name in SECRETS if getattr(self, name)}
        given = secrets | ({"instance_url"} if self.instance_url else set())
        if not any(way <= given and secrets <= way for way in WAYS):
            raise PydanticCustomError(
                "exclusive",
                "must have one of sfdxAuthUrl, clientId with privateKey, or accessToken with instanceUrl",
            )
        return self

    @property
    def credentials(self) -> dict[str, Any]:
        kept = {"sfdx_auth_url", "client_id", "private_key", "access_token"}
        return self.model_dump(by_alias=True, include=kept, exclude_none=True)


class NamedBody(Body):
    username: Username


class NamedQuery(Fields):
    """`username` may be an alias as well."""

    username: Username


class OrgAnswer(Answer):
    id: str
    username: str
    alias: str | None
    login_url: str
    instance_url: str | None
    created_by: str
    created_at: Timestamp


class OrgDeleted(Answer):
    message: str
    username: str


class Connected(Answer):
    status: Literal["connected"]
    message: str
    username: str
    instance_url: str
    timestamp: Timestamp


class Frontdoor(Answer):
    url: str


@routes.add(
    "POST", "/auth/salesforce/register", CHANGE, "Register a Salesforce org",
    refuses=(UsernameRegistered, AliasTaken), status=HTTPStatus.CREATED,
)  # fmt: skip
def add_org(call: Call[None, None, OrgBody]) -> OrgAnswer:
    """Where GREENROOM_SANDBOX_MODE is not set, the first org turns `salesforce` pools from the mock service to real."""
    body = call.body
    org = Org(
        username=body.username,
        username_key=body.username.lower(),
        alias=body.alias,
        login_url=body.login_url,
        instance_url=body.instance_url,
        credentials=call.context.vault.seal(body.credentials),
        created_by=call.caller.name,
        created_at=call.now,
    )
    with call.transaction() as session:
        register_org(session, org, call.actor, now=call.now)
    call.context.mode.forget()
    return _show(org)


@routes.add("GET", "/auth/salesforce/orgs", CHANGE, "List registered Salesforce orgs")
def list_orgs(call: Call[None, None, None]) -> list[OrgAnswer]:
    with call.reading() as session:
        return [_show(org) for org in orgs.listed(session)]


@routes.add("GET", "/auth/salesforce/org", CHANGE, "Get a Salesforce org", refuses=(OrgNotFound,))
def get_org(call: Call[None, NamedQuery, None]) -> OrgAnswer:
    with call.reading() as session:
        return _show(find_org(session, call.query.username))


@routes.add("DELETE", "/auth/salesforce/org", CHANGE, "Delete a Salesforce org", refuses=(OrgNotFound,))
def delete_org(call: Call[None, NamedQuery, None]) -> OrgDeleted:
    with call.transaction() as session:
        org = find_org(session, call.query.username)
        remove_org(session, org, call.actor, now=call.now)
    call.context.mode.forget()
    return OrgDeleted(message="Salesforce org deleted successfully", username=org.username)


@routes.add(
    "POST", "/auth/salesforce/test-connection", CHANGE, "Test the connection to a Salesforce org",
    refuses=(OrgNotFound, ProviderRefused),
)  # fmt: skip
def try_connection(call: Call[None, None, NamedBody]) -> Connected:
    username = _known(call, call.body.username)
    try:
        instance_url = call.context.providers.reach_hub(username)
    except ProviderError as error:
        raise ProviderRefused(error.message) from error
    with call.transaction() as session:
        audit.record(session, "org.tested", username, call.actor, now=call.now)
    return Connected(
        status="connected",
        message=f"{username} answers at {instance_url}",
        username=username,
        instance_url=instance_url,
        timestamp=call.now,
    )


@routes.add(
    "GET", "/auth/salesforce/frontdoor", CHANGE, "Get a login link to a Salesforce org",
    refuses=(OrgNotFound, ProviderRefused),
)  # fmt: skip
def get_frontdoor(call: Call[None, NamedQuery, None]) -> Frontdoor:
    """The link logs one person in, once, and soon lapses. It is audited."""
    username = _known(call, call.query.username)
    try:
        url = call.context.providers.hub_login_link(username)
    except ProviderError as error:
        raise ProviderRefused(error.message) from error
    with call.transaction() as session:
        audit.record(session, "credentials.revealed", call.request_id, call.actor, now=call.now,
                     operation=call.operation, org=username)  # fmt: skip
    return Frontdoor(url=url)


def _known(call: AnyCall, name: str) -> str:
    """The username of a registered org; on the mock service every name is known (13.3)."""
    with call.reading() as session:
        org = orgs.find(session, name)
    if org is not None:
        return org.username
    if call.context.mode.read() == "real":
        raise OrgNotFound(name)
    return name


def _show(org: Org) -> OrgAnswer:
    return OrgAnswer(**{name: getattr(org, name) for name in OrgAnswer.model_fields})
