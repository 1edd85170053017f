"""The mock service: its times, its faults, its secrets, and that it is one service for all processes."""

from __future__ import annotations

import multiprocessing
import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from providers.mock import LOGIN_LINK_SECONDS, MockProvider
from providers.provider import (
    Instance,
    NameTaken,
    NoCapacity,
    NotReady,
    ProviderError,
    StaleFence,
    State,
    TooYoung,
    UnknownEnvironment,
)
from tests.provider import Clock, mock_provider, pool_settings, vanish


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "service.sqlite3"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def inspect(provider: MockProvider, name: str) -> Instance:
    instance = provider.inspect(name)
    assert instance is not None
    return instance


# Time


def test_creation_takes_its_time_and_tells_how_far_it_is(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, creationSeconds=2700)
    provider.create("dev1", "key", 1)

    progress = []
    while inspect(provider, "dev1").state is State.CREATING:
        progress.append(inspect(provider, "dev1").progress)
        clock.advance(minutes=9)
    assert progress == [0, 20, 40, 60, 80]
    assert inspect(provider, "dev1").state is State.READY
    assert inspect(provider, "dev1").progress is None


def test_a_clock_that_goes_back_does_not_make_progress_negative(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, creationSeconds=60)
    provider.create("dev1", "key", 1)
    clock.advance(minutes=-5)

    assert inspect(provider, "dev1").progress == 0


def test_a_deleted_environment_exists_until_the_deletion_is_through(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, deletionSeconds=60)
    provider.create("dev1", "key", 1)
    provider.delete("dev1", 2)

    clock.advance(seconds=59)
    provider.delete("dev1", 2)
    assert provider.inventory()["dev1"].state is State.DELETING
    clock.advance(seconds=1)
    assert provider.inventory() == {}
    assert provider.inspect("dev1") is None


def test_nothing_can_be_done_with_an_environment_that_is_being_deleted(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, deletionSeconds=60)
    provider.create("dev1", "key", 1)
    provider.delete("dev1", 2)

    for call in using("dev1", provider, fence=3):
        with pytest.raises(UnknownEnvironment):
            call()
    with pytest.raises(NameTaken):
        provider.create("dev1", "key", 3)


def using(name: str, provider: MockProvider, *, fence: int) -> list[Callable[[], object]]:
    return [
        lambda: provider.refresh(name, fence),
        lambda: provider.redeploy(name, "c0ffee", fence),
        lambda: provider.check_login(name),
        lambda: provider.login_link(name),
        lambda: provider.dirty(name),
    ]


def test_an_environment_in_creation_is_not_used(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, creationSeconds=60)
    provider.create("dev1", "key", 1)

    for call in using("dev1", provider, fence=2):
        with pytest.raises(NotReady):
            call()


def test_too_young_for_refresh_and_deletion_tells_from_when_on(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, minimumAgeSeconds=24 * 3600)
    provider.create("dev1", "key", 1)
    eligible_at = clock.now + timedelta(days=1)
    assert inspect(provider, "dev1").deletion_eligible_at == eligible_at

    clock.advance(hours=23)
    for change in (provider.refresh, provider.delete):
        with pytest.raises(TooYoung) as refusal:
            change("dev1", 2)
        assert refusal.value.eligible_at == eligible_at
        assert not refusal.value.permanent

    clock.advance(hours=1)
    provider.refresh("dev1", 2)
    with pytest.raises(TooYoung) as refusal:
        provider.delete("dev1", 3)
    assert refusal.value.eligible_at == eligible_at + timedelta(days=1)


# Refresh


def test_a_refresh_replaces_everything_but_the_name(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, refreshSeconds=60)
    provider.create("dev1", "key", 1)
    provider.redeploy("dev1", "c0ffee", 1)
    old, old_way_in = inspect(provider, "dev1"), provider.check_login("dev1")

    provider.refresh("dev1", 2)
    assert inspect(provider, "dev1").state is State.CREATING
    clock.advance(seconds=59)
    provider.refresh("dev1", 2)
    clock.advance(seconds=1)
    new, new_way_in = inspect(provider, "dev1"), provider.check_login("dev1")

    assert (new.state, new.fence, new.revision) == (State.READY, 2, None)
    assert (new.provider_id, new.created_at) == (old.provider_id, old.created_at)
    assert new.org_id != old.org_id
    assert new_way_in.access_token != old_way_in.access_token
    assert new_way_in.sfdx_auth_url != old_way_in.sfdx_auth_url


def test_the_same_refresh_again_is_one_refresh(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock)
    provider.create("dev1", "key", 1)
    provider.refresh("dev1", 2)
    org = inspect(provider, "dev1").org_id
    provider.refresh("dev1", 2)
    assert inspect(provider, "dev1").org_id == org

    provider.refresh("dev1", 3)
    assert inspect(provider, "dev1").org_id != org


# Using it


