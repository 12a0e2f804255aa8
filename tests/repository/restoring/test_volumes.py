"""A folder of the target on another volume: its files are staged inside it, as no rename crosses volumes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from demo.comparison import tree_read
from repository.chunked.restoring import folders
from repository.chunked.restoring import target as target_module
from tests.repository.restoring.trees import Kept, settle, write


@pytest.fixture
def world(source: Path) -> Path:
    write(source / "a", b"a")
    write(source / "volume" / "b", b"b" * 300_000)
    write(source / "volume" / "deep" / "c", b"c")
    os.link(source / "volume" / "b", source / "volume" / "deep" / "d")
    (source / "volume" / "link").symlink_to("b")
    settle(source)
    return source


@pytest.fixture
def snapshot(kept: Kept, world: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Make `volume` count as another volume, so that no rename enters or leaves it."""
    snapshot = kept.keep(world)
    made, rename, link = folders.Folder.__init__, os.rename, os.link

    def folder(self: folders.Folder, path: bytes, *arguments: object) -> None:
        made(self, path, *arguments)
        self.foreign = path.startswith(b"volume")

    def within(call):
        def checked(source: bytes, name: bytes, *, src_dir_fd: int, dst_dir_fd: int, **options: bool) -> None:
            inside = ["volume" in Path(f"/proc/self/fd/{fd}").readlink().parts for fd in (src_dir_fd, dst_dir_fd)]
            if inside[0] != inside[1]:
                raise OSError(18, "Invalid cross-device link")
            call(source, name, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, **options)

        return checked

    monkeypatch.setattr(folders.Folder, "__init__", folder)
    monkeypatch.setattr(os, "rename", within(rename))
    monkeypatch.setattr(os, "link", within(link))
    return snapshot


def test_target_over_two_volumes_is_restored(kept: Kept, world: Path, target: Path, snapshot: bytes) -> None:
    write(target / "volume" / "b", b"before")
    write(target / "volume" / ".savepoint.7", b"of a restore that died")
    write(target / "volume" / ".savepoint.mine", b"a name of somebody's own")

    report = kept.restore(snapshot, target)

    assert report.failed == []
    (target / "volume" / ".savepoint.mine").unlink()
    os.utime(target / "volume", ns=(1, (world / "volume").stat().st_mtime_ns))
    assert tree_read(target) == tree_read(world)


def test_nothing_is_left_beside_by_one_that_is_cancelled(
    kept: Kept, target: Path, snapshot: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(target / "volume" / "b", b"before")
    before = tree_read(target / "volume")

    def cancelled(self: target_module.RestoreRoot) -> None:
        assert len([path for path in (target / "volume").iterdir() if path.name.startswith(".savepoint.")]) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(target_module.RestoreRoot, "sync", cancelled)

    with pytest.raises(KeyboardInterrupt):
        kept.restore(snapshot, target)

    assert {path: told.content for path, told in tree_read(target / "volume").items()} == {
        **{path: told.content for path, told in before.items()},
        b"deep": b"",
    }
    assert not (target / ".savepoint").exists()
