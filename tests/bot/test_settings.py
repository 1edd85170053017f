"""What the environment says: every variable, what it may be, and errors that name it without its value."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from bot.settings import SECRETS, BadSettings, Rates, Settings

NETWORKS = (ip_network("10.1.0.0/16"), ip_network("fd00:1::/64"))
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def read(data: Path, **environ: str) -> Settings:
    return Settings.from_env({"GREENROOM_DATA": str(data), **environ})


def test_without_any_it_is_embedded_and_listens_on_loopback(data: Path) -> None:
    settings = read(data)
    assert settings == Settings(data=data, secret_keys=settings.secret_keys, rates=Rates())
    assert settings.effective_database_url == f"sqlite:///{data}/greenroom.db"
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.github_api_url == "https://api.github.com"


@pytest.mark.parametrize(
    ("name", "value", "field", "means"),
    [
        ("DATABASE_URL", "postgresql://db/greenroom", "database_url", "postgresql://db/greenroom"),
        ("DATABASE_URL", "postgresql://db/greenroom", "effective_database_url", "postgresql://db/greenroom"),
        ("REDIS_URL", "rediss://:secret@redis:6380/1", "redis_url", "rediss://:secret@redis:6380/1"),
        ("SECRET_KEY", "newest older", "secret_keys", ("newest", "older")),
        ("GITHUB_API_URL", "https://ghes.example/api/v3/", "github_api_url", "https://ghes.example/api/v3"),
        ("GITHUB_APP_ID", " 4711 ", "github_app_id", "4711"),
        ("GITHUB_PRIVATE_KEY", PEM, "github_private_key", PEM),
        ("GITHUB_PRIVATE_KEY", PEM.replace("\n", "\\n"), "github_private_key", PEM),
        ("GITHUB_WEBHOOK_SECRET", "one", "github_webhook_secrets", ("one",)),
        ("GITHUB_WEBHOOK_SECRET", "new\nold\n", "github_webhook_secrets", ("new", "old")),
        ("GITHUB_CLIENT_ID", "Iv23", "github_client_id", "Iv23"),
        ("GITHUB_CLIENT_SECRET", "s3cret", "github_client_secret", "s3cret"),
        ("GREENROOM_OWNERS", "Alice bob", "owners", frozenset({"alice", "bob"})),
        ("PUBLIC_URL", "https://greenroom.example/", "public_url", "https://greenroom.example"),
        ("HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("HOST", "0.0.0.0", "public_url", "http://127.0.0.1:8000"),
        ("HOST", "greenroom.internal", "public_url", "http://greenroom.internal:8000"),
        ("HOST", "::", "public_url", "http://[::1]:8000"),
        ("HOST", "fd00::7", "public_url", "http://[fd00::7]:8000"),
        ("PORT", "9000", "port", 9000),
        ("PORT", "9000", "public_url", "http://127.0.0.1:9000"),
        ("GREENROOM_SANDBOX_MODE", "Real", "sandbox_mode", "real"),
        ("RATE_LIMIT", "60 10", "rates", Rates(token=60, address=10)),
        ("RATE_LIMIT", "off", "rates", None),
        ("TRUSTED_PROXIES", "2", "trusted_proxies", 2),
        ("GREENROOM_WEBHOOK_NETWORKS", "10.1.0.0/16 fd00:1::/64", "webhook_networks", NETWORKS),
        ("LOG_FORMAT", "JSON", "log_format", "json"),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
    ],
)
def test_each_variable(data: Path, name: str, value: str, field: str, means: Any) -> None:
    assert getattr(read(data, **{name: value}), field) == means


@pytest.mark.parametrize("name", sorted({"LOG_LEVEL", "PORT", "HOST", "GREENROOM_SANDBOX_MODE", *SECRETS}))
def test_an_empty_variable_is_none(data: Path, name: str) -> None:
    generated = read(data)
    assert read(data, **{name: "  "}) == generated


def test_each_secret_can_come_from_a_file(data: Path, tmp_path: Path) -> None:
    values = {name: f"value of {name}" if name != "GITHUB_PRIVATE_KEY" else PEM for name in SECRETS}
    for name, value in values.items():
        (tmp_path / name).write_text(f"{value}\n")
    from_files = read(data, **{f"{name}_FILE": str(tmp_path / name) for name in SECRETS})
    assert from_files == read(data, **values)


def test_what_is_no_secret_does_not_come_from_a_file(data: Path, tmp_path: Path) -> None:
    (tmp_path / "port").write_text("9000")
    assert read(data, PORT_FILE=str(tmp_path / "port")).port == 8000


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"PORT": "hunter2"}, "PORT must be a port number from 0 to 65535"),
        ({"PORT": "65536"}, "PORT must be a port number from 0 to 65535"),
        ({"PORT": "-1"}, "PORT must be a port number from 0 to 65535"),
        ({"PORT": "9" * 5000}, "PORT must be a port number from 0 to 65535"),
        ({"PUBLIC_URL": "hunter2.example"}, "PUBLIC_URL must be an address like http://127.0.0.1:8000"),
        ({"PUBLIC_URL": "http://"}, "PUBLIC_URL must be an address like http://127.0.0.1:8000"),
        ({"PUBLIC_URL": "http://[hunter2"}, "PUBLIC_URL must be an address like http://127.0.0.1:8000"),
        ({"GITHUB_API_URL": "ftp://hunter2"}, "GITHUB_API_URL must be an address like https://api.github.com"),
        ({"GREENROOM_SANDBOX_MODE": "hunter2"}, "GREENROOM_SANDBOX_MODE must be one of mock, real"),
        ({"LOG_FORMAT": "hunter2"}, "LOG_FORMAT must be one of text, json"),
        ({"LOG_LEVEL": "hunter2"}, "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR"),
        (
            {"GITHUB_PRIVATE_KEY": "/run/secrets/hunter2.pem"},
            "GITHUB_PRIVATE_KEY must be the key itself as PEM text; for a path use GITHUB_PRIVATE_KEY_FILE",
        ),
        (
            {"SECRET_KEY": "hunter2", "SECRET_KEY_FILE": "/run/hunter2"},
            "SECRET_KEY and SECRET_KEY_FILE are both set; keep one of them",
        ),
        ({"SECRET_KEY_FILE": "/run/secrets/hunter2"}, "SECRET_KEY_FILE must be the path of a file that can be read"),
        ({"SECRET_KEY_FILE": "/"}, "SECRET_KEY_FILE must be the path of a file that can be read"),
        (
            {"GITHUB_PRIVATE_KEY_FILE": PEM.replace("MIIE", "hunter2" * 500)},
            "GITHUB_PRIVATE_KEY_FILE must be the path of a file that can be read",
        ),
    ],
)
def test_an_error_names_the_variable_and_never_its_value(data: Path, environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(BadSettings) as refused:
        read(data, **environ)
    assert str(refused.value) == sentence
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("wrong", ["hunter2", "60", "60 0", "60 -1", "1 2 3"])
def test_a_rate_limit_is_two_numbers_or_off(data: Path, wrong: str) -> None:
    with pytest.raises(BadSettings, match=r"^RATE_LIMIT ") as refused:
        read(data, RATE_LIMIT=wrong)
    assert "hunter2" not in str(refused.value)


def test_a_file_of_something_else_than_text_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSettings, match=r"^SECRET_KEY_FILE "):
        read(data, SECRET_KEY_FILE=str(tmp_path / "key"))


def test_the_data_has_to_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "hunter2").write_text("a file")
    with pytest.raises(BadSettings) as refused:
        read(tmp_path / "hunter2")
    assert str(refused.value) == "GREENROOM_DATA must be a folder that can be written to"


def test_a_secret_key_is_made_once_and_readable_by_nobody_else(data: Path) -> None:
    first, second = read(data).secret_keys, read(data).secret_keys
    assert first == second
    assert len(first[0]) >= 48
    assert [path.name for path in data.iterdir()] == ["secret-key"]
    assert (data / "secret-key").stat().st_mode & 0o077 == 0


def test_no_secret_is_in_what_settings_look_like(data: Path) -> None:
    settings = read(data, SECRET_KEY="hunter2", GITHUB_PRIVATE_KEY=PEM, DATABASE_URL="postgresql://u:hunter2@db/g")
    assert "hunter2" not in repr(settings)
    assert "PRIVATE" not in f"{settings}"


def test_a_given_key_makes_no_folder(data: Path) -> None:
    read(data, SECRET_KEY="given")
    assert not data.exists()
