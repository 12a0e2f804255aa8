"""Reading files of the data and of scratch, and writing files into scratch."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from isal import isal_zlib

from sidecar.archive.compressing import Compressions
from sidecar.calls.calls import Call, Calls
from sidecar.errors import ArchiveDamaged, Refused, ScratchFull, SourceFailed
from sidecar.scratch.growing import GrowingFile
from sidecar.scratch.paths import file_open, is_scratch, scratch_name
from sidecar.scratch.scratch import Scratch, write_all
from wire.contract import DATA_BYTES


@dataclass(frozen=True, slots=True)
class Written:
    """The size in bytes and the CRC-32 of a written file."""

    size_bytes: int
    crc32: int


class FileCalls:
    """The files that calls can name."""

    def __init__(self, *, root: Path, scratch: Scratch, calls: Calls, compressions: Compressions) -> None:
        self._root = root
        self._scratch = scratch
        self._calls = calls
        self._compressions = compressions

    def read(self, call: Call, *, path: str, offset: int, follow: bool) -> Iterator[bytes]:
        """The file's bytes from `offset` on, in pieces of one message. Raises `SidecarError`s.

        With `follow`, a scratch file that is still being written is read to its end.
        """
        if follow and is_scratch(path):
            growing = self._compressions.growing(scratch_name(path))
            descriptor = growing.open() if growing else None
            if growing and descriptor is not None:
                yield from _read_growing(call, growing, descriptor, offset)
                return
        yield from _read_whole(call, file_open(path, root=self._root, scratch=self._scratch.files), offset)

    def write(self, call: Call, *, path: str, size: int, parts: Iterator[bytes | memoryview]) -> Written:
        """Write the parts into a scratch file, which appears once they amount to exactly `size` bytes.

        Raises `Refused`, `ScratchFull`, and `ArchiveDamaged` for any other size.
        """
        name = scratch_name(path)
        if size > self._scratch.free_bytes():
            raise ScratchFull("The scratch folder's disk has no room for the file.")
        written = crc32 = 0
        with self._scratch.partial_create() as file:
            for part in parts:
                call.check()
                written += len(part)
                if written > size:
                    break
                write_all(file.descriptor, part)
                crc32 = isal_zlib.crc32(part, crc32)
            if written != size:
                raise ArchiveDamaged("The file did not arrive in the announced size.")
            with self._calls.decisive(call):
                file.publish(name)
        return Written(size_bytes=written, crc32=crc32)

    def delete(self, *, path: str) -> None:
        """Remove a scratch file; a missing one is no error. Raises `Refused` for any other path."""
        self._scratch.remove(scratch_name(path))


def _read_growing(call: Call, file: GrowingFile, descriptor: int, offset: int) -> Iterator[bytes]:
    call.on_stop(file.wake)
    try:
        yield from _read(call, descriptor, offset, lambda at: file.available(offset=at, stopped=call.stopped))
    finally:
        os.close(descriptor)


def _read_whole(call: Call, descriptor: int, offset: int) -> Iterator[bytes]:
    try:
        size = os.fstat(descriptor).st_size
        if offset > size:
            raise Refused("The offset lies beyond the end of the file.")
        yield from _read(call, descriptor, offset, lambda at: size - at)
    finally:
        os.close(descriptor)


def _read(call: Call, descriptor: int, offset: int, available: Callable[[int], int]) -> Iterator[bytes]:
    """Yield bytes while there are `available` ones."""
    while count := available(offset):
        call.check()
        data = os.pread(descriptor, min(count, DATA_BYTES), offset)
        if not data:
            raise SourceFailed("The file became shorter while it was read.")
        offset += len(data)
        yield data
    call.check()
