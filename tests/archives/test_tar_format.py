import io
import tarfile
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archives.tar_format import (
    BLOCK_BYTES,
    DIRECTORY,
    END_OF_ARCHIVE,
    HARD_LINK,
    REGULAR,
    SYMBOLIC_LINK,
    TarMember,
    member_header,
    padding_bytes,
)

COMPONENT = st.binary(min_size=1, max_size=255).map(lambda raw: raw.replace(b"\0", b"0").replace(b"/", b"|"))
PATH = st.lists(COMPONENT, min_size=1, max_size=6).map(b"/".join)
MEMBER = st.builds(
    TarMember,
    path=PATH,
    type=st.sampled_from([REGULAR, DIRECTORY, SYMBOLIC_LINK, HARD_LINK]),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 2),
    gid=st.integers(0, 2**32 - 2),
    mtime_ns=st.integers(-(2**63), 2**66),
).flatmap(
    lambda member: st.builds(
        member._replace,
        size=st.integers(0, 2**63 - 1) if member.type == REGULAR else st.just(0),
        link=PATH if member.type in {SYMBOLIC_LINK, HARD_LINK} else st.just(b""),
    )
)


def read_back(header: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(header), encoding="utf-8", errors="surrogateescape") as tar:
        member = tar.firstmember
        assert member is not None
        assert member.offset_data == len(header)
        return member


def plain(path: bytes, kind: bytes = REGULAR, **fields: int) -> TarMember:
    numbers = {"mode": 0o644, "uid": 0, "gid": 0, "mtime_ns": 0, **fields}
    return TarMember(path=path, type=kind, **numbers)


@given(MEMBER)
@example(plain(b"p" * 155 + b"/" + b"n" * 100))
@example(plain(b"p" * 155 + b"/" + b"n" * 99, DIRECTORY))
@example(plain(b"n" * 100, DIRECTORY))
@example(plain(b"n" * 989))
@example(plain(b"n" * 990))
@example(plain(b"\xff\nsize=3/-x"))
@example(plain(b"f", mtime_ns=-1))
@example(plain(b"f", mtime_ns=-1_500_000_000))
def test_the_standard_library_reads_every_field_of_any_header(member: TarMember) -> None:
    read = read_back(member_header(member))
    assert read.name.encode("utf-8", "surrogateescape") == member.path
    assert read.linkname.encode("utf-8", "surrogateescape") == member.link
    assert (read.type, read.mode, read.uid, read.gid) == (member.type, member.mode, member.uid, member.gid)
    assert read.size == member.size
    assert Decimal(read.pax_headers.get("mtime", read.mtime)) * 1_000_000_000 == member.mtime_ns


@pytest.mark.parametrize(
    "member",
    [
        plain(b"n" * 100),
        plain(b"n" * 99, DIRECTORY),
        plain(b"p" * 155 + b"/" + b"n" * 100),
        plain(b"f", uid=2097151, gid=2097151, size=8 * 1024**3 - 1),
        plain(b"f", mtime_ns=8589934591 * 10**9),
    ],
)
def test_member_that_fits_a_header_takes_one_block(member: TarMember) -> None:
    assert len(member_header(member)) == BLOCK_BYTES


@pytest.mark.parametrize(
    "member",
    [
        plain(b"n" * 101),
        plain(b"p" * 156 + b"/" + b"n"),
        plain(b"f", uid=2097152),
        plain(b"f", size=8 * 1024**3),
        plain(b"f", mtime_ns=1),
        plain(b"f", mtime_ns=8589934592 * 10**9),
        plain(b"f", mtime_ns=-(10**9)),
    ],
)
def test_oversized_field_comes_in_two_blocks_before_the_header(member: TarMember) -> None:
    assert len(member_header(member)) == 3 * BLOCK_BYTES


def test_contents_and_the_end_fill_whole_blocks() -> None:
    assert [padding_bytes(size) for size in (0, 1, 511, 512, 513)] == [0, 511, 1, 0, 511]
    assert bytes(1024) == END_OF_ARCHIVE
