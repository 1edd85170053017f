"""The part of Greenroom's REST API that the demo uses."""

from typing import Any

import httpx

Json = dict[str, Any]


class RestRefused(Exception):
    """An answer that is no success; the message has Greenroom's own words."""


class Rest:
    def __init__(self, address: str, token: str, repo: str) -> None:
        self._repo = repo
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=f"{address}/sfp/api", headers=headers, timeout=10, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def create_pool(self, tag: str, size: int) -> None:
        """The repository has a pool of the mock provider with so many environments, which come back after use."""
        pool = {
            "repositoryIdentifier": self._repo,
            "name": "Demo",
            "poolTag": tag,
            "provider": "mock",
            "minAvailableInstances": size,
            "maxTotalInstances": size,
            "daysToKeepUnassignedAvailable": 1,
            "refreshOrDeleteStrategy": "NOTIFY_ONLY",
            "defaultExpirationHours": 48,
            "returnToPoolOnUnassign": True,
            "isActive": True,
        }
        self._send("POST", "/pools/configs", json=pool)
        self._send("POST", f"/pools/{tag}/provision", params={"repositoryIdentifier": self._repo})

    def counts(self, tag: str) -> dict[str, int]:
        """How many environments of the pool are in which state, and how many holders wait."""
        answer = self._send("GET", "/pools/status", params={"repositoryIdentifier": self._repo, "poolTag": tag})
        counts: dict[str, int] = answer["instances"]
        return counts

    def assignments(self) -> dict[str, Json]:
        """The active assignments of the repository's pull requests, by number."""
        query = {"repositoryIdentifier": self._repo, "assignmentType": "pr", "status": "active"}
        listed = self._send("GET", "/review/environments/list", params=query)["assignments"]
        return {assignment["assignmentId"]: assignment for assignment in listed}

    def _send(self, method: str, path: str, **content: Any) -> Json:
        response = self._client.request(method, path, **content)
        if response.is_error:
            words = f"{response.status_code} {response.text[:500]}"
            raise RestRefused(f"{method} {response.url.path} was answered with {words}")
        answer: Json = response.json()
        return answer
