"""Archives that reach outside, lie or burst are refused, and nothing is touched anywhere."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from demo.comparison import Tree
from sidecar.errors import ArchiveRefused
from sidecar.restore.outcome import outcome_read
from sidecar.restore.reading.tar.limits import TarLimits
from sidecar.restore.workspace.outcomes import Outcome
from tests.faults import fault_script
from tests.sidecar_restore.archives import END, compressed, header, member, pax
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.faults import Stepping
from tests.sidecar_restore.trees import live, settle, snapshot, write
from wire.enums import Mode, OutcomeKind

SYMLINK_OUT = member(b"way", kind=b"2", link=b"../outside")


def sparse_0_1(numbers: bytes) -> list[bytes]:
    """A sparse file of 10 bytes with one byte of data."""
    return [pax({b"GNU.sparse.size": b"10", b"GNU.sparse.map": numbers}), member(b"s", b"x")]


def sparse_1_0(lines: bytes, *, major: bytes = b"1") -> list[bytes]:
    records = {b"GNU.sparse.major": major, b"GNU.sparse.minor": b"0", b"GNU.sparse.realsize": b"10"}
    return [pax(records), member(b"s", lines.ljust(512, b"\0") + b"x")]


HOSTILE = {
    "an absolute name": [member(b"/outside/evil", b"x")],
    "a name that climbs": [member(b"../outside/evil", b"x")],
    "a name that climbs from below": [member(b"a/b/../../../outside/evil", b"x")],
    "a climbing folder": [member(b"..", kind=b"5")],
    "an empty name": [member(b"", b"x")],
    "a file in the root's place": [member(b"./", b"", b"2", link=b"x"), member(b".", b"x")],
    "a NUL by pax": [pax({b"path": b"a\0b"}), member(b"a", b"x")],
    "an absolute name by pax": [pax({b"path": b"/outside/evil"}), member(b"a", b"x")],
    "a climbing name by a global header": [pax({b"path": b"../outside/evil"}, b"g"), member(b"a", b"x")],
    "a climbing name by GNU's long name": [member(b"L", b"../outside/evil\0", b"L"), member(b"a", b"x")],
    "the reserved folder": [member(b".savepoint/journal", b"x")],
    "the reserved folder in disguise": [member(b".//.savepoint/x", b"x")],
    "a character device": [member(b"null", kind=b"3")],
    "a block device": [member(b"disk", kind=b"4")],
    "a FIFO": [member(b"pipe", kind=b"6")],
    "an unknown kind": [member(b"what", kind=b"Z")],
    "a continued volume": [member(b"rest", b"x", b"M")],
    "a volume label with content": [member(b"label", b"hidden", b"V")],
    "a piece of a file by pax": [pax({b"GNU.volume.offset": b"5"}), member(b"rest", b"x")],
    "a GNU sparse file without a map": [member(b"sparse", b"x", b"S")],
    "a pax sparse file without a size": [
        pax({b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0"}),
        member(b"s", b"x"),
    ],
    "a sparse file of a later version": sparse_1_0(b"0\n", major=b"2"),
    "a sparse file in star's form": [pax({b"SCHILY.realsize": b"99"}), member(b"s", b"x")],
    "a sparse symlink": [
        pax({b"GNU.sparse.size": b"9", b"GNU.sparse.map": b"0,0"}),
        member(b"s", kind=b"2", link=b"x"),
    ],
    "a sparse name that climbs": [
        pax({b"GNU.sparse.size": b"9", b"GNU.sparse.map": b"0,1", b"GNU.sparse.name": b"../outside/evil"}),
        member(b"s", b"x"),
    ],
    **{
        f"a sparse map of {numbers.decode()}": sparse_0_1(numbers)
        for numbers in (
            b"0,2",
            b"5,1,4,0",
            b"0,1,0,0,9,1",
            b"10,1",
            b"0",
            b"0,1,",
            b"-1,1",
            b"0,x",
            b"9223372036854775808,1",
        )
    },
    "a sparse map with more lines than content": sparse_1_0(b"9\n0\n1\n"),
    "a sparse map without lines": sparse_1_0(b"1" * 1024),
    "a sparse map without end": sparse_1_0(b"9999999\n"),
    "a sparse file larger than any volume": [
        pax({b"GNU.sparse.size": b"9223372036854775807", b"GNU.sparse.map": b"0,1"}),
        member(b"s", b"x"),
    ],
    "a path in a global header": [pax({b"path": b"a"}, b"g"), member(b"a", b"x")],
    "a sparse map in a global header": [pax({b"GNU.sparse.map": b"0,1"}, b"g"), member(b"a", b"x")],
    "a file through a symlink": [SYMLINK_OUT, member(b"way/evil", b"x")],
    "a symlink laid over what a file made": [member(b"way/evil", b"x"), SYMLINK_OUT],
    "a folder through a symlink": [SYMLINK_OUT, member(b"way/evil", kind=b"5")],
    "a symlink through a symlink": [SYMLINK_OUT, member(b"way/evil", kind=b"2", link=b"x")],
    "a folder over a symlink": [SYMLINK_OUT, member(b"way", kind=b"5")],
    "a hard link to a symlink": [SYMLINK_OUT, member(b"hard", kind=b"1", link=b"way")],
    "a hard link through a symlink": [SYMLINK_OUT, member(b"hard", kind=b"1", link=b"way/precious")],
    "a hard link to the outside": [member(b"hard", kind=b"1", link=b"../outside/precious")],
    "an absolute hard link": [member(b"hard", kind=b"1", link=b"/etc/passwd")],
    "a hard link to a live file": [member(b"hard", kind=b"1", link=b"world/region/r.0.0.mca")],
    "a hard link to a folder": [member(b"folder", kind=b"5"), member(b"hard", kind=b"1", link=b"folder")],
    "a hard link to the root": [member(b"hard", kind=b"1", link=b".")],
    "a hard link to itself": [member(b"hard", kind=b"1", link=b"hard")],
    "a hard link that brings content": [member(b"a"), member(b"b", b"hidden", b"1", link=b"a")],
    "a folder that brings content": [member(b"folder", b"hidden", b"5")],
    "a symlink that brings content": [member(b"link", b"hidden", b"2", link=b"a")],
    "a symlink to nowhere": [member(b"link", kind=b"2")],
    "a symlink with a NUL": [pax({b"linkpath": b"a\0b"}), member(b"link", kind=b"2")],
    "a folder over a file and then a file": [member(b"a", b"1"), member(b"a", kind=b"5"), member(b"a", b"2")],
    "a file over a folder": [member(b"a", kind=b"5"), member(b"a", b"2")],
    "a file below a symlink that a file took the place of": [
        SYMLINK_OUT,
        member(b"way", b"x"),
        member(b"way/evil", b"x"),
    ],
    "a hard link to a symlink that took a file's place": [
        member(b"a", b"1"),
        member(b"a", kind=b"2", link=b"x"),
        member(b"b", kind=b"1", link=b"a"),
    ],
    "a file and a folder of one name": [member(b"a", b"1"), member(b"a", kind=b"5")],
    "a file below a file": [member(b"a", b"1"), member(b"a/b", b"2")],
    "a file named like a folder": [member(b"folder/", b"x")],
    "a name too long for a file": [pax({b"path": b"n" * 256}), member(b"a")],
    "an owner that means nobody": [pax({b"uid": b"4294967295"}), member(b"a")],
    "a time beyond time": [member(b"a", mtime_field=b"\x80" + b"\x7f" * 11)],
    "a time before time": [member(b"a", mtime_field=b"\xff" + b"\x80" * 11)],
    "a negative size": [header(b"a", size_field=b"\xff" * 12)],
    "an extended header without end": [header(b"pax", b"x", size=(1 << 20) + 1)],
    "global headers without end": [pax({b"k%d" % n: b"v" * 300_000}, b"g") for n in range(4)],
}


@pytest.fixture
def precious(place: Path, root: Path) -> Path:
    """A live world, and beside the root the files that a hostile archive tries to reach."""
    write(root / "world" / "level.dat", b"level", mode=0o600)
    write(root / "world" / "region" / "r.0.0.mca", b"region")
    (root / "current").symlink_to("world")
    write(place / "outside" / "precious", b"precious")
    settle(place)
    return place


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_nothing_is_touched(
    precious: Path, extract: Extract, root: Path, name: str, mode: Mode
) -> None:
    archive = compressed(precious / "a.tar.gz", member(b"world/level.dat", b"new"), *HOSTILE[name])
    before = snapshot(precious)

    with pytest.raises(ArchiveRefused):
        extract(archive, mode)

    assert without_times(snapshot(precious), b"root") == without_times(before, b"root")
    assert outcome_read(root=root, operation=OPERATION) == Outcome(OutcomeKind.NONE)


@pytest.mark.parametrize(
    ("limits", "parts"),
    [
        pytest.param(TarLimits(total_bytes=100_000), [member(b"a", bytes(200_000))], id="bytes"),
        pytest.param(TarLimits(entries=20), [member(b"%d" % n) for n in range(21)], id="entries"),
        pytest.param(TarLimits(entries=20), [pax({b"a": b"b"}, b"g")] * 21, id="headers"),
        pytest.param(TarLimits(depth=5), [member(b"a/b/c/d/e/f")], id="depth"),
        pytest.param(TarLimits(path_bytes=50), [member(b"a" * 30 + b"/" + b"b" * 30)], id="path"),
        pytest.param(TarLimits(ratio=100, ratio_from_bytes=1 << 20), [member(b"a", b"bomb" * 500_000)], id="ratio"),
    ],
)
def test_bomb_is_stopped_by_its_real_output_at_the_limit(
    precious: Path, extract: Extract, limits: TarLimits, parts: list[bytes]
) -> None:
    archive = compressed(precious / "a.tar.gz", *parts)
    before = snapshot(precious)

    with pytest.raises(ArchiveRefused):
        extract(archive, limits=limits)

    assert without_times(snapshot(precious), b"root") == without_times(before, b"root")


def test_refusal_of_a_large_file_names_it(precious: Path, extract: Extract) -> None:
    size = pax({b"GNU.sparse.major": b"0", b"GNU.sparse.size": b"%d" % (5 << 40), b"GNU.sparse.map": b"0,0"})
    archive = compressed(precious / "a.tar.gz", member(b"level.dat", b"1"), size, member(b"sparse.img"))

    with pytest.raises(ArchiveRefused, match=r"sparse\.img"):
        extract(archive)


def test_a_bomb_of_zeros_behind_the_archives_end_is_stopped(precious: Path, root: Path, extract: Extract) -> None:
    before = live(root)
    archive = compressed(precious / "a.tar.gz", member(b"a"), end=bytes(40 << 20))

    with pytest.raises(ArchiveRefused):
        extract(archive, limits=TarLimits(total_bytes=32 << 20))

    assert live(root) == before


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor(level=19).compress], ids=["gzip", "zstd"])
def test_a_few_bytes_that_hold_gigabytes_take_no_memory(
    compress: Callable[[bytes], bytes], precious: Path, root: Path, extract: Extract
) -> None:
    before = live(root)
    archive = precious / "a.tar.gz"
    archive.write_bytes(compress(member(b"bomb", bytes(256 << 20)) + END))
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveRefused):
            extract(archive, limits=TarLimits(total_bytes=255 << 20))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20
    assert live(root) == before


def test_a_staged_folder_swapped_for_a_symlink_lets_nothing_out(precious: Path, root: Path, extract: Extract) -> None:
    fault = fault_script("a staged folder swapped for a symlink")

    def swap(_step: int, name: str) -> None:
        staged = root / ".savepoint" / OPERATION / "new" / "folder"
        if name == "make_file" and (staged / "sub" / "first").exists() and not staged.is_symlink():
            staged.rename(staged.with_name("gone"))
            staged.symlink_to(precious / "outside")
            fault.strike()

    archive = compressed(
        precious / "a.tar.gz",
        member(b"folder/sub/first", b"1"),
        member(b"elsewhere/second", b"2"),
        member(b"folder/third", b"3"),
        member(b"folder/sub/fourth", b"4"),
    )
    before = snapshot(precious)

    with pytest.raises(ArchiveRefused):
        extract(archive, filesystem=Stepping(after=swap))

    assert without_times(snapshot(precious), b"root") == without_times(before, b"root")


def test_a_refusal_shows_the_name_without_letting_it_speak(precious: Path, extract: Extract) -> None:
    name = b"../\x1b[31m\n\xff\xe2\x80\xae"

    with pytest.raises(ArchiveRefused) as refusal:
        extract(compressed(precious / "a.tar.gz", member(name)))

    assert refusal.value.detail.endswith(r"../\x1b[31m\n\xff\u202e")
    assert refusal.value.detail.isprintable()


def without_times(tree: Tree, *folders: bytes) -> Tree:
    """The tree without these times: making the reserved folder changes the data root's own time, but nothing else."""
    return {
        path: replace(entry, mtime_ns=0) if path in folders else entry
        for path, entry in tree.items()
        if path != b"a.tar.gz"
    }
