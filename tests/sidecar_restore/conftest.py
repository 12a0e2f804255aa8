"""A data root to restore onto, in memory if the machine has /dev/shm."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from sidecar.restore.archive import archive_extract
from sidecar.restore.workspace.outcomes import ExtractSummary
from sidecar.restore.workspace.progress import ExtractProgress
from trees import trust
from wire.enums import Mode

OPERATION = "6f0d2a3c-6d3b-4c56-9f5e-0a1b2c3d4e5f"


@pytest.fixture(autouse=True)
def at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the stat of files written just now: no other process writes to them here."""
    monkeypatch.setattr(trust, "WRITTEN_BACK_NS", 0)


class Extract(Protocol):
    def __call__(self, archive: Path, mode: Mode = Mode.REPLACE, **options: Any) -> ExtractSummary: ...


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A working folder in memory: a sweep syncs a thousand times, and should not measure a busy disk."""
    memory = Path("/dev/shm")  # noqa: S108 - only probed; files in it get unique names
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def root(place: Path) -> Path:
    root = place / "root"
    root.mkdir()
    return root


@pytest.fixture
def extract(root: Path) -> Extract:
    """Extract an archive onto the root, as the daemon does."""

    def run(archive: Path, mode: Mode = Mode.REPLACE, **options: Any) -> ExtractSummary:
        on_progress: Callable[[ExtractProgress], None] = options.pop("on_progress", lambda _: None)
        return archive_extract(
            archive=archive,
            root=options.pop("root", root),
            operation=options.pop("operation", OPERATION),
            mode=mode,
            on_progress=on_progress,
            cancelled=options.pop("cancelled", lambda: False),
            **options,
        )

    return run
