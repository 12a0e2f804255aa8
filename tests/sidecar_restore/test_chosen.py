"""Chosen paths alone are restored, of either format; the preview tells the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.comparison import Tree, but_for
from sidecar.errors import ArchiveRefused
from sidecar.preview.changes import PathsPage, Preview
from sidecar.preview.comparison import restore_preview
from sidecar.restore.reading.chosen import Chosen
from sidecar.restore.workspace.outcomes import ExtractSummary
from tests.sidecar_archive.listings import packed
from tests.sidecar_restore.conftest import Extract
from tests.sidecar_restore.listed import ListedTree
from tests.sidecar_restore.trees import live, settle, write
from wire.enums import ChangeKind, Mode

Restore = Callable[..., ExtractSummary]


def fill(root: Path) -> None:
    write(root / "level.dat", b"old level")
    write(root / "plugins" / "map" / "tiles" / "1", b"old tile")
    write(root / "plugins" / "map" / "config", b"old config")
    write(root / "plugins" / "other", b"old other")
    write(root / "region" / "r.0.0.mca", b"old region")
    os.link(root / "level.dat", root / "region" / "name of level")
    os.link(root / "level.dat", root / "region" / "third name")
    (root / "region" / "link").symlink_to("r.0.0.mca")
    os.utime(root / "region" / "link", ns=(1, 1), follow_symlinks=False)
    settle(root)


def spoil(root: Path) -> None:
    """Change everything, and add something everywhere."""
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            path.unlink()
        elif path.is_file():
            path.unlink()
            write(path, b"new", mode=0o600)
        else:
            path.chmod(0o700)
            write(path / "extra", b"new")
    write(root / "extra", b"new")
    settle(root)


@pytest.fixture(params=["archive", "snapshot"])
def restore(request: pytest.FixtureRequest, place: Path, root: Path, extract: Extract) -> Restore:
    """Restore the tree of `fill` onto the root, which is spoilt meanwhile."""
    fill(root)
    archive, tree = place / "archive.tar.gz", ListedTree(root)
    archive.write_bytes(packed(root).archive)
    spoil(root)

    def run(*paths: bytes, mode: Mode = Mode.REPLACE) -> ExtractSummary:
        chosen = Chosen(paths)
        if request.param == "archive":
            return extract(archive, mode, chosen=chosen)
        return tree.restore(root, mode, chosen=chosen)

    return run


@pytest.fixture
def wanted(place: Path) -> Tree:
    (place / "wanted").mkdir()
    fill(place / "wanted")
    return live(place / "wanted")


def merged(before: Tree, wanted: Tree, *paths: bytes) -> Tree:
    """The tree that a restore of some paths makes."""
    chosen = Chosen(paths)
    kept = {path: entry for path, entry in before.items() if not chosen.covers(path)}
    tree = kept | {path: entry for path, entry in wanted.items() if chosen.covers(path)}
    return dict(sorted(tree.items()))


def plain(tree: Tree, *above: bytes) -> Tree:
    """Without the names of files with several, and the times of folders in which names changed."""
    tree = but_for(tree, "first", "names")
    return tree | but_for({path: tree[path] for path in above if path in tree}, "mtime_ns")


@pytest.mark.parametrize(
    "paths",
    [
        [b"plugins/map"],
        [b"plugins/map/config"],
        [b"region/r.0.0.mca", b"plugins/other"],
        [b"region/link", b"plugins"],
        [b"level.dat"],
    ],
)
def test_chosen_paths_alone_change(restore: Restore, root: Path, wanted: Tree, paths: list[bytes]) -> None:
    before = live(root)
    above = [b"plugins", b"plugins/map", b"region"]

    restore(*paths)

    assert plain(live(root), *above) == plain(merged(before, wanted, *paths), *above)


def test_overlay_removes_nothing(restore: Restore, root: Path) -> None:
    restore(b"plugins/map", mode=Mode.OVERLAY)

    assert (root / "plugins" / "map" / "config").read_bytes() == b"old config"
    assert (root / "plugins" / "map" / "extra").read_bytes() == b"new"
    assert (root / "plugins" / "extra").read_bytes() == b"new"


def test_missing_folders_above_are_made_with_their_metadata(restore: Restore, root: Path, wanted: Tree) -> None:
    for path in sorted((root / "plugins").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (root / "plugins").rmdir()

    summary = restore(b"plugins/map/tiles/1")

    found = live(root)
    for path in (b"plugins", b"plugins/map", b"plugins/map/tiles", b"plugins/map/tiles/1"):
        assert found[path] == wanted[path]
    assert b"plugins/other" not in found
    assert summary.files == 1


def test_links_whose_file_was_not_chosen_share_a_file_of_their_own(restore: Restore, root: Path) -> None:
    restore(b"region")

    names = [root / "region" / "name of level", root / "region" / "third name"]
    assert [name.read_bytes() for name in names] == [b"old level"] * 2
    assert names[0].samefile(names[1])
    assert (root / "level.dat").read_bytes() == b"new"
    assert not (root / "region" / "extra").exists()


def test_companion_of_a_chosen_file_goes(restore: Restore, root: Path) -> None:
    write(root / "level.dat_old", b"new")

    restore(b"level.dat")

    assert not (root / "level.dat_old").exists()
    assert (root / "extra").exists()


STORE = {"db/CURRENT", "db/MANIFEST-000001", "db/000003.log", "db/000004.ldb", "db/OPTIONS-000007", "db/LOG"}
DATABASES = {"a.db", "a.db-wal", "a.db-shm", "b.db", "b.db-journal"}
LEVELS = {"level.dat", "level.dat_old", "session.lock"}


@pytest.mark.parametrize("kind", ["archive", "snapshot"])
@pytest.mark.parametrize(
    ("chosen", "brought"),
    [
        *((name, {"a.db", "a.db-wal", "a.db-shm"}) for name in ("a.db", "a.db-wal", "a.db-shm")),
        *((name, {"b.db", "b.db-journal"}) for name in ("b.db", "b.db-journal")),
        *((name, STORE) for name in sorted(STORE - {"db/LOG"})),
        ("db/LOG", {"db/LOG"}),
        ("db/mine", {"db/mine"}),
        ("level.dat", LEVELS),
        ("level.dat_old", {"level.dat_old"}),
        ("logs/1.log", {"logs/1.log"}),
    ],
)
def test_chosen_file_brings_its_unit(
    place: Path, root: Path, extract: Extract, kind: str, chosen: str, brought: set[str]
) -> None:
    names = STORE | DATABASES | LEVELS | {"db/mine", "logs/1.log", "logs/2.log", "LOG"}
    for name in names:
        write(root / name, b"old")
    archive, tree = place / "archive.tar.gz", ListedTree(root)
    archive.write_bytes(packed(root).archive)
    for name in names:
        write(root / name, b"new")
    settle(root)
    told = preview(root, tree, Mode.OVERLAY, chosen.encode())

    if kind == "archive":
        extract(archive, Mode.OVERLAY, chosen=Chosen([chosen.encode()]))
    else:
        tree.restore(root, Mode.OVERLAY, chosen=Chosen([chosen.encode()]))

    assert {name for name in names if (root / name).read_bytes() == b"old"} == brought
    assert {change.path.decode() for change in told.changes} == brought


@pytest.mark.parametrize("path", [b"", b"/etc", b"../up", b"a/../b", b".savepoint/x", b"a\0b"])
def test_impossible_choice_is_refused(path: bytes) -> None:
    with pytest.raises(ArchiveRefused):
        Chosen([path])


def preview(root: Path, tree: ListedTree, mode: Mode, *paths: bytes) -> Preview:
    return restore_preview(
        root=root,
        listing=tree.listing(),
        mode=mode,
        chosen=Chosen(paths),
        page=PathsPage(after=b"", limit=1000),
        check=lambda: None,
    )


@pytest.mark.parametrize("mode", list(Mode))
def test_preview_tells_of_chosen_paths_alone(root: Path, mode: Mode) -> None:
    fill(root)
    tree = ListedTree(root)
    spoil(root)
    (root / "plugins" / "map" / "config").unlink()

    found = preview(root, tree, mode, b"plugins/map/config", b"plugins/map/tiles", b"region/r.0.0.mca")

    told = [(change.kind, change.path) for change in found.changes]
    removed = [(ChangeKind.REMOVED, b"plugins/map/tiles/extra")]
    assert told == [
        (ChangeKind.ADDED, b"plugins/map/config"),
        (ChangeKind.CHANGED, b"plugins/map/tiles"),
        (ChangeKind.CHANGED, b"plugins/map/tiles/1"),
        *(removed if mode is Mode.REPLACE else []),
        (ChangeKind.CHANGED, b"region/r.0.0.mca"),
    ]
    assert found.bytes == len(b"old config" + b"old tile" + b"old region")
