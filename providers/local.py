"""A provider that needs nothing: an environment is a directory, a copy of a template that the operator has put ready.

It runs no command, neither on creation nor later: the settings of a pool come over REST and from repositories, so a
command in them would let whoever may edit a pool run programs on this machine.

    ROOT/<name>/record.json   what is known of the environment; outlives it, for names are never used twice
    ROOT/<name>/files/        the environment itself
    ROOT/.new/<name>/         one that is being made; renamed when complete
    ROOT/.locks/<name>        held while the environment is changed
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, field_validator

from providers.provider import (
    Credentials,
    Instance,
    NameTaken,
    NotReady,
    PoolSettings,
    Provider,
    ProviderError,
    StaleFence,
    State,
    UnknownEnvironment,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
TEMPLATE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class LocalOptions(BaseModel):
    """`additionalConfig.local` of a pool."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    template: str | None = None
    """A directory among the operator's templates; without one an environment starts empty."""

    @field_validator("template")
    @classmethod
    def lead_nowhere_else(cls, template: str | None) -> str | None:
        if template is not None and not TEMPLATE.fullmatch(template):
            raise ValueError("must name a directory below the templates directory, as in web/small")
        return template


@dataclass(frozen=True)
class Record:
    scope: str
    key: str
    fence: int
    made_by: int
    """The fence of the creation or refresh that the files stem from."""
    making: int
    """Differs from made_by while a refresh puts new files in place, and after one was interrupted in that."""
    deleted: bool
    created_at: str


