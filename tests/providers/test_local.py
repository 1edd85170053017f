"""The local provider: what it puts on the disk, and what it never touches."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from providers.local import LocalProvider
from providers.provider import NameTaken, ProviderError, State
from tests.provider import Clock, pool_settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "local"


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A directory with one template, and a file beside it that is nobody's business."""
    template = tmp_path / "data" / "templates" / "web"
    (template / "src").mkdir(parents=True)
    (template / "src" / "index.html").write_text("hello")
    (tmp_path / "data" / "secret.key").write_text("secret")
    return template.parent


def local(root: Path, templates: Path, **options: Any) -> LocalProvider:
    return LocalProvider(root, templates, pool_settings(local=options), Clock())


def state(provider: LocalProvider, name: str) -> State | None:
    instance = provider.inspect(name)
    return instance.state if instance else None


def test_an_environment_is_a_copy_of_the_template(root: Path, templates: Path) -> None:
    provider = local(root, templates, template="web")
    provider.create("dev1", "key", 1)

    files = root / "dev1" / "files"
    assert (files / "src" / "index.html").read_text() == "hello"
    way_in = provider.check_login("dev1")
    assert (way_in.instance_url, way_in.login_url) == (files.as_uri(), files.as_uri())
    assert (way_in.username, way_in.access_token, way_in.sfdx_auth_url) == (None, None, None)


def test_without_a_template_it_starts_empty(root: Path, templates: Path) -> None:
    local(root, templates).create("dev1", "key", 1)

    assert list((root / "dev1" / "files").iterdir()) == []


def test_creating_again_leaves_the_work_in_it_alone(root: Path, templates: Path) -> None:
    provider = local(root, templates)
    provider.create("dev1", "key", 1)
    (root / "dev1" / "files" / "notes").write_text("mine")
    provider.create("dev1", "key", 1)

    assert (root / "dev1" / "files" / "notes").read_text() == "mine"


def test_a_refresh_starts_from_the_template_again(root: Path, templates: Path) -> None:
    provider = local(root, templates, template="web")
    provider.create("dev1", "key", 1)
    (root / "dev1" / "files" / "notes").write_text("mine")
    provider.refresh("dev1", 2)
    assert [path.name for path in (root / "dev1" / "files").iterdir()] == ["src"]

    (root / "dev1" / "files" / "notes").write_text("mine")
    provider.refresh("dev1", 2)
    assert (root / "dev1" / "files" / "notes").exists()


# Killed


def killed_at(step: int, call: Callable[[], None]) -> bool:
    """Makes the call in a process that dies at its so-many-th touch of the disk; False when it got through before."""
    child = os.fork()
    if child == 0:
        countdown = iter(range(step))

        def die(event: str, _: object) -> None:
            if event.startswith(("os.", "open", "shutil.")) and next(countdown, None) is None:
                os._exit(9)

        sys.addaudithook(die)
        call()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_creation_that_is_killed_anywhere_is_all_or_nothing(tmp_path: Path, templates: Path) -> None:
    for step in count():
        root = tmp_path / str(step)
        provider = local(root, templates, template="web")
        killed = killed_at(step, partial(provider.create, "dev1", "key", 1))
        assert state(provider, "dev1") is None or content(root / "dev1") == ["src"]

        provider.create("dev1", "key", 1)
        assert content(root / "dev1") == ["src"]
        if not killed:
            assert step > 10
            break


def test_a_refresh_that_is_killed_anywhere_is_never_taken_for_done(tmp_path: Path, templates: Path) -> None:
    for step in count():
        root = tmp_path / str(step)
        provider = local(root, templates, template="web")
        provider.create("dev1", "key", 1)
        (root / "dev1" / "files" / "notes").write_text("mine")
        killed = killed_at(step, partial(provider.refresh, "dev1", 2))
        seen = provider.inspect("dev1")
        assert seen is not None
        if seen.state is State.READY:
            assert content(root / "dev1") == {1: ["notes", "src"], 2: ["src"]}[seen.fence]

        provider.refresh("dev1", 2)
        assert content(root / "dev1") == ["src"]
        if not killed:
            assert step > 10
            break


