"""What every provider promises, asked of each of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from providers.local import LocalProvider
from providers.mock import MockProvider
from providers.provider import (
    Capability,
    NameTaken,
    NotReady,
    PoolSettings,
    Provider,
    ProviderError,
    StaleFence,
    State,
    UnknownEnvironment,
    Unsupported,
)
from tests.provider import Clock, mock_provider, pool_settings


@dataclass(frozen=True)
class Subject:
    """A provider, and what a test cannot do to it through the Protocol."""

    provider: Provider
    in_other_scope: Provider
    make_unfinished: Callable[[str], None]
    break_listing: Callable[[], Provider]


def local_subject(root: Path) -> Subject:
    def provider(settings: PoolSettings) -> LocalProvider:
        return LocalProvider(root / "local", root / "templates", settings, Clock())

    def make_unfinished(name: str) -> None:
        local.create(name, "key", 1)
        record = root / "local" / name / "record.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | {"making": 2, "fence": 2}))

    def break_listing() -> Provider:
        unreadable = root / "local" / "unreadable" / "record.json"
        unreadable.mkdir(parents=True)
        return local

    local = provider(pool_settings())
    return Subject(local, provider(pool_settings(scope="elsewhere")), make_unfinished, break_listing)


def mock_subject(root: Path) -> Subject:
    path, clock = root / "service.sqlite3", Clock()
    slow = mock_provider(path, clock, creationSeconds=60)
    return Subject(
        provider=mock_provider(path, clock),
        in_other_scope=MockProvider(path, pool_settings(scope="elsewhere"), clock),
        make_unfinished=lambda name: slow.create(name, "key", 1),
        break_listing=lambda: mock_provider(path, clock, listingFailureRate=1),
    )


@pytest.fixture(params=[local_subject, mock_subject], ids=["local", "mock"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    made: Subject = request.param(tmp_path)
    return made


@pytest.fixture
def provider(subject: Subject) -> Provider:
    return subject.provider


def existing(provider: Provider, name: str) -> bool:
    """Both questions must agree."""
    listed, seen = name in provider.inventory(), provider.inspect(name) is not None
    assert listed == seen
    return seen


def test_what_was_created_is_there_and_can_be_logged_in_to(provider: Provider) -> None:
    provider.create("dev1", "key", 1)

    seen = provider.inspect("dev1")
    assert seen is not None
    assert (seen.name, seen.key, seen.fence, seen.state) == ("dev1", "key", 1, State.READY)
    assert provider.inventory() == {"dev1": seen}
    assert provider.check_login("dev1").instance_url == seen.instance_url


def test_creating_twice_makes_one(provider: Provider) -> None:
    provider.create("dev1", "key", 1)
    first = provider.inspect("dev1")
    provider.create("dev1", "key", 1)

    assert provider.inspect("dev1") == first


def test_a_name_that_another_key_holds_is_refused(provider: Provider) -> None:
    provider.create("dev1", "key", 1)

    with pytest.raises(NameTaken):
        provider.create("dev1", "other", 1)


def test_many_at_once_create_one(provider: Provider) -> None:
    def create(key: str) -> ProviderError | None:
        try:
            provider.create("dev1", key, 1)
        except ProviderError as refusal:
            return refusal
        return None

    keys = [f"key {number}" for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        refusals = dict(zip(keys, threads.map(create, keys), strict=True))

    seen = provider.inspect("dev1")
    assert seen is not None
    assert [key for key, refusal in refusals.items() if refusal is None] == [seen.key]
    assert all(isinstance(refusal, NameTaken) or not refusal.permanent for refusal in refusals.values() if refusal)


def test_deletion_is_confirmed_by_query(provider: Provider) -> None:
    provider.create("dev1", "key", 1)
    assert existing(provider, "dev1")

    provider.delete("dev1", 2)
    assert not existing(provider, "dev1")


def test_deleting_what_is_gone_or_never_was_is_success(provider: Provider) -> None:
    provider.create("dev1", "key", 1)
    for _ in range(2):
        provider.delete("dev1", 2)
        provider.delete("dev2", 2)

    assert provider.inventory() == {}


def test_a_deleted_name_is_never_used_again(provider: Provider) -> None:
    provider.create("dev1", "key", 1)
    provider.delete("dev1", 2)

    with pytest.raises(NameTaken):
        provider.create("dev1", "key", 3)


def test_a_creation_that_its_deletion_overtook_is_refused(provider: Provider) -> None:
    provider.delete("dev1", 2)

    with pytest.raises(StaleFence):
        provider.create("dev1", "key", 1)
    assert not existing(provider, "dev1")


def test_a_call_with_an_older_fence_changes_nothing(provider: Provider) -> None:
    provider.create("dev1", "key", 1)
    provider.refresh("dev1", 5)
    before = provider.inspect("dev1")

    late: list[Callable[[], None]] = [
        lambda: provider.create("dev1", "key", 4),
        lambda: provider.refresh("dev1", 4),
        lambda: provider.delete("dev1", 4),
    ]
    if Capability.REDEPLOY in provider.capabilities:
        late.append(lambda: provider.redeploy("dev1", "c0ffee", 4))
    for call in late:
        with pytest.raises(StaleFence) as refusal:
            call()
        assert refusal.value.permanent
    assert provider.inspect("dev1") == before


def test_the_newest_fence_is_told(provider: Provider) -> None:
    provider.create("dev1", "key", 1)
    provider.refresh("dev1", 7)

    seen = provider.inspect("dev1")
    assert seen is not None
    assert seen.fence == 7


def test_a_repeated_creation_raises_the_fence_too(provider: Provider) -> None:
    provider.create("dev1", "key", 1)
    provider.create("dev1", "key", 3)

    with pytest.raises(StaleFence):
        provider.delete("dev1", 2)


def test_nothing_to_refresh_or_log_in_to_without_an_environment(provider: Provider) -> None:
    provider.create("dev2", "key", 1)
    provider.delete("dev2", 2)

    for name in ("dev1", "dev2"):
        with pytest.raises(UnknownEnvironment):
            provider.refresh(name, 3)
        with pytest.raises(UnknownEnvironment):
            provider.check_login(name)


def test_no_credentials_before_it_is_ready(subject: Subject) -> None:
    subject.make_unfinished("dev1")

    seen = subject.provider.inspect("dev1")
    assert seen is not None
    assert seen.state is State.CREATING
    with pytest.raises(NotReady) as refusal:
        subject.provider.check_login("dev1")
    assert not refusal.value.permanent


def test_a_listing_that_is_not_complete_is_an_error(subject: Subject) -> None:
    subject.provider.create("dev1", "key", 1)

    with pytest.raises(ProviderError) as refusal:
        subject.break_listing().inventory()
    assert not refusal.value.permanent


def test_a_scope_does_not_see_the_environments_of_another(subject: Subject) -> None:
    subject.provider.create("dev1", "key", 1)

    assert subject.in_other_scope.inventory() == {}
    assert subject.in_other_scope.inspect("dev1") is None


def test_a_scope_does_not_delete_the_environments_of_another(subject: Subject) -> None:
    subject.provider.create("dev1", "key", 1)
    with suppress(NameTaken):
        subject.in_other_scope.delete("dev1", 9)

    assert existing(subject.provider, "dev1")


def test_a_capability_that_is_not_declared_is_refused(provider: Provider) -> None:
    provider.create("dev1", "key", 1)
    calls: dict[Capability, Callable[[], object]] = {
        Capability.LOGIN_LINK: lambda: provider.login_link("dev1"),
        Capability.REDEPLOY: lambda: provider.redeploy("dev1", "c0ffee", 1),
        Capability.DIRTY: lambda: provider.dirty("dev1"),
    }
    assert set(calls) == set(Capability)

    for capability, call in calls.items():
        if capability in provider.capabilities:
            call()
        else:
            with pytest.raises(Unsupported):
                call()


def test_the_repr_of_credentials_shows_no_secret(provider: Provider) -> None:
    provider.create("dev1", "key", 1)
    credentials = provider.check_login("dev1")

    for secret in (credentials.access_token, credentials.sfdx_auth_url):
        assert secret is None or secret not in repr(credentials)
    assert "token" not in repr(credentials)
