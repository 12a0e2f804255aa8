"""Byte-for-byte comparison of two folders: a restore must be right before its time counts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

PIECE_BYTES = 1 << 20
DIFFERENCES_SHOWN = 20


def trees_differ(expected: Path, found: Path, *, exactly: bool, extra: bool = False) -> list[str]:
    """How `found` is not `expected`, at most 20 sentences: names, types, bytes, where links point.

    `exactly` also compares modes, owners, times to the ns and which names are one file; `extra` allows more names.
    """
    wanted, there = dict(_tree(expected)), dict(_tree(found))
    differences = [f"{path}: is missing" for path in wanted.keys() - there.keys()]
    if not extra:
        differences += [f"{path}: should not be there" for path in there.keys() - wanted.keys()]
    first_names: dict[int, str] = {}
    found_names: dict[int, str] = {}
    for path in sorted(wanted.keys() & there.keys()):
        one, other = wanted[path], there[path]
        if not _same(expected / path, one, found / path, other):
            differences.append(f"{path}: has other content")
        if exactly and _status(one) != _status(other) and not stat.S_ISLNK(one.st_mode):
            differences.append(f"{path}: is {_status(other)}, was {_status(one)}")
        if exactly and first_names.setdefault(one.st_ino, path) != found_names.setdefault(other.st_ino, path):
            differences.append(f"{path}: is linked to other names")
        if len(differences) >= DIFFERENCES_SHOWN:
            break
    return differences[:DIFFERENCES_SHOWN]


def _tree(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(folder, name)  # noqa: PTH118  # many of them
            yield os.path.relpath(path, root), os.lstat(path)


def _status(status: os.stat_result) -> tuple[int, int, int, int]:
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns


def _same(path: Path, status: os.stat_result, other_path: Path, other: os.stat_result) -> bool:
    if stat.S_IFMT(status.st_mode) != stat.S_IFMT(other.st_mode):
        return False
    if stat.S_ISLNK(status.st_mode):
        return path.readlink() == other_path.readlink()
    return not stat.S_ISREG(status.st_mode) or (status.st_size == other.st_size and _same_bytes(path, other_path))


def _same_bytes(path: Path, other_path: Path) -> bool:
    with path.open("rb", buffering=0) as file, other_path.open("rb", buffering=0) as other:
        while True:
            piece = file.read(PIECE_BYTES)
            if piece != other.read(PIECE_BYTES):
                return False
            if not piece:
                return True
