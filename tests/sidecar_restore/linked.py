"""A data root with links into a folder outside, to back up, preview and restore."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar.archive.pack import PackProgress, PackResult, tree_pack
from sidecar.places.links import LinkRoots
from sidecar.preview.changes import PathsPage, Preview
from sidecar.preview.comparison import restore_preview
from sidecar.restore.archive import archive_extract
from sidecar.restore.workspace.outcomes import ExtractSummary
from tests.sidecar_daemon.daemon import any_operation
from tests.sidecar_restore.trees import write
from wire.enums import Mode, WarningKind


@dataclass
class Linked:
    """A data root, an allowed folder for links beside it, and a folder that must never be reached."""

    root: Path
    worlds: Path
    forbidden: Path
    place: Path

    @property
    def links(self) -> LinkRoots:
        return LinkRoots([self.worlds])

    @property
    def archive(self) -> Path:
        return self.place / "a.tar.gz"

    @property
    def listing(self) -> Path:
        return self.place / "a.listing"

    def backup(self, on_progress: Callable[[PackProgress], None] = lambda _: None) -> PackResult:
        with self.archive.open("wb") as sink, self.listing.open("wb") as listing:
            return tree_pack(
                root=self.root,
                sink=sink,
                on_progress=on_progress,
                cancelled=lambda: False,
                listing=listing,
                links=self.links,
            )

    def packed(self) -> dict[str, str]:
        """The members of the packed archive, with their kinds."""
        with tarfile.open(self.archive) as tar:
            return {m.name: "folder" if m.isdir() else "link" if m.issym() else "file" for m in tar}

    def preview(self, mode: Mode = Mode.REPLACE) -> Preview:
        return restore_preview(
            root=self.root,
            listing=[self.listing.read_bytes()],
            mode=mode,
            page=PathsPage(after=b"", limit=1000),
            check=lambda: None,
            links=self.links,
        )

    def restore(
        self,
        mode: Mode = Mode.REPLACE,
        archive: Path | None = None,
        before_exchange: Callable[[], None] = lambda: None,
    ) -> ExtractSummary:
        return archive_extract(
            archive=archive or self.archive,
            listing=self.listing if archive is None else None,
            root=self.root,
            operation=any_operation(),
            mode=mode,
            on_progress=lambda _: None,
            cancelled=lambda: False,
            before_exchange=before_exchange,
            links=self.links,
        )


@pytest.fixture
def linked(place: Path, root: Path) -> Linked:
    write(root / "level.dat", b"level")
    worlds, forbidden = place / "worlds", place / "forbidden"
    write(worlds / "a" / "map", b"as it was")
    write(worlds / "a" / "deep" / "map", b"as it was")
    write(forbidden / "secret", b"secret")
    return Linked(root, worlds, forbidden, place)


def told(result: PackResult) -> dict[bytes, WarningKind]:
    return {warning.path: warning.kind for warning in result.warnings}
