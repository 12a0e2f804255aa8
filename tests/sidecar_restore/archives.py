"""Archives for tests: valid ones by Python's `tarfile` or GNU tar, others block by block."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

END = bytes(1024)


def pack(source: Path, target: Path, *, tar_format: int = tarfile.PAX_FORMAT) -> Path:
    """Pack a tree with Python's tarfile, with names relative to the tree."""
    with tarfile.open(target, "w:gz", format=tar_format, compresslevel=1) as tar:
        for child in sorted(source.iterdir()):
            tar.add(child, arcname=child.name)
    return target


def gnu_pack(source: Path, target: Path, tar_format: str, *options: str) -> Path:
    """Pack a tree with GNU tar, with names that begin with `./`."""
    program = shutil.which("tar")
    if program is None:
        pytest.skip("GNU tar is not installed")
    subprocess.run(
        [program, f"--format={tar_format}", *options, "-czf", target, "-C", source, "."],
        check=True,
        capture_output=True,
    )
    return target


def header(
    name: bytes,
    kind: bytes = b"0",
    *,
    size: int = 0,
    link: bytes = b"",
    mode: int = 0o644,
    magic: bytes = b"ustar\x0000",
    size_field: bytes | None = None,
    mtime_field: bytes = b"13727410000\0",
    owner: int = 0,
) -> bytes:
    """One ustar block with a correct checksum."""
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:108] = b"%07o\0" % mode
    block[108:116] = block[116:124] = b"%07o\0" % owner
    block[124:136] = size_field or b"%011o\0" % size
    block[136:148] = mtime_field
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[157 : 157 + len(link)] = link
    block[257:265] = magic
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(name: bytes, content: bytes = b"", kind: bytes = b"0", **fields: object) -> bytes:
    """A header and its padded content."""
    fields.setdefault("mode", 0o755 if kind == b"5" else 0o644)
    return header(name, kind, size=len(content), **fields) + content + bytes(-len(content) % 512)  # type: ignore[arg-type]


def pax(records: dict[bytes, bytes], kind: bytes = b"x") -> bytes:
    """An extended header with these records."""
    lines = []
    for key, value in records.items():
        size = len(key) + len(value) + 3
        size += len(str(size + len(str(size))))
        lines.append(b"%d %s=%s\n" % (size, key, value))
    return member(b"pax", b"".join(lines), kind)


def compressed(target: Path, *parts: bytes, end: bytes = END) -> Path:
    """Write blocks and the end of the archive as a gzip file."""
    target.write_bytes(gzip.compress(b"".join(parts) + end, 1))
    return target
