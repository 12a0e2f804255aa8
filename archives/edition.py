"""The edition of an archive's bytes."""

import hashlib
import zlib
from functools import cache
from typing import Final

import zstandard

from archives.deflate import deflate
from archives.formats import ArchiveFormat
from archives.zstd_stream import zstd_frame

VERSION: Final = 3
"""Changes whenever this package writes other bytes for the same files."""

_SAMPLE_ROUNDS: Final = 4000


@cache
def edition(format_: ArchiveFormat) -> str:
    """Properties besides its files that decide an archive's bytes: two machines of one edition write the same bytes.

    Compression libraries promise this for one version only, and may choose their code by the processor. So the edition
    has the version of this package and of the library, and a hash of a sample that was compressed here.
    """
    if format_ is ArchiveFormat.TAR_ZST:
        library = "zstd-" + ".".join(map(str, zstandard.ZSTD_VERSION))
        compressed = zstd_frame(memoryview(_sample()))
    else:
        library = f"zlib-{zlib.ZLIB_RUNTIME_VERSION}"
        sample = _sample()
        compressed = b"".join(deflate(sample, 0, stop, alike=True) for stop in (len(sample), len(sample) // 2))
    return f"{VERSION}/{library}/{hashlib.sha256(compressed).hexdigest()[:16]}"


def _sample() -> bytearray:
    """Text, then noise, then zeros."""
    noise = [hashlib.sha256(b"%d" % number).digest() for number in range(_SAMPLE_ROUNDS)]
    text = [b"[%06d] <player %d> said %.4b\n" % (number, number % 7, found) for number, found in enumerate(noise)]
    return bytearray(b"".join([*text, *noise, bytes(1 << 16)]))
