"""A repository for snapshots, and one with small packs, parts and chunks, so that little data needs many of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from repository.chunked.chunks import repository_keys
from repository.chunked.chunks.repository_keys import ChunkerSizes
from repository.chunked.manifest import records, stream
from repository.chunked.packs import writing
from repository.chunked.snapshots import ahead, assembly, bundling
from tests.repository.snapshots.kept import Kept
from trees import trust

KIB = 1 << 10


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    (tmp_path / "tree").mkdir()
    return Kept(tmp_path / "tree")


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    """Set all sizes of MiB to a few KiB, and trust a stat without the usual minute."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (records, stream, assembly, ahead):
            patch.setattr(module, "PART_SIZE", 256 * KIB)
        patch.setattr(writing, "PACK_SIZE", 256 * KIB)
        patch.setattr(writing, "MANIFEST_PACK_SIZE", 8 * KIB)
        patch.setattr(writing, "PACKS_PER_INDEX", 2)
        patch.setattr(bundling, "BUNDLE_SIZE", 64 * KIB)
        patch.setattr(stream, "CUT_LEAST", 512)
        patch.setattr(stream, "CUT_AVERAGE", KIB)
        patch.setattr(trust, "WRITTEN_BACK_NS", 0)
        patch.setattr(repository_keys, "ChunkerSizes", small_sizes)
        yield


def small_sizes(least: int = 4 * KIB, average: int = 16 * KIB, most: int = 64 * KIB) -> ChunkerSizes:
    return ChunkerSizes(least, average, most)


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    """Assert that a snapshot's threads end with it."""
    yield
    names = [thread.name for thread in threading.enumerate()]
    assert [name for name in names if name.startswith(("snapshot", "pack-sender"))] == []
