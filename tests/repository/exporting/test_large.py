"""A sparse file beyond 4 GiB becomes zeros, in little memory, in every format."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from repository.chunked.exporting.export import ArchiveFormat
from tests.repository.exporting.trees import MIB
from tests.repository.restoring.trees import write
from tests.services.require import program_require

HUGE = 5_000_000_001
MARK = b"the only bytes"
AT = 4_700_000_000
EXPORT_AND_TELL_PEAK = """
import sys
from pathlib import Path
from repository.chunked.exporting.export import ArchiveFormat, export_open, export_pass
from repository.chunked.repository import repository_create
from repository.chunked.snapshots.create import snapshot_create
from targets.local import LocalStorage
from tests.repository.restoring.trees import KEY, REPOSITORY, TENANT
from trees.local.tree import LocalTree

store, source, archive, name = sys.argv[1:]
repository = repository_create(LocalStorage(Path(store)), tenant=TENANT, repository=REPOSITORY, keys=KEY)
snapshot = snapshot_create(repository, source=LocalTree(Path(source))).snapshot
options = {"snapshot": snapshot, "paths": None, "format": ArchiveFormat(name)}
complete = export_pass(repository, **options)
with open(archive, "wb") as file:
    for part in complete:
        file.write(part)
points = complete.points
last = points.points[-1].offset
end = b"".join(export_open(repository, **options, start=last, points=points))
with open(archive, "rb") as file:
    file.seek(last)
    assert file.read() == end
print(len(points.points))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""
UNPACK = {
    ArchiveFormat.TAR_GZ: ["tar", "-xzOf"],
    ArchiveFormat.TAR_ZST: ["tar", "--zstd", "-xOf"],
    ArchiveFormat.ZIP: ["unzip", "-p"],
}


@pytest.mark.slow
@pytest.mark.parametrize("format_", list(ArchiveFormat))
def test_a_sparse_file_of_5_gb_is_archived_in_little_memory(format_: ArchiveFormat, place: Path) -> None:
    program_require(UNPACK[format_][0], package=UNPACK[format_][0])
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
    with subprocess.Popen([*UNPACK[format_], archive], stdout=subprocess.PIPE) as unpacking:
        assert unpacking.stdout is not None
        size, zeros = 0, bytes(MIB)
        while piece := unpacking.stdout.read(MIB):
            if piece != zeros[: len(piece)]:
                assert size <= AT < size + len(piece)
                assert piece.strip(b"\0") == MARK
            size += len(piece)
    assert (size, unpacking.returncode) == (HUGE, 0)