def test_credentials_are_unique_complete_and_plainly_mock(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, pool="acme/shop/core_dev")
    seen: set[str] = set()
    for number in range(3):
        name = f"dev{number}"
        provider.create(name, f"key {number}", 1)
        way_in = provider.check_login(name)
        assert way_in.instance_url == f"https://acme-shop-core-dev--{name}.sandbox.mock.example"
        values = [way_in.instance_url, way_in.login_url, way_in.username, way_in.access_token, way_in.sfdx_auth_url]
        assert all(value and "mock" in value for value in values)
        seen.update(value for value in values if value)
    assert len(seen) == 15


def test_the_auth_url_has_the_form_that_salesforce_clients_read(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock)
    provider.create("dev1", "key", 1)

    url = provider.check_login("dev1").sfdx_auth_url
    assert url is not None
    assert re.fullmatch(r"force://[A-Za-z0-9._-]+={0,2}:[A-Za-z0-9._-]*:[A-Za-z0-9._-]+={0,2}@[a-z0-9.-]+", url)


def test_host_labels_stay_within_63_characters(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, pool="_" + "x" * 200)
    provider.create("n" * 10, "key", 1)

    host = inspect(provider, "n" * 10).instance_url.removeprefix("https://")
    assert all(0 < len(label) <= 63 and label.strip("-") == label for label in host.split("."))


def test_a_login_link_works_once(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock)
    provider.create("dev1", "key", 1)
    first, second = provider.login_link("dev1"), provider.login_link("dev1")

    assert provider.follow_login_link(first) == "dev1"
    with pytest.raises(ProviderError, match="used before or has lapsed"):
        provider.follow_login_link(first)
    assert provider.follow_login_link(second) == "dev1"


def test_a_login_link_lapses(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock)
    provider.create("dev1", "key", 1)
    link = provider.login_link("dev1")
    clock.advance(seconds=LOGIN_LINK_SECONDS)

    with pytest.raises(ProviderError, match="used before or has lapsed"):
        provider.follow_login_link(link)


def test_a_login_link_ends_with_what_it_was_made_for(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock)
    for end in (provider.refresh, provider.delete):
        provider.create(end.__name__, "key", 1)
        link = provider.login_link(end.__name__)
        end(end.__name__, 2)

        with pytest.raises(ProviderError, match="used before or has lapsed"):
            provider.follow_login_link(link)


def test_an_environment_is_dirty_from_the_first_visit_to_the_next_refresh(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock)
    provider.create("dev1", "key", 1)
    provider.redeploy("dev1", "c0ffee", 1)
    link = provider.login_link("dev1")
    assert not provider.dirty("dev1")

    provider.follow_login_link(link)
    assert provider.dirty("dev1")
    provider.refresh("dev1", 2)
    assert not provider.dirty("dev1")


def test_a_redeploy_shows_as_the_revision(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock)
    provider.create("dev1", "key", 1)
    assert inspect(provider, "dev1").revision is None

    provider.redeploy("dev1", "c0ffee", 1)
    provider.redeploy("dev1", "f00d", 1)
    assert inspect(provider, "dev1").revision == "f00d"


# Faults


def test_a_failed_creation_exists_and_is_of_no_use(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, failureRate=1, creationSeconds=60)
    provider.create("dev1", "key", 1)
    assert inspect(provider, "dev1").state is State.CREATING
    clock.advance(minutes=1)

    assert inspect(provider, "dev1").state is State.FAILED
    with pytest.raises(ProviderError) as refusal:
        provider.check_login("dev1")
    assert refusal.value.permanent


def test_a_refresh_can_mend_a_failed_environment(path: Path, clock: Clock) -> None:
    mock_provider(path, clock, failureRate=1).create("dev1", "key", 1)
    provider = mock_provider(path, clock)
    provider.refresh("dev1", 2)

    assert inspect(provider, "dev1").state is State.READY


def test_every_refresh_may_fail_anew(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, failureRate=0.5)
    provider.create("dev1", "key", 1)
    states = set()
    for fence in range(2, 20):
        provider.refresh("dev1", fence)
        states.add(inspect(provider, "dev1").state)

    assert states == {State.READY, State.FAILED}


def test_an_environment_vanishes_by_itself(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, creationSeconds=60, vanishRate=1, vanishAfterSeconds=30)
    provider.create("dev1", "key", 1)
    clock.advance(seconds=89)
    assert inspect(provider, "dev1").state is State.READY
    clock.advance(seconds=1)

    assert provider.inventory() == {}
    with pytest.raises(UnknownEnvironment):
        provider.check_login("dev1")
    provider.delete("dev1", 2)


def test_an_environment_that_somebody_else_deleted_is_gone(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock)
    provider.create("dev1", "key", 1)
    vanish(path, "dev1")

    assert provider.inspect("dev1") is None


def test_a_login_check_can_fail_though_the_environment_is_ready(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, loginFailureRate=1)
    provider.create("dev1", "key", 1)

    assert inspect(provider, "dev1").state is State.READY
    with pytest.raises(ProviderError) as refusal:
        provider.check_login("dev1")
    assert not refusal.value.permanent


