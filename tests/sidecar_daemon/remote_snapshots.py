"""Makes snapshots through a client, into a local storage, and restores them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
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


class At(TreeSource):
    """Calls `act` before a step of the source for the first time."""

    step: str
    act: Callable[[], object]

    @classmethod
    def of(cls, step: str, act: Callable[[], object]) -> Callable[[TreeSource], TreeSource]:
        def wrap(source: TreeSource) -> TreeSource:
            source.__class__ = cls
            source.step, source.act = step, act  # type: ignore[attr-defined]  # a test's own source
            return source

        return wrap

    def _at(self, step: str) -> None:
        if self.step == step:
            self.step = ""
            self.act()

    def begin(self, parent: bytes | None) -> int:
        self._at("begin")
        return super().begin(parent)

    def scan(self) -> Iterator[Any]:
        self._at("scan")
        return super().scan()

    def expect(self, wanted: Any) -> None:
        self._at("expect")
        super().expect(wanted)

    def open(self, *args: Any, **more: Any) -> Any:
        self._at("open")
        return super().open(*args, **more)

    def finish(self) -> dict[str, str]:
        self._at("finish")
        return super().finish()

    def commit(self, snapshot: bytes) -> None:
        self._at("commit")
        super().commit(snapshot)


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

    def restored(self, root: SnapshotRoot, *, special_bits: bool = False) -> Tree:
        place = self.folder / f"restored {root.snapshot.hex()}"
        snapshot_restore(self.repository, snapshot=root.snapshot, target=place, special_bits=special_bits)
        return tree_read(place, top=True)
