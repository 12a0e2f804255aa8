"""Compares live files and folders with entries of a snapshot's listing, which have hashes and attributes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from sidecar.restore.reading.members import Compared
from trees.attributes import attributes_of
from trees.hashes import ContentHash
from wire.listing import Entry

READ_BYTES = 256 << 10  # fits into the processor's cache, where it is hashed


def entry_compare(entry: Entry, live: int | None, buffer: memoryview) -> Iterator[Compared]:
    """Compare the content and attributes of a file's entry with an open live file, or None for no file, which is read
    from its beginning. `buffer` has `READ_BYTES`.
    """
    if live is None or not attributes_same(entry, live):
        yield Compared(entry.size, entry.data, same=False)
        return
    found = ContentHash(entry.size, header=entry.header)
    left = entry.size
    while left and (count := os.readv(live, [buffer[: min(left, READ_BYTES)]])):
        found.update(buffer[:count])
        left -= count
        yield Compared(count, 0, same=True)
    yield Compared(left, entry.data, same=not left and found.digest() == entry.hash)


def attributes_same(entry: Entry, live: int) -> bool:
    """Whether an open live file or folder has exactly the attributes of an entry."""
    try:
        return attributes_of(live) == entry.xattrs
    except OSError:
        return False
