"""Trees as plain bytes: the content of a folder, and the expected content of its archive."""

# Names are bytes here, which pathlib does not take:
# ruff: noqa: PTH118

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from demo import comparison
from tests.chaos.mounts import mount_points
from tests.chaos.user import USER, rights
from trees.paths import RESERVED_FOLDER

SPECIAL = "special"
"""The kind of an entry that no backup includes: a FIFO or a socket."""
VANISHED = "vanished"
"""The kind of an entry that vanished before a backup read it."""
CLOSED, LISTED, MOUNTED, PLACE = "closed", "listed", "mounted", "place"
"""Reasons why the sidecar is limited: the user cannot read the entry, so no backup includes it; cannot reach its
content; it is a mount point that the user cannot write into; it is a mount point that the user can write into.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One path.

    `content` is the digest of a file's bytes or a symlink's target, `twin` the first of the paths with its inode, `bar`
    the reason why the sidecar is limited, `sparse` says that a file has holes.
    """

    kind: str
    mode: int
    mtime_ns: int
    content: bytes = b""
    size: int = 0
    twin: bytes = b""
    bar: str = ""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    sparse: bool = False


Tree = dict[bytes, Entry]

BLOCK = 512
HOLE_LEAST = 1 << 20
"""A file whose blocks lack at least so many bytes counts as sparse: a file system may allocate some more."""

NEVER: Tree = {b"": Entry("nothing", 0, 0)}
"""A tree that no folder has: the expected result of a restore that must not succeed."""


def tree_read(root: Path) -> Tree:
    """Everything below `root` but the folders that are the sidecar's own: one where a volume may begin."""
    top = len(os.fsencode(root)) + 1
    mounted = {path[top:] for path in mount_points(root)}
    reserved = {RESERVED_FOLDER, *(path + b"/" + RESERVED_FOLDER for path in mounted)}
    found = _entries(comparison.tree_read(root, without=reserved))
    statuses = {path: os.lstat(os.path.join(os.fsencode(root), path)) for path in found}
    return {
        path: replace(entry, bar=_bar(statuses[path], is_mounted=path in mounted), sparse=_is_sparse(statuses[path]))
        for path, entry in found.items()
    }


def _entries(tree: comparison.Tree) -> Tree:
    return {
        path: Entry(entry.kind, entry.mode, entry.mtime_ns, entry.content, entry.size, entry.first, xattrs=entry.xattrs)
        for path, entry in tree.items()
    }


def _bar(status: os.stat_result, *, is_mounted: bool = False) -> str:
    is_folder, allowed = stat.S_ISDIR(status.st_mode), rights(status)
    if (is_folder or stat.S_ISREG(status.st_mode)) and not allowed & os.R_OK:
        return CLOSED
    if is_folder and not allowed & os.X_OK:
        return LISTED
    if is_mounted:
        return PLACE if is_folder and allowed & os.W_OK else MOUNTED
    return ""


def _is_sparse(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_blocks * BLOCK < status.st_size - HOLE_LEAST


def paths_of(root: Path) -> list[bytes]:
    """Every path below a folder, in order."""
    return sorted(_walk(os.fsencode(root), {os.fsencode(root), *mount_points(root)}))


def frozen_paths(root: Path) -> list[bytes]:
    """Readable folders of other users below a folder: no name in them can be changed."""
    statuses = [(path, os.lstat(path)) for path in paths_of(root)]
    return [
        path
        for path, status in statuses
        if stat.S_ISDIR(status.st_mode) and status.st_uid != USER and not _bar(status) and not rights(status) & os.W_OK
    ]


def mixture_check(found: Tree, before: Tree, after: Tree, *, xattrs: bool) -> str:
    """The first path that is neither as before nor as after, in words; empty when there is none.

    A backup of a tree that changed meanwhile is such a mixture. Times of folders and shared inodes may match neither.
    """
    trees = [_compared(tree, overlay=True, xattrs=xattrs) for tree in (before, after)]
    for path, entry in _compared(found, overlay=True, xattrs=xattrs).items():
        if entry not in [tree.get(path) for tree in trees]:
            return f"{path[-40:]!r}: {_told(entry)} / {_told(before.get(path))} / {_told(after.get(path))}"
    return ""


def _walk(folder: bytes, tops: set[bytes]) -> Iterable[bytes]:
    """Every path below a folder; in a folder that may begin a volume, the sidecar has a reserved folder."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not (folder in tops and entry.name == RESERVED_FOLDER)]
    except PermissionError:
        # Only root is known to see everything.
        return
    for entry in found:
        yield entry.path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, tops)


def tree_unpack(archive: bytes) -> Tree:
    """The entries of an archive, by the standard library's reader."""
    return _entries(comparison.archive_read(io.BytesIO(archive)))


def tree_stored(tree: Tree) -> Tree:
    """The entries of a live tree that a backup can hold."""
    return {path: entry for path, entry in tree.items() if not _is_left_out(entry) and not _barred_above(tree, path)}


def tree_told(tree: Tree) -> set[bytes]:
    """The paths that a live tree's backup reports as left out, but none below another one: those are never seen."""
    left_out = tree.keys() - tree_stored(tree).keys()
    return {path for path in left_out if path.rpartition(b"/")[0] not in left_out}


def _is_left_out(entry: Entry) -> bool:
    return entry.kind in (SPECIAL, VANISHED) or entry.bar == CLOSED


def _barred_above(tree: Tree, path: bytes) -> bool:
    while path := path.rpartition(b"/")[0]:
        if tree[path].bar in (CLOSED, LISTED):
            return True
    return False


def alike(one: Tree, other: Tree, *, overlay: bool = False, xattrs: bool = True) -> bool:
    """Whether two trees are equal; after an overlay, times of folders and shared inodes do not count.

    xattrs: whether attributes count; archives have none.
    """
    return _compared(one, overlay=overlay, xattrs=xattrs) == _compared(other, overlay=overlay, xattrs=xattrs)


def holes_lost(found: Tree, expected: Tree) -> list[bytes]:
    """The sparse files of a tree that are not sparse in another one."""
    return [path for path, entry in found.items() if expected[path].sparse and not entry.sparse]


def difference(one: Tree, other: Tree) -> str:
    """The first paths that differ, in words."""
    differing = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return "; ".join(f"{path[-40:]!r}: {_told(one.get(path))} / {_told(other.get(path))}" for path in differing[:6])


def _told(entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    content = f"{entry.size} bytes {entry.content[:8]!r} of {entry.twin[-20:]!r} {entry.xattrs}"
    return f"{entry.kind} {entry.mode:o} {entry.mtime_ns} {content}"


def within(path: bytes, top: bytes) -> bool:
    """Whether a path equals another one or lies below it."""
    return path == top or path.startswith(top + b"/")


def _compared(tree: Tree, *, overlay: bool, xattrs: bool) -> Tree:
    plain = {
        path: replace(entry, bar="", sparse=False, xattrs=entry.xattrs if xattrs else ())
        for path, entry in tree.items()
    }
    if not overlay:
        return _twins_named(plain)
    return {
        path: replace(entry, twin=b"", mtime_ns=0 if entry.kind == "folder" else entry.mtime_ns)
        for path, entry in plain.items()
    }


def _twins_named(tree: Tree) -> Tree:
    """The tree with each group of hard links named by its smallest path."""
    groups: dict[bytes, bytes] = {}
    for path, entry in sorted(tree.items()):
        if entry.kind == "file":
            groups.setdefault(entry.twin, path)
    return {path: replace(entry, twin=groups.get(entry.twin, b"")) for path, entry in tree.items()}
