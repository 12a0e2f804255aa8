"""Links that are swapped during a backup or restore, and a preview that matches the restore over all places."""

# ruff: noqa: F811 - a fixture is found by its name

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.comparison import Tree
from sidecar.archive.pack import PackProgress
from sidecar.errors import SourceFailed
from tests.sidecar_restore.linked import Linked, linked  # noqa: F401  # a fixture among them
from tests.sidecar_restore.mounting import mounted
from tests.sidecar_restore.trees import live, snapshot, write
from wire.enums import ChangeKind, Mode


def link_elsewhere(linked: Linked) -> None:
    (linked.root / "link").symlink_to(linked.forbidden)


def folder_instead(linked: Linked) -> None:
    write(linked.root / "link" / "ordinary", b"ordinary")


def nothing_instead(_: Linked) -> None:
    pass


@pytest.mark.parametrize("swap", [link_elsewhere, folder_instead, nothing_instead])
def test_link_that_is_swapped_during_a_backup_leads_nowhere_else(
    linked: Linked, swap: Callable[[Linked], None]
) -> None:
    (linked.root / "link").symlink_to(linked.worlds / "a")
    swapped: list[int] = []

    def on_progress(_: PackProgress) -> None:
        if not swapped:
            swapped.append(1)
            (linked.root / "link").unlink()
            swap(linked)

    linked.backup(on_progress)

    assert swapped
    assert not any("secret" in name for name in linked.packed())


@pytest.mark.parametrize("swap", [link_elsewhere, folder_instead, nothing_instead])
def test_where_no_link_is_any_more_an_ordinary_folder_comes_back(
    linked: Linked, swap: Callable[[Linked], None]
) -> None:
    (linked.root / "link").symlink_to(linked.worlds / "a")
    linked.backup()
    (linked.root / "link").unlink()
    swap(linked)
    before = snapshot(linked.worlds), snapshot(linked.forbidden)
    said = linked.preview()

    summary = linked.restore()

    assert (said.stays, said.removed) == (0, summary.removed)
    assert not (linked.root / "link").is_symlink()
    assert sorted(path.name for path in (linked.root / "link").iterdir()) == ["deep", "map"]
    assert (snapshot(linked.worlds), snapshot(linked.forbidden)) == before
    assert not linked.preview().changes


def remove_its_folder(linked: Linked) -> None:
    (linked.root / "folder").rename(linked.root / "renamed")


def lead_elsewhere(linked: Linked) -> None:
    (linked.root / "folder" / "link").unlink()
    (linked.root / "folder" / "link").symlink_to(linked.forbidden)


def remove_link(linked: Linked) -> None:
    (linked.root / "folder" / "link").unlink()


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("change", [remove_its_folder, lead_elsewhere, remove_link])
def test_link_swapped_during_a_restore_ends_it_with_nothing_touched(
    linked: Linked, change: Callable[[Linked], None], *, writable: bool
) -> None:
    (linked.root / "folder").mkdir()
    (linked.root / "folder" / "link").symlink_to(linked.worlds / "a")
    if not writable:
        write(linked.worlds / "a" / ".savepoint", b"a file, so that this stays")
    linked.backup()
    write(linked.worlds / "a" / "map", b"played on")
    write(linked.root / "level.dat", b"played on")
    before = snapshot(linked.worlds), snapshot(linked.forbidden)

    with pytest.raises(SourceFailed) as failure:
        linked.restore(before_exchange=lambda: change(linked))

    assert failure.value.params["path"] in ("folder/link", "folder")
    assert (snapshot(linked.worlds), snapshot(linked.forbidden)) == before
    assert (linked.root / "level.dat").read_bytes() == b"played on"
    assert not (linked.root / ".savepoint").exists()


@pytest.fixture
def spread(linked: Linked) -> Iterator[Linked]:
    """Ordinary, mounted and followed folders with equal files."""
    (linked.root / "link").symlink_to(linked.worlds / "a")
    for folder in ("folder", "mount"):
        (linked.root / folder).mkdir()
    with mounted("-t", "tmpfs", "-o", "mode=755", "none", at=linked.root / "mount"):
        for folder in ("folder", "mount", "link"):
            for name in ("changed", "same", "file to folder", "sub/gone", "folder to file/file", "gone/file"):
                write(linked.root / folder / name, b"as it was")
        yield linked


def played_on(top: Path) -> None:
    write(top / "changed", b"played on")
    write(top / "new/file", b"played on")
    (top / "file to folder").unlink()
    write(top / "file to folder" / "file")
    for name in ("sub/gone", "folder to file/file"):
        (top / name).unlink()
    (top / "folder to file").rmdir()
    write(top / "folder to file")
    os.mkfifo(top / "pipe")


def links_it(linked: Linked) -> None:
    (linked.root / "link").unlink()


def file_instead(linked: Linked) -> None:
    links_it(linked)
    write(linked.root / "link")


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("also", [nothing_instead, links_it, file_instead])
def test_preview_agrees_with_the_restore_over_all_places(
    spread: Linked, mode: Mode, also: Callable[[Linked], None]
) -> None:
    linked = spread
    linked.backup()
    for folder in ("folder", "mount", "link"):
        played_on(linked.root / folder)
    also(linked)
    before = everything(linked)
    said = linked.preview(mode)

    summary = linked.restore(mode)

    after = everything(linked)
    assert said.added == len(after.keys() - before.keys())
    assert summary.removed == said.removed == len(before.keys() - after.keys())
    stays = {change.path for change in said.changes if change.kind is ChangeKind.STAYS}
    assert stays == {warning.path for warning in summary.staying.kept}
    assert linked.preview(mode).changes == tuple(change for change in said.changes if change.kind is ChangeKind.STAYS)


def everything(linked: Linked) -> Tree:
    """The data, including the folder behind the link."""
    found = live(linked.root)
    if (linked.root / "link").is_symlink():
        found |= {b"link/" + path: told for path, told in snapshot(linked.root / "link").items()}
    return found


def rename_its_folder(linked: Linked) -> None:
    (linked.worlds / "a").rename(linked.worlds / "renamed")


def other_folder_of_its_name(linked: Linked) -> None:
    rename_its_folder(linked)
    write(linked.worlds / "a" / "map", b"another's")


def way_leads_elsewhere(linked: Linked) -> None:
    (linked.root / "way").unlink()
    (linked.root / "way").symlink_to(linked.worlds / "b")


@pytest.mark.parametrize("change", [rename_its_folder, other_folder_of_its_name, way_leads_elsewhere])
def test_link_end_changed_during_a_restore_ends_it_with_nothing_touched(
    linked: Linked, change: Callable[[Linked], None]
) -> None:
    """The text of the link stays the same."""
    write(linked.worlds / "b" / "map", b"another's")
    (linked.root / "way").symlink_to(linked.worlds / "a")
    (linked.root / "link").symlink_to("way")
    linked.backup()
    write(linked.worlds / "a" / "map", b"played on")
    write(linked.root / "level.dat", b"played on")
    held = os.open(linked.worlds / "a", os.O_RDONLY)

    with pytest.raises(SourceFailed) as failure:
        linked.restore(before_exchange=lambda: change(linked))

    assert failure.value.params == {"path": "link", "errno": "ESTALE"}
    assert Path(f"/proc/self/fd/{held}/map").read_bytes() == b"played on"
    os.close(held)
    assert (linked.worlds / "b" / "map").read_bytes() == b"another's"
    assert (linked.root / "level.dat").read_bytes() == b"played on"
    assert not (linked.root / ".savepoint").exists()
