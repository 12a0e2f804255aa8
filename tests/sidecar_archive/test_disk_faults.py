"""A disk that fails at one entry costs that entry, with a warning; one that fails at very many is no source."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar import scan
from sidecar.archive import tree_reader
from sidecar.archive.pack import PackWarning
from sidecar.archive.ring import Ring
from sidecar.errors import SourceFailed
from sidecar.restore.archive import archive_extract
from sidecar.restore.reading.chosen import EVERYTHING, Chosen
from tests.faults import fault_script
from tests.sidecar_archive.listings import Packed, packed, preview
from tests.sidecar_archive.trees import names, noise
from trees.local.tree import LocalTree
from wire.enums import ChangeKind, Mode, WarningKind
from wire.listing import LEFT_OUT

NUMBERS = [errno.EIO, errno.EUCLEAN, errno.ETIMEDOUT, errno.ENOTCONN, errno.EBADMSG, errno.EREMOTEIO]
BAD = "region/bad.mca"
SIZE = (5 << 20) + 7


@pytest.fixture
def filled(world: Path) -> Path:
    (world / "region").mkdir()
    for name, content in (("a.mca", b"a"), ("bad.mca", noise(SIZE)), ("further.mca", b"b" * 600)):
        (world / "region" / name).write_bytes(content)
    (world / "level.dat").write_bytes(b"level")
    (world / "linked").symlink_to("level.dat")
    return world


def failing_call(monkeypatch: pytest.MonkeyPatch, call: str, name: bytes, number: int) -> None:
    """One system call fails for one name."""
    real = getattr(os, call)
    fault = fault_script(f"{call} of {name!r} fails")

    def fail(path: Any, *args: Any, **options: Any) -> Any:
        if path == name:
            fault.strike()
            raise OSError(number, os.strerror(number))
        return real(path, *args, **options)

    monkeypatch.setattr(os, call, fail)


def failing_read(monkeypatch: pytest.MonkeyPatch, name: bytes, after: int, number: int) -> None:
    """The disk fails at a file, behind so many of its bytes."""
    real = Ring.read_from
    fault = fault_script(f"the disk fails at {name!r}")

    def fail(ring: Ring, descriptor: int, size: int) -> memoryview:
        if os.readlink(b"/proc/self/fd/%d" % descriptor).endswith(b"/" + name):  # noqa: PTH115 - bytes
            left = after - os.lseek(descriptor, 0, os.SEEK_CUR)
            if left <= 0:
                fault.strike()
                raise OSError(number, os.strerror(number))
            return real(ring, descriptor, min(size, left))
        return real(ring, descriptor, size)

    monkeypatch.setattr(Ring, "read_from", fail)


def restored(made: Packed, folder: Path, root: Path, chosen: Chosen = EVERYTHING) -> list[tuple[WarningKind, bytes]]:
    (folder / "archive").write_bytes(made.archive)
    (folder / "listing").write_bytes(made.listing)
    root.mkdir(exist_ok=True)
    summary = archive_extract(
        archive=folder / "archive", listing=folder / "listing", root=root, operation=str(uuid.uuid4()),
        mode=Mode.REPLACE, chosen=chosen, on_progress=lambda _: None, cancelled=lambda: False,
    )  # fmt: skip
    return [(staying.kind, staying.path) for staying in summary.staying.kept]


FAULTS: dict[str, tuple[Callable[[pytest.MonkeyPatch, int], None], bytes]] = {
    "open": (lambda patch, number: failing_call(patch, "open", b"bad.mca", number), BAD.encode()),
    "stat": (lambda patch, number: failing_call(patch, "stat", b"bad.mca", number), BAD.encode()),
    "first byte": (lambda patch, number: failing_read(patch, b"bad.mca", 0, number), BAD.encode()),
    "middle": (lambda patch, number: failing_read(patch, b"bad.mca", 3 << 20, number), BAD.encode()),
    "last byte": (lambda patch, number: failing_read(patch, b"bad.mca", SIZE - 1, number), BAD.encode()),
    "link": (lambda patch, number: failing_call(patch, "readlink", b"linked", number), b"linked"),
    "folder": (lambda patch, number: failing_call(patch, "open", b"region", number), b"region"),
}


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("where", FAULTS)
def test_entry_at_which_the_disk_fails_is_left_out_and_named(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, number: int
) -> None:
    fail, path = FAULTS[where]
    with monkeypatch.context() as patch:
        fail(patch, number)
        made = packed(filled)

    assert made.result.warnings == (PackWarning(WarningKind.UNREADABLE, path),)
    assert [(entry.path, entry.link) for entry in made.entries() if entry.kind == LEFT_OUT] == [(path, b"unreadable")]
    # Other programs end at zeros between the members, which the restore passes over.
    assert names(bytearray(made.archive))[-1] == ("linked" if path == b"region" else "region/further.mca")
    root = tmp_path / "root"
    assert restored(made, tmp_path, root) == []
    assert not os.path.lexists(root / os.fsdecode(path)), "the rest of such a file would be zeros"
    assert (root / "level.dat").read_bytes() == b"level"
    if path != b"region":
        assert (root / "region" / "further.mca").read_bytes() == b"b" * 600


@pytest.mark.parametrize("chosen", [(), (BAD.encode(),), (b"region",)])
def test_live_file_stays_where_the_backup_could_not_read_it(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: tuple[bytes, ...]
) -> None:
    with monkeypatch.context() as patch:
        failing_read(patch, b"bad.mca", 3 << 20, errno.EIO)
        made = packed(filled)
    (filled / BAD).write_bytes(b"mended by hand")
    told = preview(filled, made.listing, chosen=Chosen(chosen))

    staying = restored(made, tmp_path, filled, Chosen(chosen))

    assert (filled / BAD).read_bytes() == b"mended by hand"
    assert (WarningKind.LEFT_OUT, BAD.encode()) in staying
    assert {path for _, path in staying} >= {change.path for change in told.changes if change.kind is ChangeKind.STAYS}
    assert BAD.encode() in {change.path for change in told.changes}


def test_further_name_of_a_file_that_failed_is_left_out_too(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (filled / "region" / "zzz.mca").hardlink_to(filled / BAD)
    with monkeypatch.context() as patch:
        failing_read(patch, b"bad.mca", 3 << 20, errno.EIO)
        made = packed(filled)

    restored(made, tmp_path, tmp_path / "root")

    # Its other name is read on its own.
    assert (tmp_path / "root" / "region" / "zzz.mca").read_bytes() == noise(SIZE)
    assert not (tmp_path / "root" / BAD).exists()


@pytest.mark.parametrize("call", ["open", "readlink"])
def test_disk_that_fails_at_many_entries_fails_the_backup(
    world: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(scan, "DISK_FAULTS_MAX", 3)
    for number in range(5):
        path = world / f"{number}"
        path.symlink_to("x") if call == "readlink" else path.write_bytes(b"")
    fault = fault_script("every entry fails")
    real = getattr(os, call)

    def fail(path: Any, *args: Any, **options: Any) -> Any:
        if isinstance(path, bytes) and path.isdigit():
            fault.strike()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, *args, **options)

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(SourceFailed, match="many places"):
        packed(world)


def test_root_at_which_the_disk_fails_fails_the_backup(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, fault = os.listdir, fault_script("the root cannot be listed")

    def fail(path: Any) -> Any:
        if isinstance(path, int):
            fault.strike()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path)

    monkeypatch.setattr(os, "listdir", fail)
    with pytest.raises(SourceFailed):
        packed(world)


@pytest.mark.parametrize("number", [errno.EIO, errno.ELOOP, errno.ENOTDIR, errno.ESTALE, errno.EACCES, errno.ENOENT])
def test_both_formats_give_the_same_reason(filled: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    failing_call(monkeypatch, "open", b"region", number)
    monkeypatch.setattr("trees.beneath.openat2_works", lambda: False)
    tree = LocalTree(filled)
    tree.begin(None)
    told = {entry.path: entry.target for entry in tree.scan()}[b"region"]
    tree.close()

    assert [(warning.kind.value.encode(), warning.path) for warning in packed(filled).result.warnings] == [
        (told, b"region")
    ]
    assert told == (b"vanished" if number == errno.ENOENT else b"unreadable")


def becomes_folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_bytes(b"mine")


@pytest.mark.parametrize("becomes", [becomes_folder, os.mkfifo, lambda path: path.symlink_to("level.dat")])
def test_undo_leaves_alone_what_took_the_place_of_a_file(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, becomes: Callable[[Path], object]
) -> None:
    """The game replaces a file between its scan and its reading: the backup has neither."""
    real, fault = tree_reader.open_for_reading, fault_script("the file is replaced")

    def replacing(name: bytes, folder: int, flags: int = 0) -> int:
        if name == b"bad.mca":
            fault.strike()
            (filled / BAD).unlink()
            becomes(filled / BAD)
        return real(name, folder, flags)

    with monkeypatch.context() as patch:
        patch.setattr(tree_reader, "open_for_reading", replacing)
        made = packed(filled)
    before = os.lstat(filled / BAD)
    (filled / "new").write_bytes(b"goes")

    assert restored(made, tmp_path, filled) == [(WarningKind.LEFT_OUT, BAD.encode())]
    assert os.lstat(filled / BAD) == before
    assert not (filled / "new").exists()