class LocalProvider(Provider):
    """The environments below `root`, copied from directories below `templates`.

    Copying is all that takes time, and it happens within the call: templates are meant to be small."""

    def __init__(self, root: Path, templates: Path, settings: PoolSettings, clock: Callable[[], datetime]) -> None:
        self._root = root.absolute()
        self._templates = templates
        self._settings = settings
        self._options = LocalOptions.model_validate(settings.options.get("local") or {})
        self._clock = clock

    def create(self, name: str, key: str, fence: int) -> None:
        with self._locked(name):
            record = self._read_fenced(name, fence)
            if record is None:
                new = self._copy_template(name)
                _write(new, self._record(key, fence))
                new.rename(self._home(name))
            elif record.key != key or self._state(name, record) in (None, State.DELETING):
                raise NameTaken(name)
            else:
                _write(self._home(name), replace(record, fence=fence))

    def refresh(self, name: str, fence: int) -> None:
        with self._locked(name):
            record = self._read_fenced(name, fence)
            if record is None or self._state(name, record) in (None, State.DELETING):
                raise UnknownEnvironment(name)
            if record.made_by == fence:
                return
            new = self._copy_template(name)
            record = replace(record, fence=fence, making=fence)
            _write(self._home(name), record)
            _remove(self._files(name))
            (new / "files").rename(self._files(name))
            _write(self._home(name), replace(record, made_by=fence))

    def delete(self, name: str, fence: int) -> None:
        with self._locked(name):
            record = self._read_fenced(name, fence)
            if record is None:
                new = self._start_new(name)
                _write(new, replace(self._record("", fence), deleted=True))
                new.rename(self._home(name))
            else:
                _write(self._home(name), replace(record, fence=fence, deleted=True))
                _remove(self._files(name))

    def inventory(self) -> dict[str, Instance]:
        with _translated_errors():
            paths = self._root.iterdir() if self._root.exists() else ()
            names = sorted(path.name for path in paths if NAME.fullmatch(path.name))
        instances = (self.inspect(name) for name in names)
        return {instance.name: instance for instance in instances if instance is not None}

    def inspect(self, name: str) -> Instance | None:
        with _translated_errors():
            record = self._read(name)
            if record is None or record.scope != self._settings.scope:
                return None
            state = self._state(name, record)
            return self._instance(name, record, state) if state else None

    def check_login(self, name: str) -> Credentials:
        """Here: whether the directory can be read. There is no password."""
        instance = self.inspect(name)
        if instance is None or instance.state is State.DELETING:
            raise UnknownEnvironment(name)
        if instance.state is State.CREATING:
            raise NotReady(f"Environment {name} is still being made")
        if not os.access(self._files(name), os.R_OK | os.X_OK):
            raise ProviderError(f"The directory of {name} cannot be read", permanent=False)
        url = instance.instance_url
        return Credentials(instance_url=url, login_url=url, username=None, access_token=None, sfdx_auth_url=None)

    def _home(self, name: str) -> Path:
        """The directory of a name: directly below root, never reached through a link."""
        path = self._root / name
        if not NAME.fullmatch(name) or path.is_symlink():
            raise ProviderError("This is not the name of a local environment", permanent=True)
        return path

    def _files(self, name: str) -> Path:
        return self._home(name) / "files"

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Nobody else changes the environment meanwhile; one who tries is told so at once, never made to wait."""
        self._home(name)
        with _translated_errors():
            locks = self._root / ".locks"
            locks.mkdir(parents=True, exist_ok=True)
            with (locks / name).open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise ProviderError(f"Environment {name} is being changed just now", permanent=False) from error
                yield

    def _read_fenced(self, name: str, fence: int) -> Record | None:
        record = self._read(name)
        if record and record.scope != self._settings.scope:
            raise NameTaken(name)
        if record and fence < record.fence:
            raise StaleFence(name, fence, record.fence)
        return record

    def _read(self, name: str) -> Record | None:
        try:
            text = (self._home(name) / "record.json").read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Record(**json.loads(text))

    def _record(self, key: str, fence: int) -> Record:
        return Record(
            scope=self._settings.scope,
            key=key,
            fence=fence,
            made_by=fence,
            making=fence,
            deleted=False,
            created_at=self._clock().isoformat(),
        )

    def _state(self, name: str, record: Record) -> State | None:
        there = self._files(name).is_dir()
        if record.deleted:
            return State.DELETING if there else None
        if record.making != record.made_by:
            return State.CREATING
        return State.READY if there else None

    def _instance(self, name: str, record: Record, state: State) -> Instance:
        url = self._files(name).as_uri()
        created_at = datetime.fromisoformat(record.created_at)
        return Instance(
            name=name,
            key=record.key,
            fence=record.fence,
            state=state,
            progress=None,
            provider_id=name,
            instance_url=url,
            login_url=url,
            org_id=None,
            created_at=created_at,
            deletion_eligible_at=created_at,
            revision=None,
            message=f"The directory is {state}",
        )

    def _start_new(self, name: str) -> Path:
        """An empty home, apart from everything that exists."""
        new = self._root / ".new" / name
        _remove(new)
        new.mkdir(parents=True)
        return new

    def _copy_template(self, name: str) -> Path:
        """A new home with nothing but files in it."""
        new = self._start_new(name)
        template = self._template()
        if template is None:
            (new / "files").mkdir()
        else:
            shutil.copytree(template, new / "files", symlinks=True)
        return new

    def _template(self) -> Path | None:
        """The directory to copy, once more held against where its links really lead."""
        if self._options.template is None:
            return None
        path = (self._templates / self._options.template).resolve()
        if not path.is_dir() or not path.is_relative_to(self._templates.resolve()):
            raise ProviderError(f"There is no template {self._options.template}", permanent=True)
        return path


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or "not everything could be copied"
        raise ProviderError(f"The local directories are out of order: {reason}", permanent=False) from error


def _write(home: Path, record: Record) -> None:
    """The record as a whole or not at all, whenever the process dies."""
    temporary = home / "record.json.new"
    temporary.write_text(json.dumps(asdict(record)))
    temporary.replace(home / "record.json")


def _remove(path: Path) -> None:
    """Nothing is left at the path. A link goes, what it leads to stays; rmtree does the same with those inside."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
