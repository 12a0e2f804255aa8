"""Packing a folder in a test, and doing something to it at a known moment of the packing."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sidecar.archive.pack import PackProgress, PackResult, tree_pack
from sidecar.archive.ring import BUFFER_BYTES, BUFFERS

# More than the reader can have read when the first bytes reach the sink.
MORE_THAN_READ_AHEAD = 2 * (BUFFERS + 1) * BUFFER_BYTES


@dataclass
class Archive:
    """A sink, and the result of packing into it; `at_first_write` runs once, while the reader is still reading."""

    at_first_write: Callable[[], object] | None = None
    data: bytearray = field(default_factory=bytearray)
    progress: list[PackProgress] = field(default_factory=list)
    result: PackResult | None = None

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        action, self.at_first_write = self.at_first_write, None
        if action is not None:
            action()
        self.data += data

    def pack(self, root: Path) -> PackResult:
        self.result = tree_pack(
            root=root, sink=self, on_progress=self.progress.append, cancelled=lambda: False
        )
        return self.result


@pytest.fixture
def archive() -> Archive:
    return Archive()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Path]:
    """An empty root to pack. Removed by rm, which can take trees that are deeper than a path may be long."""
    root = tmp_path / "world"
    root.mkdir()
    yield root
    subprocess.run(["rm", "-rf", root], check=True)


@pytest.fixture
def gnu_tar(tmp_path: Path) -> Callable[[Archive], Path]:
    """Extracts an archive with the real GNU tar into a new folder, and fails if tar has anything to say."""

    def extract(archive: Archive, *options: str) -> Path:
        destination = tmp_path / "extracted"
        destination.mkdir()
        file = tmp_path / "archive.tar.gz"
        file.write_bytes(archive.data)
        done = subprocess.run(
            ["tar", "-xpzf", file, "-C", destination, "--numeric-owner", *options],
            check=False, capture_output=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )
        assert (done.returncode, done.stderr) == (0, b"")
        return destination

    return extract


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """The test's process without root's right to read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)
