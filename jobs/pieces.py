"""The pieces of what is shown on GitHub, all alike: how each is found again, made, and made to say what it should."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from bot.surfaces import CHECK_NAME, CheckRun, Deployment
from jobs.place import Place
from storage.surfaces import Kind


class Piece(Protocol):
    """One thing on GitHub. Its calls raise GitHubError."""

    kind: ClassVar[Kind]
    looks_always: ClassVar[bool]  # before it is made, and not only where an earlier try may have made it
    is_whole: ClassVar[bool]  # when it is made

    @property
    def key(self) -> str: ...
    @property
    def content(self) -> Mapping[str, Any]: ...
    @property
    def state(self) -> str | None: ...
    def find(self, place: Place) -> int | None: ...
    def make(self, place: Place) -> int: ...
    def update(self, place: Place, id: int) -> None: ...


@dataclass(frozen=True)
class CommentPiece:
    kind: ClassVar = Kind.COMMENT
    looks_always: ClassVar = True  # our rows may have been lost, and people would see two of them
    is_whole: ClassVar = True
    marker: str
    body: str
    footer: str  # written along with it, and no reason to write
    key: str = ""
    state: str | None = None

    @property
    def content(self) -> Mapping[str, Any]:
        return {"body": self.body}

    @property
    def _text(self) -> str:
        return f"{self.body}\n\n{self.footer}"

    def find(self, place: Place) -> int | None:
        return place.find(self.marker)

    def make(self, place: Place) -> int:
        return place.create(self._text)

    def update(self, place: Place, id: int) -> None:
        place.github.update_comment(place.repo, id, self._text)


@dataclass(frozen=True)
class CheckRunPiece:
    kind: ClassVar = Kind.CHECK_RUN
    looks_always: ClassVar = False
    is_whole: ClassVar = True
    shown: CheckRun

    @property
    def key(self) -> str:
        return self.shown.sha

    @property
    def content(self) -> Mapping[str, Any]:
        return self.shown.content

    @property
    def state(self) -> str:
        return self.shown.status

    def find(self, place: Place) -> int | None:
        found = place.github.check_runs(place.repo, self.shown.sha, CHECK_NAME)
        return next((run.id for run in found if run.external_id == self.shown.external_id), None)

    def make(self, place: Place) -> int:
        whose = {"head_sha": self.shown.sha, "external_id": self.shown.external_id}
        return place.github.create_check_run(place.repo, {**whose, **self.content})

    def update(self, place: Place, id: int) -> None:
        place.github.update_check_run(place.repo, id, self.content)


@dataclass(frozen=True)
class DeploymentPiece:
    kind: ClassVar = Kind.DEPLOYMENT
    looks_always: ClassVar = False
    is_whole: ClassVar = False
    shown: Deployment

    @property
    def key(self) -> str:
        return self.shown.sha

    @property
    def content(self) -> Mapping[str, Any]:
        return {"state": self.shown.state, "description": self.shown.description, "url": self.shown.url}

    @property
    def state(self) -> str:
        return self.shown.state

    def find(self, place: Place) -> int | None:
        shown = self.shown
        found = place.github.deployments(place.repo, shown.sha, shown.task, shown.environment)
        return next((deployment.id for deployment in found), None)

    def make(self, place: Place) -> int:
        shown = self.shown
        return place.github.create_deployment(place.repo, shown.sha, shown.task, shown.environment, shown.description)

    def update(self, place: Place, id: int) -> None:
        shown = self.shown
        place.github.create_deployment_status(place.repo, id, shown.state, shown.description, shown.url)
