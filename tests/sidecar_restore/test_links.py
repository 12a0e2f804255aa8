"""Links are followed only to folders below the roots that the operator names, and nowhere else."""

# ruff: noqa: F811 - a fixture is found by its name

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sidecar_restore.archives import compressed, member
from tests.sidecar_restore.linked import Linked, linked, told  # noqa: F401  # a fixture among them
from tests.sidecar_restore.mounting import mounted, remounted
from tests.sidecar_restore.trees import live, snapshot, write
from wire.enums import ChangeKind, Mode, WarningKind


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
    before = snapshot(linked.place, without=(b"root", b"a.tar.gz", b"a.listing"))

    result = linked.backup()

    assert told(result) == {b"link": WarningKind.LINKED_OUT}
    assert linked.packed() == {"level.dat": "file", "link": "link"}
    linked.restore(archive=compressed(linked.place / "b.tar.gz", member(b"link/secret", b"new")))
    assert (linked.root / "link" / "secret").read_bytes() == b"new"
    assert not (linked.root / "link").is_symlink(), "an ordinary folder took its place"
    without = (b"root", b"a.tar.gz", b"a.listing", b"b.tar.gz")
    assert snapshot(linked.place, without=without) == before


def test_link_to_etc_is_never_followed(linked: Linked) -> None:
    (linked.root / "link").symlink_to("/etc")
    assert told(linked.backup()) == {b"link": WarningKind.LINKED_OUT}
    assert linked.packed()["link"] == "link"


def test_link_to_a_file_is_a_link_and_told(linked: Linked) -> None:
    (linked.root / "link").symlink_to(linked.worlds / "a" / "map")
    assert told(linked.backup()) == {b"link": WarningKind.LINKED_OUT}
    assert linked.packed()["link"] == "link"


def test_link_that_the_backup_has_as_a_link_is_exchanged_itself(linked: Linked) -> None:
    """The backup was made before links were followed."""
    (linked.root / "link").symlink_to(linked.worlds / "a")
    write(linked.worlds / "b" / "map", b"b")
    linked.backup()
    parts = [member(b"link", kind=b"2", link=os.fsencode(linked.worlds / "b"))]
    before = snapshot(linked.worlds)

    summary = linked.restore(archive=compressed(linked.place / "b.tar.gz", *parts))

    assert summary.staying.total == 0
    assert (linked.root / "link").readlink() == linked.worlds / "b"
    assert snapshot(linked.worlds) == before


def test_followed_link_the_backup_lacks_stays_and_its_folder_is_emptied(linked: Linked) -> None:
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


def test_undo_restores_files_behind_a_link(linked: Linked) -> None:
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
    """The walk closes folders far above it, and reopens them on the way back."""
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
