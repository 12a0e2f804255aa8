import errno
import threading
import time
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from sidecar.archive.pack import PackProgress, tree_pack
from sidecar.errors import Cancelled, ScratchFull, SourceFailed
from tests.sidecar_archive.conftest import Archive
from tests.sidecar_archive.trees import MORE_THAN_READ_AHEAD, noise

MIB = 1 << 20


class FailingSink:
    """Accepts some writes, then fails with an error number."""

    def __init__(self, *, writes: int, error: int) -> None:
        self.writes = writes
        self.error = error

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        if self.writes == 0:
            raise OSError(self.error, "scripted")
        self.writes -= 1


def ignore_progress(_progress: PackProgress) -> None:
    pass


def never() -> bool:
    return False


def reader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "tree-reader"]


@pytest.fixture
def big_world(world: Path) -> Path:
    (world / "big").write_bytes(noise(MORE_THAN_READ_AHEAD))
    return world


def test_the_result_describes_the_bytes_that_went_into_the_sink(big_world: Path, archive: Archive) -> None:
    result = archive.pack(big_world)
    assert result.size_bytes == len(archive.data)
    assert result.crc32 == zlib.crc32(archive.data)
    assert result.entries == 1


def test_progress_ends_with_everything_read(big_world: Path, archive: Archive) -> None:
    (big_world / "small").write_bytes(b"small")
    archive.pack(big_world)
    total = MORE_THAN_READ_AHEAD + 5
    assert archive.progress[-1] == PackProgress(bytes_read=total, bytes_total=total, files=2)


def test_progress_comes_five_times_a_second_and_never_runs_back(big_world: Path) -> None:
    seen: list[tuple[float, PackProgress]] = []

    def record(progress: PackProgress) -> None:
        seen.append((time.monotonic(), progress))

    tree_pack(root=big_world, sink=Archive(), on_progress=record, cancelled=never)
    # The first report precedes any content; all reports except the last keep their interval.
    assert (seen[0][1].bytes_read, seen[0][1].bytes_total) == (0, seen[-1][1].bytes_total)
    times = [moment for moment, _ in seen[:-1]]
    assert all(later - earlier >= 0.19 for earlier, later in pairwise(times))
    assert [progress.bytes_read for _, progress in seen] == sorted(progress.bytes_read for _, progress in seen)


@pytest.mark.parametrize("checks", [0, 1, 2, 5])
def test_cancelling_ends_the_packing_at_the_next_mib(big_world: Path, checks: int) -> None:
    asked = 0
    sink = Archive()

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > checks

    with pytest.raises(Cancelled):
        tree_pack(root=big_world, sink=sink, on_progress=ignore_progress, cancelled=cancelled)
    assert asked == checks + 1
    assert len(sink.data) <= checks * (MIB + 1024)
    assert reader_threads() == []


def test_cancelled_is_asked_for_at_least_every_mib(big_world: Path) -> None:
    sink = Archive()
    written: list[int] = []

    def cancelled() -> bool:
        written.append(len(sink.data))
        return False

    tree_pack(root=big_world, sink=sink, on_progress=ignore_progress, cancelled=cancelled)
    written.append(len(sink.data))
    assert max(later - earlier for earlier, later in pairwise(written)) < MIB + 1024


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("writes", [0, 3])
def test_a_disk_without_room_for_the_archive_is_named_as_such(big_world: Path, error: int, writes: int) -> None:
    sink = FailingSink(writes=writes, error=error)
    with pytest.raises(ScratchFull):
        tree_pack(root=big_world, sink=sink, on_progress=ignore_progress, cancelled=never)
    assert reader_threads() == []


def test_a_really_full_device_is_named_as_such(big_world: Path) -> None:
    with Path("/dev/full").open("wb", buffering=0) as sink, pytest.raises(ScratchFull):
        tree_pack(root=big_world, sink=sink, on_progress=ignore_progress, cancelled=never)


def test_any_other_failure_of_the_sink_is_the_callers_own(big_world: Path) -> None:
    sink = FailingSink(writes=1, error=errno.EIO)
    with pytest.raises(OSError, match="scripted"):
        tree_pack(root=big_world, sink=sink, on_progress=ignore_progress, cancelled=never)
    assert reader_threads() == []


def test_a_failure_of_the_progress_callback_ends_the_packing(big_world: Path) -> None:
    def fail(_progress: PackProgress) -> None:
        raise ConnectionError("the caller went away")

    with pytest.raises(ConnectionError):
        tree_pack(root=big_world, sink=Archive(), on_progress=fail, cancelled=never)
    assert reader_threads() == []


def missing(world: Path) -> Path:
    return world / "missing"


def a_file(world: Path) -> Path:
    (world / "file").write_bytes(b"f")
    return world / "file"


@pytest.mark.parametrize("root", [missing, a_file])
def test_a_root_that_is_no_folder_fails_and_its_place_is_not_told(
    world: Path, archive: Archive, root: Callable[[Path], Path]
) -> None:
    with pytest.raises(SourceFailed) as failure:
        archive.pack(root(world))
    assert str(world) not in failure.value.detail
    assert archive.data == b""


def test_a_root_that_is_closed_to_us_fails(world: Path, archive: Archive, request: pytest.FixtureRequest) -> None:
    world.chmod(0o000)
    request.getfixturevalue("unprivileged")
    with pytest.raises(SourceFailed):
        archive.pack(world)
