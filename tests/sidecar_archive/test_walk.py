import os
import resource
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.comparison import live_read
from sidecar.archive.pack import PackWarning
from sidecar.errors import SourceFailed
from sidecar.restore.archive import archive_extract
from sidecar.restore.reading.limits import DEFAULT_LIMITS
from sidecar.scan import DEPTH_MAX, PATH_BYTES_MAX, root_open, tree_walk
from tests.descriptors import descriptors
from tests.sidecar_archive.conftest import Archive
from tests.sidecar_archive.listings import packed, preview
from tests.sidecar_archive.trees import MORE_THAN_READ_AHEAD, chain_make, file_make, names, noise
from trees.beneath import open_for_reading
from trees.walk import FOLDERS_OPEN
from wire.enums import Mode, WarningKind

# Sorts before the files `z` beside the folders, so that those come on the way back.
DOWN = "down"
DEPTH = FOLDERS_OPEN + 40


@pytest.fixture
def bottom(world: Path) -> Iterator[int]:
    """A chain of folders deeper than the walk keeps open, with a big file at its end."""
    descriptor = chain_make(world, DOWN, DEPTH)
    file_make(descriptor, "big", noise(MORE_THAN_READ_AHEAD))
    yield descriptor
    os.close(descriptor)


def level(number: int) -> str:
    return "/".join([DOWN] * number)


def files_z(*levels: int) -> set[str]:
    return {f"{level(number)}/z".lstrip("/") for number in levels}


def test_a_path_longer_than_any_system_call_takes_is_packed(world: Path, archive: Archive) -> None:
    folder_name = "d" * 200
    bottom = chain_make(world, folder_name, 30)
    file_make(bottom, "treasure", b"t")
    os.close(bottom)
    result = archive.pack(world)
    assert result.warnings == ()
    found = names(archive.data)
    assert "/".join([folder_name] * 30 + ["treasure"]) in found
    assert len(max(found, key=len)) > 6000
    assert len(found) == 30 + 30 + 1


def test_entry_too_deep_for_a_restore_is_left_out_with_a_warning(world: Path, archive: Archive) -> None:
    os.close(chain_make(world, "d", DEPTH_MAX + 2))
    result = archive.pack(world)
    assert {warning.kind for warning in result.warnings} == {WarningKind.UNREADABLE}
    assert {warning.path.count(b"/") + 1 for warning in result.warnings} == {DEPTH_MAX + 1}
    assert max(name.count("/") + 1 for name in names(archive.data)) == DEPTH_MAX == DEFAULT_LIMITS.depth
    assert DEFAULT_LIMITS.path_bytes == PATH_BYTES_MAX


def test_a_deep_tree_is_packed_whole_with_few_descriptors(world: Path, archive: Archive, bottom: int) -> None:
    before, during = descriptors(world), []
    archive.at_first_write = lambda: during.append(descriptors(world))
    result = archive.pack(world)
    assert result.warnings == ()
    assert len(names(archive.data)) == DEPTH + DEPTH + 1
    assert FOLDERS_OPEN <= len(during[0]) - len(before) <= FOLDERS_OPEN + 5
    assert descriptors(world) == before


def test_folder_moved_out_during_the_walk_does_not_lead_it_out(
    world: Path, archive: Archive, tmp_path: Path, bottom: int
) -> None:
    outside = world.parent / "outside"
    outside.mkdir()
    (outside / "z-secret").write_bytes(b"secret")
    archive.at_first_write = lambda: (world / level(10)).rename(outside / DOWN)
    result = archive.pack(world)
    assert result.warnings == ()
    packed = names(archive.data)
    assert len(packed) == DEPTH + DEPTH + 1
    assert not any("secret" in name for name in packed)


def test_folders_not_found_again_cause_a_warning_and_the_rest_is_packed(
    world: Path, archive: Archive, bottom: int
) -> None:
    outside = world.parent / "outside"
    outside.mkdir()

    def tear_apart() -> None:
        (world / level(10)).rename(outside / DOWN)
        (world / DOWN).rename(outside / "rest")
        (world / DOWN).symlink_to(outside)

    archive.at_first_write = tear_apart
    result = archive.pack(world)
    files = {name for name in names(archive.data) if name.endswith("z")}
    assert files == files_z(0, *range(10, DEPTH))
    assert result.warnings == tuple(
        PackWarning(WarningKind.UNREADABLE, f"{level(number)}/z".encode()) for number in range(9, 0, -1)
    )


def test_entries_come_in_byte_order_with_folders_before_their_content(world: Path) -> None:
    for folder in ("b", "b/a", "a"):
        (world / folder).mkdir()
    for file in ("B", "a/x", "b/z", "b.c"):
        (world / file).write_bytes(b"")
    root = root_open(world)
    paths = [found.path for found in tree_walk(root, warn=lambda *_: None)]
    os.close(root)
    assert paths == [b"B", b"a", b"a/x", b"b", b"b/a", b"b/z", b"b.c"]


@pytest.mark.parametrize("doubled", ["a", "f", "link", "z"])
def test_a_name_listed_twice_is_packed_once(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doubled: str
) -> None:
    (world / "f").write_bytes(b"file")
    (world / "a" / "z").mkdir(parents=True)
    (world / "a" / "f").write_bytes(b"file in a folder")
    (world / "link").symlink_to("f")
    (world / "z").hardlink_to(world / "f")
    expected, listdir, struck = live_read(world), os.listdir, []

    def twice(folder: int) -> list[str]:
        found = listdir(folder)
        struck.extend(name for name in found if name == doubled)
        return [*found, *(name for name in found if name == doubled)]

    monkeypatch.setattr(os, "listdir", twice)
    made = packed(world)
    assert struck
    monkeypatch.undo()
    assert made.result.warnings == ()
    assert preview(world, made.listing).changes == ()
    (tmp_path / "archive").write_bytes(made.archive)
    (tmp_path / "root").mkdir()
    archive_extract(
        archive=tmp_path / "archive", root=tmp_path / "root", operation=str(uuid.uuid4()), mode=Mode.REPLACE,
        on_progress=lambda _: None, cancelled=lambda: False,
    )  # fmt: skip
    restored = live_read(tmp_path / "root")
    assert {path: entry.content for path, entry in restored.items()} == {
        path: entry.content for path, entry in expected.items()
    }


def test_no_link_is_followed_when_an_entry_is_opened(world: Path) -> None:
    (world / "folder").mkdir()
    (world / "link").symlink_to("folder")
    root = root_open(world)
    try:
        with pytest.raises(NotADirectoryError):
            open_for_reading(b"link", root, os.O_DIRECTORY)
        with pytest.raises(OSError, match="symbolic links"):
            open_for_reading(b"link", root)
    finally:
        os.close(root)


def test_abandoned_walk_closes_its_descriptors(world: Path) -> None:
    (world / "a/b/c").mkdir(parents=True)
    root = root_open(world)
    before = descriptors(world)
    walk = tree_walk(root, warn=lambda *_: None)
    assert [next(walk).path for _ in range(3)] == [b"a", b"a/b", b"a/b/c"]
    assert len(descriptors(world)) > len(before)
    walk.close()
    assert descriptors(world) == before
    os.close(root)


def test_lack_of_descriptors_fails_the_packing_and_skips_no_file(world: Path, archive: Archive) -> None:
    os.close(chain_make(world, DOWN, FOLDERS_OPEN - 1))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 20, hard))
    try:
        with pytest.raises(SourceFailed, match="Too many open files"):
            archive.pack(world)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
