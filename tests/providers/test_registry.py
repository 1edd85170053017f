"""Which providers there are in which mode, and what is said of wrong options."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from providers.provider import ProviderError, ProviderUnavailable
from providers.registry import Providers, check_options
from tests.provider import Clock, pool_settings


def providers(data_dir: Path, mode: Literal["mock", "real"] = "mock") -> Providers:
    return Providers(data_dir, lambda: mode, Clock())


def test_in_mock_mode_salesforce_runs_on_the_mock_service(tmp_path: Path) -> None:
    known = providers(tmp_path)
    known.for_pool("salesforce", pool_settings()).create("dev1", "key", 1)

    assert set(known.for_pool("mock", pool_settings()).inventory()) == {"dev1"}


def test_every_available_provider_can_be_had(tmp_path: Path) -> None:
    known = providers(tmp_path)
    assert [known.for_pool(name, pool_settings()).inventory() for name in known.available()] == [{}, {}, {}]


@pytest.mark.parametrize("name", ["platformsh", "nonsense"])
def test_a_provider_that_is_not_set_up_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    known = providers(tmp_path)

    assert name not in known.available()
    with pytest.raises(ProviderUnavailable, match=f"The provider {name} is not set up") as refusal:
        known.for_pool(name, pool_settings())
    assert refusal.value.permanent


def test_in_real_mode_salesforce_is_refused_until_it_can_be_reached(tmp_path: Path) -> None:
    known = providers(tmp_path, "real")
    for ask in (
        lambda: known.for_pool("salesforce", pool_settings()),
        lambda: known.reach_hub("hub@acme.example"),
        lambda: known.hub_login_link("hub@acme.example"),
    ):
        with pytest.raises(ProviderUnavailable, match="cannot reach Salesforce yet"):
            ask()


def test_templates_of_the_local_provider_lie_in_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "templates" / "web").mkdir(parents=True)
    (tmp_path / "templates" / "web" / "page").touch()
    provider = providers(tmp_path).for_pool("local", pool_settings(local={"template": "web"}))
    provider.create("dev1", "key", 1)

    assert (tmp_path / "local" / "dev1" / "files" / "page").exists()


def test_wrong_options_are_a_provider_error_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match=r"additionalConfig\.mock\.failureRate must be less than or equal to 1"):
        providers(tmp_path).for_pool("mock", pool_settings(mock={"failureRate": 2}))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reattachMinutes": 5, "anything": ["else"]},
        {"mock": None, "local": {}},
        {"mock": {"creationSeconds": 90, "failureRate": 0.5, "maximum": 3}},
        {"local": {"template": "web/small-1.0"}},
    ],
)
def test_good_options(options: dict[str, Any]) -> None:
    assert check_options(options) == []


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        ({"mock": {"failureRate": -0.1}}, "mock.failureRate", "must be greater than or equal to 0"),
        ({"mock": {"failureRate": "1"}}, "mock.failureRate", "must be a valid number"),
        ({"mock": {"failureRate": True}}, "mock.failureRate", "must be a valid number"),
        ({"mock": {"creationSeconds": 1e9}}, "mock.creationSeconds", "must be less than or equal to 2592000"),
        ({"mock": {"maximum": 1.5}}, "mock.maximum", "must be a valid integer"),
        ({"mock": {"failure_rate": 1}}, "mock.failure_rate", "is not an option"),
        ({"mock": []}, "mock", "must be an object"),
        ({"local": {"command": "rm"}}, "local.command", "is not an option"),
        ({"local": {"template": 1}}, "local.template", "must be a valid string"),
    ],
)
def test_wrong_options(options: dict[str, Any], path: str, message: str) -> None:
    assert check_options(options) == [(f"additionalConfig.{path}", message)]


@pytest.mark.parametrize(
    "template", ["", ".", "..", "../x", "a/../b", "/etc", "a//b", "a/", ".git", "a/.b", "a\0", "a\n"]
)
def test_a_template_stays_below_the_templates(template: str) -> None:
    assert check_options({"local": {"template": template}}) == [
        ("additionalConfig.local.template", "must name a directory below the templates directory, as in web/small")
    ]
