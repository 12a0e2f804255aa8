"""The repository of the maintenance tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repository.maintenance.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A repository without snapshots, and a folder of three files."""
    made = World(tmp_path)
    made.write(a=300_000, b=200_000, c=b"small")
    return made
