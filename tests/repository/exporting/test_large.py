"""A sparse file beyond 4 GiB becomes zeros, in little memory."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from isal import isal_zlib

from archives.formats import ArchiveFormat
from tests.repository.exporting.trees import MIB
from tests.repository.restoring.trees import write
from tests.services.require import program_require

HUGE = 5_000_000_001
MARK = b"the only bytes"
AT = 4_700_000_000
SLICE = 1 << 14
EXPORT_AND_TELL_PEAK = """
import sys
from pathlib import Path
from archives.formats import ArchiveFormat
from archives.passes import CompletePass, pass_from
from repository.chunked.exporting.export import SnapshotArchive
from repository.chunked.repository import repository_create
from repository.chunked.snapshots.create import snapshot_create
from targets.local import LocalStorage
from tests.repository.restoring.trees import KEY, REPOSITORY, TENANT
from trees.local.tree import LocalTree

store, source, archive, name = sys.argv[1:]
repository = repository_create(LocalStorage(Path(store)), tenant=TENANT, repository=REPOSITORY, keys=KEY)
snapshot = snapshot_create(repository, source=LocalTree(Path(source))).snapshot
made = SnapshotArchive(repository, snapshot=snapshot, paths=None, format=ArchiveFormat(name))
complete = CompletePass(made)
with open(archive, "wb") as file:
    for part in complete:
        file.write(part)
points = complete.points
last = points.points[-1].offset
end = b"".join(pass_from(made, start=last, points=points))
with open(archive, "rb") as file:
    file.seek(last)
    assert file.read() == end
print(len(points.points))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


@pytest.mark.slow
@pytest.mark.parametrize("format_", [ArchiveFormat.TAR_ZST, ArchiveFormat.ZIP])
def test_a_sparse_file_of_5_gb_is_archived_in_little_memory(format_: ArchiveFormat, place: Path) -> None:
    store, archive = place / "store", place / f"a.{format_}"
    store.mkdir()
    with write(place / "source" / "huge", b"").open("r+b") as file:
        file.seek(AT)
        file.write(MARK)
        file.truncate(HUGE)

    done = subprocess.run(
        [sys.executable, "-c", EXPORT_AND_TELL_PEAK, store, place / "source", archive, format_],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    points, peak_kib = map(int, done.stdout.split())

    assert peak_kib * 1024 < 160 * MIB
    assert points >= HUGE >> 30
    assert archive.stat().st_size < 40 * MIB
    size, zeros = 0, bytes(MIB)
    for piece in _tar_content(archive) if format_ is ArchiveFormat.TAR_ZST else _zip_content(archive):
        if piece != zeros[: len(piece)]:
            assert size <= AT < size + len(piece)
            assert piece.strip(b"\0") == MARK
        size += len(piece)
    assert size == HUGE


def _tar_content(archive: Path) -> Iterator[bytes]:
    command = ["tar", "-I", program_require("zstd", package="zstd"), "-xOf", archive]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as unpacking:
        assert unpacking.stdout is not None
        while piece := unpacking.stdout.read(MIB):
            yield piece
    assert unpacking.returncode == 0


def _zip_content(archive: Path) -> Iterator[bytes]:
    """The only file's content, by the sizes of the directory; `unzip` would take a minute for it."""
    with zipfile.ZipFile(archive) as opened:
        (member,) = opened.infolist()
    assert member.file_size == HUGE
    inflating, crc32 = isal_zlib.decompressobj(-15), 0
    with archive.open("rb") as file:
        file.seek(member.header_offset + 26)
        name, extra = struct.unpack("<2H", file.read(4))
        file.seek(name + extra, os.SEEK_CUR)
        packed = file.read(member.compress_size)
        descriptor = struct.unpack("<4sI2Q", file.read(24))
    for start in range(0, len(packed), SLICE):
        rest = packed[start : start + SLICE]
        while rest:
            piece = inflating.decompress(rest, MIB)
            rest = inflating.unconsumed_tail
            crc32 = isal_zlib.crc32(piece, crc32)
            yield piece
    yield inflating.flush()
    assert (crc32, inflating.eof, inflating.unused_data) == (member.CRC, True, b"")
    assert descriptor == (b"PK\7\x08", member.CRC, member.compress_size, HUGE)
