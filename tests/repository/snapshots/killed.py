"""`python -m tests.repository.snapshots.killed STORE TREE N`: a snapshot that is killed at its n-th storage call.

It uses a sector map beside the tree. If it is not killed, it prints the names of its calls.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from repository.chunked.packs import writing
from repository.chunked.repository import repository_open
from repository.chunked.snapshots.create import snapshot_create
from targets.local import LocalStorage
from tests.repository.snapshots.kept import KEY, REPOSITORY, TENANT
from tests.storage.memory import FaultyStorage
from trees.local.tree import LocalTree
from trees.sectors.map import SectorMap

Result = TypeVar("Result")
PACK_SIZE = 256 << 10


class KillingStorage(FaultyStorage):
    """Kills the process instead of its n-th call."""

    def call(self, name: str, action: Callable[[], Result]) -> Result:
        if len(self.calls) + 1 == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().call(name, action)


def main(store: Path, tree: Path, at: int) -> None:
    writing.PACK_SIZE = PACK_SIZE
    storage = KillingStorage(LocalStorage(store), at=at)
    repository = repository_open(storage, tenant=TENANT, repository=REPOSITORY, keys=KEY)
    source = LocalTree(tree, sector_map=SectorMap(tree.with_name("map")))
    snapshot_create(repository, source=source, threads=1)
    print(*storage.calls)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
