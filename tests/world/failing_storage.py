"""The storage of a rental, with a failure at one call, whoever in this process opens it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from targets import local
from targets.local import LocalStorage
from tests.storage.memory import Fault, FaultyStorage


@contextmanager
def storage_failing(root: Path, *, at: int, fault: Fault = "forever") -> Iterator[FaultyStorage]:
    """Fail the call numbered `at` to the storage in this folder (from 1; 0: none); the block gets the calls."""
    storage = FaultyStorage(LocalStorage(root), at=at, fault=fault, must_strike=False)
    with patch.object(local, "LocalStorage", lambda _root: storage):
        yield storage
