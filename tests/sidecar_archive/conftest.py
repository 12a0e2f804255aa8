"""Packing a folder in a test, with a hook at a known moment of the packing."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from archives.formats import ArchiveFormat
from sidecar.archive.pack import PackProgress, PackResult, tree_pack

Extract = Callable[..., Path]


@dataclass
class Archive:
    """A sink, and the reports made while it is filled.

    `at_first_write` runs once, when the reader has read four buffers ahead and waits with at most a fifth.
    """

    at_first_write: Callable[[], object] | None = None
    format_: ArchiveFormat = ArchiveFormat.TAR_GZ
    data: bytearray = field(default_factory=bytearray)
    progress: list[PackProgress] = field(default_factory=list)

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        action, self.at_first_write = self.at_first_write, None
        if action is not None:
            action()
        self.data += data

    def pack(self, root: Path) -> PackResult:
        return tree_pack(
            root=root,
            sink=self,
            on_progress=self.progress.append,
            cancelled=lambda: False,
            format_=self.format_,
        )


@pytest.fixture
def archive() -> Archive:
    return Archive()


@pytest.fixture
def world() -> Iterator[Path]:
    """An empty root, open to other users; removed by rm, which can remove trees deeper than a path can be long."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(folder, "world")
        root.mkdir()
        yield root
        subprocess.run(["rm", "-rf", root], check=True)


@pytest.fixture
def gnu_tar(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run the real GNU tar on an archive; any output on stderr fails the test."""

    def run(archive: Archive, *options: str | Path) -> subprocess.CompletedProcess[bytes]:
        file = tmp_path / f"archive.{archive.format_}"
        file.write_bytes(archive.data)
        done = subprocess.run(
            ["tar", "--auto-compress", "--file", file, "--numeric-owner", *options],
            check=False,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
        )
        assert (done.returncode, done.stderr) == (0, b"")
        return done

    return run


@pytest.fixture
def extract(gnu_tar: Callable[..., object], tmp_path: Path) -> Extract:
    """Extract an archive with GNU tar into a new folder."""

    def run(archive: Archive, *options: str) -> Path:
        destination = tmp_path / "extracted"
        destination.mkdir()
        gnu_tar(archive, "--extract", "--preserve-permissions", "--directory", destination, *options)
        return destination

    return run


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Take from this process root's right to read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)
