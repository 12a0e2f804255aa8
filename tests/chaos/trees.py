"""Trees as plain bytes: what a folder holds, what an archive holds, what a restore must make of both."""

# Names are bytes here, which pathlib does not take:
# ruff: noqa: PTH115, PTH123

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

RESERVED = b".savepoint"
SPECIAL = "special"
"""The kind of an entry that no backup takes: a FIFO or a socket."""
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One path. `content` is a file's bytes or a symlink's target; `twin` the first of the paths with its inode."""

    kind: str
    mode: int
    mtime_ns: int
    content: bytes = b""
    twin: bytes = b""


Tree = dict[bytes, Entry]

NEVER: Tree = {b"": Entry("nothing", 0, 0)}
"""A tree that no folder has: a restore that must not succeed comes to this."""


def tree_read(root: Path) -> Tree:
    """Everything below `root` but the sidecar's own folder."""
    found: Tree = {}
    inodes: dict[tuple[int, int], bytes] = {}
    for path in sorted(_walk(os.fsencode(root))):
        name = path[len(os.fsencode(root)) + 1 :]
        status = os.lstat(path)
        entry = Entry("folder", stat.S_IMODE(status.st_mode), status.st_mtime_ns)
        if stat.S_ISLNK(status.st_mode):
            entry = replace(entry, kind="link", content=os.readlink(path))
        elif stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode):
            entry = replace(entry, kind=SPECIAL)
        elif stat.S_ISREG(status.st_mode):
            with open(path, "rb") as file:
                twin = inodes.setdefault((status.st_dev, status.st_ino), name)
                entry = replace(entry, kind="file", content=file.read(), twin=twin)
        found[name] = entry
    return found


def paths_of(root: Path) -> list[bytes]:
    """Every path below a folder, in order."""
    return sorted(_walk(os.fsencode(root)))


def mixture_check(found: Tree, before: Tree, after: Tree) -> str:
    """The first path that is neither as it was before nor as it was after, for a person; empty when there is none.

    So is a backup of a tree that changed meanwhile. Times of folders and who shares an inode may be of neither.
    """
    for path, entry in _compared(found, overlay=True).items():
        if entry not in [_compared(tree, overlay=True).get(path) for tree in (before, after)]:
            return f"{path[-40:]!r}: {_told(entry)} / {_told(before.get(path))} / {_told(after.get(path))}"
    return ""


def _walk(folder: bytes, *, top: bool = True) -> Iterable[bytes]:
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if not (top and entry.name == RESERVED)]
    for entry in found:
        yield entry.path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, top=False)


def tree_unpack(archive: bytes) -> Tree:
    """What the standard library's reader finds in an archive."""
    found: Tree = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz", errors="surrogateescape", encoding="utf-8") as tar:
        for member in tar:
            name = os.fsencode(member.name)
            entry = Entry("folder", member.mode & 0o7777, _mtime_ns(member))
            if member.issym():
                entry = replace(entry, kind="link", content=os.fsencode(member.linkname))
            elif member.islnk():
                entry = found[os.fsencode(member.linkname)]
            elif member.isreg():
                content = tar.extractfile(member)
                assert content is not None
                entry = replace(entry, kind="file", content=content.read(), twin=name)
            found[name] = entry
    return {name: entry for name, entry in found.items() if name not in (b".", b"")}


def _mtime_ns(member: tarfile.TarInfo) -> int:
    # The library's own number is a float, which has no room for nanoseconds.
    told = member.pax_headers.get("mtime")
    return int(Decimal(told) * NANOSECONDS) if told else int(member.mtime) * NANOSECONDS


def tree_stored(tree: Tree) -> Tree:
    """The entries of a live tree that a backup can hold."""
    return {path: entry for path, entry in tree.items() if entry.kind != SPECIAL}


def tree_restored(live: Tree, backup: Tree, frozen: set[bytes], *, overlay: bool) -> tuple[Tree, bool]:
    """The tree after a restore, and whether something stays that the backup does not have in its place.

    Special files stay, and so does a live path where the backup had left one out; a folder stays with what it holds.
    `frozen`: paths that are immutable; they stay, and so does every name in such a folder.
    """
    restoring = _Restored(live, backup, frozen, overlay=overlay)
    restoring.merge(b"")
    return restoring.after, restoring.stays


