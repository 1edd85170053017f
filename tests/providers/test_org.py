"""The org that the mock service plays behind a dedicated environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.org import Org
from providers.provider import ProviderUnavailable
from providers.registry import Providers
from tests.provider import Clock


def org(data: Path, clock: Clock, username: str = "admin@acme.example", key: str = "1") -> Org:
    return Providers(data, lambda: "mock", clock).org(username, key)


def test_each_environment_has_credentials_of_its_own_marked_as_mock(tmp_path: Path, clock: Clock) -> None:
    others = [org(tmp_path, clock), org(tmp_path, clock, "x@acme.example"), org(tmp_path, clock, key="2")]
    found = [other.check_login() for other in others]
    for secrets in (
        {one.access_token for one in found},
        {one.sfdx_auth_url for one in found},
        {one.instance_url for one in found},
    ):
        assert len(secrets) == 3
        assert all(secret is not None and "mock" in secret for secret in secrets)
    assert org(tmp_path, clock).check_login() == found[0]
    assert "mock.access" not in repr(found)


def test_a_login_link_is_new_each_time(tmp_path: Path, clock: Clock) -> None:
    links = {org(tmp_path, clock).login_link() for _ in range(3)}
    assert len(links) == 3
    assert all(link.startswith("https://") and ".mock.example/login?otp=" in link for link in links)


def test_something_is_installed_every_hour(tmp_path: Path, clock: Clock) -> None:
    first = org(tmp_path, clock).artifacts()
    assert [artifact.name for artifact in first] == ["core", "sales", "service"]
    assert all(artifact.installed_at <= clock() for artifact in first)
    assert org(tmp_path, clock).artifacts() == first
    clock.advance(hours=1)
    later = org(tmp_path, clock).artifacts()
    assert [one.version != other.version for one, other in zip(first, later, strict=True)] == [True] * 3


def test_in_real_mode_no_org_can_be_reached_yet(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(ProviderUnavailable):
        Providers(tmp_path, lambda: "real", clock).org("admin@acme.example", "1")
