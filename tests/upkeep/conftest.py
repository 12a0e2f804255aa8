"""A repository with something to prune."""

from __future__ import annotations

import pytest

from backups.models import Backup
from tests.world.snapshots import Snapshots


@pytest.fixture
def garbage(snapshots: Snapshots) -> Backup:
    """A backup, and what a deleted one left."""
    kept = snapshots.snapshot()
    snapshots.write(d=400_000)
    gone = snapshots.snapshot()
    (snapshots.world / "d").unlink()
    snapshots.delete(gone)
    return kept
