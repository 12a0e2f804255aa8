"""A repository to restore from, and a folder in memory to restore to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repository.restoring.trees import BASE, Kept, settle, write


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def source(place: Path) -> Path:
    source = place / "source"
    source.mkdir()
    return source


@pytest.fixture
def target(place: Path) -> Path:
    return place / "target"


@pytest.fixture
def world(source: Path) -> Path:
    write(source / "level.dat", b"level")
    write(source / "region" / "r.0.0.mca", BASE)
    write(source / "region" / "r.0.1.mca", BASE[::-1])
    write(source / "region" / "small", b"small", mode=0o600)
    write(source / "empty")
    (source / "link").symlink_to("region")
    settle(source)
    return source
