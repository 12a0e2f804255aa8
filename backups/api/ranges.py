"""Ranges of a download, from header to offsets (RFC 9110, chapter 14); pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from django.utils.http import parse_http_date_safe

from common.api.errors import RangeNotSatisfiable

_RANGE = re.compile(r"bytes=[ \t]*(?P<first>[0-9]{0,19})-(?P<last>[0-9]{0,19})[ \t]*", re.IGNORECASE)
"""One range. Several ranges, other units and malformed headers do not match: the answer is then the whole."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` up to, and without, `stop`, of `size`."""

    start: int
    stop: int
    size: int

    @property
    def content_range(self) -> str:
        """The Content-Range header that goes with these bytes."""
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


def range_of(header: str | None, *, size: int) -> ByteRange | None:
    """The range a Range header asks for, or None where the whole is to be sent.

    Raises RangeNotSatisfiable when it asks for one of which no byte exists.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or not (match["first"] or match["last"]):
        return None
    if not match["first"]:
        start, stop = max(0, size - int(match["last"])), size
    else:
        start, stop = int(match["first"]), size
        if match["last"]:
            if int(match["last"]) < start:
                return None  # not a range at all, says RFC 9110, 14.1.1
            stop = min(size, int(match["last"]) + 1)
    if start >= stop:
        raise RangeNotSatisfiable(size=size)
    return ByteRange(start, stop, size)


def if_range_holds(header: str | None, *, etag: str, last_modified: datetime) -> bool:
    """Whether the part the client already has is of these bytes, so that its range may be honoured.

    etag: the strong one, quoted. A weak one never holds (RFC 9110, 13.1.5), nor does a date that is not exactly ours.
    """
    if header is None:
        return True
    if '"' in header:
        return header.strip() == etag
    return parse_http_date_safe(header) == int(last_modified.timestamp())
