"""Links that are followed: only to folders below the roots that the operator names, and never anywhere else."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar.archive.pack import PackProgress, PackResult, tree_pack
from sidecar.archive.report import WarningKind
from sidecar.errors import SourceFailed
from sidecar.places.links import LinkRoots
from sidecar.preview import ChangeKind, Page, Preview, restore_preview
from sidecar.restore.extraction import ExtractSummary, Mode, archive_extract
from tests.sidecar_daemon.daemon import any_operation
from tests.sidecar_restore.archives import compressed, member
from tests.sidecar_restore.mounting import mounted, remounted
from tests.sidecar_restore.trees import live, snapshot, write


@dataclass
class Linked:
    """A data root, a root for links beside it, and a folder that nothing may reach."""

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
        """The members, with their kinds."""
        with tarfile.open(self.archive) as tar:
            return {m.name: "folder" if m.isdir() else "link" if m.issym() else "file" for m in tar}

    def preview(self, mode: Mode = Mode.REPLACE) -> Preview:
        return restore_preview(
            root=self.root,
            listing=[self.listing.read_bytes()],
            mode=mode,
            page=Page(after=b"", limit=1000),
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


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("form", ["absolute", "relative", "through another link", "the root itself"])
def test_folder_behind_a_link_comes_back_where_it_is(linked: Linked, mode: Mode, form: str) -> None:
    target = {
        "absolute": linked.worlds / "a",
        "relative": Path("../worlds/a"),
        "through another link": Path("level/../worlds/a"),
        "the root itself": linked.worlds,
    }[form]
    folder = linked.root / ("link/a" if form == "the root itself" else "link")
    (linked.root / "level").symlink_to(".")
    (linked.root / "link").symlink_to(target)
    result = linked.backup()
    assert not told(result)
    assert linked.packed()["link"] == "folder"
    before = live(linked.root), snapshot(linked.worlds)
    write(folder / "map", b"ruined")
    write(folder / "extra", b"extra")
    write(folder / "same", b"same")
    said = linked.preview(mode)
    assert (said.changed >= 1, said.removed, said.stays) == (True, 2 * (mode is Mode.REPLACE), 0)

    summary = linked.restore(mode)

    assert summary.staying.total == 0
    assert summary.removed == said.removed
    assert (linked.root / "link").readlink() == target
    assert (folder / "map").read_bytes() == b"as it was"
    if mode is Mode.REPLACE:
        assert (live(linked.root), snapshot(linked.worlds)) == before
        assert not linked.preview().changes
    assert not list(linked.worlds.rglob(".savepoint"))


def test_links_in_a_followed_folder_follow_the_same_rule(linked: Linked) -> None:
    (linked.root / "link").symlink_to(linked.worlds / "a")
    write(linked.worlds / "b" / "map", b"as it was")
    (linked.worlds / "a" / "inner").symlink_to("../b")
    (linked.worlds / "a" / "out").symlink_to(linked.forbidden)
    (linked.worlds / "a" / "back").symlink_to(linked.root)

    result = linked.backup()

    assert told(result) == {b"link/out": WarningKind.LINKED_OUT}
    packed = linked.packed()
    assert packed["link/inner/map"] == "file"
    assert packed["link/out"] == packed["link/back"] == "link"
    assert linked.preview().changes == ()
    before = snapshot(linked.worlds)
    for folder in ("a", "b"):
        write(linked.worlds / folder / "map", b"ruined")
        write(linked.worlds / folder / "extra", b"extra")
    linked.restore()
    assert snapshot(linked.worlds) == before


@pytest.mark.parametrize("again", ["itself", "above", "a second link", "a folder in it", "each other"])
def test_folder_that_is_reached_twice_is_followed_once_and_told(linked: Linked, again: str) -> None:
    (linked.root / "link").symlink_to(linked.worlds / "a")
    path, target = {
        "itself": (linked.worlds / "a" / "z", linked.worlds / "a"),
        "above": (linked.worlds / "a" / "z", linked.worlds),
        "a second link": (linked.root / "z", linked.worlds / "a"),
        "a folder in it": (linked.root / "z", linked.worlds / "a" / "deep"),
        "each other": (linked.worlds / "b" / "z", linked.worlds / "a"),
    }[again]
    name = b"z" if path.parent == linked.root else b"link/z"
    if again == "each other":
        (linked.worlds / "b").mkdir()
        (linked.worlds / "a" / "y").symlink_to(linked.worlds / "b")
        name = b"link/y/z"
    path.symlink_to(target)

    result = linked.backup()

    assert told(result) == {name: WarningKind.LINKED_OUT}
    assert linked.packed()[name.decode()] == "link"
    assert not linked.preview().changes
    before = snapshot(linked.worlds)
    write(linked.worlds / "a" / "map", b"ruined")
    assert not linked.restore().staying.total
    assert snapshot(linked.worlds) == before


def to_forbidden(linked: Linked) -> Path:
    return linked.forbidden


def climbing_out(linked: Linked) -> Path:
    return linked.worlds / ".." / "forbidden"


def beside_with_the_same_beginning(linked: Linked) -> Path:
    folder = linked.place / "worlds of another"
    folder.mkdir()
    write(folder / "secret", b"secret")
    return folder


def through_a_planted_link(linked: Linked) -> Path:
    (linked.worlds / "planted").symlink_to(linked.forbidden)
    return linked.worlds / "planted"


def through_proc(linked: Linked) -> Path:
    return Path(f"/proc/self/root{linked.forbidden}")


@pytest.mark.parametrize(
    "lead", [to_forbidden, climbing_out, beside_with_the_same_beginning, through_a_planted_link, through_proc]
)
def test_hostile_link_is_never_followed(linked: Linked, lead: Callable[[Linked], Path]) -> None:
    target = lead(linked)
    (linked.root / "link").symlink_to(target)
    before = snapshot(linked.place, without=("root", "a.tar.gz", "a.listing"))

    result = linked.backup()

    assert told(result) == {b"link": WarningKind.LINKED_OUT}
    assert linked.packed() == {"level.dat": "file", "link": "link"}
    linked.restore(archive=compressed(linked.place / "b.tar.gz", member(b"link/secret", b"new")))
    assert (linked.root / "link" / "secret").read_bytes() == b"new"
    assert not (linked.root / "link").is_symlink(), "an ordinary folder took its place"
    without = ("root", "a.tar.gz", "a.listing", "b.tar.gz")
    assert snapshot(linked.place, without=without) == before


def test_link_to_etc_is_never_followed(linked: Linked) -> None:
    (linked.root / "link").symlink_to("/etc")
    assert told(linked.backup()) == {b"link": WarningKind.LINKED_OUT}
    assert linked.packed()["link"] == "link"


def test_link_to_a_file_is_a_link_and_told(linked: Linked) -> None:
    (linked.root / "link").symlink_to(linked.worlds / "a" / "map")
    assert told(linked.backup()) == {b"link": WarningKind.LINKED_OUT}
    assert linked.packed()["link"] == "link"


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


def test_link_that_the_backup_has_as_a_link_is_exchanged_itself(linked: Linked) -> None:
    """A backup of a time before links were followed."""
    (linked.root / "link").symlink_to(linked.worlds / "a")
    write(linked.worlds / "b" / "map", b"b")
    linked.backup()
    parts = [member(b"link", kind=b"2", link=os.fsencode(linked.worlds / "b"))]
    before = snapshot(linked.worlds)

    summary = linked.restore(archive=compressed(linked.place / "b.tar.gz", *parts))

    assert summary.staying.total == 0
    assert (linked.root / "link").readlink() == linked.worlds / "b"
    assert snapshot(linked.worlds) == before


def test_followed_link_that_the_backup_lacks_stays_and_its_folder_is_emptied(linked: Linked) -> None:
    linked.backup()
    (linked.root / "folder").mkdir()
    (linked.root / "folder" / "link").symlink_to(linked.worlds / "a")
    said = linked.preview()
    stays = [change.path for change in said.changes if change.kind is ChangeKind.STAYS]

    summary = linked.restore()

    assert {warning.path: warning.kind for warning in summary.staying.kept} == {
        b"folder": WarningKind.HOLDS,
        b"folder/link": WarningKind.LINKED_OUT,
    }
    assert stays == [b"folder", b"folder/link"]
    assert summary.removed == said.removed == 3
    assert list((linked.worlds / "a").iterdir()) == []


def test_undo_brings_back_what_was_behind_a_link(linked: Linked) -> None:
    (linked.root / "link").symlink_to(linked.worlds / "a")
    linked.backup()
    earlier = linked.archive.rename(linked.place / "earlier.tar.gz")
    write(linked.worlds / "a" / "map", b"played on")
    write(linked.worlds / "a" / "built", b"played on")
    before = live(linked.root), snapshot(linked.worlds)
    linked.backup()

    linked.restore(archive=earlier)
    assert (linked.worlds / "a" / "map").read_bytes() == b"as it was"
    linked.restore()

    assert (live(linked.root), snapshot(linked.worlds)) == before


@pytest.fixture
def read_only(linked: Linked) -> Iterator[Linked]:
    with mounted("-t", "tmpfs", "-o", "mode=755", "none", at=linked.worlds):
        write(linked.worlds / "a" / "map", b"as it was")
        (linked.root / "link").symlink_to(linked.worlds / "a")
        with remounted("ro", at=linked.worlds):
            yield linked


def test_folder_that_cannot_be_written_is_backed_up_and_stays(read_only: Linked) -> None:
    linked = read_only
    assert not told(linked.backup())
    assert linked.packed()["link/map"] == "file"
    write(linked.root / "level.dat", b"ruined")
    said = linked.preview()
    assert [change.path for change in said.changes if change.kind is ChangeKind.STAYS] == [b"link"]

    summary = linked.restore()

    assert {warning.path: warning.kind for warning in summary.staying.kept} == {b"link": WarningKind.LINKED_OUT}
    assert (linked.root / "link").is_symlink()
    assert (linked.root / "level.dat").read_bytes() == b"level"


def test_deep_folder_below_a_followed_link_is_found_again(linked: Linked) -> None:
    """The walk closes folders that are far above it, and opens them anew on the way back."""
    (linked.root / "link").symlink_to(linked.worlds / "a")
    deep = linked.worlds / "a" / "deep" / "/".join("d" * 100)
    write(deep / "file", b"deep")
    write(linked.worlds / "a" / "zz", b"after it")
    write(linked.root / "z", b"after it")

    assert not told(linked.backup())

    packed = linked.packed()
    assert packed["z"] == packed["link/zz"] == "file"


@pytest.mark.parametrize("path", ["../forbidden", "a/../../forbidden", "a/.", "a//deep", "a/", "/../forbidden"])
def test_target_of_a_journal_cannot_climb_out(linked: Linked, path: str) -> None:
    assert linked.links.open(os.fsencode(f"{linked.worlds}/{path}")) is None


def remove_its_folder(linked: Linked) -> None:
    (linked.root / "folder").rename(linked.root / "renamed")


def lead_elsewhere(linked: Linked) -> None:
    (linked.root / "folder" / "link").unlink()
    (linked.root / "folder" / "link").symlink_to(linked.forbidden)


def remove_link(linked: Linked) -> None:
    (linked.root / "folder" / "link").unlink()


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("change", [remove_its_folder, lead_elsewhere, remove_link])
def test_link_that_is_swapped_during_a_restore_ends_it_with_nothing_touched(
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
    """Ordinary, mounted and followed folders with the same files."""
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


def everything(linked: Linked) -> dict[bytes, tuple[object, ...]]:
    """The data, with what is behind the link."""
    found = live(linked.root)
    if (linked.root / "link").is_symlink():
        found |= {b"link/" + path: told for path, told in snapshot(linked.root / "link").items()}
    return found
