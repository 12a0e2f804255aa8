"""`python -m benchmarks.repository_ours create|snapshot|restore …`: our repository as a program of its own.

    create REPOSITORY
    snapshot REPOSITORY CACHE SOURCE            with the last snapshot as its parent; the sector map is in CACHE
    restore REPOSITORY CACHE TARGET             the last snapshot
    restore_by_times REPOSITORY CACHE TARGET    the same, and files that are as they were found then are not read

In CACHE is, in the file `seconds`, what it took once all was imported, as in a worker.

The key is a constant: what is stored is generated and goes away again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.repository import Repository, repository_create, repository_open
from repository.chunked.snapshots.listing import snapshots_list
from targets.local import LocalStorage

TENANT, REPOSITORY = UUID(int=1), UUID(int=2)
KEY = DataKey(bytes(range(32)))
SECOND_NS = 1_000_000_000
JOURNAL = b"-journal"
"""Files that a database's writer deletes while the folder is read; nothing else may be left out."""


def create(place: str) -> None:
    """A new repository in an empty folder."""
    repository_create(LocalStorage(Path(place)), tenant=TENANT, repository=REPOSITORY, keys=KEY)


def snapshot(place: str, cache: str, source: str) -> None:
    """A snapshot of a folder."""
    from repository.chunked.snapshots.create import snapshot_create  # each command starts with its own only
    from trees.local.tree import LocalTree
    from trees.sectors.map import SectorMap
    from trees.source import Kind
    from trees.trust import WRITTEN_BACK_NS

    class AtRest(LocalTree):
        """Files count as unwritten in the last minute, since a day lies between two of these snapshots."""

        def begin(self, parent: bytes | None) -> int:
            return super().begin(parent) + WRITTEN_BACK_NS + SECOND_NS

    with _timed(cache):
        repository = _open(place)
        tree = AtRest(Path(source), sector_map=SectorMap(Path(cache, "sectors")))
        root = snapshot_create(repository, source=tree, parent=_last(repository))
    if root.skipped:
        records = repository.manifest(root.snapshot).records()
        left_out = [record.path for record in records if record.kind is Kind.SKIPPED]
        assert all(path.endswith(JOURNAL) for path in left_out), left_out


def restore(place: str, cache: str, target: str, *, trust_stat: bool = False) -> None:
    """Bring the last snapshot back."""
    from repository.chunked.restoring.restore import snapshot_restore

    with _timed(cache):
        repository = _open(place)
        last = _last(repository)
        assert last
        report = snapshot_restore(repository, snapshot=last, target=Path(target), delete=True, trust_stat=trust_stat)
    assert report.failed == []


COMMANDS: dict[str, Callable[..., None]] = {
    "create": create,
    "snapshot": snapshot,
    "restore": restore,
    "restore_by_times": partial(restore, trust_stat=True),
}


@contextmanager
def _timed(cache: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    Path(cache, "seconds").write_text(str(time.perf_counter() - began))


def _open(place: str) -> Repository:
    return repository_open(LocalStorage(Path(place)), tenant=TENANT, repository=REPOSITORY, keys=KEY)


def _last(repository: Repository) -> bytes | None:
    roots = snapshots_list(repository).roots
    return roots[-1].snapshot if roots else None


if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