def test_a_deletion_that_is_killed_anywhere_is_finished_by_the_same_call(tmp_path: Path, templates: Path) -> None:
    for step in count():
        root = tmp_path / str(step)
        provider = local(root, templates, template="web")
        provider.create("dev1", "key", 1)
        killed = killed_at(step, partial(provider.delete, "dev1", 2))
        seen = provider.inspect("dev1")
        assert seen is None or seen.state is {1: State.READY, 2: State.DELETING}[seen.fence]

        provider.delete("dev1", 2)
        assert provider.inspect("dev1") is None
        if not killed:
            assert step > 10
            break


def content(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "files").iterdir())


def test_files_that_somebody_removed_are_an_environment_that_is_gone(root: Path, templates: Path) -> None:
    provider = local(root, templates)
    provider.create("dev1", "key", 1)
    (root / "dev1" / "files").rmdir()

    assert provider.inventory() == {}
    with pytest.raises(NameTaken):
        provider.create("dev1", "key", 1)
    provider.delete("dev1", 2)


def test_whoever_finds_the_environment_being_changed_is_told_at_once(root: Path, templates: Path) -> None:
    provider = local(root, templates)
    provider.create("dev1", "key", 1)

    with (root / ".locks" / "dev1").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ProviderError, match="being changed") as refusal:
            provider.delete("dev1", 2)
    assert not refusal.value.permanent
    provider.delete("dev1", 2)


def test_a_template_that_does_not_exist_is_refused(root: Path, templates: Path) -> None:
    provider = local(root, templates, template="nothing")

    with pytest.raises(ProviderError, match="no template nothing") as refusal:
        provider.create("dev1", "key", 1)
    assert refusal.value.permanent
    assert provider.inventory() == {}


def test_a_template_that_is_a_link_out_of_the_templates_is_refused(root: Path, templates: Path) -> None:
    (templates / "escape").symlink_to(templates.parent)

    with pytest.raises(ProviderError, match="no template escape"):
        local(root, templates, template="escape").create("dev1", "key", 1)


def test_links_in_a_template_are_copied_as_links(root: Path, templates: Path) -> None:
    (templates / "web" / "link").symlink_to(templates.parent / "secret.key")
    local(root, templates, template="web").create("dev1", "key", 1)

    assert (root / "dev1" / "files" / "link").is_symlink()


@pytest.mark.parametrize("name", ["", ".", "..", "../data", "a/b", "/etc", ".locks", "a\0b", "x" * 64])
def test_a_name_that_leads_out_of_the_root_is_refused(root: Path, templates: Path, name: str) -> None:
    provider = local(root, templates)

    calls: list[Callable[[], object]] = [
        lambda: provider.create(name, "key", 1),
        lambda: provider.refresh(name, 1),
        lambda: provider.delete(name, 1),
        lambda: provider.inspect(name),
        lambda: provider.check_login(name),
    ]
    for call in calls:
        with pytest.raises(ProviderError, match="not the name") as refusal:
            call()
        assert refusal.value.permanent
    assert (templates.parent / "secret.key").exists()


def test_deletion_does_not_follow_links(root: Path, templates: Path) -> None:
    provider = local(root, templates)
    for name in ("dev1", "dev2"):
        provider.create(name, "key", 1)
    (root / "dev1" / "files" / "link").symlink_to(templates)
    (root / "dev2" / "files").rmdir()
    (root / "dev2" / "files").symlink_to(templates)

    provider.delete("dev1", 2)
    provider.delete("dev2", 2)
    assert provider.inventory() == {}
    assert (templates / "web" / "src" / "index.html").exists()


def test_an_environment_that_was_replaced_by_a_link_is_not_touched(root: Path, templates: Path) -> None:
    provider = local(root, templates)
    root.mkdir(parents=True)
    (root / "dev1").symlink_to(templates / "web")

    with pytest.raises(ProviderError, match="not the name"):
        provider.delete("dev1", 1)
    assert (templates / "web" / "src").exists()


def test_a_directory_that_it_did_not_make_is_neither_listed_nor_deleted(root: Path, templates: Path) -> None:
    (root / "dev1" / "files").mkdir(parents=True)
    provider = local(root, templates)

    assert provider.inventory() == {}
    with pytest.raises(ProviderError, match="out of order"):
        provider.create("dev1", "key", 1)
    with pytest.raises(ProviderError, match="out of order"):
        provider.delete("dev1", 1)
    assert (root / "dev1" / "files").exists()
