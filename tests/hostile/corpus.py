"""Hostile archives, each with the code with which its restore must fail."""

from __future__ import annotations

import gzip
import io
import tarfile
from random import Random

from tests.sidecar_restore.archives import END, header, member, pax
from tests.sidecar_restore.test_refusals import HOSTILE

REFUSED, DAMAGED = "archive_refused", "archive_damaged"
FIRST = member(b"world/level.dat", b"new")
"""The beginning of each archive; it would be visible if the archive were not refused as a whole."""
OUT = member(b"way", kind=b"2", link=b"../outside")
NOISE = Random(1).randbytes(1 << 20)  # noqa: S311 - the same in every run
"""Incompressible data, so that only the number of bytes can stop a bomb of it."""


def packed(*parts: bytes, end: bytes = END) -> bytes:
    return gzip.compress(FIRST + b"".join(parts) + end, 1)


WHOLE = packed(member(b"world/other", bytes(range(256)) * 40))


def flipped(archive: bytes, at: int) -> bytes:
    changed = bytearray(archive)
    changed[at] ^= 1
    return bytes(changed)


def library_packed() -> bytes:
    """The standard library's archive of a symlink out of the root, and a file through it."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
        for name, kind, link in (("a", tarfile.SYMTYPE, "../outside"), ("a/b", tarfile.REGTYPE, "")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, link
            tar.addfile(entry)
    return target.getvalue()


BOMBS = {
    "a bomb of bytes": packed(member(b"a", NOISE * 26)),
    "a bomb of zeros, one sparse file": packed(member(b"a", bytes(30 << 20))),
    "a bomb of bytes in many files": packed(*(member(b"%d" % n, b"bomb" * (1 << 18)) for n in range(26))),
    "a bomb of entries": packed(*(member(b"f%d" % n) for n in range(2100))),
    "a bomb of extended headers": packed(*([pax({b"a": b"b"}, b"g")] * 2100)),
    "a bomb of depth": packed(member(b"/".join([b"d"] * 45), b"x")),
    "a bomb of holes": packed(
        pax({b"GNU.sparse.size": b"%d" % (30 << 20), b"GNU.sparse.map": b"0,1"}), member(b"a", b"x")
    ),
    "a bomb of records": packed(*[pax({b"k%d" % n: b"" for n in range(60_000)})] * 3, member(b"a")),
    "a bomb by ratio": packed(member(b"a", b"b" * (8 << 20))),
}

DAMAGES = {
    "nothing at all": b"",
    "no gzip": b"not an archive" * 100,
    "a gzip of nothing": gzip.compress(b""),
    "a cut in the middle": WHOLE[: len(WHOLE) // 2],
    "a cut in the trailer": WHOLE[:-3],
    "a flipped bit in the data": flipped(WHOLE, len(WHOLE) // 2),
    "a flipped bit in the checksum": flipped(WHOLE, -6),
    "garbage behind the end": WHOLE + b"garbage",
    "an evil archive's beginning behind the first": WHOLE + packed(member(b"evil", b"x"))[:-20],
    "no end": packed(end=b""),
    "a tar that ends too early": gzip.compress(FIRST + header(b"a", size=99)),
    "a checksum that is wrong": packed(flipped(member(b"a", b"x"), 3)),
    "a size by pax that is not there": packed(pax({b"size": b"9999999"}), member(b"a", b"x")),
}

MORE = {
    "a file through a symlink, by the standard library": library_packed(),
    "a symlink that becomes a folder": packed(OUT, member(b"way/", kind=b"5"), member(b"way/evil", b"x")),
    "a symlink in disguise": packed(OUT, member(b"./way/./evil", b"x")),
    "a symlink by another name": packed(OUT, member(b"two", kind=b"2", link=b"way"), member(b"two/evil", b"x")),
    "a path by pax over a good name": packed(pax({b"path": b"way/../../outside/evil"}), member(b"good", b"x")),
    "a link by pax over a good target": packed(
        member(b"a"), pax({b"linkpath": b"../outside/precious"}), member(b"hard", kind=b"1", link=b"a")
    ),
    "a hard link to a symlink that comes later": packed(member(b"hard", kind=b"1", link=b"way"), OUT),
}

CORPUS: dict[str, tuple[bytes, str]] = {
    **{name: (packed(*parts), REFUSED) for name, parts in HOSTILE.items()},
    **{name: (archive, REFUSED) for name, archive in (MORE | BOMBS).items()},
    **{name: (archive, DAMAGED) for name, archive in DAMAGES.items()},
}

STRIPPED = {
    "setuid": member(b"tool", b"x", mode=0o4755),
    "setgid": member(b"tool", b"x", mode=0o2755),
}
"""Archives that are harmless once these bits are removed."""
