"""Manifests: canonical bytes, strict reading, and no manifest passes for another."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repository.archive.manifest import (
    SEALED_SIZE_MAX,
    ArchiveManifest,
    ArchiveManifestInvalid,
    manifest_context,
    manifest_open,
    manifest_seal,
)
from repository.sealing.frames import sealed_size
from repository.sealing.sealed import Damaged, WrongKey, seal_bytes

DATA_KEY = bytes(range(32))
TARGET = UUID(int=77)
MANIFEST = ArchiveManifest(
    tenant=UUID(int=1),
    tenant_name="Müller & Söhne",
    order=UUID(int=2),
    order_name="Order 2",
    provision=UUID(int=3),
    provision_name='Survival\n"quoted" \u202e',
    backup=UUID(int=4),
    backup_name="before the update",
    created_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
    completed_at=datetime(2026, 1, 31, 12, 5, 1, 250, tzinfo=UTC),
    archive_key=f"backups/{UUID(int=2)}/{UUID(int=4)}.tar.gz",
    format="tar.gz",
    source="files",
    sealed=True,
    size_bytes=5_000_000,
    sha256="0f" * 32,
    stored_bytes=sealed_size(5_000_000),
    entries=1234,
    warnings=2,
    consistency="quiesced",
)
PLACE: dict[str, Any] = {"tenant": MANIFEST.tenant, "target": TARGET, "archive_key": MANIFEST.archive_key}
SEALED = manifest_seal(MANIFEST, data_key=DATA_KEY, target=TARGET)


def test_a_manifest_comes_back_from_its_sealed_bytes() -> None:
    assert manifest_open(SEALED, data_key=DATA_KEY, **PLACE) == MANIFEST
    assert MANIFEST.archive_key.encode() not in SEALED


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    name=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    size=st.integers(0, 2**60),
    sealed=st.booleans(),
    at=st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # the strategy adds the zone
    consistency=st.sampled_from([None, "quiesced", "stopped", "live", "crash"]),
)
def test_every_manifest_comes_back_from_its_bytes(
    *, text: str, name: str | None, size: int, sealed: bool, at: datetime, consistency: str | None
) -> None:
    manifest = replace(
        MANIFEST,
        tenant_name=name,
        backup_name=text,
        created_at=at,
        sealed=sealed,
        size_bytes=size,
        stored_bytes=sealed_size(size) if sealed else size,
        consistency=consistency,
    )
    assert ArchiveManifest.from_bytes(manifest.to_bytes()) == manifest


def test_its_bytes_are_canonical_json() -> None:
    content = json.loads(MANIFEST.to_bytes())
    assert content["version"] == 1
    assert content["completed_at"] == "2026-01-31T12:05:01.000250Z"
    assert set(content) == {field.name for field in fields(ArchiveManifest)} | {"version"}
    assert (
        json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == MANIFEST.to_bytes()
    )
    elsewhere = MANIFEST.created_at.astimezone(timezone(timedelta(hours=5)))
    assert replace(MANIFEST, created_at=elsewhere).to_bytes() == MANIFEST.to_bytes()


@pytest.mark.parametrize("name", [field.name for field in fields(ArchiveManifest)] + ["version"])
def test_a_missing_name_is_refused(name: str) -> None:
    content = json.loads(MANIFEST.to_bytes())
    del content[name]
    with pytest.raises(ArchiveManifestInvalid):
        ArchiveManifest.from_bytes(canonical(content))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", 2),
        ("version", True),
        ("another", 1),
        ("tenant", "1"),
        ("tenant", "{00000000-0000-0000-0000-000000000001}"),
        ("tenant", None),
        ("tenant_name", 5),
        ("order_name", None),
        ("backup_name", "lone \ud800 surrogate"),
        ("created_at", "2026-01-31"),
        ("created_at", "2026-01-31T12:00:00.000000"),
        ("created_at", "2026-01-31T13:00:00.000000+01:00"),
        ("created_at", 5),
        ("archive_key", "../etc/passwd"),
        ("archive_key", ""),
        ("format", "zip"),
        ("sealed", 1),
        ("sealed", "true"),
        ("sealed", False),
        ("size_bytes", -1),
        ("size_bytes", 5_000_000.0),
        ("size_bytes", "5000000"),
        ("size_bytes", 4_999_999),
        ("sha256", "0F" * 32),
        ("sha256", "0f" * 31),
        ("stored_bytes", 5_000_000),
        ("entries", -1),
        ("entries", True),
        ("warnings", None),
        ("consistency", "perhaps"),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: object) -> None:
    with pytest.raises(ArchiveManifestInvalid):
        ArchiveManifest.from_bytes(canonical({**json.loads(MANIFEST.to_bytes()), name: value}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b"{",
        MANIFEST.to_bytes() + b" ",
        MANIFEST.to_bytes().replace(b'"entries":1234', b'"entries":99,"entries":1234'),
        MANIFEST.to_bytes().replace(b'"entries":1234', b'"entries": 1234'),
        MANIFEST.to_bytes().replace("ü".encode(), b"\\u00fc"),
    ],
)
def test_non_canonical_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(ArchiveManifestInvalid):
        ArchiveManifest.from_bytes(data)


@pytest.mark.parametrize(
    "elsewhere",
    [{"tenant": UUID(int=9)}, {"target": UUID(int=9)}, {"archive_key": "backups/another.tar.gz"}],
)
def test_a_manifest_from_elsewhere_does_not_open(elsewhere: dict[str, Any]) -> None:
    with pytest.raises(Damaged):
        manifest_open(SEALED, data_key=DATA_KEY, **{**PLACE, **elsewhere})


def test_a_wrong_key_is_not_damage() -> None:
    with pytest.raises(WrongKey):
        manifest_open(SEALED, data_key=bytes(32), **PLACE)


def test_a_manifest_that_was_tampered_with_does_not_open() -> None:
    for at in range(len(SEALED)):
        tampered = bytearray(SEALED)
        tampered[at] ^= 0x40
        with pytest.raises(Damaged):
            manifest_open(bytes(tampered), data_key=DATA_KEY, **PLACE)


def test_a_manifest_sealed_in_anothers_place_is_refused() -> None:
    for other in (replace(MANIFEST, tenant=UUID(int=9)), replace(MANIFEST, archive_key="backups/another.tar.gz")):
        sealed = seal_bytes(other.to_bytes(), data_key=DATA_KEY, context=manifest_context(**PLACE))
        with pytest.raises(ArchiveManifestInvalid, match="another archive"):
            manifest_open(sealed, data_key=DATA_KEY, **PLACE)


def test_an_enormous_manifest_is_refused_before_it_is_opened() -> None:
    with pytest.raises(ArchiveManifestInvalid, match="large"):
        manifest_open(bytes(SEALED_SIZE_MAX + 1), data_key=DATA_KEY, **PLACE)


def canonical(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="surrogatepass")
