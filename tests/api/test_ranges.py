"""Range and If-Range, header by header."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.api.ranges import ByteRange, if_range_holds, range_of
from common.api.errors import RangeNotSatisfiable

SIZE = 1000
ETAG = '"abc"'
MODIFIED = datetime(2026, 11, 21, 10, 20, 30, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-499", 0, 500),
        ("bytes=500-", 500, 1000),
        ("bytes=999-", 999, 1000),
        ("bytes=-1", 999, 1000),
        ("bytes=-1000", 0, 1000),
        ("bytes=-5000", 0, 1000),
        ("bytes=990-5000", 990, 1000),
        ("bytes=0-9999999999999999999", 0, 1000),
        ("Bytes=0-0", 0, 1),
        ("bytes= 0-0 ", 0, 1),
    ],
)
def test_single_range_gets_those_bytes(header, start, stop):
    assert range_of(header, size=SIZE) == ByteRange(start, stop, SIZE)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=0-1,5-6",
        "bytes=0-1,",
        "items=0-1",
        "bytes=+1-2",
        "bytes=1--2",
        "bytes=٣-٤",
        "bytes=0x0-0x1",
        "bytes=0-1\n",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_request_without_a_single_range_gets_the_whole(header):
    assert range_of(header, size=SIZE) is None


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-1001", "bytes=9999999999999999999-", "bytes=-0"])
def test_a_range_without_a_byte_is_not_satisfiable(header):
    with pytest.raises(RangeNotSatisfiable) as refused:
        range_of(header, size=SIZE)
    assert refused.value.params == {"size": SIZE}


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1"])
def test_nothing_has_no_range(header):
    with pytest.raises(RangeNotSatisfiable):
        range_of(header, size=0)


def test_the_content_range_counts_its_last_byte():
    assert ByteRange(0, 500, 1000).content_range == "bytes 0-499/1000"


@given(header=st.text(max_size=30) | st.from_regex(r"bytes=[0-9]{0,4}-[0-9]{0,4}", fullmatch=True))
def test_any_range_header_yields_existing_bytes(header):
    try:
        part = range_of(header, size=SIZE)
    except RangeNotSatisfiable:
        return
    assert part is None or 0 <= part.start < part.stop <= SIZE


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        (None, True),
        ('"abc"', True),
        (' "abc" ', True),
        ('"other"', False),
        ('W/"abc"', False),
        ('"abc", "other"', False),
        ("abc", False),
        ("", False),
        ("Sat, 21 Nov 2026 10:20:30 GMT", True),
        ("Sat, 21 Nov 2026 10:20:31 GMT", False),
        ("Sat, 21 Nov 2026 10:20:29 GMT", False),
    ],
)
def test_if_range_holds_only_for_exactly_these_bytes(header, holds):
    assert if_range_holds(header, etag=ETAG, last_modified=MODIFIED) is holds
