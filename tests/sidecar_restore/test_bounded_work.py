"""The work for an archive grows with its bytes, never with the product of two numbers in the archive."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from sidecar.errors import ArchiveDamaged, ArchiveRefused
from sidecar.restore.comparing.path_table import PathTable
from sidecar.restore.reading.tar.limits import TarLimits
from tests.sidecar_restore.archives import END, compressed, member, pax
from tests.sidecar_restore.conftest import Extract
from tests.sidecar_restore.trees import write

SECONDS = 6.0
"""Limit of processor time; each case took a minute or never ended when its two numbers were multiplied."""


def records(count: int, *, value: bytes = b"") -> dict[bytes, bytes]:
    return {b"k%d" % number: value for number in range(count)}


def long_name(path: bytes) -> bytes:
    return member(b"L", path + b"\0", b"L") + member(b"x")


def plain(count: int) -> list[bytes]:
    return [member(b"%d" % number) for number in range(count)]


CHEAP = {
    "global records for many members": [pax(records(80_000), b"g"), *plain(2000)],
    "global records and records of each": [
        pax(records(80_000), b"g"), *(pax({b"a": b"b"}) + file for file in plain(2000))
    ],
    "many global headers": [*(pax({b"k%d" % n: b"v" * 200}, b"g") + file for n, file in enumerate(plain(2000)))],
    "a hole of very many bytes": [pax({b"GNU.sparse.size": b"9" * 12, b"GNU.sparse.map": b"0,0"}), member(b"s")],
    "two long ways in turn": [
        long_name(top + b"/d" * 300 + b"/%d" % number) for number in range(300) for top in (b"a", b"b")
    ],
}  # fmt: skip

REFUSED = {
    "records that nothing acts upon": [pax(records(60_000)) + file for file in plain(3)],
    "a chain of headers for one member": [pax(records(2000, value=b"v" * 200))] * 4 + plain(1),
    "ways that each imply thousands of folders": [long_name(b"%d" % number + b"/d" * 4000) for number in range(200)],
    "long ways that each imply thousands": [
        long_name(b"%d" % number + (b"/" + b"d" * 60) * 4000) for number in range(20)
    ],
    "a time of very many digits for all": [pax({b"mtime": b"1." + b"1" * 900_000}, b"g"), *plain(100)],
}


@pytest.mark.parametrize("live", [False, True], ids=["empty", "live"])
@pytest.mark.parametrize("name", [*CHEAP, *REFUSED])
def test_a_small_archive_costs_little(place: Path, root: Path, extract: Extract, name: str, *, live: bool) -> None:
    archive = compressed(place / "a.tar.gz", *(CHEAP | REFUSED)[name])
    assert archive.stat().st_size < 500_000
    if live:
        write(root / "live")
    begin = time.process_time()
    if name in CHEAP:
        extract(archive)
    else:
        with pytest.raises((ArchiveDamaged, ArchiveRefused)):
            extract(archive)
    assert time.process_time() - begin < SECONDS


def test_empty_gzip_members_cost_in_proportion_to_their_bytes(place: Path, root: Path, extract: Extract) -> None:
    archive = place / "a.tar.gz"
    archive.write_bytes(gzip.compress(member(b"a", b"1") + END) + gzip.compress(b"") * 100_000)
    begin = time.process_time()
    extract(archive)
    assert time.process_time() - begin < SECONDS
    assert (root / "a").read_bytes() == b"1"


def test_runs_of_all_sparse_files_are_bounded(
    place: Path, root: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.restore.reading.tar.reader.RUNS_MAX", 10)

    def files(count: int) -> Iterable[bytes]:
        for number in range(count):
            yield pax({b"GNU.sparse.size": b"99", b"GNU.sparse.map": b"0,1,9,1,20,1,30,1,40,1"})
            yield member(b"s%d" % number, b"abcde")

    extract(compressed(place / "two.tar.gz", *files(2)))
    with pytest.raises(ArchiveRefused, match="more than 10 runs"):
        extract(compressed(place / "three.tar.gz", *files(3)), operation="7f0d2a3c-6d3b-4c56-9f5e-0a1b2c3d4e5f")
    content = (root / "s1").read_bytes()
    assert (len(content), [content[at : at + 1] for at in (0, 9, 20, 30, 40)]) == (99, [b"a", b"b", b"c", b"d", b"e"])
    assert content.count(0) == 94


def test_holes_count_as_bytes_of_files(place: Path, extract: Extract) -> None:
    holes = [pax({b"GNU.sparse.size": b"60000", b"GNU.sparse.map": b"0,0"}) + member(b"s%d" % n) for n in range(2)]
    with pytest.raises(ArchiveRefused, match="more than 100000 bytes: s1"):
        extract(compressed(place / "a.tar.gz", *holes), limits=TarLimits(total_bytes=100000))


def test_the_ways_of_a_path_have_the_numbers_of_their_paths() -> None:
    table = PathTable()
    table.set(b"a/b", 3)
    ways = list(table.ways(b"a/b/c"))
    assert [(way.name, way.number) for way in ways] == [(b"a", 0), (b"b", 3), (b"c", 0)]
    for number, way in enumerate(ways, start=4):
        way.set(number)
    assert [table.get(path) for path in (b"a", b"a/b", b"a/b/c", b"c")] == [4, 5, 6, 0]
