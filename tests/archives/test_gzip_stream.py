import gzip
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archives.gzip_stream import GzipStream
from sidecar.archive.ring import BUFFER_BYTES
from tests.sidecar_archive.trees import noise

TEXT = b"[12:00:01] [Server thread/INFO]: Alex joined the game\n" * 4000
SECTOR = noise(3000) + bytes(1096)

SEGMENT = st.one_of(
    st.builds(noise, st.integers(0, 70_000), st.integers(0, 3)),
    st.builds(bytes, st.integers(0, 70_000)),
    st.integers(0, len(TEXT)).map(lambda size: TEXT[:size]),
)


def compress(data: bytes, block_bytes: int = BUFFER_BYTES) -> bytes:
    """Compress bytes through one reused buffer, as packing does."""
    stream = GzipStream()
    buffer = bytearray(noise(block_bytes, seed=9))
    parts = []
    for start in range(0, len(data), block_bytes):
        block = data[start : start + block_bytes]
        buffer[: len(block)] = block
        parts.append(stream.compress(buffer, len(block)))
    return b"".join([*parts, stream.finish()])


@given(st.lists(SEGMENT, max_size=8).map(b"".join), st.integers(1000, 100_000))
@example(b"", 1000)
@example(noise(65_535), 65_535)
@example(noise(65_536) + bytes(255), 100_000)
@example(noise(2 * 65_535 + 1) + bytes(256) + noise(1), 200_000)
@example((noise(300) + bytes(256)) * 100, 55_600)
def test_any_mixture_of_noise_zeros_and_text_comes_back(data: bytes, block_bytes: int) -> None:
    assert gzip.decompress(compress(data, block_bytes)) == data


@pytest.mark.parametrize("data", [b"", TEXT, noise(3_000_000), SECTOR * 600 + TEXT * 3 + bytes(2_000_000)])
def test_gzip_itself_accepts_the_stream(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "stream.gz"
    file.write_bytes(compress(data))
    done = subprocess.run(["gzip", "--test", "--verbose", file], check=False, capture_output=True)
    assert done.returncode == 0
    assert subprocess.run(["gzip", "-dc", file], check=True, capture_output=True).stdout == data


def test_noise_grows_by_less_than_a_thousandth() -> None:
    assert len(compress(noise(5_000_000))) < 5_005_000


def test_the_zeros_that_fill_sectors_of_noise_are_saved() -> None:
    data = b"".join(noise(3000, seed) + bytes(1096) for seed in range(512))
    assert len(compress(data)) < len(data) * 3200 / 4096


def test_noise_between_zeros_is_stored_as_it_is() -> None:
    data = b"".join(noise(3000, seed) + bytes(1096) for seed in range(256))
    assert noise(3000, 17) in compress(data)


def test_compressible_data_is_compressed_even_after_noise() -> None:
    assert len(compress(noise(BUFFER_BYTES) + TEXT * 20)) < BUFFER_BYTES + len(TEXT)


def test_zeros_alone_take_a_thousandth_of_their_room() -> None:
    assert len(compress(bytes(8 * BUFFER_BYTES))) < 10_000
