"""Makes snapshots through a client, into a local storage, and restores them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from demo.comparison import Tree, tree_read
from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.manifest.root import SnapshotRoot
from repository.chunked.repository import Repository, repository_create
from repository.chunked.restoring.restore import snapshot_restore
from repository.chunked.snapshots.create import snapshot_create
from sidecar_client.client import SidecarClient, TreeSource
from targets.local import LocalStorage
from tests.sidecar_daemon.daemon import Daemon


def never() -> bool:
    return False


@dataclass
class Snapshots:
    daemon: Daemon
    folder: Path
    warned: list[tuple[str, bytes]] = field(default_factory=list)
    source: TreeSource | None = None

    def __post_init__(self) -> None:
        (self.folder / "storage").mkdir()
        self.repository: Repository = repository_create(
            LocalStorage(self.folder / "storage"), tenant=UUID(int=1), repository=UUID(int=2), keys=DataKey(b"k" * 32)
        )

    def create(
        self,
        *,
        parent: SnapshotRoot | None = None,
        client: SidecarClient | None = None,
        quiesce: bool = False,
        cancelled: Callable[[], bool] = never,
        wrap: Callable[[TreeSource], TreeSource] = lambda source: source,
    ) -> SnapshotRoot:
        self.warned.clear()
        with (
            client or self.daemon.client() as opened,
            opened.tree_source(source="/data", quiesce=quiesce, count=True, cancelled=cancelled) as self.source,
        ):
            return snapshot_create(
                self.repository,
                source=wrap(self.source),
                parent=parent.snapshot if parent else None,
                warn=lambda word, path: self.warned.append((word, path)),
            )

    def restored(self, root: SnapshotRoot) -> Tree:
        place = self.folder / f"restored {root.snapshot.hex()}"
        snapshot_restore(self.repository, snapshot=root.snapshot, target=place)
        return tree_read(place, top=True)
