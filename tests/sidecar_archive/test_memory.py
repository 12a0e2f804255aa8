import os
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from tests.sidecar_archive.conftest import Archive

MIB = 1 << 20
HUGE = 9 << 30

# The kernel's high-water mark of this program alone; getrusage would include the parent's memory at the fork.
PACK_AND_TELL_PEAK = """
import sys
from pathlib import Path
from sidecar.archive.pack import tree_pack
with open(sys.argv[2], "wb", buffering=0) as sink:
    result = tree_pack(root=Path(sys.argv[1]), sink=sink, on_progress=lambda _: None, cancelled=lambda: False)
assert result.warnings == (), result
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


@pytest.mark.slow
def test_a_sparse_file_beyond_8_gib_is_packed_in_little_memory(world: Path, tmp_path: Path) -> None:
    with (world / "sparse").open("wb") as file:
        file.truncate(HUGE)
    output = tmp_path / "archive.tar.gz"
    peak_kib = subprocess.run(
        [sys.executable, "-c", PACK_AND_TELL_PEAK, world, output],
        check=True,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ).stdout
    assert int(peak_kib) * 1024 < 56 * MIB
    with tarfile.open(output, "r:gz") as tar:
        first = tar.firstmember
    assert first is not None
    assert (first.name, first.size) == ("sparse", HUGE)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_files(world: Path, archive: Archive) -> None:
    folder = os.open(world, os.O_RDONLY)
    for number in range(20_000):
        os.close(os.open(f"{number:040}", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    tracemalloc.start()
    try:
        result = archive.pack(world)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.entries == 20_000
    # The buffers, and little more than the names: each status alone would be 300 bytes a file.
    assert peak < 8 * MIB + 20_000 * 150
