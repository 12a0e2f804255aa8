"""An archive that is truncated or flipped anywhere is refused, and nothing live is touched."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pytest
import zstandard

from archives.zstd_stream import zstd_frame
from demo.comparison import Tree
from sidecar.errors import ArchiveDamaged, SourceFailed
from tests.sidecar_restore.archives import END, compressed, header, member, pax
from tests.sidecar_restore.conftest import Extract
from tests.sidecar_restore.trees import live, settle, write

TAR = (
    member(b"world", kind=b"5")
    + pax({b"mtime": b"1600000000.5"})
    + member(b"world/level.dat", bytes(range(256)) * 5)
    + member(b"world/link", kind=b"2", link=b"level.dat")
    + END
)


@pytest.fixture
def before(root: Path) -> Tree:
    write(root / "world" / "level.dat", b"old")
    write(root / "extra", b"old")
    settle(root)
    return live(root)


@pytest.mark.parametrize("blocks", range(len(TAR) // 512 - 1))
def test_a_tar_cut_at_any_block_is_damaged(
    place: Path, root: Path, extract: Extract, before: Tree, blocks: int
) -> None:
    archive = place / "a.tar.gz"
    archive.write_bytes(gzip.compress(TAR[: blocks * 512]))

    with pytest.raises(ArchiveDamaged):
        extract(archive)

    assert live(root) == before
    assert not (root / ".savepoint").exists()


PACKED = {
    "gzip": gzip.compress(TAR),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress(TAR),
    "zstd of several frames": zstd_frame(memoryview(TAR)[:1000]) + zstd_frame(memoryview(TAR)[1000:]),
}


@pytest.mark.parametrize("name", PACKED)
def test_an_archive_cut_at_any_byte_is_damaged(
    name: str, place: Path, root: Path, extract: Extract, before: Tree
) -> None:
    archive, whole = place / "a.tar.gz", PACKED[name]
    for size in range(len(whole)):
        archive.write_bytes(whole[:size])
        with pytest.raises(ArchiveDamaged):
            extract(archive)

    assert live(root) == before


@pytest.mark.parametrize("name", PACKED)
def test_any_flipped_bit_is_refused_or_changes_nothing_that_is_restored(
    name: str, place: Path, root: Path, extract: Extract, before: Tree
) -> None:
    archive, whole, refused, restored = place / "a.tar.gz", PACKED[name], 0, set()
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        archive.write_bytes(flipped)
        target = root if meant(flipped) is None else place / f"flipped {bit}"
        target.mkdir(exist_ok=True)
        try:
            extract(archive, root=target)
        except ArchiveDamaged:
            refused += 1
        else:
            restored.add(repr(live(target)))

    assert live(root) == before
    assert refused > len(whole) * 8 * 0.95
    assert len(restored) <= 1, "bits of the compression's own header, or two spellings of one content"
    assert all("level.dat" in found for found in restored)


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize(
    "tail",
    [b"garbage", b"\0garbage", b"\x1f\x8b", b"\x28\xb5", gzip.compress(b"more"), zstd_frame(memoryview(b"more"))],
)
def test_anything_behind_the_archive_is_damage(
    name: str, place: Path, root: Path, extract: Extract, before: Tree, tail: bytes
) -> None:
    archive = place / "a.tar.gz"
    archive.write_bytes(PACKED[name] + tail)

    with pytest.raises(ArchiveDamaged):
        extract(archive)

    assert live(root) == before


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param(b"", id="nothing at all"),
        pytest.param(b"not a tar".ljust(512, b".") + END, id="no tar"),
        pytest.param(pax({b"path": b"a"}) + END, id="an extended header for nobody"),
        pytest.param(member(b"pax", b"12 path=ab", b"x") + member(b"a") + END, id="a pax record without newline"),
        pytest.param(member(b"pax", b"xx path=a\n", b"x") + member(b"a") + END, id="a pax record without length"),
        pytest.param(member(b"pax", b"99 path=a\n", b"x") + member(b"a") + END, id="a pax record too long"),
        pytest.param(member(b"pax", b"0 a=b\n", b"x") + member(b"a") + END, id="a pax record of no length"),
        pytest.param(pax({b"size": b"0x10"}) + member(b"a") + END, id="a size that is no number"),
        pytest.param(pax({b"size": b"-1"}) + member(b"a") + END, id="a size below zero"),
        pytest.param(pax({b"mtime": b"now"}) + member(b"a") + END, id="a time that is no number"),
        pytest.param(header(b"a", size_field=b"0000000008\0\0") + END, id="a number that is not octal"),
        pytest.param(header(b"a", size=9999) + END, id="content shorter than its size"),
    ],
)
def test_a_malformed_archive_is_damaged(place: Path, root: Path, extract: Extract, before: Tree, blocks: bytes) -> None:
    archive = place / "a.tar.gz"
    archive.write_bytes(gzip.compress(blocks))

    with pytest.raises(ArchiveDamaged):
        extract(archive)

    assert live(root) == before


def test_a_checksum_of_signed_bytes_as_some_old_tars_wrote_it_is_right_too(
    place: Path, root: Path, extract: Extract
) -> None:
    block = bytearray(header(b"caf\xe9"))
    unsigned = int(block[148:154], 8)
    block[148:156] = b"%06o\0 " % (unsigned - 256)

    extract(compressed(place / "a.tar.gz", bytes(block)))

    assert list(live(root)) == [b"caf\xe9"]


def test_an_archive_that_is_not_there_is_a_failed_source(place: Path, root: Path, extract: Extract) -> None:
    with pytest.raises(SourceFailed):
        extract(place / "no.tar.gz")

    assert not (root / ".savepoint").exists()


def meant(packed: bytes | bytearray) -> bytes | None:
    """Another reader's result for a compressed file, None when it fails."""
    try:
        if packed[:2] == b"\x1f\x8b":
            return gzip.decompress(packed)
        return zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True).read()
    except (OSError, EOFError, zlib.error, zstandard.ZstdError):
        return None