def test_a_new_environment_may_be_missing_from_the_listing(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, listingDelaySeconds=30)
    provider.create("dev1", "key", 1)

    assert provider.inventory() == {}
    assert inspect(provider, "dev1").state is State.READY
    clock.advance(seconds=30)
    assert "dev1" in provider.inventory()


def test_a_lost_answer_leaves_the_work_done(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, timeoutAfterSuccessRate=1)
    with pytest.raises(ProviderError) as refusal:
        provider.create("dev1", "key", 1)
    assert not refusal.value.permanent
    assert inspect(provider, "dev1").state is State.READY

    org = inspect(provider, "dev1").org_id
    for _ in range(2):
        with pytest.raises(ProviderError):
            provider.refresh("dev1", 2)
    assert inspect(provider, "dev1").fence == 2
    assert inspect(provider, "dev1").org_id != org
    with pytest.raises(ProviderError):
        provider.delete("dev1", 3)
    assert provider.inspect("dev1") is None


def test_a_refused_call_does_nothing(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, refusalRate=1)
    with pytest.raises(ProviderError) as refusal:
        provider.create("dev1", "key", 1)

    assert not refusal.value.permanent
    assert provider.inventory() == {}


def test_a_call_that_met_a_fault_meets_it_again_only_by_chance(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, refusalRate=0.5)

    assert len(outcomes(provider, calls=40)) == 40
    assert 10 < sum(outcomes(provider, calls=40)) < 30


def test_a_rerun_meets_the_same_faults(tmp_path: Path, clock: Clock) -> None:
    first, second = (mock_provider(tmp_path / name, clock, refusalRate=0.5) for name in ("first", "second"))

    assert outcomes(first, calls=20) == outcomes(second, calls=20)


def outcomes(provider: MockProvider, *, calls: int) -> list[bool]:
    """Whether each of so many deletions was done."""
    done = []
    for fence in range(calls):
        try:
            provider.delete("dev1", fence)
        except StaleFence:
            done.append(True)
        except ProviderError:
            done.append(False)
        else:
            done.append(True)
    return done


def test_about_as_many_fail_as_ordered(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, failureRate=0.3)
    for number in range(100):
        provider.create(f"dev{number}", "key", 1)

    states = Counter(instance.state for instance in provider.inventory().values())
    assert set(states) == {State.READY, State.FAILED}
    assert 15 <= states[State.FAILED] <= 45


# One service


def test_the_allowance_counts_whatever_exists(path: Path, clock: Clock) -> None:
    provider = mock_provider(path, clock, maximum=2, deletionSeconds=60)
    mock_provider(path, clock, failureRate=1).create("failed", "key", 1)
    provider.create("dev1", "key", 1)
    provider.delete("dev1", 2)

    with pytest.raises(NoCapacity) as refusal:
        provider.create("dev2", "key", 1)
    assert not refusal.value.permanent
    provider.create("failed", "key", 1)

    clock.advance(minutes=1)
    provider.create("dev2", "key", 1)


def test_the_allowance_is_the_pools_own(path: Path, clock: Clock) -> None:
    mock_provider(path, clock, pool="qa").create("qa1", "key", 1)

    mock_provider(path, clock, maximum=1).create("dev1", "key", 1)


def test_the_service_outlives_its_users_and_lists_every_pool_of_the_scope(path: Path, clock: Clock) -> None:
    mock_provider(path, clock).create("dev1", "key", 1)
    mock_provider(path, clock, pool="qa").create("qa1", "key", 1)

    assert set(mock_provider(path, clock).inventory()) == {"dev1", "qa1"}


def test_a_name_may_exist_once_in_every_scope(path: Path, clock: Clock) -> None:
    here, there = (MockProvider(path, pool_settings(scope=scope), clock) for scope in ("here", "there"))
    here.create("dev1", "key", 1)
    there.create("dev1", "other", 1)

    assert inspect(here, "dev1").key == "key"
    assert inspect(there, "dev1").key == "other"


def create_many(path: Path, start: Barrier, key: str, names: list[str]) -> None:
    """What one process does: everything it can get, its own clock standing still as the others'."""
    start.wait(timeout=60)
    provider = mock_provider(path, Clock(), maximum=10)
    for name in names:
        try:
            provider.create(name, key, 1)
        except (NoCapacity, NameTaken):
            continue


def test_processes_at_once_never_exceed_the_allowance_nor_share_a_name(path: Path, clock: Clock) -> None:
    processes = multiprocessing.get_context("spawn")
    start = processes.Barrier(3)
    shared = [f"shared{number}" for number in range(5)]
    workers = [
        processes.Process(target=create_many, args=(path, start, key, shared + [f"{key}{n}" for n in range(20)]))
        for key in ("a", "b", "c")
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    existing = mock_provider(path, clock).inventory()
    assert len(existing) == 10
    assert set(shared) <= set(existing)
    assert len({instance.provider_id for instance in existing.values()}) == 10