class _Restored:
    def __init__(self, live: Tree, backup: Tree, frozen: set[bytes], *, overlay: bool) -> None:
        self._frozen = frozen
        self._live, self._backup, self._overlay = live, tree_stored(backup), overlay
        self._left_out = backup.keys() - self._backup.keys()
        self.after: Tree = {}
        self.stays = False

    def merge(self, folder: bytes) -> None:
        """A folder that both sides have."""
        for path in _children(self._backup, folder):
            ours, live = self._backup[path], self._live.get(path)
            if live is not None and ours.kind == live.kind == "folder" and path not in self._left_out:
                self.after[path] = ours
                self.merge(path)
            elif live is None and folder in self._frozen:
                self.stays = True
            elif live is not None and not self._is_kept(path) and (self._stays(path) or self._holds(path)):
                self._keep(path)
            else:
                self.after |= _subtree(self._backup, path)
        for path in _children(self._live, folder):
            if path not in self._backup:
                self._extra(path)

    def _extra(self, path: bytes) -> None:
        if self._overlay:
            self.after |= _subtree(self._live, path)
        elif self._stays(path):
            self._keep(path)
        elif self._holds(path):
            self.stays = True
            self.after[path] = self._live[path]
            for child in _children(self._live, path):
                self._extra(child)

    def _keep(self, path: bytes) -> None:
        self.stays = True
        self.after |= _subtree(self._live, path)

    def _stays(self, path: bytes) -> bool:
        frozen = path in self._frozen or path.rpartition(b"/")[0] in self._frozen
        return frozen or self._live[path].kind == SPECIAL or path in self._left_out

    def _is_kept(self, path: bytes) -> bool:
        """Whether a live file has its content already, and can be given the rest where it is."""
        ours, live = self._backup[path], self._live[path]
        if not ours.kind == live.kind == "file" or ours.content != live.content:
            return False
        shared = any(
            entry.twin == tree[path].twin and name != path
            for tree in (self._live, self._backup)
            for name, entry in tree.items()
        )
        as_is = (ours.mode, ours.mtime_ns) == (live.mode, live.mtime_ns)
        return not shared and (as_is or path not in self._frozen)

    def _holds(self, path: bytes) -> bool:
        return any(self._stays(name) for name in _subtree(self._live, path))


def _children(tree: Tree, folder: bytes) -> list[bytes]:
    return sorted(path for path in tree if path.rpartition(b"/")[0] == folder)


def _subtree(tree: Tree, top: bytes) -> Tree:
    return {path: entry for path, entry in tree.items() if path == top or path.startswith(top + b"/")}


def alike(one: Tree, other: Tree, *, overlay: bool = False) -> bool:
    """Whether two trees are the same; after an overlay but for the times of folders and for who shares an inode."""
    return _compared(one, overlay=overlay) == _compared(other, overlay=overlay)


def difference(one: Tree, other: Tree) -> str:
    """The first paths that are not alike, for a person."""
    differing = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return "; ".join(f"{path[-40:]!r}: {_told(one.get(path))} / {_told(other.get(path))}" for path in differing[:6])


def _told(entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    content = f"{len(entry.content)} bytes {entry.content[:8]!r} of {entry.twin[-20:]!r}"
    return f"{entry.kind} {entry.mode:o} {entry.mtime_ns} {content}"


def _compared(tree: Tree, *, overlay: bool) -> Tree:
    if not overlay:
        return _twins_named(tree)
    return {
        path: replace(entry, twin=b"", mtime_ns=0 if entry.kind == "folder" else entry.mtime_ns)
        for path, entry in tree.items()
    }


def _twins_named(tree: Tree) -> Tree:
    """The same with each group of hard links named by its smallest path, however it was found."""
    groups: dict[bytes, bytes] = {}
    for path, entry in sorted(tree.items()):
        if entry.kind == "file":
            groups.setdefault(entry.twin, path)
    return {path: replace(entry, twin=groups.get(entry.twin, b"")) for path, entry in tree.items()}
