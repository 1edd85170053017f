"""The REST API as its clients see it: somebody with a token sends requests and looks at the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select
from werkzeug.test import Client

from bot.context import Context
from bot.web import create_app
from storage import repositories, tokens
from storage.audit import Audit
from storage.database import Database
from storage.environments import Environment, EnvironmentState
from storage.pools import Pool
from storage.tokens import Role
from tests.github import WireTo
from tests.world import REPO, World

POOL = {
    "repositoryIdentifier": REPO,
    "name": "Core",
    "poolTag": "core_dev",
    "provider": "mock",
    "minAvailableInstances": 1,
    "maxTotalInstances": 2,
    "daysToKeepUnassignedAvailable": 30,
    "refreshOrDeleteStrategy": "DELETE_EXPIRED",
    "isActive": True,
}
ENVIRONMENT = {
    "repositoryIdentifier": REPO,
    "name": "prod",
    "description": "Production environment",
    "category": "release",
    "salesforceUsername": "admin@acme.example",
    "branch": "main",
}
OF_SHOP = {"repositoryIdentifier": REPO}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    def refused(self) -> tuple[int, str, str]:
        """Its status, code and sentence; the envelope has exactly its fields (contract section 1)."""
        body = self.body
        assert set(body) == {"statusCode", "error", "code", "message", "details"}, body
        assert body["statusCode"] == self.status
        return self.status, body["code"], body["message"]


class Rest:
    """Somebody who sends requests with one token, or with none."""

    def __init__(self, client: Client, secret: str | None, token_id: str | None = None) -> None:
        self._client = client
        self.secret = secret
        self.token_id = token_id

    def get(self, path: str, **query: Any) -> Reply:
        return self.send("GET", path, query=query)

    def post(self, path: str, body: Any = None, **query: Any) -> Reply:
        return self.send("POST", path, body, query=query)

    def patch(self, path: str, body: Any = None, **query: Any) -> Reply:
        return self.send("PATCH", path, body, query=query)

    def delete(self, path: str, **query: Any) -> Reply:
        return self.send("DELETE", path, query=query)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """`body` as JSON, or `raw` as it is; the path may have a query of its own."""
        given = dict(headers or {})
        if self.secret is not None:
            given.setdefault("Authorization", f"Bearer {self.secret}")
        if body is not None:
            raw = json.dumps(body).encode()
        if raw is not None:
            given.setdefault("Content-Type", "application/json")
        inside = urlsplit(path).query
        answer = self._client.open(
            f"/sfp/api{path}",
            method=method,
            headers=given,
            data=raw,
            query_string=None if inside else dict(query or {}),
        )
        return Reply(answer.status_code, dict(answer.headers), answer.get_data(as_text=True))


class Api:
    """The application on a world, and tokens to use it with. Each client has a database connection of its own."""

    def __init__(self, world: World, *, context: Context | None = None) -> None:
        self.world = world
        self.app = create_app(context or world.context, lambda: None, transport=WireTo(world.github))
        self.owner = self.token(Role.OWNER)
        self.application = self.token(Role.APPLICATION)
        self.member = self.token(Role.MEMBER)
        self.anonymous = Rest(Client(self.app), None)

    def token(self, role: Role, *repositories: str, days: float = 30, name: str | None = None) -> Rest:
        """A client with a new token, for these repositories or for all."""
        now = self.world.clock()
        with self.world.database.transaction() as session:
            token, secret = tokens.create(
                session,
                name=name or f"the {role}",
                role=role,
                repositories=list(repositories) or None,
                expires_at=now + timedelta(days=days),
                now=now,
            )
        return Rest(Client(self.app), secret, token.id)

    def spare(self, tag: str = "core", *, free: int = 2, repo: str = REPO, **values: Any) -> list[str]:
        """A pool with this many available environments, as rows; their names, the next to be handed out first."""
        values = {"min_available": free, "max_total": free, **values}
        pool = self.world.pool(tag, repo=repo, filled=False, **values)
        names = [f"{tag[:3]}{number}" for number in range(free)]
        with self.world.database.transaction() as session:
            session.add_all(self._environment(pool, name) for name in names)
        return names

    def _environment(self, pool: Pool, name: str) -> Environment:
        now = self.world.clock()
        url = f"https://{name}.example"
        sealed = self.world.context.vault.seal({"sfdxAuthUrl": secret_of(name), "accessToken": None, "username": None})
        return Environment(
            pool_id=pool.id, name=name, state=EnvironmentState.AVAILABLE, credentials=sealed, instance_url=url,
            login_url=f"{url}/login", org_id=f"00D{name}", available_at=now, ready_at=now, created_at=now,
            deletion_eligible_at=now + timedelta(days=1),
        )  # fmt: skip

    def environment(self, name: str) -> Environment:
        with self.database.reading() as session:
            return session.scalars(select(Environment).where(Environment.name == name)).one()

    def assign(self, id: str = "123", pool: str | None = "core", **body: Any) -> Reply:
        """An application asks for an environment for a pull request."""
        return self.application.post("/review/environments/assign", {**key(id), "poolTag": pool, **body})

    def known(self, repo: str = REPO) -> None:
        """The repository is known to Greenroom, though it has nothing."""
        with self.database.transaction() as session:
            repositories.register(session, repo, now=self.world.clock())

    def dedicated(self, name: str = "prod", *, repo: str = REPO, **values: Any) -> dict[str, Any]:
        """A dedicated environment, each with an org of its own; as the API answers it."""
        self.known(repo)
        given = {"name": name, "repositoryIdentifier": repo, "salesforceUsername": f"{name}@{repo}.example", **values}
        reply = self.application.post("/environments", {**ENVIRONMENT, **given})
        assert reply.status == 201, reply.text
        made: dict[str, Any] = reply.body
        return made

    def audit(self, action: str) -> list[Audit]:
        with self.world.session() as session:
            return list(session.scalars(select(Audit).where(Audit.action == action).order_by(Audit.id)))

    @property
    def database(self) -> Database:
        return self.world.database


def secret_of(name: str) -> str:
    """The credentials that only applications and owners may see."""
    return f"force://canary-{name}@login.example"


def key(id: str = "123", type: str = "pr", **more: Any) -> dict[str, Any]:
    return {"assignmentType": type, "assignmentId": id, "repositoryIdentifier": REPO, **more}


def without(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}
