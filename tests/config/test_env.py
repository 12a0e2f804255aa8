"""The environment's settings: each value is parsed exactly, and every mistake is reported in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.keyring import kek_generate
from config.env import EnvironmentInvalid, environment_read

KEK = f"1:{kek_generate()}"
RIGHT = {"SECRET_KEY": "s" * 60, "SAVEPOINT_MASTER_KEYS": KEK, "SAVEPOINT_HOME": "/nowhere"}


def test_two_secrets_are_all_that_is_needed():
    found = environment_read(RIGHT)
    assert (found.host, found.port, found.url, found.workers) == ("127.0.0.1", 8000, "http://127.0.0.1:8000", 2)
    assert found.database["ENGINE"] == "django.db.backends.sqlite3"
    assert found.queue == {"orm": "default"}
    assert found.master_keys.current_version == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SAVEPOINT_PROT", "8000", "SAVEPOINT_PROT is not a setting"),
        ("SAVEPOINT_PORT", "0", "SAVEPOINT_PORT must be"),
        ("SAVEPOINT_PORT", "80a", "SAVEPOINT_PORT must be"),
        ("SAVEPOINT_PORT", "٣", "SAVEPOINT_PORT must be"),
        ("SAVEPOINT_WORKERS", "0", "SAVEPOINT_WORKERS must be"),
        ("SAVEPOINT_URL", "backups.example.com", "SAVEPOINT_URL must look like"),
        ("SAVEPOINT_URL", "https://example.com/backups", "SAVEPOINT_URL must look like"),
        ("SAVEPOINT_LOG_LEVEL", "LOUD", "SAVEPOINT_LOG_LEVEL must be one of"),
        ("DATABASE_URL", "mysql://root@localhost/x", "DATABASE_URL must look like"),
        ("DATABASE_URL", "postgres://localhost:port/x", "DATABASE_URL cannot be parsed"),
        ("QUEUE_URL", "amqp://localhost", "QUEUE_URL must be"),
        ("SECRET_KEY", "short", "SECRET_KEY must have at least 50"),
        ("SAVEPOINT_MASTER_KEYS", "1:tooshort", "SAVEPOINT_MASTER_KEYS: "),
        ("SECRET_KEY_FILE", "/nowhere/at/all", "SECRET_KEY_FILE cannot be read"),
        ("SAVEPOINT_MAIL_FROM", "nobody", "SAVEPOINT_MAIL_FROM must look like"),
        ("SAVEPOINT_MAIL_URL_FILE", "/nowhere/at/all", "SAVEPOINT_MAIL_URL_FILE cannot be read"),
        ("SAVEPOINT_METRICS_TOKEN", "short", "SAVEPOINT_METRICS_TOKEN must have at least 32"),
        ("SAVEPOINT_METRICS_TOKEN", "ü" * 40, "SAVEPOINT_METRICS_TOKEN must have at least 32"),
        ("SAVEPOINT_METRICS_TOKEN_FILE", "/nowhere/at/all", "SAVEPOINT_METRICS_TOKEN_FILE cannot be read"),
        ("SAVEPOINT_STORAGE_ROOTS", "/srv:backups", "SAVEPOINT_STORAGE_ROOTS must be"),
        ("SAVEPOINT_METRICS_NETWORKS", "10.0.0.1/8", "SAVEPOINT_METRICS_NETWORKS must be"),
        ("SAVEPOINT_METRICS_NETWORKS", "everybody", "SAVEPOINT_METRICS_NETWORKS must be"),
        ("SAVEPOINT_METRICS_NETWORKS", "10.0.0.0/8,", "SAVEPOINT_METRICS_NETWORKS must be"),
    ],
)
def test_a_mistake_is_one_line_that_names_it_and_shows_no_secret(name, value, said):
    environ = {**RIGHT, name: value}
    if name.endswith("_FILE"):
        environ.pop(name.removesuffix("_FILE"), None)
    with pytest.raises(EnvironmentInvalid) as caught:
        environment_read(environ)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
    assert KEK.partition(":")[2] not in str(caught.value)


@pytest.mark.parametrize("name", ["SECRET_KEY", "SAVEPOINT_MASTER_KEYS"])
def test_a_missing_secret_is_named(name):
    with pytest.raises(EnvironmentInvalid, match=f"{name} is missing"):
        environment_read({key: value for key, value in RIGHT.items() if key != name})


def test_a_secret_may_lie_in_a_file(tmp_path):
    (tmp_path / "key").write_text("f" * 60 + "\n")
    environ = {**RIGHT, "SECRET_KEY_FILE": str(tmp_path / "key")}
    del environ["SECRET_KEY"]
    assert environment_read(environ).secret_key == "f" * 60


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:8000"), ("::1", "http://[::1]:8000"), ("10.0.0.5", "http://10.0.0.5:8000")],
)
def test_the_default_address_can_be_opened(host, url):
    assert environment_read({**RIGHT, "SAVEPOINT_HOST": host}).url == url


@pytest.mark.parametrize(
    ("networks", "found"),
    [
        ("", ["127.0.0.0/8", "::1/128"]),
        ("none", []),
        ("10.0.0.0/8, 192.0.2.7,2001:db8::/32", ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]),
    ],
)
def test_metrics_are_for_this_machine_unless_networks_are_named(networks, found):
    environment = environment_read({**RIGHT, "SAVEPOINT_METRICS_NETWORKS": networks})
    assert list(map(str, environment.metrics_networks)) == found
    assert environment.metrics_token is None


def test_a_postgres_address_is_taken_apart():
    found = environment_read({**RIGHT, "DATABASE_URL": "postgres://u%40x:p%2Fw@db:5433/name?sslmode=require"})
    database = found.database
    assert [database[key] for key in ("USER", "PASSWORD", "HOST", "PORT", "NAME")] == [
        "u@x",
        "p/w",
        "db",
        "5433",
        "name",
    ]
    assert database["OPTIONS"]["sslmode"] == "require"


def test_a_wrong_setting_stops_the_start_with_one_line():
    environ = {
        "PATH": os.environ["PATH"],
        **RIGHT,
        "SAVEPOINT_PORT": "many",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "manage.py", "worker"], cwd=root, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "savepoint: SAVEPOINT_PORT must be a whole number from 1 to 65535.\n"


def test_every_setting_is_documented():
    from config.env import KNOWN

    documented = (Path(__file__).resolve().parents[2] / "docs/settings.md").read_text()
    assert {name for name in KNOWN if name.removesuffix("_FILE") not in documented} == set()
