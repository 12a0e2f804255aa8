"""Building and comparing trees."""

import io
import os
import tarfile
from pathlib import Path
from random import Random

from sidecar.archive.ring import BUFFER_BYTES, BUFFERS

# Twice the amount that the reader can have read when the first bytes reach the sink.
MORE_THAN_READ_AHEAD = 2 * (BUFFERS + 1) * BUFFER_BYTES


def noise(size: int, seed: int = 1) -> bytes:
    return Random(seed).randbytes(size)  # noqa: S311 - nothing secret in it


def members(data: bytes | bytearray) -> list[tarfile.TarInfo]:
    """An archive's members, read by the standard library."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz", encoding="utf-8") as tar:
        return tar.getmembers()


def content(data: bytes | bytearray, name: str) -> bytes:
    """One member's content, read by the standard library."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz", encoding="utf-8") as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


def names(data: bytes | bytearray) -> list[str]:
    return [member.name for member in members(data)]


def chain_make(root: Path, name: str, depth: int) -> int:
    """Create nested folders, each with a file `z` beside the next. Returns a descriptor of the last one."""
    folder = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        file_make(folder, "z", b"z")
        os.mkdir(name, dir_fd=folder)
        above, folder = folder, os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(above)
    return folder


def file_make(folder: int, name: str, data: bytes) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=folder)
    os.write(descriptor, data)
    os.close(descriptor)
