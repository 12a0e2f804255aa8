"""The lines of an archive's listing, for readers that need few of its entries: nothing is done for a single line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from wire.listing import (
    DEFAULT_LIMITS,
    END_LINE,
    OF_ARCHIVE,
    ListingDamaged,
    ListingLimits,
    ListingRefused,
    head_read,
    listing_inflated,
)
from wire.records import name_unescape

_PATH_AT: Final = 7


def lines_read(parts: Iterable[bytes | memoryview], *, limits: ListingLimits = DEFAULT_LIMITS) -> Iterator[bytes]:
    """The lines of all entries, unchecked, in blocks of whole lines of about 256 KiB.

    Raises `ListingRefused`, and `ListingDamaged` after the last block where the listing is cut.
    """
    rest, count = b"", -1
    for piece in listing_inflated(parts, limits):
        held = rest + piece
        if count < 0 and b"\n" in held:
            head, _, held = held.partition(b"\n")
            if head_read(head)[0] != OF_ARCHIVE:
                raise ListingRefused("This is the listing of a snapshot.")
            count = 0
        # The last whole line is held back: it may be the end.
        cut = held.rfind(b"\n", 0, max(0, held.rfind(b"\n"))) + 1 if count >= 0 else 0
        block, rest = held[:cut], held[cut:]
        if len(rest) > 2 * limits.line_bytes:
            raise ListingRefused("A line of the listing is longer than allowed.")
        if block:
            count += block.count(b"\n")
            yield block
    if rest != b"%b%d\n" % (END_LINE, count):
        raise ListingDamaged("The listing does not end where it says.")


def line_path(line: bytes) -> bytes:
    """The path of an entry's line, which is otherwise unchecked. Raises `ListingDamaged`."""
    try:
        return name_unescape(line.split(b" ", _PATH_AT + 1)[_PATH_AT])
    except IndexError:
        raise ListingDamaged("A line of the listing is no entry.") from None
