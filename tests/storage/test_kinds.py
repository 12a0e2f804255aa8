"""Target kinds: the validation of stored options, and the declarations of every kind."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from targets.kinds import OptionInvalid, TargetKind
from targets.local import LOCAL, LocalSettings
from targets.registry import KINDS, kind_named
from targets.s3_client import client_create
from targets.s3_kind import S3, S3Settings

KEYS = {"access_key": "a", "secret_key": "b"}
OPTIONS = {
    "bucket": "backups",
    "endpoint_url": "https://s3.example.com",
    "region": "eu-1",
    "prefix": "hosting",
    "path_style": False,
    "conditional_writes": False,
}


def named(kind: TargetKind, options: dict[str, Any], secrets: dict[str, Any]) -> str:
    """The option that the error names."""
    with pytest.raises(OptionInvalid) as caught:
        kind.read(options=options, secrets=secrets)
    assert str(caught.value) == f"{caught.value.name}: {caught.value.reason}"
    return caught.value.name


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_declared_completely(kind: TargetKind) -> None:
    assert kind_named(kind.name) is kind
    first = kind.options[0]
    assert (first.required, first.secret, bool(first.argument)) == (True, False, True)
    for option in kind.options:
        assert option.label
        assert option.help or option.secret
        assert not (option.secret and option.argument)
        assert option.type in (bool, str, Path)


def test_names_and_arguments_are_of_one_kind_each() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    arguments = [option.argument for kind in KINDS for option in kind.options if option.argument]
    assert len(arguments) == len(set(arguments))


def test_stored_options_become_settings() -> None:
    assert S3.read(options=OPTIONS, secrets=KEYS) == S3Settings(**OPTIONS, **KEYS)
    least = S3.read(options={"bucket": "b", "region": "r"}, secrets=KEYS)
    assert (least.endpoint_url, least.prefix, least.path_style, least.conditional_writes) == (None, "", True, True)
    assert LOCAL.read(options={"root": "/backups"}, secrets={}) == LocalSettings(root=Path("/backups"))


@pytest.mark.parametrize("name", ["bucket", "region"])
def test_missing_option_is_named(name: str) -> None:
    assert named(S3, {key: value for key, value in OPTIONS.items() if key != name}, KEYS) == name
    assert named(LOCAL, {}, {}) == "root"


@pytest.mark.parametrize("name", KEYS)
def test_missing_secret_is_named(name: str) -> None:
    assert named(S3, OPTIONS, {key: value for key, value in KEYS.items() if key != name}) == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bucket", 5),
        ("bucket", None),
        ("bucket", ""),
        ("region", ""),
        ("region", "eu west"),
        ("region", "-eu"),
        ("region", "12"),
        ("region", "e" * 64),
        ("region", "eu-1\n"),
        ("endpoint_url", "s3.example.com"),
        ("endpoint_url", "https://"),
        ("endpoint_url", "http://[127"),
        ("endpoint_url", "http://[::1:9000"),
        ("endpoint_url", "http://?x"),
        ("endpoint_url", "http://h/path?x"),
        ("endpoint_url", "http://h:99999"),
        ("endpoint_url", "http://h:port"),
        ("endpoint_url", "http://user@"),
        ("endpoint_url", "https://a_b!.example"),
        ("endpoint_url", "https://a..example"),
        ("endpoint_url", "https://s3.example\n"),
        ("prefix", "my backups"),
        ("prefix", "a//b"),
        ("path_style", "true"),
        ("conditional_writes", None),
        ("more", 1),
        ("session_token", "lent"),
    ],
)
def test_wrong_option_is_named(name: str, value: Any) -> None:
    assert named(S3, {**OPTIONS, name: value}, KEYS) == name


@pytest.mark.parametrize(
    "address",
    ["HTTPS://s3.example.com", "http://127.0.0.1:9000", "http://[::1]:9000/s3", "http://minio:9000/", "https://h."],
)
def test_address_of_a_service_is_valid(address: str) -> None:
    settings = S3.read(options={**OPTIONS, "endpoint_url": address}, secrets=KEYS)
    assert settings.endpoint_url == address
    client_create(settings).close()


def test_stored_region_may_be_null() -> None:
    settings = S3.read(options={**OPTIONS, "region": None, "endpoint_url": None}, secrets=KEYS)
    with closing(client_create(settings)) as client:
        assert client.meta.region_name == "us-east-1"


@pytest.mark.parametrize("value", [None, [], "text", 5])
def test_options_and_secrets_are_objects(value: Any) -> None:
    assert named(S3, value, KEYS) == "options"
    assert named(S3, OPTIONS, value) == "secrets"


def test_unknown_kind_is_named() -> None:
    with pytest.raises(OptionInvalid, match="kind: "):
        kind_named("tape")


@pytest.mark.parametrize(("words", "region"), [({"region": ""}, "eu-7"), ({}, "eu-7"), ({"region": "eu-1"}, "eu-1")])
def test_empty_region_on_the_command_line_is_not_given(
    words: dict[str, str], region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "eu-7"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    assert S3.found_here({"bucket": "b", **words}).region == region


@pytest.mark.parametrize("root", ["relative", "", "/a\0b", 5, None])
def test_folder_that_can_be_none_is_named(root: Any) -> None:
    assert named(LOCAL, {"root": root}, {}) == "root"


def test_secret_among_the_options_is_refused() -> None:
    assert named(S3, {**OPTIONS, "secret_key": "seen"}, KEYS) == "secret_key"
    assert named(S3, OPTIONS, {**KEYS, "bucket": "b"}) == "bucket"


def test_folder_on_the_command_line_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "backups").mkdir()
    monkeypatch.chdir(tmp_path)
    assert LOCAL.found_here({"root": "backups"}) == LocalSettings(root=Path.cwd() / "backups")
